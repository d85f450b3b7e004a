"""The stage's truth is exact: it agrees with the pictures it comes with."""

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np
import pytest

from posecast.puppets import PuppetSettings, plan_shots, render, silhouettes

TWO = PuppetSettings(characters=(0, 1), frames=8)


def test_same_seed_same_bytes() -> None:
    first, second = (render(plan_shots(5, TWO, 2)[1]) for _ in range(2))
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.poses.keypoints, second.poses.keypoints)
    other = render(plan_shots(6, TWO, 2)[1])
    assert not np.array_equal(first.frames, other.frames)


def test_a_shot_does_not_depend_on_how_many_are_asked_for() -> None:
    assert np.array_equal(
        render(plan_shots(5, TWO, 1)[0]).frames, render(plan_shots(5, TWO, 3)[0]).frames
    )


def test_single_frames_are_those_of_the_whole_shot() -> None:
    plan = plan_shots(7, replace(TWO, camera="moving", light="changing"), 1)[0]
    whole, some = render(plan), render(plan, [5, 2])
    assert np.array_equal(whole.frames[[5, 2]], some.frames)
    assert whole.background_flow is not None
    assert some.background_flow is not None
    assert np.array_equal(whole.background_flow[[5, 2]], some.background_flow)


def test_casts_are_mixed_by_their_weights() -> None:
    settings = PuppetSettings(size=(32, 32), frames=1)
    counts = [len(plan_shots(seed, settings, 1)[0].actors) for seed in range(1000)]
    shares = np.bincount(counts, minlength=5)[1:] / 1000
    assert np.abs(shares - (0.4, 0.4, 0.15, 0.05)).max() < 0.05


def test_joints_lie_on_their_character() -> None:
    """A confident body joint is covered by its own character, a hidden one by another."""
    own, hidden = [], []
    for seed in range(8):
        clip = render(plan_shots(seed, TWO, 1)[0])
        assert clip.character_ids is not None
        for j in range(2):
            for i in range(8):
                for x, y, c in clip.poses.keypoints[j, i, :14]:
                    seen = clip.character_ids[i, round(float(y)), round(float(x))]
                    if c == 1:
                        own.append(seen == j + 1)
                    elif c > 0:
                        hidden.append(seen not in (0, j + 1))
    assert np.mean(own) > 0.97
    assert hidden
    assert np.all(hidden)


def test_the_nearer_character_covers_the_farther() -> None:
    contested = right = 0
    for seed in range(8):
        plan = plan_shots(seed, TWO, 1)[0]
        clip, whole = render(plan), silhouettes(plan)
        assert clip.character_ids is not None
        assert clip.depth is not None
        for i in range(8):
            both = (whole[i] > 0).all(axis=0)
            front = int(np.argmin(clip.ranks[i]))
            contested += int(both.sum())
            right += int((clip.character_ids[i][both] == front + 1).sum())
    assert contested > 500
    assert right == contested


def test_inverted_order_moves_nobody() -> None:
    plan = plan_shots(3, TWO, 1)[0]
    clip, inverted = render(plan), render(plan.with_order_inverted())
    assert np.array_equal(clip.ranks, 1 - inverted.ranks)
    assert np.array_equal(clip.poses.keypoints[..., :2], inverted.poses.keypoints[..., :2])


def test_looks_change_dress_not_place() -> None:
    plan = plan_shots(4, TWO, 1)[0]
    clip, swapped = render(plan), render(plan.with_looks((1, 0)))
    assert np.array_equal(clip.poses.keypoints[..., :2], swapped.poses.keypoints[..., :2])
    assert not np.array_equal(clip.frames, swapped.frames)
    assert np.array_equal(render(plan.with_looks((0, 1))).frames, clip.frames)


