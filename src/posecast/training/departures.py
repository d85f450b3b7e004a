"""A description of a run's training, and of its departures from the paper (section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from diffusers import DDIMScheduler

from posecast.models.presets import PAPER_GUIDERS, SD15_SCHEDULER, AnimatorConfig
from posecast.training.config import OptimizerSettings, TrainingConfig
from posecast.training.start import model_config, start_config, training_noise

PAPER_SIZE = (896, 640)
PAPER_STEPS = 60_000
PAPER_BATCH = {"images": (4, 1), "clips": (1, 16)}
"""References and frames a step of one of eight GPUs."""
_Row = tuple[str, Any, Any]
"""A setting, its value in the run, and its value in the paper."""


def describe_training(config: TrainingConfig) -> str:
    """Lines for the terminal: loss, schedule, optimizer, and departures from the paper.

    Raises `InputError` where the model's settings do not fit.
    """
    model = model_config(config.model)
    lines = [
        f"loss: {_loss(config, model)}",
        f"schedule: {_schedule(model)}",
        f"optimizer: {_optimizer(config)}",
    ]
    init = config.model.init
    if init is not None and start_config(config.model) is None:
        lines.append(f"(no model folder at {init}: what it was trained with is not known yet)")
    found = departures(config, model)
    if found:
        lines += ["departs from the paper:", *(f"  {line}" for line in found)]
    else:
        lines.append("departs from the paper: nowhere")
    return "\n".join(lines)


def departures(config: TrainingConfig, model: AnimatorConfig) -> list[str]:
    """A line for each setting that differs from the paper."""
    return [
        f"{name}: {_word(ours)} (paper: {_word(theirs)})"
        for name, ours, theirs in _rows(config, model)
        if ours != theirs
    ]


def _rows(config: TrainingConfig, model: AnimatorConfig) -> Iterator[_Row]:
    objective, optimizer, data = config.objective, config.optimizer, config.data
    scheduler = DDIMScheduler(**model.scheduler).config
    yield from (
        (f"scheduler.{name}", scheduler[name], value) for name, value in SD15_SCHEDULER.items()
    )
    yield "objective.min_snr_gamma", objective.min_snr_gamma, None
    yield "objective.noise_offset", objective.noise_offset, 0.0
    yield "objective.shared_noise", training_noise(config, model), 0.0
    yield "objective.reference_drop", objective.reference_drop, 0.0
    yield "objective.character_weight", objective.character_weight, 1.0
    yield "objective.timestep_power", objective.timestep_power, 1.0
    yield "objective.pixel_share", objective.pixel_share, 0.0
    for name, rate in objective.guider_drop.items():
        yield f"objective.guider_drop.{name}", rate, 0.0
    yield "optimizer.kind", optimizer.kind, "adam"
    yield "optimizer.learning_rate", _rate(optimizer), "1e-05 constant"
    yield "optimizer.betas", optimizer.betas, (0.9, 0.999)
    yield "optimizer.weight_decay", optimizer.weight_decay, 0.0
    yield "optimizer.clip_norm", optimizer.clip_norm, None
    yield "ema", config.ema, None
    yield "lora", None if config.lora is None else f"rank {config.lora.rank}", None
    yield "guiders", _guiders(config, model), ", ".join(PAPER_GUIDERS)
    yield "reference attention", "keyed" if model.unet.get("key_channels") else "plain", "plain"
    yield "frozen", ", ".join(sorted(config.frozen)), "image_encoder, vae"
    yield "size", data.sample_size, PAPER_SIZE
    yield "data.misaligned", _misaligned(config), 0.0
    yield "data.flip", data.flip, 0.0
    yield "data.crop", data.crop, None
    yield "steps", config.steps, PAPER_STEPS
    if config.stage in PAPER_BATCH:
        batch = config.batch
        ours = (batch.references * batch.accumulate, batch.frames)
        yield "batch (references a step, frames)", ours, PAPER_BATCH[config.stage]


def _guiders(config: TrainingConfig, model: AnimatorConfig) -> str:
    trained = [name for name in model.guiders if name not in config.without]
    order = [*PAPER_GUIDERS, *sorted(set(trained) - set(PAPER_GUIDERS))]
    return ", ".join(name for name in order if name in trained)


def _misaligned(config: TrainingConfig) -> float:
    return max([share.misaligned for share in config.data.mixture], default=config.data.misaligned)


def _loss(config: TrainingConfig, model: AnimatorConfig) -> str:
    objective = config.objective
    kind = DDIMScheduler(**model.scheduler).config["prediction_type"]
    parts = [f"squared error of the predicted {kind}"]
    if objective.min_snr_gamma is not None:
        parts.append(f"min-SNR weights (gamma {objective.min_snr_gamma:g})")
    if objective.character_weight != 1:
        parts.append(f"characters weigh {objective.character_weight:g}")
    if objective.pixel_share:
        parts.append(f"{objective.pixel_share:.0%} of it in pixels")
    if objective.noise_offset:
        parts.append(f"noise offset {objective.noise_offset:g}")
    shared = training_noise(config, model)
    if shared:
        parts.append(f"{shared:.0%} of the noise shared by all frames")
    if objective.timestep_power != 1:
        parts.append(f"timesteps as u^{objective.timestep_power:g}")
    parts.append(
        f"reference dropped {objective.reference_drop:.0%} of the time"
        if objective.reference_drop
        else "reference never dropped"
    )
    return ", ".join(parts)


def _schedule(model: AnimatorConfig) -> str:
    found = DDIMScheduler(**model.scheduler).config
    ends = ", zero terminal SNR" if found["rescale_betas_zero_snr"] else ""
    return (
        f"{found['beta_schedule']} betas {found['beta_start']:g} to {found['beta_end']:g} over "
        f"{found['num_train_timesteps']} timesteps{ends}; sampled with {found['timestep_spacing']} "
        f"spacing, steps_offset {found['steps_offset']}, ending at "
        f"{'alpha 1' if found['set_alpha_to_one'] else 'the first timestep'}"
    )


def _optimizer(config: TrainingConfig) -> str:
    settings = config.optimizer
    clip = "not clipped" if settings.clip_norm is None else f"clipped at {settings.clip_norm:g}"
    mean = "no mean of the weights" if config.ema is None else f"mean of the weights ({config.ema})"
    return (
        f"{settings.kind}, {_rate(settings)}, betas {settings.betas[0]:g} and "
        f"{settings.betas[1]:g}, weight decay {settings.weight_decay:g}, gradient {clip}, {mean}"
    )


def _rate(settings: OptimizerSettings) -> str:
    rate = f"{settings.learning_rate:g}"
    warm = f", warm-up of {settings.warmup_steps} steps" if settings.warmup_steps > 1 else ""
    if settings.decay_from < 1 and settings.final < 1:
        return f"{rate}{warm}, falling to {settings.final:.0%} from {settings.decay_from:.0%} on"
    return f"{rate}{warm}" if warm else f"{rate} constant"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ("x" if isinstance(value[0], int) else " and ").join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
