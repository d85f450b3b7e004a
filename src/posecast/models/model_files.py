"""Which files make a model folder, and so which may be replaced by another model."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from posecast.errors import InputError
from posecast.media.outputs import check_folder
from posecast.models.config_file import read_json
from posecast.models.hub import is_hub_id

_INDEX, _FORMAT = "model_index.json", "posecast/model/"
_PARTS = "(unet|reference_net|guiders|vae|image_encoder)"
MODEL_FILES = (
    r"model_index\.json",
    rf"{_PARTS}/config\.json",
    rf"{_PARTS}/(diffusion_pytorch_model|model)\.safetensors",
    r"scheduler/scheduler_config\.json",
    r"trained_lora\.safetensors",
)
"""Patterns of all that is ever written into one."""


def check_free(folder: str | Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Check, before any work, that a model folder can be written at `folder`.

    InputError: it holds an input or other files, or what is there is no model folder of ours.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise InputError.at(folder, "is there already and is no model folder; choose another place")
    check_folder(folder, MODEL_FILES, inputs)


def check_model(model: str | Path) -> None:
    """Check, before anything is loaded, that there may be such a model.

    InputError: no folder of a model of ours, no name in the package, and no hub id.
    """
    folder = Path(model)
    if folder.is_dir():
        found = read_json(folder / _INDEX).get("format")
        if not str(found).startswith(_FORMAT):
            line = f"found {found!r}; expected '{_FORMAT}1'"
            raise InputError.at(folder / _INDEX, line, "format")
        return
    if folder.exists():
        raise InputError.at(folder, "is a file; expected a model folder")
    name = str(model)
    packaged = files("posecast") / "assets" / "models"
    known = sorted(p.name for p in packaged.iterdir()) if packaged.is_dir() else []
    if name not in known and not is_hub_id(name):
        raise InputError(
            f"no model {name!r}: expected a model folder, one of the package's models "
            f"({', '.join(known) or 'none are installed'}) or a hub id (owner/name)"
        )


def _is_ours(folder: Path) -> bool:
    try:
        return str(read_json(folder / _INDEX).get("format")).startswith(_FORMAT)
    except InputError:
        return False
