"""A project as the command line reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from posecast.errors import InputError
from posecast.media.id_images import read_ids
from posecast.media.poses import read_poses, write_poses
from posecast.studio.cast_files import as_used, frames_of, write_files, write_keys
from posecast.studio.casting_guess import guessed
from posecast.studio.document import Change, Document, Moved, Person, Use
from posecast.studio.projects import READY, Driver, Picture, State
from posecast.studio.wording import in_names, plainly
from posecast.types import PoseSequence

JOINTS = tuple((10.0 + i, 20.0 + i, 0.9) for i in range(18))


def track(frames: int, fps: float = 10.0, tracks: int = 1) -> PoseSequence:
    """Somebody whose joints are all at x = frame."""
    keypoints = np.full((tracks, frames, 18, 3), 0.9, np.float32)
    keypoints[..., 0] = np.arange(frames)[None, :, None] + 1
    keypoints[..., 1] = 5
    return PoseSequence(keypoints, 64, 64, fps)


def driver(name: str, frames: int, fps: float = 10.0, tracks: int = 1, **facts: object) -> Driver:
    usual = {"seen": (100,) * tracks, "places": tuple(0.2 + 0.6 * i for i in range(tracks))}
    return Driver(
        name, f"inputs/{name}.json", f"{name}.json", READY, "", 64, 64, fps, frames, tracks,
        **{**usual, **facts},  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("inputs", "masks", "drivers", "tracks"):
        (tmp_path / part).mkdir()
    write_poses(track(40), tmp_path / "drivers" / "driver-a.json")
    write_poses(track(30, tracks=2), tmp_path / "drivers" / "driver-b.json")
    return tmp_path


def state(folder: Path) -> State:
    keys = np.zeros((64, 64), np.uint8)
    keys[:, :20], keys[:, 40:] = 3, 1
    document = Document(
        people=(
            Person(1, "Ada", JOINTS, Moved("driver-b", 1)),
            Person(3, "Bea", ((0.0, 0.0, 0.1), *JOINTS[1:]), Moved("driver-a", 0)),
        ),
        mask=write_keys(keys, folder / "masks"),
        drivers=(Use("driver-a"), Use("driver-b", last=2.0)),
        order=(Change(0, (3, 1)), Change(15, (1, 3)), Change(25, (3, 1))),
    ).normal()
    return State(
        0, document, Picture("inputs/p.png", "p.png", 64, 64, READY),
        (driver("driver-a", 40), driver("driver-b", 30, tracks=2)),
    )  # fmt: skip


def test_keys_become_places_and_tracks_are_numbered_through(folder: Path) -> None:
    files = write_files(folder, state(folder))
    sheet = yaml.safe_load(files.cast.read_text())
    assert [c["driver"] for c in sheet["characters"]] == [2, 0]
    assert [c["note"] for c in sheet["characters"]] == ["Ada", "Bea"]
    # The clip is 20 frames long: what would change later is left out.
    assert sheet["depth_order"] == [
        {"from_frame": 0, "front_to_back": [1, 0]},
        {"from_frame": 15, "front_to_back": [0, 1]},
    ]
    assert files.mask is not None
    ids = read_ids(files.mask)
    assert ids[0, 0] == 2
    assert ids[0, 63] == 1
    people = read_poses(folder / "people.json")
    assert people.keypoints[1, 0, 0].tolist() == [0, 0, 0]  # a hidden joint is absent
    assert files.arguments(folder)[:2] == ["--reference", "inputs/p.png"]
    assert files.tracks == (
        "track 1 of driver-a.json", "track 1 of driver-b.json", "track 2 of driver-b.json",
    )  # fmt: skip


def test_a_driver_that_moves_nobody_shortens_nothing(folder: Path) -> None:
    before = state(folder)
    people = tuple(replace(p, moved_by=Moved("driver-a", 0)) for p in before.document.people)
    files = write_files(folder, replace(before, document=replace(before.document, people=people)))
    assert files.drivers == ("driver-a",)


def test_what_is_missing_is_said(folder: Path) -> None:
    whole = state(folder)
    with pytest.raises(InputError, match="no picture"):
        write_files(folder, replace(whole, picture=None))
    with pytest.raises(InputError, match="nobody"):
        write_files(folder, replace(whole, document=replace(whole.document, people=())))
    with pytest.raises(InputError, match="no driver"):
        write_files(folder, replace(whole, drivers=()))
    hidden = replace(whole.document.people[0], joints=((1.0, 1.0, 0.0),) * 18)
    with pytest.raises(InputError, match="Ada: has no visible joint"):
        write_files(folder, replace(whole, document=replace(whole.document, people=(hidden,))))


@pytest.mark.parametrize(
    ("use", "first", "frames"),
    [
        (Use("a"), 1, 40),
        (Use("a", first=1.0), 11, 30),
        (Use("a", first=1.0, last=2.0), 11, 10),
        (Use("a", offset=0.5), 1, 45),
        (Use("a", first=9.0), 40, 1),
    ],
)
def test_drivers_are_cut_and_held(use: Use, first: int, frames: int) -> None:
    used = as_used(track(40), use, "a.json")
    assert used.num_frames == frames == frames_of(driver("a", 40), use, 10.0)
    assert used.keypoints[0, 0, 0, 0] == first
    held = round(use.offset * 10)
    assert (used.keypoints[0, : held + 1, 0, 0] == first).all()


def test_tracks_in_the_background_are_not_taken() -> None:
    people = (
        Person(1, "Ada", JOINTS),
        Person(2, "Bea", tuple((x + 40, y, c) for x, y, c in JOINTS)),
    )
    crowd = driver("driver-c", 40, tracks=4, seen=(90, 5, 80, 6), places=(0.9, 0.1, 0.2, 0.5))
    document = Document(people=people, drivers=(Use("driver-c"),)).normal()
    moved = guessed(State(0, document, None, (crowd,))).document.people
    assert [person.moved_by for person in moved] == [Moved("driver-c", 2), Moved("driver-c", 0)]


def test_notes_speak_of_people_and_drivers_as_the_page_does() -> None:
    note = "track 1 (poses) never shows both knees: character 0 keeps its own, as in the picture"
    assert in_names(note, ["Ada"], ["track 1 of a.json", "track 2 of a.json"]) == (
        "track 2 of a.json never shows both knees: Ada keeps its own, as in the picture"
    )
    line = "/home/me/p/inputs/a.mp4: nobody in any of 9 frames: `poses=`"
    assert plainly(line, Path("/home/me/p/inputs")) == "a.mp4: nobody in any of 9 frames"
