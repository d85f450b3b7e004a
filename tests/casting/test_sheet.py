from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.casting.plan import plan_animation
from posecast.casting.sheet import (
    CastSheet,
    Character,
    OrderChange,
    parse_order,
    ranks_of,
    write_cast,
)
from posecast.casting.sheet_reading import check_cast, keypoints_file, read_cast
from posecast.errors import InputError
from posecast.media.poses import read_poses
from posecast.types import PoseSequence


@pytest.fixture
def people(scene: dict[str, Path]) -> PoseSequence:
    return read_poses(scene["people"])


SHEET = CastSheet(
    (
        Character(0, 1, (2, 10, 28, 60), "people.json", 'left: "red" # äöü'),
        Character(1, 0, (36, 6, 62, 56), "people.json", ""),
    ),
    (OrderChange(0, (1, 0)), OrderChange(3, (0, 1))),
)


def test_a_written_sheet_reads_back(tmp_path: Path, people: PoseSequence) -> None:
    write_cast(SHEET, tmp_path / "cast.yaml")
    assert read_cast(tmp_path / "cast.yaml", people, drivers=2, frames=6) == SHEET
    held = CastSheet(SHEET.characters, SHEET.depth_order[:1])
    write_cast(held, tmp_path / "held.yaml")
    assert read_cast(tmp_path / "held.yaml", people, drivers=2, frames=6) == held
    assert keypoints_file(tmp_path / "held.yaml") == tmp_path / "people.json"
    assert SHEET.drivers == (1, 0)
    fitted = replace(SHEET, retarget=True)
    write_cast(fitted, tmp_path / "fitted.yaml")
    assert read_cast(tmp_path / "fitted.yaml", people, drivers=2, frames=6) == fitted


@settings(max_examples=50, deadline=None)
@given(note=st.text(max_size=30))
def test_any_note_can_be_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, note: str
) -> None:
    from tests.casting.conftest import person

    path = tmp_path_factory.mktemp("notes") / "cast.yaml"
    sheet = CastSheet((Character(0, 0, None, None, note),), (OrderChange(0, (0,)),))
    write_cast(sheet, path)
    one = PoseSequence(person(4, 4, 20)[None, None], 64, 64)
    assert read_cast(path, one, drivers=1, frames=1).characters[0].note == note


def test_ranks_follow_the_changes() -> None:
    ranks = ranks_of((OrderChange(0, (2, 0, 1)), OrderChange(2, (1, 2, 0))), 4, 3)
    assert ranks.tolist() == [[1, 2, 0], [1, 2, 0], [2, 0, 1], [2, 0, 1]]


GOOD = """format: posecast/cast/1
characters:
  - {id: 0, driver: 1}
  - {id: 1, driver: 0}
depth_order: [1, 0]
"""


def test_a_short_sheet_by_hand(tmp_path: Path, people: PoseSequence) -> None:
    (tmp_path / "cast.yaml").write_text(GOOD)
    sheet = read_cast(tmp_path / "cast.yaml", people, drivers=2, frames=6)
    assert sheet.drivers == (1, 0)
    assert sheet.depth_order == (OrderChange(0, (1, 0)),)
    assert keypoints_file(tmp_path / "cast.yaml") is None


