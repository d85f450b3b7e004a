"""Reads pose files as tracks. Formats are recognised by content; files are never trusted.

Supported are OpenPose JSON (one file, or a folder with one per frame; also with `width`, `height`
and `front_to_back`), ControlNet's and ComfyUI's JSON, Posecast's own clips (``posecast/poses/1``),
DWPose ``.npy``/``.npz``, COCO, COCO-WholeBody, AlphaPose, MMPose, AnimatedDrawings' joints, and
rendered skeleton videos, pictures and folders of pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.geometry.skeleton import present
from posecast.media.atomic import write_text
from posecast.media.pose_formats.animated_drawings import (
    is_animated_drawing,
    read_animated_drawing,
)
from posecast.media.pose_formats.canvas import on_canvas
from posecast.media.pose_formats.clip import clip_text, read_clip
from posecast.media.pose_formats.content import (
    MAX_BYTES,
    MAX_TRACK_FRAMES,
    check_side,
    content_kind,
    describe,
    natural_order,
    parse_json,
    read_bytes,
    read_start,
)
from posecast.media.pose_formats.dwpose import dwpose_dicts, read_dwpose_frame
from posecast.media.pose_formats.json_kinds import read_json_frames
from posecast.media.pose_formats.numbering import files_by_number
from posecast.media.pose_formats.numpy_pickle import read_npy, read_npz
from posecast.media.pose_formats.openpose import BODIES
from posecast.media.pose_formats.people import PeopleFrame
from posecast.media.pose_formats.skeleton_video import (
    read_skeleton_folder,
    read_skeleton_picture,
    read_skeleton_video,
)
from posecast.media.pose_formats.tracks import tracks_of_people
from posecast.media.video import is_video
from posecast.types import PoseSequence

EXPECTED = (
    "expected OpenPose, COCO-WholeBody, AlphaPose or MMPose JSON, posecast/poses/1, DWPose .npy, "
    "or a rendered skeleton video"
)
_POSE_DATA = ("json", "npy", "npz")


def read_poses(
    path: str | Path,
    width: int | None = None,
    height: int | None = None,
    body: str | None = None,
    normalised_size: tuple[int, int] | None = None,
    notes: list[str] | None = None,
) -> PoseSequence:
    """Read a pose file, or a folder with one file per frame, as tracks.

    Coordinates are pixels, or fractions of the canvas (0..1 or -1..1), decided by their size. The
    canvas is the file's own, else `width` and `height`. Without either it is `normalised_size`
    (height, width) for fractions, and estimated from the points for pixels (`pose_formats.canvas`).
    `body` is the body layout of an OpenPose file: ``coco18``, ``body25`` or ``body25b``. The
    content alone does not distinguish ``body25b`` from ``body25``.

    A line is added to `notes` for each guess: a canvas, missing frame numbers (read as frames
    without people), pictures beside pose files.

    People of a single frame keep the file's order. Over several frames they get tracks in order of
    first appearance: by the file's ids if these distinguish people, else by
    `posecast.geometry.tracking`. Joints that are not finite or beyond 100,000 pixels are absent.

    Raises:
        InputError: the file is missing, broken, too large, of another kind, or shows nobody; the
            folder holds several clips; or fractions have no canvas.
    """
    path = Path(path)
    if body is not None and body not in BODIES:
        raise InputError(f"body {body!r}: expected one of {', '.join(BODIES)}")
    for name, side in (("width", width), ("height", height)):
        if side is not None:
            check_side(side, path, name)
    given = None if width is None or height is None else (height, width)
    notes = [] if notes is None else notes
    readers = _Readers(body, notes)
    read = readers.read_folder(path) if path.is_dir() else readers.read_file(path)
    if isinstance(read, PoseSequence):
        return _check_somebody(read, path)
    return _tracked(read, path, given, normalised_size, notes)


def poses_of_json(value: Any, name: str, fps: float | None = None) -> PoseSequence:
    """Read poses that another program passes as a JSON value, such as POSE_KEYPOINT.

    They are read as `read_poses` reads a file of it; error messages call them `name`.

    Raises:
        InputError: as `read_poses`.
    """
    path, notes = Path(name), list[str]()
    frames = read_json_frames(value, path, None, notes)
    if frames is None:
        raise InputError.at(path, f"of another kind: {describe(value)}; {EXPECTED}")
    return replace(_tracked(frames, path, None, None, notes), fps=fps)


def _tracked(
    read: list[PeopleFrame],
    path: Path,
    given: tuple[int, int] | None,
    normalised_size: tuple[int, int] | None,
    notes: list[str],
) -> PoseSequence:
    """Join the people of frames into tracks on their canvas."""
    if len(read) > MAX_TRACK_FRAMES:
        raise InputError.at(path, f"more than {MAX_TRACK_FRAMES} frames")
    frames, canvas = on_canvas(read, path, given, normalised_size, notes)
    return _check_somebody(tracks_of_people(frames, path, canvas), path)


def write_poses(sequence: PoseSequence, path: str | Path) -> None:
    """Write a clip as ``posecast/poses/1``, atomically; absent frames become null."""
    write_text(path, clip_text(sequence))


def _check_somebody(sequence: PoseSequence, path: Path) -> PoseSequence:
    if not present(sequence.keypoints).any():
        frames = "the frame" if sequence.num_frames == 1 else f"any of {sequence.num_frames} frames"
        raise InputError.at(path, f"no person in {frames}: no joint reaches confidence 0.3")
    return sequence


@dataclass(frozen=True)
class _Readers:
    """Readers that share the caller's `body` and collect notes for the caller."""

    body: str | None
    notes: list[str]

    def read_folder(self, folder: Path) -> PoseSequence | list[PeopleFrame]:
        """Read a folder with one file per frame: pose files, or pictures of a drawn skeleton."""
        files = sorted(
            (f for f in folder.iterdir() if not f.name.startswith(".")), key=natural_order
        )
        if not files:
            raise InputError.at(folder, f"the folder is empty; {EXPECTED}, one file per frame")
        kinds: dict[Path, str] = {}
        for file in files:
            if file.is_dir():
                raise InputError.at(folder, f"holds the folder {file.name}; {EXPECTED} alone")
            kinds[file] = content_kind(read_start(file))
        pictures = [file for file in files if kinds[file].endswith("image")]
        if len(pictures) == len(files):
            return read_skeleton_folder(files_by_number(files, folder, self.notes), folder)
        if pictures and all(kinds[f] in _POSE_DATA for f in files if f not in set(pictures)):
            self.notes.append(f"{folder}: its {len(pictures)} pictures are not read")
            files = [file for file in files if kinds[file] in _POSE_DATA]
        for file in files:
            if kinds[file] not in _POSE_DATA:
                self.read_file(file)  # raises an error that says what is wrong
                raise InputError.at(file, f"is {kinds[file]} among pose files; {EXPECTED} alone")
        return self._read_frames(files, folder)

    def _read_frames(self, files: list[Path], folder: Path) -> PoseSequence | list[PeopleFrame]:
        if len(files) == 1:
            return self.read_file(files[0])
        total = 0
        frames: list[PeopleFrame] = []
        for file in files_by_number(files, folder, self.notes):
            if file is None:
                frames.append(PeopleFrame.empty())
                continue
            total += file.stat().st_size
            if total > MAX_BYTES:
                raise InputError.at(folder, f"more than {MAX_BYTES // 2**20} MB of poses")
            read = self.read_file(file)
            if isinstance(read, PoseSequence) or len(read) != 1:
                raise InputError.at(file, "a whole clip in a folder; expected one frame per file")
            frames += read
        return frames

    def read_file(self, path: Path) -> PoseSequence | list[PeopleFrame]:
        """Read one file, of one frame or a whole clip."""
        kind = content_kind(read_start(path))
        if kind.endswith("image"):
            return read_skeleton_picture(path)
        if kind.endswith("video") or "GIF" in kind or "animated" in kind:
            return read_skeleton_video(path)
        if kind in _POSE_DATA:
            return self._read_data(read_bytes(path), kind, path)
        if kind in ("YAML", "of an unknown kind"):
            if is_video(path):
                return read_skeleton_video(path)
            data = read_bytes(path)
            if is_animated_drawing(data):
                return [read_animated_drawing(data, path)]
        raise InputError.at(path, f"is {kind}; {EXPECTED}")

    def _read_data(self, data: bytes, kind: str, path: Path) -> PoseSequence | list[PeopleFrame]:
        if kind != "json":
            array = read_npy(data, path) if kind == "npy" else read_npz(data, path)
            return [
                read_dwpose_frame(frame, path, f"frame {i}")
                for i, frame in enumerate(dwpose_dicts(array, path))
            ]
        value: Any = parse_json(data, path)
        if isinstance(value, dict) and "format" in value:
            return read_clip(value, path)
        frames = read_json_frames(value, path, self.body, self.notes)
        if frames is None:
            raise InputError.at(path, f"JSON of another kind: {describe(value)}; {EXPECTED}")
        return frames
