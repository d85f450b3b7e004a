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
from posecast.geometry.framing import default_size
from posecast.media.poses import read_poses, write_poses
from posecast.media.video import write_video
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
    assert plan.notes == (
        "from front to back the characters are 0, 1, by the feet, which is a guess; "
        "nobody overlaps; `depth_order=` says otherwise",
    )
    assert planned(scene, depth_order="0,1").notes == ()


def test_swapped_drivers_and_inverted_order(scene: dict[str, Path]) -> None:
    plan = planned(scene, assign="0:1,1:0", depth_order="1,0")
    assert plan.cast.drivers == (1, 0)
    assert np.array_equal(plan.keypoints, dancers().keypoints[::-1])
    assert plan.ranks.tolist() == [[1, 0]] * 6
    assert np.array_equal(plan.reference_keypoints, planned(scene).reference_keypoints)


def test_the_order_comes_from_the_pose_files(scene: dict[str, Path], tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match="a cast sheet already states assignment"):
        planned(scene, cast=tmp_path / "cast.yaml", depth_order="0,1")


def test_a_file_for_each_driver(scene: dict[str, Path]) -> None:
    first = dancers(9, (36,))
    # Another canvas, twice as large, and another rate: framed on its own, resampled in time.
    second = replace(dancers(15, (12,), (128, 128)), fps=30.0)
    plan = plan_animation(
        scene["picture"], [first, second], size=(64, 64), reference_poses=scene["people"]
    )
    # File k moves the k-th character from the left, wherever it stands.
    assert plan.cast.drivers == (0, 1)
    assert plan.fps == 12.0
    assert plan.num_frames == 6  # half a second
    assert any("9, 6 frames; all are cut to the shortest, 6" in note for note in plan.notes)
    assert any("30 frames a second are resampled in time to 12" in note for note in plan.notes)
    for frame in range(6):
        nose = second.keypoints[0, 0, 0, :2] + (frame * 30 / 12, 0)
        expected = (nose + 0.5) / 2 - 0.5
        assert plan.keypoints[1, frame, 0, :2] == pytest.approx(expected, abs=1e-4)
    assert planned(scene, max_frames=2).num_frames == 2


def test_one_driver_for_two_and_one_who_stands_still(scene: dict[str, Path]) -> None:
    plan = planned(scene, assign="1:0,1:1", retarget=False)
    assert plan.cast.drivers == (1, 1)
    assert np.array_equal(plan.keypoints[0], plan.keypoints[1])
    still = planned(scene, assign={0: 1})
    assert still.cast.drivers == (None, 0)
    assert np.array_equal(still.keypoints[0], np.repeat(still.reference_keypoints[:1], 6, axis=0))
    assert np.array_equal(still.keypoints[1], dancers().keypoints[0])
    # Fitting a driver to its character leaves the other one where it stands.
    fitted = planned(scene, assign={0: 1}, retarget=True)
    assert np.array_equal(fitted.keypoints[0], still.keypoints[0])
    assert draw_cast(still).any()


def test_a_part_of_the_drivers(scene: dict[str, Path]) -> None:
    whole = planned(scene)
    part = planned(scene, start=0.25, duration=0.2)  # 12 frames a second
    assert np.array_equal(part.keypoints, whole.keypoints[:, 3:6])
    twice = planned(scene, fps=24.0)
    assert twice.num_frames == 12
    assert np.array_equal(twice.keypoints[:, ::2], whole.keypoints)
    between = (whole.keypoints[:, 0] + whole.keypoints[:, 1]) / 2
    np.testing.assert_allclose(twice.keypoints[:, 1], between, atol=1e-5)
    half = planned(scene, fps=6.0, max_frames=2)
    assert np.array_equal(half.keypoints, whole.keypoints[:, :4:2])
    for options, problem in (
        ({"start": 0.5}, r"dance\.json: `start=0\.5` is past its end; it is 0\.50 seconds"),
        ({"start": -1.0}, "`start=-1`: expected 0 seconds or more"),
        ({"duration": 0.0}, "`duration=0`: expected more than 0"),
        ({"fps": float("nan")}, "`fps=nan`: expected 0.01 to 1000"),
    ):
        with pytest.raises(InputError, match=problem):
            planned(scene, **options)


def test_counts_that_do_not_fit_list_the_tracks(scene: dict[str, Path], tmp_path: Path) -> None:
    one = replace(dancers(4, (20,)), width=80)
    write_poses(one, tmp_path / "solo.json")
    with pytest.raises(InputError, match="1 driving track for 2 characters") as caught:
        plan_animation(scene["picture"], tmp_path / "solo.json", reference_poses=scene["people"])
    place = "track 0 (solo.json): 4 of 4 frames from frame 0 on, there around x 30, y 25 of 80x64"
    assert place in str(caught.value)
    assert "`assign=TRACK:CHARACTER,...`: 0:0,0:1 has all follow one" in str(caught.value)


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


