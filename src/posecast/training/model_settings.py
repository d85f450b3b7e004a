"""The starting model of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Relearnt = Literal[
    "scheduler", "conditions", "shared_noise", "code_overlaps", "keyed_by", "half_cells"
]
RELEARNT: tuple[Relearnt, ...] = get_args(Relearnt)
"""Settings of a model that its weights were trained with."""


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
    """Settings that replace those of the preset, nested in the same way."""
    init: Path | None = None
    relearn: tuple[Relearnt, ...] = ()
    """Trained settings of `init` that `overrides` may change: this run trains them again."""
    lora: Path | None = None
    """A file of low-rank weights (LoRA), added to the starting weights."""
    autoencoder: Path | None = None
    parts: dict[str, Path] = field(default_factory=dict)
