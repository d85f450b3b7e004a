"""Who is in a picture and how they stand: the interface of pose estimators."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds all people of each frame, every frame for itself (identities are tracking's job)."""

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """One array ``(people, 134, 3)`` a frame: ``x, y, confidence`` in pixels of the frame.

        The joints are ``wholebody134`` (`posecast.geometry.skeleton`). Confidences are the
        network's, 0..1; a joint it did not find is ``(0, 0, 0)``. A frame without people gives an
        array of none. People come in the order of the detector's scores, the surest first.
        """
        ...


def pose_estimator(weights: str | Path | None = None, device: str | None = None) -> PoseEstimator:
    """DWPose as it is published, on onnxruntime (extra ``prepare``).

    `weights` is a folder with its two files; without it they are looked for in the cache and
    else downloaded. `device` is ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` (CoreML); the default is
    the best that this machine's onnxruntime offers.

    Raises:
        InputError: onnxruntime is not installed, the device is not there, or the files are missing
            or not DWPose's.
    """
    from posecast.estimators.dwpose import DWPose

    return DWPose.load(weights, device)
