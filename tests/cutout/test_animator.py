from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import posecast
from posecast.casting.plan import AnimationPlan
from posecast.casting.result import AnimationResult
from posecast.cutout import CutoutAnimator
from posecast.cutout.animator import MOST_PIXELS, mends
from posecast.cutout.ground import Ground
from posecast.cutout.holding import held
from posecast.errors import InputError
from posecast.pipeline import AnimationPipeline
from tests.casting.conftest import person
from tests.cutout.conftest import BLUE, GROUND, RED, Painted


def animated(painted: Painted, *steps: tuple[float, float], **options) -> np.ndarray:
    options = {"reference_poses": painted.poses, **options}
    return CutoutAnimator()(painted.picture, painted.moved(*steps), **options).frames


def near(frame: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(frame.astype(int) - colour).max(axis=-1) < 40


def test_it_is_called_as_the_pipeline_is(figure: Painted) -> None:
    assert posecast.CutoutAnimator is CutoutAnimator
    animator = CutoutAnimator.from_pretrained()
    result = animator(
        figure.picture, figure.moved((0, 0), (5, 0)), reference_poses=figure.poses, fps=7.0
    )
    assert isinstance(result, AnimationResult)
    assert result.frames.dtype == np.uint8
    assert result.frames.shape == (2, 280, 200, 3)
    assert result.fps == 7
    assert result.notes == result.plan.notes
    plans = [
        engine.plan(
            figure.picture, figure.moved((0, 0)), reference_poses=figure.poses, size=(64, 48)
        )
        for engine in (animator, _pipeline())
    ]
    np.testing.assert_array_equal(plans[0].keypoints, plans[1].keypoints)


def _pipeline() -> AnimationPipeline:
    from tests.pipeline.conftest import tiny_animator

    return AnimationPipeline(tiny_animator())


def inner(region: np.ndarray) -> np.ndarray:
    """Without its edges, which are soft."""
    return cv2.erode(region.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0


def test_who_does_not_move_stays_as_in_the_picture(figure: Painted) -> None:
    frame = animated(figure, (0, 0))[0]
    off = np.abs(frame.astype(int) - figure.picture).max(axis=-1) > 8
    mask = figure.masks[0] > 0
    assert off[inner(mask)].mean() < 0.005
    assert off[inner(~mask)].mean() < 0.001


@pytest.mark.parametrize("step", [(40.0, 0.0), (-30.0, 20.0)])
def test_pixels_go_where_the_pose_goes_and_leave_ground_behind(
    figure: Painted, step: tuple[float, float]
) -> None:
    frame = animated(figure, step)[0]
    x, y = map(int, step)
    there = np.roll(figure.masks[0], (y, x), axis=(0, 1)) > 0
    left = (figure.masks[0] > 0) & ~there
    assert near(frame, RED)[inner(there)].mean() > 0.97
    assert near(frame, GROUND)[inner(left)].mean() > 0.95
    outside = ~there & (figure.masks[0] == 0)
    assert near(frame, GROUND)[inner(outside)].mean() > 0.99


def test_who_is_in_front_hides_who_is_behind(pair: Painted) -> None:
    steps = pair.moved((0, 0))
    tracks = steps.keypoints.copy()
    tracks[0, ..., 0] += 80
    tracks[1, ..., 0] -= 80
    first, second = (
        np.roll(mask, step, axis=1) > 0 for mask, step in zip(pair.masks, (80, -80), strict=True)
    )
    both = first & second
    assert both.sum() > 500
    for order, colour in (("0,1", RED), ("1,0", BLUE)):
        frame = CutoutAnimator()(
            pair.picture,
            steps.with_keypoints(tracks),
            reference_poses=pair.poses,
            depth_order=order,
        ).frames[0]
        assert near(frame, colour)[inner(both)].mean() > 0.97, order


def test_given_masks_decide_what_moves(figure: Painted) -> None:
    """What lies outside of them stays with the ground."""
    picture = figure.picture.copy()
    half = figure.masks.copy()
    half[:, :, :100] = 0  # one half is said to be no part of it
    options = {"reference_poses": figure.poses}
    moved = figure.moved((50, 0))
    whole = CutoutAnimator()(picture, moved, masks=figure.masks, **options).frames[0]
    part = CutoutAnimator()(picture, moved, masks=half, **options).frames[0]
    stays = (figure.masks[0] > 0) & (np.arange(200) < 92)
    stays &= np.roll(figure.masks[0], 50, axis=1) == 0
    assert near(whole, GROUND)[stays].mean() > 0.95
    assert near(part, RED)[stays].mean() > 0.95
    # Bytes or shares of 1, it is the same.
    plans = [
        CutoutAnimator().plan(picture, moved, masks=masks, **options)
        for masks in (half, half.astype(np.float32), half * np.uint8(255))
    ]
    for plan in plans[1:]:
        np.testing.assert_array_equal(plan.masks, plans[0].masks)
    with pytest.raises(InputError, match=r"masks.*expected one mask of the picture's 280x200"):
        CutoutAnimator()(picture, moved, masks=half[:, :100], **options)


def test_the_size_is_the_pictures_own_up_to_a_cap(figure: Painted) -> None:
    assert CutoutAnimator().default_size((677, 451)) == (677, 451)
    large = CutoutAnimator().default_size((4000, 3000))
    assert abs(large[0] * large[1] / MOST_PIXELS - 1) < 0.01
    assert abs(large[0] / large[1] - 4 / 3) < 0.01
    assert animated(figure, (0, 0), size=(140, 100)).shape == (1, 140, 100, 3)
    odd = Painted((281, 201), [(person(60, 50, 80), RED)])
    assert animated(odd, (3, 0)).shape == (1, 281, 201, 3)


def test_small_pictures_alone_are_mended(figure: Painted, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Painted((65, 47), [(person(12, 8, 22), RED)])

    def plan_of(painted: Painted) -> AnimationPlan:
        moved = painted.moved((0, 0), (6, 0))
        return CutoutAnimator().plan(painted.picture, moved, reference_poses=painted.poses)

    assert mends(plan_of(small))
    assert not mends(plan_of(figure))
    frames = {
        mend: np.stack(list(CutoutAnimator().frames(plan_of(small), mend=mend)))
        for mend in (None, True, False)
    }
    assert frames[None].shape == (2, 65, 47, 3)  # odd sides too
    np.testing.assert_array_equal(frames[None], frames[True])
    assert (frames[True] != frames[False]).any()


def test_people_alone_or_over_another_ground(figure: Painted) -> None:
    plan = CutoutAnimator().plan(
        figure.picture, figure.moved((0, 0)), reference_poses=figure.poses, masks=figure.masks
    )
    mask = figure.masks[0] > 0
    (frame,) = CutoutAnimator().frames(plan, ground=Ground.of(None, plan.size, True))
    assert frame.shape == (280, 200, 4)
    assert (frame[inner(mask), 3] > 250).all()
    assert (frame[inner(~mask), 3] == 0).all()
    assert near(frame[..., :3], RED)[frame[..., 3] > 30].all(), "soft edges keep their colour"
    white = Ground(np.full((280, 200, 3), 255, np.uint8))
    (over,) = CutoutAnimator().frames(plan, ground=white)
    assert (over[inner(~mask)] == 255).all()
    share = frame[..., 3:] / 255
    mixed = frame[..., :3] * share + 255 * (1 - share)
    np.testing.assert_allclose(over, mixed, atol=3)
    with pytest.raises(InputError, match="mend"):
        list(CutoutAnimator().frames(plan, mend=True, ground=white))
    with pytest.raises(InputError, match="expected one of them"):
        Ground.of("a.png", plan.size, True)


def test_joints_that_are_lost_for_a_while_stay_with_their_limb() -> None:
    track = np.repeat(person(60, 50, 80)[None, None], 5, axis=1)
    track[0, :, :, 0] += np.arange(5, dtype=np.float32)[:, None] * 10
    whole = track.copy()
    track[0, 1:4, 4] = 0  # a wrist
    track[0, 2] = 0  # nobody
    kept = held(track)
    for frame in (1, 3):
        np.testing.assert_allclose(kept[0, frame, 4, :2], whole[0, frame, 4, :2], atol=1e-3)
    assert not kept[0, 2].any(), "who is not there stays away"
    track[0, :, 4] = 0
    assert not held(track)[0, :, 4].any(), "what is never seen stays absent"


def test_the_mender_of_a_folder_is_used(tmp_path: Path) -> None:
    from posecast.cutout.mender import Mender

    small = Painted((64, 48), [(person(12, 8, 22), RED)])
    plan = CutoutAnimator().plan(small.picture, small.moved((6, 0)), reference_poses=small.poses)
    Mender(widths=(8, 8)).save_pretrained(tmp_path / "trained" / "mender")  # it mends nothing
    fresh = CutoutAnimator.from_pretrained(tmp_path / "trained")
    (own,) = CutoutAnimator().frames(plan)
    (other,) = fresh.frames(plan)
    assert (own != other).any()
    with pytest.raises(InputError, match="holds mender/"):
        CutoutAnimator.from_pretrained(tmp_path)
    (tmp_path / "trained" / "mender" / "config.json").write_text('{"widths": [8], "hair": 1}')
    with pytest.raises(InputError, match="unknown setting of Mender"):
        list(fresh.frames(plan))


def test_frames_come_one_by_one(figure: Painted) -> None:
    """A clip of any length: the first frame is there before the others are made."""
    plan = CutoutAnimator().plan(
        figure.picture, figure.moved(*[(0, 0)] * 3), reference_poses=figure.poses
    )
    endless = replace(
        plan,
        keypoints=np.repeat(plan.keypoints[:, :1], 10_000, axis=1),
        ranks=np.repeat(plan.ranks[:1], 10_000, axis=0),
    )
    heard: list[tuple[str, int, int]] = []
    frames = CutoutAnimator().frames(endless, on_progress=lambda *said: heard.append(said))
    assert next(frames).shape == (280, 200, 3)
    next(frames)
    frames.close()
    assert heard == [("moving", 1, 10_000)]