def test_background_flow_moves_the_previous_frame_onto_this_one() -> None:
    settings = PuppetSettings(characters=(1,), frames=6, camera="moving", size=(160, 160))
    errors, still = [], []
    for seed in range(6):
        clip = render(plan_shots(seed, settings, 1)[0])
        assert clip.background_flow is not None
        assert clip.character_ids is not None
        y, x = np.mgrid[0:160, 0:160].astype(np.float32)
        for i in range(1, 6):
            u, v = clip.background_flow[i]
            before = clip.frames[i - 1].astype(np.float32)
            moved = cv2.remap(
                before, x - u, y - v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            people = (clip.character_ids[i] > 0) | (clip.character_ids[i - 1] > 0)
            free = ~cv2.dilate(people.astype(np.uint8), np.ones((15, 15))).astype(bool)
            free[:8], free[-8:], free[:, :8], free[:, -8:] = False, False, False, False
            truth = clip.frames[i].astype(np.float32)
            errors.append(np.abs(moved - truth)[free].mean())
            still.append(np.abs(before - truth)[free].mean())
    assert np.mean(errors) < 0.45 * np.mean(still)
    assert np.mean(errors) < 3


def test_a_still_camera_has_no_flow_and_a_still_background() -> None:
    clip = render(plan_shots(9, TWO, 1)[0])
    assert clip.background_flow is not None
    assert clip.character_ids is not None
    assert not clip.background_flow.any()
    free = ~cv2.dilate(
        (clip.character_ids > 0).any(axis=0).astype(np.uint8), np.ones((7, 7))
    ).astype(bool)
    assert not np.ptp(clip.frames[:, free].astype(int), axis=0).any()


def test_whole_bodies_have_hands() -> None:
    settings = replace(TWO, joints="wholebody134", size=(256, 256))
    clip = render(plan_shots(11, settings, 1)[0])
    wrists = clip.poses.keypoints[:, :, 7]
    hands = clip.poses.keypoints[:, :, 92]
    present = (wrists[..., 2] > 0) & (hands[..., 2] > 0)
    assert present.any()
    assert np.allclose(wrists[present][:, :2], hands[present][:, :2])


def test_frames_have_the_asked_size() -> None:
    for size in ((48, 96), (200, 112), (33, 47)):
        clip = render(plan_shots(1, PuppetSettings(size=size, frames=2, camera="moving"), 1)[0])
        assert clip.frames.shape == (2, *size, 3)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        PuppetSettings(size=(8, 8))
    with pytest.raises(ValueError, match="weights"):
        PuppetSettings(characters=(0, 0))


SHAKING = PuppetSettings(frames=24, camera="shaking", shake=0.04, texture=4.0)


@pytest.mark.parametrize("alone", [0.0, 1.0])
def test_a_shaking_background_moves_by_its_flow_and_people_only_with_a_camera(alone: float) -> None:
    shaken = replace(SHAKING, shake_alone=alone)
    plan = plan_shots(11, shaken, 1)[0]
    clip, still = render(plan), render(replace(plan, tied=False))
    assert clip.background_flow is not None
    steps = np.diff(plan.camera[:, :, 2], axis=0) * 128
    found = clip.background_flow[1:, :, 64, 64]
    np.testing.assert_allclose(found, steps, atol=1e-4)
    moved = np.abs(clip.poses.keypoints[..., :2] - still.poses.keypoints[..., :2]).max()
    assert (moved == 0) == (alone == 1)


def test_the_mean_displacement_of_a_shaking_camera_is_what_was_asked_for() -> None:
    plans = [plan_shots(seed, SHAKING, 1)[0] for seed in range(30)]
    steps = [np.hypot(*np.diff(plan.camera[:, :, 2], axis=0).T).mean() for plan in plans]
    assert abs(np.mean(steps) - 0.04) < 0.004


def test_who_keeps_their_places_never_changes_them() -> None:
    kept = replace(TWO, frames=24, formations=("line", "cluster", "hug"))

    def swaps(settings: PuppetSettings) -> int:
        count = 0
        for seed in range(30):
            plan = plan_shots(seed, settings, 1)[0]
            depths = np.stack([actor.distance for actor in plan.actors])
            count += bool(np.ptp(np.argsort(depths, axis=0)[0]))
        return count

    assert swaps(kept) == 0
    assert swaps(replace(kept, formations=("circle",))) > 15


def test_textures_are_stronger_on_request() -> None:
    def roughness(texture: float) -> float:
        pictures = [
            plan_shots(seed, replace(TWO, texture=texture), 1)[0].canvas for seed in range(8)
        ]
        return float(
            np.mean([cv2.Laplacian(p.astype(np.float32), cv2.CV_32F).std() for p in pictures])
        )

    assert roughness(0.0) < roughness(1.0) < roughness(4.0)


def test_cloth_is_smooth_over_a_few_cells_and_strong() -> None:
    def frame(places: Literal["scenes", "cloth"]) -> np.ndarray:
        settings = PuppetSettings(size=(64, 64), frames=1, camera="shaking", places=places)
        plan = plan_shots(3, settings, 1)[0]
        return plan.canvas.astype(np.float32)

    cloth = frame("cloth")
    assert cloth.std(axis=(0, 1)).min() > 30
    # A patch away, 26 samples of the canvas, colours are other ones; two samples away, alike.
    near, far = (np.abs(cloth[:, step:] - cloth[:, :-step]).mean() for step in (2, 26))
    assert near < 15
    assert far > 40
    assert np.abs(np.diff(frame("scenes"), axis=1)).max() > 100  # edges
