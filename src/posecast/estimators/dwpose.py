"""DWPose (arXiv 2307.15880): YOLOX finds people, and a whole-body network their 133 points.

Both networks and all constants are those that the authors published for ControlNet in ONNX. Unlike
most copies of that code, the channel order is that of training: BGR for the detector, RGB for the
pose network.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from posecast.errors import InputError
from posecast.estimators.onnx_network import OnnxNetwork
from posecast.estimators.yolox import PersonDetector
from posecast.geometry.skeleton import wholebody133_to_134
from posecast.media.download import PublishedFile, find_or_download, hub_url

_REPOSITORY = ("yzd-v/DWPose", "1a7144101628d69ee7a3768d1ee3a094070dc388")
DETECTOR = PublishedFile(
    name="yolox_l.onnx",
    url=hub_url(_REPOSITORY[0], "yolox_l.onnx", _REPOSITORY[1]),
    sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    size=216_746_733,
)
POINTS = PublishedFile(
    name="dw-ll_ucoco_384.onnx",
    url=hub_url(_REPOSITORY[0], "dw-ll_ucoco_384.onnx", _REPOSITORY[1]),
    sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
    size=134_399_116,
)

CROP_HEIGHT, CROP_WIDTH = 384, 288
PADDING = 1.25
"""A crop is this much larger than the person's box."""
BINS_PER_PIXEL = 2
"""SimCC's split ratio: each axis is classified into bins of half a pixel of the crop."""
_JOINTS = 133
_MEAN = np.array([123.675, 116.28, 103.53])
_STD = np.array([58.395, 57.12, 57.375])

Box = Float32[np.ndarray, "4"]
Crop = Float32[np.ndarray, "3 crop_height crop_width"]
Placement = Float[np.ndarray, "3"]
"""The place of a crop: ``x, y`` of its upper left corner, and the size of its pixels, in pixels."""


class DWPose:
    """The two networks; see `PoseEstimator`."""

    def __init__(self, detector: Path, points: Path, device: str | None = None) -> None:
        outputs = (
            (_JOINTS, CROP_WIDTH * BINS_PER_PIXEL),
            (_JOINTS, CROP_HEIGHT * BINS_PER_PIXEL),
        )
        self._detector = PersonDetector(detector, device)
        self._points = OnnxNetwork(points, (3, CROP_HEIGHT, CROP_WIDTH), outputs, device)

    @classmethod
    def load(cls, weights: str | Path | None = None, device: str | None = None) -> DWPose:
        """Load from a folder with the two files, else from the cache or the web.

        Raises:
            InputError: a file is missing or invalid, onnxruntime is not installed, or the device
                does not exist.
        """
        if weights is not None and not Path(weights).is_dir():
            raise InputError(
                f"{weights}: no such folder; expected one with {DETECTOR.name} and {POINTS.name}"
            )
        detector, points = (
            find_or_download(file, weights, "dwpose") for file in (DETECTOR, POINTS)
        )
        return cls(detector, points, device)

    def __call__(
        self, frames: UInt8[np.ndarray, "frames height width 3"]
    ) -> list[Float32[np.ndarray, "_ 134 3"]]:
        """See `PoseEstimator`: the people that the detector finds, which may be none.

        (If there are none, the published code treats the whole frame as a person, which invents
        people in empty frames of a video.)
        """
        boxes = self._detector(frames)
        crops = (
            crop_person(frame, box)
            for frame, found in zip(frames, boxes, strict=True)
            for box in found
        )
        people = self._people(crops)
        return [
            np.stack(list(islice(people, len(found))))
            if len(found)
            else np.zeros((0, _JOINTS + 1, 3), np.float32)
            for found in boxes
        ]

    def _people(
        self, crops: Iterator[tuple[Crop, Placement]]
    ) -> Iterator[Float32[np.ndarray, "134 3"]]:
        """Yield the people in the crops, in order, in batches of the network's size."""
        while batch := list(islice(crops, self._points.batch)):
            pictures, placements = zip(*batch, strict=True)
            simcc_x, simcc_y = self._points(np.stack(pictures))
            yield from wholebody133_to_134(decode(simcc_x, simcc_y, np.stack(placements)))


def crop_person(frame: UInt8[np.ndarray, "height width 3"], box: Box) -> tuple[Crop, Placement]:
    """The network's picture of a box, enlarged and extended to its aspect; black outside."""
    low, high = np.split(box.astype(np.float64), 2)
    centre, (width, height) = (low + high) / 2, (high - low) * PADDING
    pixel = max(width / CROP_WIDTH, height / CROP_HEIGHT)
    corner = centre - pixel * np.array([CROP_WIDTH, CROP_HEIGHT]) / 2
    to_crop = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]]) / pixel
    picture = cv2.warpAffine(frame, to_crop, (CROP_WIDTH, CROP_HEIGHT), flags=cv2.INTER_LINEAR)
    normalised = ((picture - _MEAN) / _STD).astype(np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)), np.array([*corner, pixel])


def decode(
    simcc_x: Float32[np.ndarray, "people 133 x_bins"],
    simcc_y: Float32[np.ndarray, "people 133 y_bins"],
    placements: Float[np.ndarray, "people 3"],
) -> Float32[np.ndarray, "people 133 3"]:
    """The likeliest bin of each axis, in pixels of the frame; confidence is the lower score.

    A joint without any score is (0, 0, 0); a score above 1 counts as 1.
    """
    bins = np.stack([simcc_x.argmax(axis=-1), simcc_y.argmax(axis=-1)], axis=-1)
    confidence = np.minimum(simcc_x.max(axis=-1), simcc_y.max(axis=-1))[..., None]
    corners, pixels = placements[:, None, :2], placements[:, None, 2:]
    points = bins / BINS_PER_PIXEL * pixels + corners
    joints = np.concatenate([points, np.minimum(confidence, 1.0)], axis=-1)
    return np.where(confidence > 0, joints, 0.0).astype(np.float32)
