from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.casting.pictures import draw_cast
from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.casting.sheet import OrderChange, write_cast
from posecast.errors import InputError
from posecast.geometry.depth_order import nearest_by_feet
from posecast.media.poses import read_poses, write_poses
from posecast.types import PoseSequence
from tests.casting.conftest import dancers, person


def planned(scene: dict[str, Path], **options: object) -> AnimationPlan:
    options = {"reference_poses": scene["people"], "size": (64, 64), **options}
    return plan_animation(scene["picture"], scene["dance"], **options)  # type: ignore[arg-type]


def test_left_to_right_and_by_the_feet(scene: dict[str, Path]) -> None:
    plan = planned(scene)
    assert plan.cast.drivers == (0, 1)
    # Character 0's feet are lower in the picture: it is nearer.
    assert plan.ranks.tolist() == [[0, 1]] * 6
    assert plan.fps == 12.0
    assert np.array_equal(plan.keypoints, dancers().keypoints)
    assert plan.notes == ()


def test_swapped_drivers_and_inverted_order(scene: dict[str, Path]) -> None:
    plan = planned(scene, assign="0:1,1:0", depth_order="1,0")
    assert plan.cast.drivers == (1, 0)
    assert np.array_equal(plan.keypoints, dancers().keypoints[::-1])
    assert plan.ranks.tolist() == [[1, 0]] * 6
    assert np.array_equal(plan.reference_keypoints, planned(scene).reference_keypoints)


def test_files_say_the_order(scene: dict[str, Path], tmp_path: Path) -> None:
    people = read_poses(scene["people"])
    assert planned(scene, reference_poses=replace(people, front_to_back=(1, 0))).ranks[0, 0] == 1
    dance = replace(dancers(), front_to_back=(1, 0))
    plan = plan_animation(
        scene["picture"], dance, size=(64, 64), reference_poses=people, assign={0: 1, 1: 0}
    )
    assert plan.ranks[0].tolist() == [0, 1]  # track 1 is in front, and it moves character 0


def test_a_cast_sheet_is_obeyed(scene: dict[str, Path], tmp_path: Path) -> None:
    sheet = planned(scene, assign="0:1,1:0").cast
    sheet = replace(sheet, depth_order=(OrderChange(0, (1, 0)), OrderChange(3, (0, 1))))
    characters = tuple(replace(c, keypoints="people.json") for c in sheet.characters)
    write_cast(replace(sheet, characters=characters), tmp_path / "cast.yaml")
    plan = planned(scene, reference_poses=None, cast=tmp_path / "cast.yaml")
    assert plan.cast.drivers == (1, 0)
    assert plan.ranks[:, 0].tolist() == [1, 1, 1, 0, 0, 0]
    with pytest.raises(InputError, match="a cast sheet says who moves whom"):
        planned(scene, cast=tmp_path / "cast.yaml", depth_order="0,1")


def test_a_file_for_each_driver(scene: dict[str, Path]) -> None:
    first = dancers(9, (6,))
    # Another canvas, twice as large, and another rate: framed on its own.
    second = dancers(5, (72,), (128, 128))
    second = replace(second.with_keypoints(second.keypoints), fps=30.0)
    plan = plan_animation(
        scene["picture"], [first, second], size=(64, 64), reference_poses=scene["people"]
    )
    assert plan.num_frames == 5
    assert plan.fps == 12.0
    assert any("9, 5 frames" in note for note in plan.notes)
    assert any("12, 30 frames a second" in note for note in plan.notes)
    nose = second.keypoints[0, 0, 0, :2]
    assert plan.keypoints[1, 0, 0, :2] == pytest.approx((nose + 0.5) / 2 - 0.5, abs=1e-4)
    assert planned(scene, max_frames=2).num_frames == 2


def test_pictures_and_poses_are_framed_alike(scene: dict[str, Path]) -> None:
    """The keypoint stays on the pixel it was on, whatever the crop."""
    picture = np.zeros((100, 60, 3), np.uint8)
    people = person(15, 20, 30)[None, None]
    for x, y, _ in people[0, 0]:
        picture[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2] = 255
    poses = PoseSequence(people.astype(np.float32), 60, 100)
    for size in ((64, 64), (120, 60), (200, 100)):
        plan = plan_animation(picture, poses, size=size, reference_poses=poses)
        for x, y, _ in plan.reference_keypoints[0]:
            if 1 <= x < size[1] - 1 and 1 <= y < size[0] - 1:
                assert plan.picture[round(float(y)), round(float(x))].min() > 90
        assert np.array_equal(plan.reference_keypoints, plan.keypoints[:, 0])


def test_whole_bodies_beside_bodies(scene: dict[str, Path]) -> None:
    whole = np.zeros((2, 6, 134, 3), np.float32)
    whole[:, :, :18] = dancers().keypoints
    plan = plan_animation(
        scene["picture"],
        PoseSequence(whole, 64, 64, joints="wholebody134"),
        size=(64, 64),
        reference_poses=scene["people"],
    )
    assert plan.reference_keypoints.shape == (2, 134, 3)
    assert np.array_equal(plan.keypoints[:, :, :18], planned(scene).keypoints)