def test_whole_bodies_and_bodies_may_be_mixed(scene: dict[str, Path]) -> None:
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
            r"joints can be given by hand \(docs/using.md\): `reference_poses=`",
        ),
        ({"reference_poses": one}, "2 driving tracks for 1 character"),
        ({"reference_poses": nobody}, "holds no person"),
        ({"reference_poses": away}, "character 0 has no keypoint within the picture"),
        ({"reference_poses": replace(dancers(), width=640)}, "made for a picture of 640x64"),
        ({"size": (64, 8)}, "expected HEIGHTxWIDTH, sides from 16 to 8192"),
        ({"size": (64, 60000)}, "sides from 16 to 8192"),
        ({"max_frames": 0}, "expected 1 frame or more"),
        ({"assign": "0:0,1:0"}, "character 0 is moved by the tracks 0 and 1"),
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


@pytest.mark.parametrize("shape", [(913, 622), (677, 451), (1080, 1920)])
@pytest.mark.parametrize("model", [(128, 128), (896, 640), (640, 896)])
def test_the_default_size_cuts_nobody(shape: tuple[int, int], model: tuple[int, int]) -> None:
    """Who reaches both sides of the picture and its lower edge is whole at that size."""
    height, width = shape
    whole = np.concatenate([person(0, height - 200, 100), person(width - 101, height - 196, 100)])
    people = PoseSequence(whole.reshape(2, 1, 18, 3), width, height, front_to_back=(0, 1))
    plan = plan_animation(
        np.zeros((*shape, 3), np.uint8),
        dancers(2),
        reference_poses=people,
        size=default_size(model, shape),
    )
    assert not [note for note in plan.notes if "crop" in note]


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


def test_the_cast_picture_shows_the_assignment(scene: dict[str, Path]) -> None:
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


def test_the_frame_that_ties_drivers_to_characters(scene: dict[str, Path]) -> None:
    driver = dancers()
    keypoints = driver.keypoints.copy()
    keypoints[:, 0] = 0  # nobody yet
    keypoints[:, 4, 2:8, 1] += 3  # frame 4 is least like the picture
    late = driver.with_keypoints(keypoints)

    def fitted(frame: int | str | None) -> AnimationPlan:
        return plan_animation(
            scene["picture"], late, reference_poses=scene["people"], retarget_frame=frame,
            retarget=True, fill_gaps=0.0,
        )  # fmt: skip

    for frame in (2, 4):
        plan = fitted(frame)
        assert plan.cast.retarget
        np.testing.assert_allclose(
            plan.keypoints[:, frame, 1], plan.reference_keypoints[:, 1], atol=1e-3
        )
    assert np.array_equal(fitted("first").keypoints, fitted(1).keypoints)
    assert not np.array_equal(fitted(4).keypoints, fitted(None).keypoints)
    for frame, problem in (
        (0, "the driver of character 0, 1 shares fewer than four .* frame 1 is the first"),
        (6, "the clip has 6 frames, numbered from 0 to 5"),
        (-1, "the clip has 6 frames"),
    ):
        with pytest.raises(InputError, match=f"`retarget_frame={frame}`: {problem}"):
            fitted(frame)
    # Naming the frame is asking for it.
    named = plan_animation(
        scene["picture"], late, reference_poses=scene["people"], retarget_frame=2
    )
    assert named.cast.retarget


def test_a_driver_without_legs_leaves_the_character_its_own(scene: dict[str, Path]) -> None:
    driver = dancers()
    keypoints = driver.keypoints.copy()
    keypoints[:, :, [9, 10, 12, 13]] = 0
    plan = plan_animation(
        scene["picture"], driver.with_keypoints(keypoints), reference_poses=scene["people"]
    )
    own = plan.reference_keypoints
    # The drivers are 20 pixels wide, their characters 22.
    for inner, outer in ((8, 9), (9, 10), (11, 12), (12, 13)):
        bones = plan.keypoints[:, :, outer, :2] - plan.keypoints[:, :, inner, :2]
        expected = (own[:, None, outer, :2] - own[:, None, inner, :2]) * (20 / 22)
        np.testing.assert_allclose(bones, np.broadcast_to(expected, bones.shape), atol=1e-3)
    assert any(
        "track 0 (poses) never shows both knees and both ankles: character 0 keeps its own" in note
        for note in plan.notes
    )