def test_one_track_for_several_characters_and_one_that_stands_still(
    tmp_path: Path, people: PoseSequence
) -> None:
    path = tmp_path / "cast.yaml"
    path.write_text(GOOD.replace("driver: 1", "driver: 0") + "retarget_frame: first\n")
    sheet = read_cast(path, people, drivers=2, frames=6)
    assert sheet.drivers == (0, 0)
    assert sheet.retarget_frame == "first"
    path.write_text(GOOD.replace("driver: 1", "driver: still") + "retarget_frame: 5\n")
    sheet = read_cast(path, people, drivers=2, frames=6)
    assert sheet.drivers == (None, 0)
    again = tmp_path / "again.yaml"
    write_cast(sheet, again)
    assert "driver: still" in again.read_text()
    assert read_cast(again, people, drivers=2, frames=6) == sheet


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("cast/1", "cast/2", "line 1: format 'posecast/cast/2'"),
        ("driver: 1", "drvier: 1", "line 3: unknown key `drvier`"),
        ("driver: 1", "drvier: 1", "line 3: `driver` is missing"),
        ("driver: 1", "driver: 5", r"line 3: there is no driving track 5 \(0 to 1\)"),
        ("driver: 1", "driver: yes", "line 3: driver True; expected a whole number"),
        ("driver: 1", "driver: 1.5", "line 3: driver 1.5; expected a whole number"),
        ("driver: 1", "driver: stil", "line 3: driver 'stil'; expected the number .* or still"),
        ("[1, 0]", "[1, 0]\nretarget_frame: 6", "line 6: retarget_frame 6; expected first, or"),
        ("[1, 0]", "[1, 0]\nretarget_frame: last", "line 6: retarget_frame 'last'; expected"),
        ("id: 1", "id: 7", r"line 4: there is no character 7 \(0 to 1\)"),
        ("id: 1", "id: 0", "line 4: character 0 is given twice"),
        ("  - {id: 1, driver: 0}\n", "", "character 1 is missing"),
        ("{id: 1, driver: 0}", "bob", "line 4: expected a character"),
        ("{id: 1,", "{id: 1, box: [1, 2, 3],", "line 4: expected box"),
        ("{id: 1,", "{id: 1, box: [0, 0, 3, 3],", "does not hold the keypoints of character 1"),
        ("{id: 1,", "{id: 1, id: 1,", "line 4: `id` is given twice"),
        ("[1, 0]", "[1]", "line 5: .* 0 missing"),
        ("[1, 0]", "[1, 0, 0]", "line 5: .* 0 twice"),
        ("[1, 0]", "[1, 2]", "line 5: .* unknown character 2"),
        ("[1, 0]", "front", "line 5: expected depth_order"),
        ("[1, 0]", "[a, b]", "line 5: expected a list of characters"),
        ("[1, 0]", "\n  - {from_frame: 2, front_to_back: [1, 0]}", "line 6: the first order must"),
        ("[1, 0]", "\n  - {from_frame: 9, front_to_back: [1, 0]}", "line 6: there is no frame 9"),
        ("[1, 0]", "\n  - {frame: 0, front_to_back: [1, 0]}", "line 6: unknown key `frame`"),
        ("[1, 0]", "[1, 0]\nretarget: 2", "line 6: retarget 2; expected true or false"),
        ("[1, 0]", "[1, 0]\nspeed: 2", "line 6: unknown key `speed`"),
        ("depth_order: [1, 0]\n", "", "line 1: expected depth_order"),
        ("depth_order: [1, 0]", "depth_order: [1, 0", r"line \d: not readable as YAML"),
        ("driver: 1", "driver: &a 1", None),
        ("id: 1, driver: 0", "id: 1, driver: *a", "aliases"),
        ("driver: 1", "driver: .nan", "line 3: driver nan; expected a whole number"),
        (
            "driver: 1",
            "driver: " + "9" * 5000,
            "line 3: driver '9{40}'; expected the number of a tra",
        ),
        ("driver: 1", "driver: " + "9" * 3000, "line 3: there is no driving track 9{20} "),
        ("id: 0", "id: .inf", "line 3: id inf; expected a whole number"),
        ("id: 0,", "id: 0, box: [.nan, 0, 60, 60],", "line 3: expected box"),
        ("id: 0,", "id: 0, box: [0, 0, .inf, 60],", "line 3: expected box"),
        ("id: 0,", "id: 0, box: [-.inf, 0, 60, 60],", "line 3: expected box"),
        ("id: 0,", "id: 0, box: [0, 0, " + "9" * 400 + ", 60],", "line 3: expected box"),
        ("[1, 0]", "[.nan, 0]", "line 5: expected a list of characters"),
        ("[1, 0]", "\n  - {from_frame: .nan, front_to_back: [1, 0]}", "line 6: from_frame nan"),
        ("[1, 0]", "\n  - {from_frame: -1, front_to_back: [1, 0]}", "line 6: there is no frame -1"),
        ("cast/1", "cast/.nan", "line 1: format"),
        ("[1, 0]", "[1, 0]\nretarget: .nan", "line 6: retarget nan; expected true or false"),
        ("driver: 1", "driver: !!python/object/apply:os.system ['true']", "line 3: "),
    ],
)
def test_each_line_that_cannot_be_used(
    tmp_path: Path, people: PoseSequence, old: str, new: str, problem: str | None
) -> None:
    path = tmp_path / "cast.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    if problem is None:
        assert read_cast(path, people, drivers=2, frames=6).drivers == (1, 0)
        return
    with pytest.raises(InputError, match=problem) as caught:
        read_cast(path, people, drivers=2, frames=6)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