def test_inputs_that_do_not_fit(
    scene: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "no-weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    one = tmp_path / "one.json"
    write_poses(dancers(4, (20,)), one)
    nobody = dancers().with_keypoints(dancers().keypoints * (1, 1, 0.1))
    away = dancers().with_keypoints(dancers().keypoints + (500, 0, 0))
    cases: list[tuple[dict[str, object], str]] = [
        (
            {"reference_poses": None},
            r"or give keypoints \(`reference_poses=`",
        ),
        ({"reference_poses": one}, "2 driving tracks for 1 character"),
        ({"reference_poses": nobody}, "holds nobody"),
        ({"reference_poses": away}, "character 0 has no keypoint within the picture"),
        ({"reference_poses": replace(dancers(), width=640)}, "made for a picture of 640x64"),
        ({"size": (64, 8)}, "expected HEIGHTxWIDTH, sides from 16 to 8192"),
        ({"size": (64, 60000)}, "sides from 16 to 8192"),
        ({"max_frames": 0}, "expected 1 or more"),
        ({"assign": "0:0"}, "no driving track for character 1"),
        ({"depth_order": "0"}, "`depth_order=`"),
    ]
    for options, problem in cases:
        with pytest.raises(InputError, match=problem) as caught:
            planned(scene, **options)
        assert "\n" not in str(caught.value)
    for driver, problem in ((nobody, "nobody is seen"), (away, "no driving track has a keypoint")):
        with pytest.raises(InputError, match=problem):
            plan_animation(scene["picture"], driver, size=(64, 64), reference_poses=scene["people"])
    with pytest.raises(InputError, match="no driving poses"):
        plan_animation(scene["picture"], [], size=(64, 64), reference_poses=scene["people"])
    with pytest.raises(InputError, match="expected uint8"):
        plan_animation(np.zeros((8, 8)), dancers(), size=(64, 64), reference_poses=scene["people"])


def test_a_crop_that_loses_people_says_so(scene: dict[str, Path]) -> None:
    # Columns 14 to 50 are kept: both lose an arm or more.
    plan = planned(scene, size=(64, 36))
    assert any("the centre crop cuts off" in note for note in plan.notes)
    people = PoseSequence(person(1, 10, 8)[None, None], 64, 64)
    with pytest.raises(InputError, match="nobody of the reference is left"):
        plan_animation(scene["picture"], dancers(6, (20,)), size=(64, 16), reference_poses=people)


def test_pil_pictures_are_taken_too(scene: dict[str, Path]) -> None:
    picture = Image.open(scene["picture"])
    plan = plan_animation(picture, dancers(), reference_poses=scene["people"])
    assert plan.size == (64, 64)
    assert np.array_equal(plan.picture, planned(scene).picture)


def test_lower_feet_are_nearer_then_the_taller() -> None:
    people = np.stack([person(0, 0, 20), person(20, 10, 20), person(40, 8, 17), person(60, -3, 25)])
    # Feet at 39, 49, 41, 46.
    assert nearest_by_feet(people) == (1, 3, 2, 0)
    assert nearest_by_feet(np.stack([person(0, 20.5, 10), person(20, 1, 20)])) == (1, 0)


def test_the_cast_sheets_picture(scene: dict[str, Path]) -> None:
    cast = draw_cast(planned(scene))
    assert cast.shape[1] == 2 * 640 + 4
    assert not np.array_equal(cast, draw_cast(planned(scene, assign="0:1,1:0")))


def test_retargeting_puts_the_drivers_where_their_characters_are(scene: dict[str, Path]) -> None:
    plain = planned(scene)
    fitted = planned(scene, retarget=True)
    assert fitted.cast.retarget
    assert not plain.cast.retarget
    necks = fitted.reference_keypoints[:, 1, :2]
    assert np.abs(fitted.keypoints[:, :, 1, :2] - necks[:, None]).max() < 10
    for character, figure in zip(fitted.keypoints, fitted.reference_keypoints, strict=True):
        arm = character[0, 3, :2] - character[0, 2, :2]
        own = figure[3, :2] - figure[2, :2]
        np.testing.assert_allclose(np.linalg.norm(arm), np.linalg.norm(own), rtol=1e-3)


def test_gaps_are_filled_and_jitter_smoothed_before_anything_else(scene: dict[str, Path]) -> None:
    driver = dancers()
    keypoints = driver.keypoints.copy()
    keypoints[0, 2, 5] = 0
    jumpy = driver.with_keypoints(keypoints)
    options = {"reference_poses": scene["people"], "fill_gaps": 0.1, "smooth": 0.05}
    steady = plan_animation(scene["picture"], jumpy, **options)  # type: ignore[arg-type]
    truth = plan_animation(scene["picture"], driver, reference_poses=scene["people"])
    np.testing.assert_allclose(steady.keypoints, truth.keypoints, atol=1e-3)
