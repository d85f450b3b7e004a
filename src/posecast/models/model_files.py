"""The files of a model folder, which another model may replace."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from posecast.errors import InputError
from posecast.media.outputs import check_folder
from posecast.models.config_file import read_json

FORMAT = "posecast/model/1"
INDEX = "model_index.json"
PARTS = ("unet", "reference_net", "guiders", "vae", "image_encoder")
_PART = f"({'|'.join(PARTS)})"
_ANY_FORMAT = FORMAT.rpartition("/")[0] + "/"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
MODEL_FILES = (
    r"model_index\.json",
    rf"{_PART}/config\.json",
    rf"{_PART}/(diffusion_pytorch_model|model)\.safetensors",
    r"scheduler/scheduler_config\.json",
    r"trained_lora\.safetensors",
)
"""Patterns of all files written to one."""


def is_hub_id(name: str) -> bool:
    """Whether this is `owner/name`, as the hub names its repositories."""
    return _HUB_ID.fullmatch(name) is not None


def check_free(folder: str | Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Check, before any work, that a model folder can be written at `folder`.

    InputError: it holds an input or other files, or what is there is no model folder of ours.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        raise InputError.at(
            folder, "already exists and is not a model folder; choose another place"
        )
    check_folder(folder, MODEL_FILES, inputs)


def check_model(model: str | Path) -> None:
    """Check, before anything is loaded, that a model name is valid.

    InputError: no folder of a model of ours, no name in the package, and no hub id.
    """
    folder = Path(model)
    if folder.is_dir():
        found = read_json(folder / INDEX).get("format")
        if not str(found).startswith(_ANY_FORMAT):
            line = f"found {found!r}; expected {FORMAT!r}"
            raise InputError.at(folder / INDEX, line, "format")
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
        return str(read_json(folder / INDEX).get("format")).startswith(_ANY_FORMAT)
    except InputError:
        return False