CHANGES = """
  - {from_frame: 0, front_to_back: [1, 0]}
  - {from_frame: 4, front_to_back: [0, 1]}"""


def test_a_short_preview_obeys_the_whole_clips_sheet(
    tmp_path: Path, scene: dict[str, Path]
) -> None:
    (tmp_path / "cast.yaml").write_text(GOOD.replace("[1, 0]", CHANGES))

    def orders(max_frames: int | None) -> list[list[int]]:
        return plan_animation(
            scene["picture"],
            scene["dance"],
            reference_poses=scene["people"],
            cast=tmp_path / "cast.yaml",
            max_frames=max_frames,
        ).ranks.tolist()

    assert orders(None) == [[1, 0]] * 4 + [[0, 1]] * 2
    for frames in (1, 2, 4, 5, 99):
        assert orders(frames) == orders(None)[:frames]
    (tmp_path / "cast.yaml").write_text(GOOD.replace("[1, 0]", CHANGES.replace("4", "24")))
    assert orders(4) == [[1, 0]] * 4
    with pytest.raises(InputError, match="there is no frame 24"):
        orders(None)


def test_all_problems_are_reported_at_once(tmp_path: Path, people: PoseSequence) -> None:
    text = GOOD.replace("driver: 1", "driver: 9").replace("id: 1", "id: 7").replace("[1, 0]", "[0]")
    (tmp_path / "cast.yaml").write_text(text + "extra: 1\n")
    with pytest.raises(InputError) as caught:
        read_cast(tmp_path / "cast.yaml", people, drivers=2, frames=6)
    for line in ("line 3:", "line 4:", "line 5:", "line 6:"):
        assert line in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"\xff\xfe\x00", b"just text", b"[" * 3000])
def test_files_that_are_no_sheet(tmp_path: Path, people: PoseSequence, content: bytes) -> None:
    path = tmp_path / "cast.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cast\.yaml"):
        read_cast(path, people, drivers=2, frames=6)
    with pytest.raises(InputError, match="no such file"):
        read_cast(tmp_path / "no.yaml", people, drivers=2, frames=6)
    with pytest.raises(InputError, match="is a folder"):
        read_cast(tmp_path, people, drivers=2, frames=6)


def test_a_broken_sheet_is_named_before_people_are_looked_for(
    tmp_path: Path, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from posecast.casting import finding, plan_animation

    def found(*_: object, **__: object) -> None:
        raise AssertionError("people were looked for")

    monkeypatch.setattr(finding, "pose_estimator", found)
    sheet = tmp_path / "cast.yaml"
    write_cast(SHEET, sheet)
    good = sheet.read_text()
    check_cast(sheet)
    for broken, said in (
        (good.replace("driver: 1", "drivr: 1"), "unknown key `drivr`"),
        (good.replace("driver: 1", "driver: left"), "expected the number of a track, or still"),
        (good.replace("driver: 1", "driver: -1"), "there is no driving track -1 (they count from"),
        (good.replace("id: 1", "id: 5"), "character 1 is missing"),
        (good.replace("[1, 0]", "[1, 1]"), "1 twice"),
        (good.replace("[2, 10, 28, 60]", "[28, 10, 2, 60]"), "expected box"),
        (good + "characters: [", "not readable as YAML"),
    ):
        sheet.write_text(broken)
        with pytest.raises(InputError) as error:
            plan_animation(scene["picture"], scene["picture"], cast=sheet)
        assert said in str(error.value)


def test_order_of_the_command_line() -> None:
    assert parse_order("2,0,1", 3) == (OrderChange(0, (2, 0, 1)),)
    for text in ("0", "0,1,1", "a,b", "", "0,1,5", "-1,0,1", "nan,0,1", "9" * 5000):
        with pytest.raises(InputError, match="`depth_order="):
            parse_order(text, 3)
    assert np.array_equal(ranks_of(parse_order("1,0", 2), 2, 2), [[1, 0], [1, 0]])
