"""The source of samples that a run's config names."""

from __future__ import annotations

from posecast.data.dataset_source import DatasetSource
from posecast.data.samples import Source
from posecast.data.stage_source import Kind, StageSource
from posecast.training.config import TrainingConfig


def source_of(config: TrainingConfig, seed: int) -> Source:
    """Samples from the stage or from a dataset, as `config.data` says.

    Raises `InputError` where the dataset is none, or its clips are too short.
    """
    data, frames = config.data, config.batch.frames
    kind: Kind = "clips" if config.stage == "clips" else "images"
    if data.stage is not None:
        return StageSource(
            data.stage, frames, kind, data.misaligned, data.moving, seed, data.flow_from
        )
    assert data.dataset is not None  # DataSettings holds one of the two
    assert data.size is not None
    return DatasetSource(data.dataset, data.size, frames, kind, data.misaligned, data.margin, seed)
