"""The settings of a training run: one YAML file, one frozen value."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from posecast.geometry.conditions import guider_names
from posecast.media.atomic import write_text
from posecast.training import ranges
from posecast.training.data_settings import DataSettings as DataSettings
from posecast.training.data_settings import StageShare as StageShare
from posecast.training.layers import read_layers
from posecast.training.model_settings import ModelSettings as ModelSettings
from posecast.training.reader import build, read_yaml


@dataclass(frozen=True)
class BatchShape:
    """The batch of one process in a step."""

    references: ranges.Samples = 2
    frames: ranges.Frames = 4
    accumulate: ranges.Accumulated = 1
    """Batches whose gradients are accumulated for one step."""


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam; the learning rate warms up, is constant, then falls linearly to the share `final`."""

    kind: Literal["adam", "adamw", "adamw8bit"] = "adamw"
    """`adam` has no weight decay (the paper's). `adamw8bit` keeps the moments in 8 bits, a quarter
    of the memory (needs bitsandbytes)."""
    learning_rate: ranges.Rate = 1e-3
    betas: tuple[ranges.Decay, ranges.Decay] = (0.9, 0.99)
    epsilon: ranges.Tiny = 1e-8
    weight_decay: ranges.Share = 0.01
    warmup_steps: ranges.Waiting = 50
    decay_from: ranges.Share = 0.5
    """Share of the steps after which the learning rate falls."""
    final: ranges.Share = 0.03
    clip_norm: ranges.Large | None = 1.0
    """Largest norm of the whole gradient; null: no clipping."""

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step (from 0): a pure function, so a resume needs no state."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        start = self.decay_from * steps
        fallen = max(0.0, (step - start) / max(1.0, steps - start))
        return self.learning_rate * warm * (1.0 - (1.0 - self.final) * fallen)


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adaptation (arXiv 2106.09685) of all attention that trains, in both U-Nets.

    Their own weights are then frozen; guiders are trained unless listed in `frozen`. Models are
    written merged.
    """

    rank: ranges.Rank = 16
    alpha: ranges.Large = 16.0
    """The update is alpha / rank times the product of the two small matrices."""


@dataclass(frozen=True)
class ObjectiveSettings:
    """The diffusion loss (eq. 11 with field practice around it, as settings)."""

    timestep_power: ranges.Power = 0.5
    """t = 1000 u^power with u uniform: values below 1 prefer high noise; 1 is uniform."""
    character_weight: ranges.Weight = 3.0
    """Weight of the loss inside the characters' dilation maps (1 outside)."""
    pixel_share: ranges.Share = 0.0
    """Share of the loss measured in pixels, through a PatchAutoencoder's linear decoder; the rest
    is measured in latents, where all channels have equal weight."""
    latents: Literal["mode", "sample"] = "mode"
    """Latents of a picture: the mode of the VAE's distribution, or a sample of it."""
    min_snr_gamma: ranges.Large | None = None
    noise_offset: ranges.Noise = 0.0
    shared_noise: ranges.Share | None = None
    """Share of the noise's variance that all frames of a sample have in common; null: the model's
    own value for clips, as in sampling, and none for images."""
    reference_drop: ranges.Share = 0.1
    """Probability of dropping the reference, for classifier-free guidance."""
    identity_drop: ranges.Share = 0.1
    guider_drop: dict[str, ranges.Share] = field(default_factory=dict)
    """Probability of dropping each named guider, exactly as if its map were left out, so that one
    run covers every row of the paper's ablation (table 4)."""
    exchange_weight: ranges.Weight = 0.0
    """Of the mender, on the stage: weight of the loss for pixels that are nearer to another
    character's look than to their own."""
    order_weight: ranges.Weight = 0.0
    """Of the mender, on the stage: weight of the loss for pixels that are nearer to what the
    inverted order would show than to the truth."""


@dataclass(frozen=True)
class ReconstructionSettings:
    """The autoencoder's loss: L1 in [-1, 1]."""

    character_weight: ranges.Weight = 1.0
    latent_noise: ranges.Noise = 0.05
    start_samples: ranges.Samples = 96
    """Number of samples whose principal components initialise the autoencoder."""


@dataclass(frozen=True)
class CheckpointSettings:
    """When checkpoints are written, and how many are kept."""

    every_steps: ranges.Steps = 1000
    every_minutes: ranges.Minutes | None = None
    keep: ranges.Kept = 2


@dataclass(frozen=True)
class ValidationSettings:
    """Validation on fixed held-out samples, with the averaged weights."""

    every_steps: ranges.Steps = 1000
    dataset: Path | None = None
    """Dataset for validation; null: the held-out videos of `data.dataset`."""
    share: ranges.Share = 0.05
    """Share of the source videos that is held out, the same in every stage and run. 0: no
    validation."""
    samples: ranges.Samples = 4
    sampling_steps: ranges.SamplingSteps | None = None
    """Null: the model's own number of steps."""
    guidance: ranges.Guidance | None = None
    """Null: the model's own scale, as in `posecast animate`."""
    metrics: tuple[Literal["characters", "lpips", "fvd"], ...] = ("characters", "lpips", "fvd")
    """Further metrics for the stages images and clips: `lpips` and `fvd` (for clips of 16 frames or
    more) need the weights of their networks."""
    weights: Path | None = None
    """Folder of these weights; null: where `posecast evaluate` searches."""


