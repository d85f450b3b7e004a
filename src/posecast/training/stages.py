"""The stages of training by name: each a `Task` for the one loop."""

from __future__ import annotations

from posecast.errors import InputError
from posecast.training.config import TrainingConfig
from posecast.training.task import Process, Task


def make_task(config: TrainingConfig, process: Process) -> Task:
    """The task of `config.stage`, its model built and its frozen parts frozen."""
    if config.stage == "autoencoder":
        return _autoencoder(config, process)
    raise NotImplementedError


def _autoencoder(config: TrainingConfig, process: Process) -> Task:
    from posecast.models.autoencoder import PatchAutoencoder
    from posecast.training.autoencoder import AutoencoderTask

    if config.model.autoencoder is not None:
        autoencoder = PatchAutoencoder.from_pretrained(config.model.autoencoder)
    else:
        autoencoder = PatchAutoencoder(**config.model.overrides)
    return AutoencoderTask(config, process, autoencoder)
