"""The source of samples that a run's config names."""

from __future__ import annotations

from posecast.data.samples import Source
from posecast.data.stage_source import StageSource
from posecast.training.config import TrainingConfig


def source_of(config: TrainingConfig, seed: int) -> Source:
    """Samples from the stage or from a dataset, as `config.data` says."""
    data = config.data
    kind = "clips" if config.stage == "clips" else "images"
    if data.stage is not None:
        return StageSource(
            data.stage,
            frames=config.batch.frames,
            kind=kind,
            misaligned=data.misaligned,
            seed=seed,
        )
    raise NotImplementedError
