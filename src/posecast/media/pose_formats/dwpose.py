"""Reads DWPose dictionaries, one per frame, as users save them with numpy or as JSON.

``bodies`` holds ``candidate`` (points, 2), ``subset`` (people, 18) of indices into it with -1 for
unseen joints, and optionally ``score``. ``hands`` is (2 people, 21, 2), all left hands, then all
right hands; ``faces`` is (people, 68, 2). Both have -1, -1 for unseen points, or scores.
Coordinates are fractions of the drawing's width and height; some tools write pixels. The optional
``draw_pose_params`` holds the drawing's height and width, and its place in the canvas: top, bottom,
left, right. A frame without people has empty arrays, empty lists or None instead of arrays, or is
None. ``ids`` is Posecast's addition and identifies the tracks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import BODY, FACE, LEFT_HAND, RIGHT_HAND
from posecast.media.pose_formats.content import (
    MAX_PEOPLE,
    MAX_TRACK_FRAMES,
    check_side,
    is_number,
)
from posecast.media.pose_formats.people import PeopleFrame, clean_joints


def dwpose_dicts(array: np.ndarray, path: Path) -> list[Any]:
    """The frames of a loaded ``.npy``: one dictionary or an array of them; None has no people."""
    frames = array.ravel().tolist() if array.dtype.hasobject else []
    if not frames or not all(frame is None or is_dwpose(frame) for frame in frames):
        what = f"an array of {array.dtype} {array.shape}" if not frames else "other objects"
        raise InputError.at(path, f"expected DWPose dictionaries with 'bodies', found {what}")
    # Many frames may refer to the same dictionary: a small file could need much memory.
    if len(frames) + sum(map(_people_of, frames)) > MAX_TRACK_FRAMES:
        raise InputError.at(path, f"more than {MAX_TRACK_FRAMES} people in all frames")
    return frames


def is_dwpose(value: Any) -> bool:
    """Whether a value is one frame of this format."""
    return isinstance(value, dict) and "bodies" in value


def _people_of(frame: dict[str, Any] | None) -> int:
    bodies = None if frame is None else frame["bodies"]
    subset = bodies.get("subset") if isinstance(bodies, dict) else None
    return len(subset) if isinstance(subset, np.ndarray) and subset.ndim else 0


def read_dwpose_frame(frame: dict[str, Any] | None, path: Path, place: str) -> PeopleFrame:
    """Read one frame. Raises InputError that names the wrong part."""
    if frame is None:
        return PeopleFrame.empty(may_be_signed=False)
    bodies = frame["bodies"]
    if bodies is not None and not (
        isinstance(bodies, dict) and {"candidate", "subset"} <= set(bodies)
    ):
        raise InputError.at(path, "expected 'candidate' and 'subset' in bodies", place)
    canvas = _canvas(frame.get("draw_pose_params"), path, place)
    if bodies is None or _nobody(bodies["subset"]):
        return PeopleFrame.empty(may_be_signed=False, **canvas)
    subset = _array(bodies["subset"], path, f"{place}.bodies.subset", (None, 18))
    people = len(subset)
    if people > MAX_PEOPLE:
        raise InputError.at(path, f"{people} people, expected at most {MAX_PEOPLE}", place)
    points = np.zeros((people, 134, 3))
    points[:, BODY] = _read_bodies(bodies, subset, path, place)
    parts = (("hands", 2 * people, 21), ("faces", people, 68))
    found = {
        name: _read_points(frame, name, count, joints, path, place)
        for name, count, joints in parts
        if not _nobody(frame.get(name))
    }
    if "hands" in found:
        points[:, LEFT_HAND] = found["hands"][:people]
        points[:, RIGHT_HAND] = found["hands"][people:]
    if "faces" in found:
        points[:, FACE] = found["faces"]
    return PeopleFrame(
        # Fractions in single precision would not give the original pixels back.
        clean_joints(points, np.float64),
        whole_body=any(bool((part[..., 2] > 0).any()) for part in found.values()),
        ids=_ids(frame.get("ids"), people),
        may_be_signed=False,
        **canvas,
    )


def _nobody(value: Any) -> bool:
    """Whether an array stands for "nobody was found"."""
    if value is None or (isinstance(value, (list, tuple)) and not len(value)):
        return True
    return isinstance(value, np.ndarray) and value.size == 0 and value.shape[:1] == (0,)


def _ids(value: Any, people: int) -> tuple[int, ...] | None:
    fits = isinstance(value, (list, tuple)) and len(value) == people
    if not fits or not all(is_number(own) and own % 1 == 0 and 0 <= own < 2**31 for own in value):
        return None
    ids = tuple(int(own) for own in value)
    return ids if len(set(ids)) == people else None


def _read_bodies(bodies: dict[str, Any], subset: np.ndarray, path: Path, place: str) -> np.ndarray:
    candidate = _array(bodies["candidate"], path, f"{place}.bodies.candidate", (None, None))
    if len(subset) and (candidate.shape[1] < 2 or not np.isfinite(subset).all()):
        raise InputError.at(path, "expected x, y rows and finite indices", f"{place}.bodies")
    seen = np.where(subset < 0, -1, subset)
    if (seen >= len(candidate)).any() or (seen != np.floor(seen)).any():
        raise InputError.at(
            path,
            f"expected whole indices below {len(candidate)}, found {subset.max():g}",
            f"{place}.bodies.subset",
        )
    index = seen.astype(np.int64)
    scores = np.ones(subset.shape)
    if not _nobody(bodies.get("score")):
        scores = _array(bodies["score"], path, f"{place}.bodies.score", subset.shape)
    joints = np.zeros((*subset.shape, 3))
    if len(candidate):
        joints[..., :2] = candidate[index, :2]
    joints[..., 2] = np.where(index >= 0, scores, 0.0)
    return joints


def _read_points(
    frame: dict[str, Any], name: str, count: int, joints: int, path: Path, place: str
) -> np.ndarray:
    points = _array(frame[name], path, f"{place}.{name}", (count, joints, 2))
    unseen = (points == -1).all(axis=-1)
    scores = np.ones(points.shape[:2])
    if not _nobody(frame.get(f"{name}_score")):
        scores = _array(frame[f"{name}_score"], path, f"{place}.{name}_score", (count, joints))
    return np.concatenate([points, np.where(unseen, 0.0, scores)[..., None]], axis=-1)


def _array(value: Any, path: Path, place: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """An array or nested lists of numbers as float64; None in `shape` allows any length."""
    wanted = " x ".join("n" if side is None else str(side) for side in shape)
    if isinstance(value, (list, tuple)):
        try:
            value = np.array(value)
        except (ValueError, OverflowError):  # rows of different lengths, or far too large numbers
            raise InputError.at(path, f"expected an array of {wanted} numbers", place) from None
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        fits = value.ndim == len(shape) and all(
            side is None or side == length for side, length in zip(shape, value.shape, strict=True)
        )
        if fits:
            return value.astype(np.float64)
        raise InputError.at(path, f"expected {wanted} numbers, found shape {value.shape}", place)
    raise InputError.at(path, f"expected an array of {wanted} numbers", place)


def _canvas(params: Any, path: Path, place: str) -> dict[str, Any]:
    """The canvas and the drawing's place in it, as keyword arguments of `PeopleFrame`."""
    if params is None:
        return {}
    where = f"{place}.draw_pose_params"
    if isinstance(params, np.ndarray):
        params = params.ravel().tolist()
    if not isinstance(params, (list, tuple)) or len(params) != 6:
        raise InputError.at(path, "expected 6 numbers", where)
    # Convert numpy's numbers to Python's.
    plain = [
        n.item() if isinstance(n, (np.generic, np.ndarray)) and n.ndim == 0 else n for n in params
    ]
    height, width, bottom, right = (
        check_side(plain[i], path, f"{where}[{i}]") for i in (0, 1, 3, 5)
    )
    top, left = (
        0 if plain[i] == 0 else check_side(plain[i], path, f"{where}[{i}]") for i in (2, 4)
    )
    return {"height": bottom, "width": right, "drawing": (left, top, width, height)}
