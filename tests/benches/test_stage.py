"""The bench on models whose scores are known: one that is right, and ones wrong in a known way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posecast.benches.stage import (
    FIRST_SEED,
    MIN_CONTESTED,
    STAGE_BENCH_2,
    BenchClip,
    Request,
    bench_clips,
    contested_share,
    long_clip,
    places_change,
)
from posecast.benches.stage_report import contact_sheet, figures, table
from posecast.benches.stage_run import (
    AUTOENCODER,
    DRIVERS_SWAPPED,
    INDEPENDENT,
    MODEL,
    ORDER_INVERTED,
    REFERENCE_HELD,
    WITHOUT_REFERENCE_NET,
    BenchResult,
    Contestants,
    run_bench,
    run_long,
)
from posecast.puppets import render

SIZE, FRAMES = (64, 64), 3


@pytest.fixture(scope="module")
def clips() -> list[BenchClip]:
    return list(bench_clips(2, SIZE, FRAMES))


class Oracle:
    """Paints what it is asked for: the plan whose tracks and ranks the request has."""

    def __init__(self, clips, deaf_to_order=False, deaf_to_drivers=False):
        self.clips, self.asked = clips, []
        self.deaf_to_order, self.deaf_to_drivers = deaf_to_order, deaf_to_drivers

    def __call__(self, request: Request) -> np.ndarray:
        self.asked.append(request)
        for clip in self.clips:
            if clip.reference is request.reference:
                return self._frames(clip, request)
        raise AssertionError("a request for no clip of the bench")

    def _frames(self, clip: BenchClip, request: Request) -> np.ndarray:
        truth, characters = clip.truth, clip.num_characters
        at = [self._track(truth, request, c) for c in range(characters)]
        times = [self._time(truth, request, at[0], f) for f in range(request.poses.num_frames)]
        looks = [0] * characters
        for look, track in enumerate(at):
            looks[track] = look
        plan = clip.plan if self.deaf_to_drivers else clip.plan.with_looks(tuple(looks))
        if not self.deaf_to_order and not np.array_equal(request.ranks, truth.ranks[times][:, at]):
            plan = plan.with_order_inverted()
        return render(plan, frames=times).frames

    @staticmethod
    def _track(truth, request, character) -> int:
        first = request.poses.keypoints[character, 0, :, :2]
        same = (truth.poses.keypoints[..., :2] == first).all(axis=(2, 3)).any(axis=1)
        return int(np.flatnonzero(same)[0])

    @staticmethod
    def _time(truth, request, track, frame) -> int:
        shown = request.poses.keypoints[0, frame, :, :2]
        same = (truth.poses.keypoints[track, :, :, :2] == shown).all(axis=(1, 2))
        return int(np.flatnonzero(same)[0])


@pytest.fixture(scope="module")
def oracle(clips) -> Oracle:
    return Oracle(clips)


@pytest.fixture(scope="module")
def single(clips) -> Oracle:
    return Oracle(clips)


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(clips, oracle, single, heard) -> BenchResult:
    """A model that does as asked, beside yardsticks that fail in a known way."""

    def flicker(request: Request) -> np.ndarray:
        noise = np.random.default_rng(request.seed).integers(0, 40)
        return np.clip(single(request), 0, 200) + np.uint8(noise)

    def paint_grey(request: Request) -> np.ndarray:
        return np.full((request.poses.num_frames, *SIZE, 3), 127, np.uint8)

    contestants = Contestants(oracle, paint_grey, flicker, lambda frames: frames // 8 * 8 + 4)
    return run_bench(clips, contestants, on_run=heard.append)


def test_bench_is_held_out_and_always_the_same(clips):
    (again,) = bench_clips(1, SIZE, FRAMES)
    assert again.seed == clips[0].seed >= FIRST_SEED
    np.testing.assert_array_equal(again.truth.frames, clips[0].truth.frames)
    np.testing.assert_array_equal(again.reference.frames, clips[0].reference.frames)
    assert clips[1].seed > clips[0].seed
    assert [clip.num_characters for clip in clips] == [2, 3]


def test_characters_overlap_and_stand_elsewhere_in_the_reference(clips):
    for clip in clips:
        assert contested_share(clip.plan) >= MIN_CONTESTED
        there = clip.reference.poses.keypoints[:, 0, :, :2]
        assert np.abs(clip.truth.poses.keypoints[:, 0, :, :2] - there).max() > 4
        assert (clip.reference.ranks >= 0).all()


def test_a_model_that_does_as_asked_scores_full_marks(result):
    for run in (MODEL, ORDER_INVERTED, DRIVERS_SWAPPED):
        scores = result.sheet(run).figures()
        assert scores["character_psnr"] == np.inf
        assert scores["background_psnr"] == np.inf
        assert (scores["identity"], scores["occlusion"]) == (1.0, 1.0)
        assert scores["background_change"] == 0.0
    assert result.truth_change == 0.0


def test_obeying_shows_in_the_scores_against_the_original(result):
    inverted, original = result.follows_inverted_order
    assert (inverted.share, original.share) == (1.0, 0.0)
    exchanged, before = result.follows_swapped_drivers
    assert exchanged.share == 1.0
    assert before.share < 0.02  # A tie between two other looks is not right either.


def test_a_model_deaf_to_order_or_drivers_is_found_out(clips):
    deaf = Oracle(clips, deaf_to_order=True, deaf_to_drivers=True)
    result = run_bench(clips[1:], Contestants(deaf))
    assert result.sheet(MODEL).occlusion.share == 1.0
    inverted, original = result.follows_inverted_order
    assert (inverted.share, original.share) == (0.0, 1.0)
    exchanged, before = result.follows_swapped_drivers
    assert (exchanged.share, before.share) == (0.0, 1.0)


def test_yardsticks_are_worse_in_the_way_they_must_be(result):
    held = result.sheet(REFERENCE_HELD)
    assert 4 < held.character_psnr < 14
    assert held.identity.share < 0.7
    assert held.background_change == 0.0
    assert result.sheet(WITHOUT_REFERENCE_NET).character_psnr < 20
    assert result.sheet(AUTOENCODER).character_psnr > 35
    assert result.sheet(INDEPENDENT).background_change > 2
    assert result.stability_ratio == 0.0


def test_independent_frames_are_asked_for_one_by_one_under_other_noise(result, single):
    asked = single.asked[:FRAMES]
    assert [request.poses.num_frames for request in asked] == [1] * FRAMES
    assert len({request.seed for request in asked}) == FRAMES


def test_requests_swap_tracks_and_keep_the_reference(clips):
    clip = clips[1]
    request, swapped = clip.request(), clip.request_swapped()
    assert swapped.reference is request.reference
    np.testing.assert_array_equal(swapped.poses.keypoints[1], request.poses.keypoints[0])
    np.testing.assert_array_equal(swapped.ranks[:, 1], request.ranks[:, 0])
    np.testing.assert_array_equal(
        clip.request_inverted().ranks, clip.num_characters - 1 - request.ranks
    )


def test_progress_hears_every_run(result, heard):
    assert heard == result.runs * 2
    assert heard[:7] == [
        REFERENCE_HELD,
        WITHOUT_REFERENCE_NET,
        MODEL,
        AUTOENCODER,
        ORDER_INVERTED,
        DRIVERS_SWAPPED,
        INDEPENDENT,
    ]


def test_table_json_and_sheet_hold_every_run(result, clips, oracle):
    long_run = run_long(clips[0], oracle, borders=[2])
    text = table(result, long_run)
    for run in result.runs:
        assert f"| {run}" in text
    assert "1.000 of contested pixels show the inverted order, 0.000 the original" in text
    data = json.loads(json.dumps(figures(result, long_run), allow_nan=False))
    assert data["bench"] == "stage-bench/1"
    assert data["runs"][MODEL]["character_psnr"] == "inf"
    assert data["runs"][MODEL]["identity"] == 1.0
    assert set(data["by_characters"]) == {"2", "3"}
    assert [clip["seed"] for clip in data["clips"]] == [clip.seed for clip in clips]
    assert data["long_clip"]["frames"] == FRAMES
    sheet = contact_sheet(result)
    assert sheet.shape[1] == 10 * SIZE[1]
    reference = clips[0].reference.frames[0]
    np.testing.assert_array_equal(sheet[-2 * SIZE[0] : -SIZE[0], : SIZE[1]], reference)


def test_long_clip_has_two_characters():
    clip = long_clip(SIZE, 4)
    assert clip.truth.frames.shape == (4, *SIZE, 3)
    assert clip.num_characters == 2


def test_the_second_set_has_moving_cameras_changing_places_and_somebody_alone():
    clips = list(bench_clips(2, SIZE, 12, STAGE_BENCH_2))
    assert [clip.num_characters for clip in clips] == [1, 2]
    assert all(clip.camera_moves for clip in clips)
    assert places_change(clips[1].plan)
    assert np.abs(clips[0].truth.background_flow).max() > 0
    result = run_bench(clips, Contestants(Oracle(clips)), version=STAGE_BENCH_2.version)
    scores = result.sheet(MODEL).figures()
    assert scores["character_psnr"] == np.inf
    assert (scores["identity"], scores["occlusion"]) == (1.0, 1.0)
    # A still background is asked for, and the truth's moves: they are not compared.
    assert np.isnan(scores["background_psnr"])
    # Only the clip of two has an order to invert and drivers to swap.
    assert (
        len(result.sheet(ORDER_INVERTED).clips) == len(result.original(DRIVERS_SWAPPED).clips) == 1
    )
    assert result.follows_inverted_order[0].share == 1.0
    assert figures(result)["bench"] == "stage-bench/2"
    assert "| stage-bench/2" in table(result)
    assert contact_sheet(result).shape == (18 + 2 * SIZE[0], 8 * SIZE[1], 3)
