"""Weights of the people networks: files in the package, or the user's own landmark network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import safe_open
from torch import nn

from posecast.errors import InputError
from posecast.estimators.builtin.detector import DetectorNetwork
from posecast.estimators.builtin.faces import FaceNetwork
from posecast.estimators.builtin.hands import HandNetwork, HandRegionNetwork
from posecast.estimators.builtin.landmarks import SIZES, LandmarkNetwork
from posecast.weights import SAFETENSORS, read_tensors

KIND = "posecast-people"
"""The key in a file's metadata that states which network it holds."""
_MOST_BYTES = 200_000_000

_Network = TypeVar("_Network", bound=nn.Module)


def shipped(name: str) -> Path:
    """A weight file in the package: ``detector``, ``landmarks_full``, ``hand``, ..."""
    return Path(str(files("posecast") / "assets" / "people" / f"{name}.safetensors"))


def load_detector(path: Path | None = None) -> DetectorNetwork:
    """Load the network that finds people.

    Raises:
        InputError: the file does not hold this network.
    """
    return _load(DetectorNetwork, "detector", path)


def load_hand(path: Path | None = None) -> HandNetwork:
    """Load the network that finds the points of a hand; raises as `load_detector`."""
    return _load(HandNetwork, "hand", path)


def load_hand_region(path: Path | None = None) -> HandRegionNetwork:
    """Load the network that finds a hand's region near a wrist; raises as `load_detector`."""
    return _load(HandRegionNetwork, "hand_region", path)


def load_face(path: Path | None = None) -> FaceNetwork:
    """Load the network that finds the points of a face; raises as `load_detector`."""
    return _load(FaceNetwork, "face", path)


def load_landmarks(path: str | Path | None = None) -> LandmarkNetwork:
    """Load the network that finds a person's points: the packaged one, or that of a file.

    Raises:
        InputError: the file was not written by `scripts/convert_people.py`.
    """
    path = Path(path) if path is not None else shipped("landmarks_full")
    state, kind = _read(path)
    if kind not in SIZES:
        raise InputError.at(path, f"holds {kind!r}; expected one of {', '.join(SIZES)}")
    return _filled(partial(LandmarkNetwork, SIZES[kind]), state, path)


def _load(network: Callable[[], _Network], kind: str, path: Path | None) -> _Network:
    path = path or shipped(kind)
    state, found = _read(path)
    if found != kind:
        raise InputError.at(path, f"holds {found!r}; expected {kind!r}")
    return _filled(network, state, path)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """The tensors of a file, and the network that its metadata states."""
    state = read_tensors(
        path,
        "what scripts/convert_people.py writes",
        formats=(SAFETENSORS,),
        largest=_MOST_BYTES,
    )
    with safe_open(path, framework="pt") as stream:
        kind = (stream.metadata() or {}).get(KIND)
    return state, kind


def _filled(make: Callable[[], _Network], state: dict[str, torch.Tensor], path: Path) -> _Network:
    with torch.device("meta"):  # no time for random weights
        network = make()
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
        raise InputError.at(path, f"has {extra[0]}, which the network does not have")
    network.load_state_dict({name: v.float() for name, v in state.items()}, assign=True)
    return network.eval().requires_grad_(False)
