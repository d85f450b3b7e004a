"""The claims' measures give known answers for known videos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from posecast.benches import claims, claims_run
from posecast.models.animator import Animator
from posecast.models.presets import PRESETS
from posecast.puppets import render


@pytest.fixture(scope="module")
def clips():
    return claims.flow_clips(4, frames=5)


def test_the_truths_own_shake_is_found_to_a_fraction_of_a_pixel(clips):
    for clip in clips:
        scores = claims.score_flow(clip.sample.frames, clip)
        np.testing.assert_allclose(scores.offsets, clip.offsets, atol=0.35)
        assert abs(scores.shake - clip.offsets.std(axis=0).mean()) < 0.15
        assert scores.change > 3


def test_a_still_background_does_not_shake(clips):
    clip = clips[0]
    held = np.repeat(clip.sample.frames[:1], 5, axis=0)
    scores = claims.score_flow(held, clip)
    assert scores.shake < 0.3
    assert scores.change < 1


def test_the_reference_of_a_flow_clip_is_the_frame_before_it(clips):
    for clip in clips:
        before = render(clip.plan, frames=[clip.times[0] - 1])
        assert np.array_equal(clip.sample.reference, before.frames[0])


def test_following_is_the_correlation_of_displacements():
    rng = np.random.default_rng(0)
    asked = [rng.normal(size=(6, 2)).cumsum(0) for _ in range(20)]
    assert claims.follows(asked, [one + 3 for one in asked]) == pytest.approx(1)
    assert claims.follows(asked, [-one for one in asked]) == pytest.approx(-1)
    assert abs(claims.follows(asked, [rng.normal(size=(6, 2)) for _ in asked])) < 0.3


def test_an_order_clip_tells_the_true_order_from_the_inverted_one():
    clip = claims.order_clip(1, frames=3)
    right = claims.score_order(clip.target.frames, clip)
    assert right.occlusion.share == right.identity.share == 1
    wrong = claims.score_order(clip.target_inverted.frames, clip)
    assert wrong.occlusion.share == 0
    assert claims.score_order(clip.target_inverted.frames, clip, inverted=True).occlusion.share == 1
    assert (clip.sample.ranks != clip.inverted.ranks).any()
    assert clip.target.contested_region.any()
    assert np.array_equal(clip.aligned.reference, clip.aligned.frames[0])
    assert not np.array_equal(clip.sample.reference, clip.aligned.reference)


def test_a_left_out_guider_is_one_that_is_not_there():
    """Every row of the table is made with exactly the guiders that it names."""
    torch.manual_seed(0)
    animator = Animator.from_preset(PRESETS["tiny"]()).eval()
    for parameter in animator.guiders.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1)
    clip = claims.flow_clips(1, (64, 64), 3)[0]
    setup = claims_run.Setup(steps=1)

    def generated(row: tuple[str, ...]) -> np.ndarray:
        asked = claims_run.asked_for(animator, [clip.sample], setup, row)
        return claims_run.generate(animator, asked, 1)[0]

    made = {row: generated(row) for row in claims_run.rows_of(animator)}
    assert len(made) == 8
    full = made[()]
    assert all(not np.array_equal(full, other) for row, other in made.items() if row)
    np.testing.assert_array_equal(full, generated(()))


def test_a_model_that_never_had_a_guider_is_a_row_of_its_own():
    torch.manual_seed(0)
    config = PRESETS["tiny"]()
    animator = Animator.from_preset(config).eval()
    guiders = {name: guider for name, guider in config.guiders.items() if name != "flow"}
    retrained = Animator.from_preset(replace(config, guiders=guiders)).eval()
    rows = claims_run.run_flow(
        animator, claims.flow_clips(2, (64, 64), 3), claims_run.Setup(1), retrained=retrained
    )
    assert len(rows["trained without flow"]["shake"]) == 2
    assert rows["trained without flow"]["shake"] != rows["without flow"]["shake"]
    with pytest.raises(ValueError, match="has all guiders"):
        claims_run.retrained_row(animator, animator)


def test_differences_have_paired_intervals():
    first = [(9, 10), (8, 10), (10, 10), (7, 10)]
    second = [(5, 10), (4, 10), (6, 10), (3, 10)]
    by, bounds = claims_run.difference_of(first, second)
    assert by == pytest.approx(0.4)
    assert bounds == pytest.approx((0.4, 0.4))


def test_clips_are_never_training_scenes(clips):
    assert claims.FLOW_SEED >= 2**62
    assert claims.ORDER_SEED - claims.FLOW_SEED > 2**40
    assert np.array_equal(
        render(clips[1].plan, [clips[1].times[0]]).frames[0], clips[1].sample.frames[0]
    )