@dataclass(frozen=True)
class TrainingConfig:
    """One run. Paths are relative to the folder the command is called in."""

    stage: Literal["autoencoder", "mender", "images", "clips"]
    output: Path
    steps: ranges.Steps
    data: DataSettings
    model: ModelSettings = field(default_factory=ModelSettings)
    without: tuple[str, ...] = ()
    """Guiders to leave out: the paper's ablation (table 4)."""
    frozen: tuple[str, ...] = ("vae", "image_encoder")
    lora: LoraSettings | None = None
    batch: BatchShape = field(default_factory=BatchShape)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    ema: ranges.Decay | None = 0.998
    """Decay of the averaged weights, which are the weights that are saved; null: no averaging."""
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    reconstruction: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Precision of the layers. `fp16`: 16-bit floats with loss scaling, for GPUs without bf16."""
    gradient_checkpointing: bool = False
    """Recompute the activations of the U-Nets in the backward pass instead of storing them."""
    shard: bool = False
    """Shard gradients, moments, running means, and weights between steps over the processes
    (FSDP2). No effect in one process."""
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    logger: Literal["trackio", "wandb"] | None = None
    """A tracker for curves, pictures and settings, beside TensorBoard."""
    max_minutes: ranges.Minutes | None = None
    """Write a checkpoint and stop after this time. The learning rate depends on `steps` only."""
    seed: ranges.Seed = 0

    def __post_init__(self) -> None:
        named = [("without", self.without), ("objective.guider_drop", self.objective.guider_drop)]
        for place, names in named:
            for name in names:
                if name not in guider_names():
                    known = ", ".join(guider_names())
                    raise ValueError(
                        f"{place}: no guider is called {name!r}; expected some of {known}"
                    )
        self._check_stage()
        if self.validation.dataset is not None and self.data.dataset is None:
            raise ValueError("validation.dataset: the stage renders what is held out by itself")
        mends_puppets = self.stage == "mender" and self.data.stage is not None
        for name in ("exchange_weight", "order_weight"):
            if getattr(self.objective, name) and not mends_puppets:
                raise ValueError(
                    f"objective.{name}: only the mender's training on the stage has it"
                )
        if self.shard and self.stage not in ("images", "clips"):
            raise ValueError(f"shard: the network of the stage {self.stage} is too small for it")
        if self.optimizer.kind == "adam" and self.optimizer.weight_decay:
            raise ValueError(
                f"optimizer.weight_decay: {self.optimizer.weight_decay:g}, but adam has none; say "
                "0.0, or kind: adamw"
            )
        if self.shard and self.precision == "fp16":
            raise ValueError("precision: fp16 is not for divided runs (shard); take bf16")
        if self.shard and self.optimizer.kind == "adamw8bit":
            raise ValueError("shard: 8-bit moments cannot be divided; take optimizer.kind: adamw")

    def _check_stage(self) -> None:
        """Rendered clips must contain the targets, in a size that fits the latents."""
        shots = {f"mixture[{i}].stage": part.stage for i, part in enumerate(self.data.mixture)}
        if self.data.stage is not None:
            shots["stage"] = self.data.stage
        for name, shot in shots.items():
            frames, pace = self.batch.frames, self.data.pace
            span = pace.span(frames, shot.fps) if self.stage == "clips" else frames
            if shot.frames < span:
                apart = f" over {span}" if span > frames else ""
                raise ValueError(
                    f"batch.frames: {frames}{apart}, but a shot of data.{name} has {shot.frames}"
                )
            if shot.size[0] % 8 or shot.size[1] % 8:
                size = f"{shot.size[0]}x{shot.size[1]}"
                raise ValueError(f"data.{name}.size: expected multiples of 8, got {size}")


def read_config(path: str | Path, changes: Sequence[str] = ()) -> TrainingConfig:
    """The run described by a YAML file and those it `extends`, with `changes` over them.

    A change is ``key.key=value``, typed by the setting that it names. Raises `InputError`: no such
    file, no YAML, an unknown key, a value of another type or beyond its range.
    """
    layers = read_layers(Path(path)).changed(changes)
    return build(TrainingConfig, layers.content, layers)


def write_config(config: TrainingConfig, path: Path) -> None:
    """Every setting with its value, readable again by `read_config`."""
    write_text(path, config_text(config))


def config_text(config: TrainingConfig) -> str:
    """Every setting with its value, as YAML."""
    return yaml.safe_dump(plain(config), sort_keys=False)


def plain(value: Any) -> Any:
    """A setting as JSON and YAML hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def changed_keys(saved: Path, config: TrainingConfig) -> list[str]:
    """Names of top-level settings that differ in a saved config, or are missing there.

    The saved one may be of another version of posecast: it is compared, not used.
    """
    before, after = read_yaml(saved), plain(config)
    return [name for name in after if name not in before or before[name] != after[name]]