def test_who_starts_or_goes_outside_of_the_frame(scene: dict[str, Path]) -> None:
    driver = dancers()
    keypoints = driver.keypoints.copy()
    keypoints[0, :2, :, 0] -= 40
    keypoints[1, 3, :, 0] += 60
    away = driver.with_keypoints(keypoints)
    plan = plan_animation(scene["picture"], away, reference_poses=scene["people"])
    assert any("character 0 starts outside of the frame (frames 0 to 1)" in n for n in plan.notes)
    assert any("character 1 goes outside of the frame (frame 3)" in n for n in plan.notes)
    assert sum("`retarget=True` brings drivers" in note for note in plan.notes) == 2


def test_people_of_a_plain_video_are_fitted_to_the_picture(
    scene: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video is framed as it happens to be; a pose file is taken as it is."""

    def estimate(batch: np.ndarray) -> list[np.ndarray]:
        small = np.stack([person(30, 30, 6), person(50, 30, 6)])
        return [np.pad(small, ((0, 0), (0, 116), (0, 0))) for _ in batch]

    monkeypatch.setattr("posecast.casting.finding.pose_estimator", lambda *_: estimate)
    write_video(np.zeros((4, 64, 64, 3), np.uint8), tmp_path / "dance.mp4", 10)
    given = (scene["picture"], tmp_path / "dance.mp4")
    fitted = plan_animation(*given, reference_poses=scene["people"])
    assert fitted.cast.retarget
    assert any("`retarget=False`" in note for note in fitted.notes)

    def heights(plan: AnimationPlan) -> np.ndarray:
        return np.ptp(plan.keypoints[:, 0, :14, 1], axis=1)

    own = np.ptp(fitted.reference_keypoints[:, :14, 1], axis=1)
    np.testing.assert_allclose(heights(fitted), own, rtol=0.1)
    left = plan_animation(*given, reference_poses=scene["people"], retarget=False)
    assert not left.cast.retarget
    assert (heights(left) < own / 2).all()
    assert not plan_animation(
        scene["picture"], scene["dance"], reference_poses=scene["people"]
    ).cast.retarget


def test_one_driver_of_several_characters_is_fitted_to_each(scene: dict[str, Path]) -> None:
    plan = planned(scene, assign="0:0,0:1")
    assert plan.cast.retarget
    note = "one driver moves several characters, and is fitted to each"
    assert any(one.startswith(note) for one in plan.notes)
    middle = np.nanmean(plan.keypoints[:, :, :14, 0], axis=2)
    place = plan.reference_keypoints[:, :14, 0].mean(axis=1)
    np.testing.assert_allclose(middle.mean(axis=1), place, atol=4)

    merged = planned(scene, assign="0:0,0:1", retarget=False)
    assert not merged.cast.retarget
    assert np.array_equal(merged.keypoints[0], merged.keypoints[1])
    assert any(
        "drivers of characters 0 and 1 stand in one place" in note and "`retarget=True`" in note
        for note in merged.notes
    )


@pytest.mark.parametrize(("times", "said"), [(0.6, True), (0.7, False), (1.5, False), (1.7, True)])
def test_a_driver_of_another_size_is_named(
    scene: dict[str, Path], times: float, said: bool
) -> None:
    dance = dancers()
    people = read_poses(scene["people"]).keypoints[:, :1]
    tall = np.repeat(people, 3, axis=1)
    tall[..., :2] = (tall[..., :2] - tall[..., :2].mean(axis=(1, 2), keepdims=True)) * times + 32
    poses = dance.with_keypoints(tall.astype(np.float32))
    given = (scene["picture"], poses)
    notes = plan_animation(*given, reference_poses=scene["people"]).notes
    wanted = f"driver of character 1 is {times:.1f} times as tall as the character"
    assert any(wanted in note for note in notes) == said
    half = read_poses(scene["people"])
    half.keypoints[:, :, [9, 10, 12, 13]] = 0  # no legs below the hips are in the picture
    notes = plan_animation(*given, reference_poses=half).notes
    assert any("times as tall" in note for note in notes) == said
    fitted = plan_animation(*given, reference_poses=scene["people"], retarget=True).notes
    assert not any("times as tall" in note for note in fitted)


def test_two_drivers_in_one_place_are_named(scene: dict[str, Path]) -> None:
    dance = dancers()
    together = dance.keypoints.copy()
    together[1] = together[0]
    half = together.copy()
    half[1, :2, :, 0] += 40  # a third of the frames apart

    def notes(keypoints: np.ndarray) -> str:
        poses = dance.with_keypoints(keypoints.astype(np.float32))
        return " ".join(
            plan_animation(scene["picture"], poses, reference_poses=scene["people"]).notes
        )

    assert "stand in one place" in notes(together)
    assert "stand in one place" in notes(half)
    half[1, :4, :, 0] = together[1, :4, :, 0] + 40
    assert "stand in one place" not in notes(half)
    assert "stand in one place" not in notes(dance.keypoints)
