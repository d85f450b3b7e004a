"""An ablation: variants of one training, as data. One YAML file; each variant changes settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from posecast.errors import InputError
from posecast.training.config import TrainingConfig
from posecast.training.layers import read_layers
from posecast.training.ranges import Clips, Frames, Guidance, SamplingSteps, Seed, Side
from posecast.training.reader import build, merged, read_yaml

STAGE_SEEDS = 1000
"""Difference between the seeds of two stages, so that no stage repeats another's scenes."""

MIN_FRAMES = 10


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings to replace in every stage's file, nested as there (lists are replaced as a
    whole)."""
    paper: str | None = None
    """The row of the paper's table 4 to print beside it."""
    weights_of: str | None = None
    """No training: score that variant's model with another request."""
    order: Literal["frame", "held"] = "frame"
    """The depth order given to the model: that of each frame, or that of the first frame."""
    versus: str | None = None
    """The variant it is compared with; by default the first one."""

    def __post_init__(self) -> None:
        if self.weights_of is not None and self.settings:
            raise ValueError("weights_of trains nothing, so it takes no settings")


@dataclass(frozen=True)
class BenchSettings:
    """How every model is scored."""

    clips: Clips = 24
    size: tuple[Side, Side] = (128, 128)
    frames: Frames = 16
    steps: SamplingSteps = 4
    guidance: Guidance = 1.5

    def __post_init__(self) -> None:
        if self.frames < MIN_FRAMES:
            raise ValueError(f"frames must be at least {MIN_FRAMES}: nobody changes places in less")


@dataclass(frozen=True)
class Ablation:
    """All variants. Paths are relative to the folder the command is called in."""

    output: Path
    stages: tuple[Path, ...]
    """Training configs, one after the other; each starts from the model of the one before."""
    variants: dict[str, Variant]
    seeds: tuple[Seed, ...] = (1,)
    """Every variant is trained with the first seed, then with the second, ..."""
    bench: BenchSettings = field(default_factory=BenchSettings)

    def __post_init__(self) -> None:
        if not self.variants or not self.stages or not self.seeds:
            raise ValueError("stages, variants and seeds must not be empty")
        for name, variant in self.variants.items():
            for other in (variant.weights_of, variant.versus):
                if other is not None and (other not in self.variants or other == name):
                    raise ValueError(f"variants.{name}: no other variant is called {other!r}")
            if variant.weights_of and self.variants[variant.weights_of].weights_of:
                raise ValueError(f"variants.{name}: {variant.weights_of} trains no weights")

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return next(iter(self.variants))

    def runs(self, only: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
        """Variant and seed of every run, the first seed's first; of some variants where named.

        Raises `InputError` where there is no such variant.
        """
        for name in only:
            if name not in self.variants:
                raise InputError(
                    f"no variant is called {name!r}; expected some of {', '.join(self.variants)}"
                )
        for seed in self.seeds:
            for name in self.variants:
                if not only or name in only:
                    yield name, seed

    def folder(self, name: str, seed: int) -> Path:
        """Where a run's files are."""
        return self.output / name / f"seed-{seed}"

    def trained_folder(self, name: str, seed: int) -> Path:
        """Where the weights of a run are."""
        return self.folder(self.variants[name].weights_of or name, seed)

    def training(self, name: str, seed: int) -> list[TrainingConfig]:
        """A variant's stages.

        Raises `InputError`: a stage's file is not there or does not fit, with the changed settings.
        """
        variant = self.variants[self.variants[name].weights_of or name]
        folder = self.trained_folder(name, seed)
        stages: list[TrainingConfig] = []
        for number, path in enumerate(self.stages):
            content = merged(read_layers(path).content, variant.settings)
            content["output"] = str(folder / path.stem)
            content["seed"] = seed + number * STAGE_SEEDS
            if stages:
                before = str(stages[-1].output / "model")
                content["model"] = {**content.get("model", {}), "init": before}
            stages.append(build(TrainingConfig, content, f"{path} for {name}"))
        return stages


def read_ablation(path: Path) -> Ablation:
    """The ablation that a YAML file describes.

    Raises `InputError`: no such file, no YAML, an unknown key, a value of another type.
    """
    return build(Ablation, read_yaml(path), path)
