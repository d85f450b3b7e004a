"""Pose files to tracks: told apart by content, not by name, and never trusted.

OpenPose JSON (one file, or a folder of one a frame), the same with `width`, `height` and
`front_to_back`, our own clips (``posecast/poses/1``), DWPose ``.npy``/``.npz``, COCO,
COCO-WholeBody and AlphaPose, and rendered skeleton videos or pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.geometry.skeleton import present
from posecast.media.atomic import whole_file
from posecast.media.pose_formats.clip import clip_text, read_clip
from posecast.media.pose_formats.coco import is_coco, read_coco
from posecast.media.pose_formats.content import (
    MAX_BYTES,
    check_side,
    content_kind,
    describe,
    natural_order,
    parse_json,
    read_bytes,
)
from posecast.media.pose_formats.dwpose import dwpose_dicts, read_dwpose_frame
from posecast.media.pose_formats.numpy_pickle import read_npy, read_npz
from posecast.media.pose_formats.openpose import BODIES, read_openpose_frame
from posecast.media.pose_formats.people import PeopleFrame
from posecast.media.pose_formats.skeleton_video import (
    read_skeleton_picture,
    read_skeleton_video,
)
from posecast.media.pose_formats.tracks import tracks_of_people
from posecast.types import PoseSequence

EXPECTED = (
    "expected OpenPose, COCO-WholeBody or AlphaPose JSON, posecast/poses/1, DWPose .npy, or a "
    "rendered skeleton video"
)


def read_poses(
    path: str | Path,
    width: int | None = None,
    height: int | None = None,
    body: str | None = None,
    normalised_size: tuple[int, int] | None = None,
) -> PoseSequence:
    """Read a pose file, or a folder of one file a frame, as tracks.

    A canvas that the file states stands. Else it is `width` and `height`, in pixels: pixel
    coordinates are not scaled, normalised ones are. `normalised_size` (height, width) is for files
    of normalised coordinates where neither says more. A canvas of pixels that nobody states is
    estimated from the points (`pose_formats.tracks.estimate_canvas`). `body` is the layout of an
    OpenPose file's people: ``coco18``, ``body25`` or ``body25b``, which cannot be told from
    ``body25`` by its content.

    People of a single frame keep the file's order. Over several frames they get tracks (by the
    file's own ids where these tell people apart, else see `posecast.geometry.tracking`), in the
    order of first appearance. Joints beyond 100,000 pixels or not finite are absent.

    Raises:
        InputError: the file is missing, broken, too large, of another kind, or shows nobody.
    """
    path = Path(path)
    if body is not None and body not in BODIES:
        raise InputError(f"body {body!r}: expected one of {', '.join(BODIES)}")
    for name, side in (("width", width), ("height", height)):
        if side is not None:
            check_side(side, path, name)
    given = None if width is None or height is None else (height, width)
    formats = _Readers(body, given or normalised_size)
    if path.is_dir():
        files = sorted((f for f in path.iterdir() if not f.name.startswith(".")), key=natural_order)
        frames = formats.read_folder(path, files)
    else:
        read = formats.read_file(path)
        if isinstance(read, PoseSequence):
            return _check_somebody(read, path)
        frames = read
    return _check_somebody(tracks_of_people(frames, path, width, height), path)


def write_poses(sequence: PoseSequence, path: str | Path) -> None:
    """Write a clip as ``posecast/poses/1``, whole or not at all; absent frames become null."""
    with whole_file(path) as part:
        part.write_text(clip_text(sequence), encoding="utf-8")


def _check_somebody(sequence: PoseSequence, path: Path) -> PoseSequence:
    if not present(sequence.keypoints).any():
        frames = "the frame" if sequence.num_frames == 1 else f"any of {sequence.num_frames} frames"
        raise InputError.at(path, f"nobody is in {frames}: no joint reaches confidence 0.3")
    return sequence


@dataclass(frozen=True)
class _Readers:
    """What the caller says about the files, for all of them."""

    body: str | None
    normalised_size: tuple[int, int] | None

    def read_folder(self, folder: Path, files: Sequence[Path]) -> list[PeopleFrame]:
        if not files:
            raise InputError.at(folder, f"the folder is empty; {EXPECTED}, one file a frame")
        total = 0
        frames: list[PeopleFrame] = []
        for file in files:
            if file.is_dir():
                raise InputError.at(folder, f"holds the folder {file.name}; {EXPECTED} alone")
            data = read_bytes(file)
            total += len(data)
            if total > MAX_BYTES:
                raise InputError.at(folder, f"more than {MAX_BYTES // 2**20} MB of poses")
            read = self._read(data, file)
            if isinstance(read, PoseSequence) or len(read) != 1:
                raise InputError.at(file, "a whole clip in a folder; expected one frame a file")
            frames += read
        return frames

    def read_file(self, path: Path) -> PoseSequence | list[PeopleFrame]:
        return self._read(read_bytes(path), path)

    def _read(self, data: bytes, path: Path) -> PoseSequence | list[PeopleFrame]:
        kind = content_kind(data)
        if kind == "json":
            return self._read_json(parse_json(data, path), path)
        if kind in ("npy", "npz"):
            array = read_npy(data, path) if kind == "npy" else read_npz(data, path)
            return [
                read_dwpose_frame(frame, path, f"frame {i}", self.normalised_size)
                for i, frame in enumerate(dwpose_dicts(array, path))
            ]
        if kind.endswith("image"):
            return read_skeleton_picture(path)
        if kind.endswith(("video", "GIF")):
            return read_skeleton_video(path)
        raise InputError.at(path, f"is {kind}; {EXPECTED}")

    def _read_json(self, value: Any, path: Path) -> PoseSequence | list[PeopleFrame]:
        if isinstance(value, dict) and "format" in value:
            return read_clip(value, path)
        if isinstance(value, dict) and "people" in value:
            return [read_openpose_frame(value, path, self.body)]
        if is_coco(value):
            return read_coco(value, path)
        other = _other_json_format(value)
        if other:
            raise InputError.at(path, f"{other} are not read yet; {EXPECTED}")
        raise InputError.at(path, f"JSON of another kind: {describe(value)}; {EXPECTED}")


def _other_json_format(value: Any) -> str | None:
    """The name of a pose format that we know of and do not read."""
    if isinstance(value, dict):
        if "instance_info" in value:
            return "MMPose results"
        first = next(iter(value.values()), None)
        if "bodies" in value or (isinstance(first, dict) and "bodies" in first):
            return "AlphaPose results in its 'open' and 'cmu' forms (write its default form)"
    return None
