"""The output folder of a run: used by one process, and always consistent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from posecast.errors import InputError
from posecast.media.locks import sole_worker
from posecast.media.outputs import check_folder, check_working_folder
from posecast.models.model_files import MODEL_FILES
from posecast.training import checkpoints
from posecast.training.config import TrainingConfig

TRAINED_FILES = (
    *MODEL_FILES,
    r"mender/config\.json",
    r"mender/diffusion_pytorch_model\.safetensors",
)
"""Patterns of the model files that a training stage writes."""

MODEL, VALIDATION = "model", "validation"


@contextmanager
def own_output(config: TrainingConfig, resume: bool, is_main: bool) -> Iterator[None]:
    """Lock `config.output` for this run, and remove unfinished files of killed runs.

    Raises `InputError` where another process works on it, it holds checkpoints and `resume` is not
    given, or the trained model would replace other files or what the run reads.
    """
    output, model = config.output, config.model
    check_working_folder(output)
    with ExitStack() as held:
        if is_main:
            held.enter_context(sole_worker(output, [checkpoints.CHECKPOINTS, VALIDATION]))
        found = checkpoints.checkpoints(output)
        if found and not resume:
            raise InputError.at(
                output, "holds checkpoints; continue with --resume, or choose another output"
            )
        if output.is_dir():
            inputs = [model.init, model.autoencoder, model.lora, *model.parts.values()]
            datasets = (config.data.dataset, config.validation.dataset)
            check_folder(output / MODEL, TRAINED_FILES, [*inputs, *datasets])
        try:
            yield
        except KeyboardInterrupt as interrupt:
            there = "continue with --resume" if checkpoints.checkpoints(output) else ""
            raise KeyboardInterrupt(str(interrupt) or there) from None


@contextmanager
def or_last_checkpoint(config: TrainingConfig) -> Iterator[None]:
    """Raise `InputError` if the disk is full while the block saves."""
    try:
        yield
    except OSError as error:
        found = checkpoints.checkpoints(config.output)
        last = f"the last whole checkpoint is {found[-1].name}; " if found else ""
        raise InputError.at(
            error.filename or config.output,
            f"cannot be written ({error.strerror or error}); {last}free some space and continue "
            "with --resume",
        ) from error
