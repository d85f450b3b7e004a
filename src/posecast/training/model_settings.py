"""Which model a run starts from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Relearnt = Literal["scheduler", "conditions", "shared_noise", "code_overlaps", "keyed_by"]
RELEARNT: tuple[Relearnt, ...] = get_args(Relearnt)
"""What weights were trained with, of a model's settings."""


@dataclass(frozen=True)
class ModelSettings:
    """Which model a run starts from, the most specific first.

    `init`: a model folder whose weights are taken, with what they were trained with (parts that it
    lacks are new, of the preset's shape). `autoencoder`: a trained autoencoder's folder, put in
    place of the preset's. `parts`: a file or a folder of weights for each part, of any kind that
    `posecast convert` reads.
    """

    preset: str = "embedded"
    overrides: dict[str, Any] = field(default_factory=dict)
    """Settings of the preset's config to replace, nested as it is."""
    init: Path | None = None
    relearn: tuple[Relearnt, ...] = ()
    """What `overrides` may say otherwise than `init` was trained with: this run teaches it anew."""
    lora: Path | None = None
    """A file of low-rank weights (LoRA), added to those that the run starts from."""
    autoencoder: Path | None = None
    parts: dict[str, Path] = field(default_factory=dict)
