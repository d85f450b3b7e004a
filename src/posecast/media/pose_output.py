"""Writes a clip as a pose file of any supported kind, or as drawn skeletons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from posecast.errors import InputError
from posecast.geometry.drawing import draw_poses
from posecast.geometry.skeleton import FEET, present
from posecast.media.atomic import whole_file, whole_folder, write_text
from posecast.media.outputs import (
    Inputs,
    check_file,
    check_folder,
    check_place,
    is_standard_output,
)
from posecast.media.pose_formats.written import comfyui_frames, dwpose_frames, openpose_frames
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.media.video_formats import SHARP, output_format
from posecast.types import PoseSequence

PoseFormat = Literal["posecast", "openpose", "comfyui", "dwpose", "video"]

POSE_FORMATS: tuple[PoseFormat, ...] = get_args(PoseFormat)
DEFAULT_FPS = 25.0
"""Frame rate of drawn videos if the poses have none."""

_BY_ENDING: dict[str, PoseFormat] = {".json": "posecast", ".npy": "dwpose", "": "openpose"}
_VIDEO_ENDINGS = (".mp4", ".gif", ".mov", ".webm", ".webp")
_ENDINGS: dict[PoseFormat, tuple[str, ...]] = {
    "posecast": (".json",), "openpose": ("", ".json"), "comfyui": (".json",), "dwpose": (".npy",),
}  # fmt: skip
_OURS = (r"[^/]*_\d{12}_keypoints\.json",)
"""Pattern of the files in a folder of OpenPose JSON, which new poses may replace."""


def pose_format(out: str | Path, to: PoseFormat | None = None, inputs: Inputs = ()) -> PoseFormat:
    """The format for `out`: `to`, else by its ending. Checks before any long work.

    Standard output (``-``) accepts formats that are one JSON file; the default is Posecast's own.

    Raises:
        InputError: `out` has another ending, cannot be written, is one of the `inputs`, or is a
            folder that holds other files.
    """
    path = Path(out)
    if is_standard_output(path):
        if to in ("dwpose", "video"):
            raise InputError(f"{path}: only text goes to standard output, and {to} is none")
        return to or "posecast"
    path = check_place(path)
    ending = path.suffix.lower()
    chosen = to or _BY_ENDING.get(ending) or ("video" if ending in _VIDEO_ENDINGS else None)
    if chosen == "video":
        output_format(path, inputs)
        return chosen
    if chosen is None or (ending not in _ENDINGS[chosen] and not path.is_dir()):
        expected = {
            None: "a name that ends in .json, .npy or .mp4, or a folder's (OpenPose JSON)",
            "openpose": "the name of a folder, or of a file for one frame that ends in .json",
        }.get(chosen) or f"the name of a file that ends in {_ENDINGS[chosen or 'posecast'][0]}"
        raise InputError(f"{path}: expected {expected}")
    if chosen != "openpose" or ending:
        check_file(path, inputs)
        return chosen
    if path.is_file():
        raise InputError(f"{path}: is a file; OpenPose JSON goes to a folder, a file a frame")
    check_folder(path, _OURS, inputs)
    return chosen


def write_poses_as(sequence: PoseSequence, out: str | Path, form: PoseFormat) -> None:
    """Write a clip in the format that `pose_format` returned, atomically.

    ``openpose`` is a folder of ``NAME_000000000000_keypoints.json`` and so on, or one file for a
    single frame. ``video`` shows skeletons as public pose guiders know them
    (`posecast.geometry.drawing`). Data that a format cannot hold is left out: DWPose and ComfyUI
    have no feet, and only ``posecast`` and ``video`` have a rate.

    Raises:
        InputError: several frames go to one file of OpenPose JSON; or as `pose_format`.
        OSError: the disk is full or fails.
    """
    path = Path(out)
    if form == "posecast":
        write_poses(sequence, path)
    elif form == "comfyui":
        _write_json(comfyui_frames(sequence), path)
    elif form == "dwpose":
        with whole_file(path) as part, part.open("wb") as file:
            np.save(file, dwpose_frames(sequence), allow_pickle=True)
    elif form == "video":
        # The colours identify the joints.
        write_video(_drawn(sequence), path, sequence.fps or DEFAULT_FPS, crf=SHARP)
    elif path.suffix.lower() == ".json" or is_standard_output(path):
        if sequence.num_frames != 1:
            raise InputError(
                f"{path}: {sequence.num_frames} frames of OpenPose JSON go to a folder: give a "
                "name without ending"
            )
        _write_json(openpose_frames(sequence)[0], path)
    else:
        with whole_folder(path, _OURS) as folder:
            for index, frame in enumerate(openpose_frames(sequence)):
                name = f"{path.name}_{index:012d}_keypoints.json"
                (folder / name).write_text(_text(frame), encoding="utf-8")


def left_out(sequence: PoseSequence, form: PoseFormat) -> list[str]:
    """Lines about data of a clip that a format cannot hold."""
    lines = []
    if form in ("openpose", "comfyui", "dwpose") and sequence.fps is not None:
        lines.append(f"{form} has no place for the rate, {sequence.fps:g} frames a second")
    feet = sequence.keypoints[:, :, FEET] if sequence.joints == "wholebody134" else None
    if form in ("comfyui", "dwpose") and feet is not None and present(feet).any():
        lines.append(f"{form} has no place for feet")
    return lines


def _write_json(value: Any, path: Path) -> None:
    write_text(path, _text(value))


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False) + "\n"


def _drawn(sequence: PoseSequence) -> Iterator[np.ndarray]:
    for people in sequence.keypoints.swapaxes(0, 1):
        yield draw_poses(people, (sequence.height, sequence.width))
