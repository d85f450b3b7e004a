"""Check the inputs of a run before anything is built; name commands that make missing ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from posecast.errors import InputError
from posecast.models.lora import lora_file
from posecast.models.public_weights import MOTION_FILES, PART_FILES
from posecast.training.config import TrainingConfig
from posecast.training.layers import read_layers
from posecast.weights import holds_weights, weight_files

INDEX = "index.parquet"
_MOST_CONFIGS = 200
_MOST_BYTES = 100_000


def check_paths(config: TrainingConfig, path: Path) -> None:
    """Check all inputs and the output of the run of a config file (`path`).

    Raises:
        InputError: one line with all that is missing, each with the command that makes it.
    """
    problems = [*_missing(config, path), *_in_the_way(config)]
    if config.logger is not None and importlib.util.find_spec(config.logger) is None:
        problems.append(f"logger: {config.logger} is not installed (pip install {config.logger})")
    if problems:
        raise InputError.at(path, "; ".join(problems))


def _missing(config: TrainingConfig, path: Path) -> Iterator[str]:
    model = config.model
    for name, dataset in (
        ("data.dataset", config.data.dataset),
        ("validation.dataset", config.validation.dataset),
    ):
        if dataset is not None and not (dataset / INDEX).is_file():
            what = f"holds no {INDEX}" if dataset.is_dir() else "is not a folder"
            way = _way(dataset, path) or f"`posecast prepare VIDEOS -o {dataset}` makes it"
            yield f"{name}: {dataset} {what} ({way})"
    if model.lora is not None and not lora_file(model.lora).is_file():
        yield f"model.lora: {model.lora} is no file of weights, and no folder with one"
    folders = {"model.init": model.init} | {
        "model.autoencoder": model.autoencoder,
        **{f"model.parts.{name}": folder for name, folder in model.parts.items()},
    }
    for name, folder in folders.items():
        if folder is None:
            continue
        weights = folder
        if name == "model.init":
            weights = folder / ("mender" if config.stage == "mender" else "unet")
        if weights.is_file():
            continue
        try:
            weight_files(weights, *PART_FILES, *MOTION_FILES)
        except InputError as error:
            if holds_weights(weights):
                what = str(error)
            else:
                lacks = "holds no safetensors weights" if weights.is_dir() else "is not a folder"
                what = f"{weights} {lacks}"
            yield f"{name}: {what} ({_way(folder, path) or _public(name, folder)})"


def _in_the_way(config: TrainingConfig) -> Iterator[str]:
    """The problem of an output path: a file is there, or in place of one of its folders."""
    for place in (config.output, *config.output.parents):
        if place.exists():
            if not place.is_dir():
                yield f"output: {place} is a file; expected a folder to write the run into"
            return


def _way(wanted: Path, path: Path) -> str | None:
    """The config file, near the run's own, whose training writes the missing input."""
    near = sorted(path.parent.glob("*.yaml")) + sorted(path.parent.parent.glob("*/*.yaml"))
    for file in list(dict.fromkeys(near))[:_MOST_CONFIGS]:
        if file.resolve() == path.resolve():
            continue
        try:
            small = file.stat().st_size < _MOST_BYTES
            output = read_layers(file).content.get("output") if small else None
        except (InputError, OSError):
            continue
        if isinstance(output, str) and output and wanted.is_relative_to(output):
            return f"`posecast train {file}` makes it"
    return None


def _public(name: str, folder: Path) -> str:
    """The command for weights that no training config nearby makes."""
    if name == "model.init":
        return (
            f"`posecast fetch animateanyone -o {folder}`, `posecast fetch sd15 -o {folder}` to "
            "train from the start, or a training of yours, makes it"
        )
    if name.startswith("model.parts."):
        return f"`posecast fetch sd15 -o {folder.parent}` has public weights in such folders"
    return "`posecast train` of that stage makes it, see docs/training.md"
