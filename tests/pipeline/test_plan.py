from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.errors import InputError
from posecast.geometry.depth_order import nearest_by_feet
from posecast.media.poses import read_poses, write_poses
from posecast.pipeline.cast import OrderChange, write_cast
from posecast.pipeline.maps_file import map_chunks, write_maps
from posecast.pipeline.pictures import draw_cast, preview_frames
from posecast.pipeline.plan import AnimationPlan, plan_animation
from posecast.types import PoseSequence
from tests.pipeline.conftest import dancers, person


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
    plan = planned(scene, assignment="0:1,1:0", depth_order="1,0")
    assert plan.cast.drivers == (1, 0)
    assert np.array_equal(plan.keypoints, dancers().keypoints[::-1])
    assert plan.ranks.tolist() == [[1, 0]] * 6
    straight, swapped = planned(scene).maps(0, 6), plan.maps(0, 6)
    assert np.array_equal(straight.characters, swapped.characters[:, ::-1])
    assert np.array_equal(straight.reference_pose, swapped.reference_pose)


def test_the_order_of_the_maps_is_the_order_asked_for(scene: dict[str, Path]) -> None:
    changes = (OrderChange(0, (0, 1)), OrderChange(4, (1, 0)))
    close = dancers(lefts=(14, 30))
    plan = plan_animation(
        scene["picture"], close, reference_poses=scene["people"], depth_order=changes
    )
    maps = plan.maps(0, 6)
    contested = maps.characters.all(axis=1)
    assert contested[0].any()
    assert contested[4].any()
    order = maps.depth_order[:, 0]
    assert np.all(order[0][contested[0]] == 1)
    # From frame 4 on character 1 owns what both cover, and its own region is the front's.
    assert np.all(order[4][maps.characters[4, 1] == 1] == 1)
    assert np.all(order[3][maps.characters[3, 0] == 1] == 1)


def test_files_say_the_order(scene: dict[str, Path], tmp_path: Path) -> None:
    people = read_poses(scene["people"])
    assert planned(scene, reference_poses=replace(people, front_to_back=(1, 0))).ranks[0, 0] == 1
    dance = replace(dancers(), front_to_back=(1, 0))
    plan = plan_animation(
        scene["picture"], dance, (64, 64), reference_poses=people, assignment={0: 1, 1: 0}
    )
    assert plan.ranks[0].tolist() == [0, 1]  # track 1 is in front, and it moves character 0


def test_a_cast_sheet_is_obeyed(scene: dict[str, Path], tmp_path: Path) -> None:
    sheet = planned(scene, assignment="0:1,1:0").cast
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
        scene["picture"], [first, second], (64, 64), reference_poses=scene["people"]
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
        plan = plan_animation(picture, poses, size, reference_poses=poses)
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
        (64, 64),
        reference_poses=scene["people"],
    )
    assert plan.reference_keypoints.shape == (2, 134, 3)
    assert np.array_equal(plan.maps(0, 6).pose, planned(scene).maps(0, 6).pose)


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
            r"or give keypoints \(--reference-poses",
        ),
        ({"reference_poses": one}, "2 driving tracks for 1 character"),
        ({"reference_poses": nobody}, "holds nobody"),
        ({"reference_poses": away}, "character 0 has no keypoint within the picture"),
        ({"reference_poses": replace(dancers(), width=640)}, "made for a picture of 640x64"),
        ({"size": (64, 8)}, "expected HEIGHTxWIDTH, sides from 16 to 8192"),
        ({"size": (64, 60000)}, "sides from 16 to 8192"),
        ({"max_frames": 0}, "expected 1 or more"),
        ({"assignment": "0:0"}, "no driving track for character 1"),
        ({"depth_order": "0"}, "--depth-order"),
    ]
    for options, problem in cases:
        with pytest.raises(InputError, match=problem) as caught:
            planned(scene, **options)
        assert "\n" not in str(caught.value)
    for driver, problem in ((nobody, "nobody is seen"), (away, "no driving track has a keypoint")):
        with pytest.raises(InputError, match=problem):
            plan_animation(scene["picture"], driver, (64, 64), reference_poses=scene["people"])
    with pytest.raises(InputError, match="no driving poses"):
        plan_animation(scene["picture"], [], (64, 64), reference_poses=scene["people"])
    with pytest.raises(InputError, match="expected uint8"):
        plan_animation(np.zeros((8, 8)), dancers(), (64, 64), reference_poses=scene["people"])


def test_a_crop_that_loses_people_says_so(scene: dict[str, Path]) -> None:
    # Columns 14 to 50 are kept: both lose an arm or more.
    plan = planned(scene, size=(64, 36))
    assert any("the centre crop cuts off" in note for note in plan.notes)
    people = PoseSequence(person(1, 10, 8)[None, None], 64, 64)
    with pytest.raises(InputError, match="nobody of the reference is left"):
        plan_animation(scene["picture"], dancers(6, (20,)), (64, 16), reference_poses=people)


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


def test_maps_in_pieces_are_the_maps(scene: dict[str, Path], tmp_path: Path) -> None:
    plan = planned(scene)
    write_maps(map_chunks(plan, 4), 6, tmp_path / "maps.npz")
    whole = plan.maps(0, 6)
    with np.load(tmp_path / "maps.npz") as file:
        assert set(file) == {"pose", "reference_pose", "flow", "depth_order", "characters"}
        for name in file:
            assert np.array_equal(file[name], getattr(whole, name)), name
            assert file[name].dtype == getattr(whole, name).dtype
    write_maps(map_chunks(plan, 3), 6, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "maps.npz").read_bytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with pytest.raises(InputError, match=r"ends in \.npz"):
        write_maps(map_chunks(plan), 6, tmp_path / "maps.zip")


FULL = """
import resource, sys
import numpy as np
from posecast.pipeline.maps_file import write_maps
from posecast.types import ConditionMaps
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
pose = np.zeros((1, 3, 64, 64), np.float32)
maps = ConditionMaps(pose, pose[0], pose, pose[:, :1], np.zeros((1, 1, 64, 64), np.uint8))
try:
    write_maps([maps] * 4, 4, sys.argv[1])
except OSError as error:
    print(error.filename)
"""


def test_maps_on_a_full_disk(tmp_path: Path) -> None:
    out = tmp_path / "maps.npz"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(out), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_larger_canvas_only_adds_room(scene: dict[str, Path]) -> None:
    plan = planned(scene, size=(60, 63))
    small, large = plan.maps(0, 6), plan.maps(0, 6, (64, 64))
    for name in ("flow", "depth_order", "characters"):
        assert np.array_equal(getattr(large, name)[..., :60, :63], getattr(small, name)), name


def test_pictures_for_people(scene: dict[str, Path]) -> None:
    plan = planned(scene)
    cast = draw_cast(plan)
    assert cast.shape[1] == 2 * 640 + 4
    assert not np.array_equal(cast, draw_cast(planned(scene, assignment="0:1,1:0")))
    frames = list(preview_frames(plan, map_chunks(plan)))
    assert len(frames) == 6
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    # Six panels of 192 pixels.
    assert frames[0].shape[1] == 6 * (192 + 4)
    assert not np.array_equal(frames[0], frames[5])
    warped = next(preview_frames(plan, map_chunks(plan, warp=True)))
    assert warped.shape[1] == 7 * (192 + 4)
    np.testing.assert_array_equal(warped[:, : frames[0].shape[1]], frames[0])


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
