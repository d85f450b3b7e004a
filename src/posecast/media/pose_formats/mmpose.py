"""Reads MMPose results of pictures and videos, by demos and inferencers of versions 0 and 1.

A person has ``keypoints`` (joints, 2) in pixels and ``keypoint_scores``, or (joints, 3) including
the score (version 0). A frame is a list of people, or ``{"frame_id", "instances": people}``. Demos
write ``{"meta_info", "instance_info": frames or one picture's people}``. Inferencers write a list
of frames or of one picture's people, and return ``{"predictions": [frame, ...]}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecast.errors import InputError
from posecast.geometry.skeleton import FACE
from posecast.media.pose_formats.content import MAX_PEOPLE, check_numbers, describe, is_number
from posecast.media.pose_formats.layouts import check_layout, joints_of
from posecast.media.pose_formats.numbering import by_number
from posecast.media.pose_formats.people import PeopleFrame, clean_joints


def is_mmpose(value: Any) -> bool:
    """Whether a JSON value has one of these forms; an empty list is a picture without people."""
    if isinstance(value, dict):
        return "instance_info" in value or "predictions" in value
    if not isinstance(value, list):
        return False
    first = next((entry for entry in value if entry != []), None)
    if isinstance(first, list):
        return _is_person(first[0])
    return first is None or _is_frame(first) or _is_person(first) or is_mmpose_result(first)


def is_mmpose_result(value: Any) -> bool:
    """Whether a value is an inferencer's return value for one picture."""
    return isinstance(value, dict) and isinstance(value.get("predictions"), list)


def read_mmpose(value: Any, path: Path, notes: list[str]) -> list[PeopleFrame]:
    """Read the frames, with empty ones for missing numbers, about which `notes` gets a line.

    Raises InputError that names the wrong frame, person and part.
    """
    names = _joint_names(value)
    if isinstance(value, dict) and "instance_info" in value:
        return _read_list(value["instance_info"], path, "instance_info", names, notes)
    if isinstance(value, dict):
        return _read_list(value["predictions"], path, "predictions", names, notes)
    if value and is_mmpose_result(value[0]):
        frames: list[PeopleFrame] = []
        for index, result in enumerate(value):
            if not is_mmpose_result(result):
                raise InputError.at(
                    path, f"expected 'predictions', found {describe(result)}", f"[{index}]"
                )
            place = f"[{index}].predictions"
            frames += _read_list(result["predictions"], path, place, names, notes)
        return frames
    return _read_list(value, path, "", names, notes)


def _read_list(
    entries: Any, path: Path, place: str, names: list[str] | None, notes: list[str]
) -> list[PeopleFrame]:
    """Read a list of frames, numbered or not, or of one picture's people."""
    if not isinstance(entries, list):
        raise InputError.at(path, f"expected a list, found {describe(entries)}", place or None)
    first = next((entry for entry in entries if entry != []), None)
    if _is_frame(first):
        numbered: dict[int, PeopleFrame] = {}
        for index, entry in enumerate(entries):
            here = f"{place}[{index}]"
            if not _is_frame(entry):
                raise InputError.at(path, f"expected 'instances', found {describe(entry)}", here)
            number = entry.get("frame_id", index)
            if not is_number(number) or number % 1 != 0 or not 0 <= number < 2**53:
                raise InputError.at(
                    path, f"expected a number, found {describe(number)}", f"{here}.frame_id"
                )
            if int(number) in numbered:
                raise InputError.at(path, f"frame {int(number)} is there twice", here)
            frame = _read_people(entry["instances"], path, f"{here}.instances", names)
            numbered[int(number)] = frame
        return [frame or PeopleFrame.empty() for frame in by_number(numbered, path, notes)]
    if isinstance(first, list):
        return [
            _read_people(people, path, f"{place}[{index}]", names)
            for index, people in enumerate(entries)
        ]
    if first is None and entries:  # only frames without people
        return [PeopleFrame.empty() for _ in entries]
    return [_read_people(entries, path, place, names)]


def _read_people(people: Any, path: Path, place: str, names: list[str] | None) -> PeopleFrame:
    if not isinstance(people, list) or len(people) > MAX_PEOPLE:
        raise InputError.at(
            path,
            f"expected a list of at most {MAX_PEOPLE}, found {describe(people)}",
            place or None,
        )
    read, ids = [], []
    for index, person in enumerate(people):
        here = f"{place}[{index}]"
        if not _is_person(person):
            raise InputError.at(path, f"expected 'keypoints', found {describe(person)}", here)
        points = _points(person, path, here)
        check_layout(len(points), names, path, f"{here}.keypoints")
        read.append(clean_joints(joints_of(points, names)))
        track = person.get("track_id")
        ids.append(int(track) if is_number(track) and 0 <= track < 2**31 else None)
    if not read:
        return PeopleFrame.empty()
    joints = np.stack(read)
    whole_body = bool(joints[:, FACE.start :, 2].any())
    known = tuple(track for track in ids if track is not None)
    told = len(set(known)) == len(people)
    return PeopleFrame(joints, whole_body, ids=known if told else None)


def _points(person: dict[str, Any], path: Path, place: str) -> np.ndarray:
    """A person's points (joints, 3) with scores."""
    rows, scores = person["keypoints"], person.get("keypoint_scores")
    where = f"{place}.keypoints"
    sides = {len(row) if isinstance(row, list) else -1 for row in rows}
    flat_scores = [] if scores is None else scores
    if scores is not None and sides == {3}:
        raise InputError.at(path, "x, y and z; expected poses in a picture, x and y alone", where)
    if sides != {3 if scores is None else 2}:
        raise InputError.at(
            path, "expected [x, y] of each joint with keypoint_scores, or [x, y, score]", where
        )
    flat = check_numbers([number for row in rows for number in row], path, where)
    if scores is None:
        return flat.reshape(-1, 3)
    if not isinstance(flat_scores, list) or len(flat_scores) != len(rows):
        raise InputError.at(
            path,
            f"expected {len(rows)} numbers, found {describe(scores)}",
            f"{place}.keypoint_scores",
        )
    confidence = check_numbers(flat_scores, path, f"{place}.keypoint_scores")
    return np.column_stack([flat.reshape(-1, 2), confidence])


def _is_person(value: Any) -> bool:
    if not isinstance(value, dict) or "image_id" in value:
        return False
    rows = value.get("keypoints")
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], list)


def _is_frame(value: Any) -> bool:
    return isinstance(value, dict) and "instances" in value


def _joint_names(value: Any) -> list[str] | None:
    """The joint names in a demo's `meta_info`, in index order."""
    about = value.get("meta_info") if isinstance(value, dict) else None
    names = about.get("keypoint_id2name") if isinstance(about, dict) else None
    if not isinstance(names, dict) or not names:
        return None
    listed = [names.get(str(index)) for index in range(len(names))]
    return [n for n in listed if isinstance(n, str)] if None not in listed else None
