"""The interface of pose estimators."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.errors import InputError

POSE_ESTIMATORS = ("builtin", "dwpose")
"""Names that `pose_estimator` knows."""


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds all people of each frame independently; identities are left to tracking."""

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """One array ``(people, 134, 3)`` per frame: ``x, y, confidence`` in pixels of the frame.

        The joints are ``wholebody134`` (`posecast.geometry.skeleton`). Confidences are the
        network's, 0..1; a joint that was not found is ``(0, 0, 0)``. A frame without people gives
        an empty array. People are ordered by the detector's score, the highest first.
        """
        ...


@runtime_checkable
class FollowingEstimator(PoseEstimator, Protocol):
    """A pose estimator that can also look for people where the previous frame had them."""

    def following(self, fps: float | None = None) -> PoseEstimator:
        """An estimator for the frames of one video, which must come in order."""
        ...


def pose_estimator(
    weights: str | Path | None = None,
    device: str | None = None,
    name: str | None = None,
    hands: bool = True,
) -> PoseEstimator:
    """A pose estimator by its name; by default DWPose if it is available, else the built-in one.

    - ``builtin``: MediaPipe's networks, whose weights come in the package. `weights` is a landmark
      network in a file that `scripts/convert_people.py` wrote. Without `hands` it finds
      bodies, feet and faces, about twice as fast.
    - ``dwpose``: DWPose as it is published, on onnxruntime (extra ``prepare``); always with hands
      and faces. `weights` is a folder with its two files; without it they are looked for in the
      cache and else downloaded.

    `device` is ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; the default is the best there is.

    Raises:
        InputError: the estimator or device is unknown, onnxruntime is not installed, or the files
            are missing or invalid.
    """
    chosen = name or default_estimator(weights)
    if chosen == "builtin":
        from posecast.estimators.builtin.finder import BuiltinFinder

        return BuiltinFinder.load(weights, device, hands)
    if chosen == "dwpose":
        from posecast.estimators.dwpose import DWPose

        return DWPose.load(weights, device)
    raise InputError(f"estimator {chosen!r}: expected one of {', '.join(POSE_ESTIMATORS)}")


def choose_estimator(
    name: str | None, people_weights: Path | None = None, dwpose_weights: Path | None = None
) -> str:
    """The estimator that the command line asks for.

    Raises:
        InputError: weights of both estimators are given, or of one with the other's name.
    """
    given = {"builtin": people_weights, "dwpose": dwpose_weights}
    options = {"builtin": "--people-weights", "dwpose": "--weights"}
    asked = [estimator for estimator, weights in given.items() if weights is not None]
    chosen = name or (asked[0] if asked else default_estimator())
    for other in asked:
        if other != chosen:
            what = f"--estimator {name}" if name is not None else options[chosen]
            raise InputError(f"{options[other]} belongs to the estimator {other}; not with {what}")
    return chosen


def default_estimator(weights: str | Path | None = None) -> str:
    """The default estimator: by the `weights`, else by what is available."""
    if weights is not None:
        return "builtin" if Path(weights).is_file() else "dwpose"
    return "dwpose" if dwpose_at_hand() else "builtin"


def dwpose_at_hand() -> bool:
    """Whether DWPose can run without a download: its weights are cached, onnxruntime installed."""
    from importlib.util import find_spec

    from posecast.estimators.dwpose import DETECTOR, POINTS
    from posecast.media.download import is_at_hand

    return find_spec("onnxruntime") is not None and all(
        is_at_hand(file, "dwpose") for file in (DETECTOR, POINTS)
    )


def about_estimator(name: str, hands: bool = True) -> str:
    """A note that says which estimator was used and what the other one offers."""
    if name == "builtin":
        found = "bodies, feet, faces and hands" if hands else "bodies, feet and faces"
        return (
            f"people found by the built-in estimator: {found}; --estimator dwpose asks DWPose, "
            "several times slower (351 MB, downloaded once)"
        )
    return (
        "people found by DWPose: bodies, feet, hands and faces; --estimator builtin is several "
        "times faster on a CPU and needs no download"
    )
