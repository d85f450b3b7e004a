"""Weights of the people networks: two files in the package, or the user's own landmark network."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from posecast.errors import InputError
from posecast.estimators.builtin.detector import DetectorNetwork
from posecast.estimators.builtin.landmarks import SIZES, LandmarkNetwork

KIND = "posecast-people"
"""The entry of a file's metadata that says which network it holds."""
_MOST_BYTES = 200_000_000


def shipped(name: str) -> Path:
    """A file of weights in the package: ``detector`` or ``landmarks_full``."""
    return Path(str(files("posecast") / "assets" / "people" / f"{name}.safetensors"))


def load_detector(path: Path | None = None) -> DetectorNetwork:
    """The network that finds people.

    Raises:
        InputError: the file is not one of it.
    """
    path = path or shipped("detector")
    state, kind = _read(path)
    if kind != "detector":
        raise InputError.at(path, f"holds {kind!r}; expected 'detector'")
    network = DetectorNetwork()
    _fill(network, state, path)
    return network


def load_landmarks(path: str | Path | None = None) -> LandmarkNetwork:
    """The network that finds a person's points: the shipped one, or that of a file.

    Raises:
        InputError: the file is not one that `scripts/convert_people.py` writes.
    """
    path = Path(path) if path is not None else shipped("landmarks_full")
    state, kind = _read(path)
    if kind not in SIZES:
        raise InputError.at(path, f"holds {kind!r}; expected one of {', '.join(SIZES)}")
    network = LandmarkNetwork(SIZES[kind])
    _fill(network, state, path)
    return network


def _read(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """The tensors of a file, and which network it says it holds."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights in safetensors")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError.at(path, f"{path.stat().st_size} bytes; expected at most {_MOST_BYTES}")
    try:
        with safe_open(path, framework="pt") as stream:
            names = list(stream.keys())
            kind = (stream.metadata() or {}).get(KIND)
            return {name: stream.get_tensor(name) for name in names}, kind
    except SafetensorError as error:
        raise InputError.at(
            path, f"no safetensors ({error}); expected what scripts/convert_people.py writes"
        ) from error


def _fill(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    expected = network.state_dict()
    for name, values in expected.items():
        if name not in state:
            raise InputError.at(path, f"has no {name}")
        if state[name].shape != values.shape:
            found, wanted = (
                "x".join(map(str, shape)) for shape in (state[name].shape, values.shape)
            )
            raise InputError.at(path, f"{name} is {found}; expected {wanted}")
    extra = sorted(set(state) - set(expected))
    if extra:
        raise InputError.at(path, f"has {extra[0]}, which the network does not know")
    network.load_state_dict({name: values.float() for name, values in state.items()})
    network.eval().requires_grad_(False)
