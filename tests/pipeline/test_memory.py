from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.memory import run
from posecast.errors import InputError
from posecast.models.presets import PRESETS
from posecast.pipeline.memory import (
    GB,
    MemoryNeeds,
    fastest_plan,
    parse_memory,
    plan_memory,
    predict_needs,
    smallest_plan,
    what_fits,
)
from posecast.pipeline.placement import choose

WEIGHTS = {
    "image_encoder": GB // 2, "vae": GB // 5, "reference_net": 2 * GB, "guiders": GB // 100,
    "unet": 3 * GB,
}  # fmt: skip
NEEDS = MemoryNeeds(
    weights=WEIGHTS, held=GB // 10, reference_pass=GB, window=2 * GB, frame=GB, tile=GB // 2,
    useful_windows=4, useful_frames=8,
)  # fmt: skip


@pytest.mark.parametrize(
    ("free", "windows", "frames", "offload"),
    [
        (24, 4, 8, False),  # 5.7 of weights, 0.1 held, 8 of windows
        (13, 2, 4, False),  # less at once is tried first
        (9, 1, 2, False),
        (7, 1, 2, True),  # then the networks take turns
        (4, 1, 1, True),  # does not fit: the smallest
    ],
)
def test_memory_plans_match_numbers_by_hand(
    free: int, windows: int, frames: int, offload: bool
) -> None:
    plan = plan_memory(NEEDS, free * GB)
    assert (plan.windows_at_once, plan.offload, plan.free) == (windows, offload, free * GB)
    if free > 4:
        assert plan.frames_at_once >= frames
        assert not plan.tiled
        assert plan.needed <= 0.9 * free * GB


def test_the_phases_of_an_offloaded_run() -> None:
    plan = plan_memory(NEEDS, 7 * GB)
    assert plan.needed == GB // 100 + 3 * GB + GB // 10 + 2 * GB
    heavy = replace(NEEDS, frame=9 * GB, tile=GB)
    by_tiles = plan_memory(heavy, 7 * GB)
    assert by_tiles.tiled
    assert by_tiles.offload
    assert not plan_memory(heavy, 12 * GB).tiled  # a frame as a whole, while all others wait


numbers = st.integers(0, 30 * GB)


@given(numbers, numbers, st.integers(1, 5 * GB), st.integers(1, 5 * GB), st.booleans())
@settings(max_examples=60, deadline=None)
def test_more_memory_is_never_slower(a: int, b: int, window: int, frame: int, offload) -> None:
    needs = replace(NEEDS, window=window, frame=frame, tile=min(NEEDS.tile, frame))
    less, more = (plan_memory(needs, free, offload) for free in sorted((a, b)))
    assert less.offload >= more.offload
    assert less.tiled >= more.tiled
    if less.offload == more.offload:
        assert less.windows_at_once <= more.windows_at_once
    for plan in (less, more):
        fits = plan.needed <= 0.9 * plan.free
        assert fits or plan == replace(smallest_plan(needs, offload), free=plan.free)
        assert offload or not plan.offload
    assert smallest_plan(needs, offload).needed <= fastest_plan(needs).needed


@pytest.mark.parametrize(("size", "card"), [((896, 640), 12), ((480, 854), 8), ((360, 640), 6)])
def test_the_papers_sizes_are_planned_for_half_the_papers_memory(size, card: int) -> None:
    """Of the card, 0.6 GB are the driver's. Predicted, not measured."""
    config = PRESETS["sd15"]()
    weights = {"unet": 2626, "reference_net": 1719, "guiders": 9, "vae": 167, "image_encoder": 608}
    weights = {name: mega * 10**6 for name, mega in weights.items()}
    needs = predict_needs(config, weights, size, 16, 20, itemsize=2)
    plan = plan_memory(needs, round((card - 0.6) * GB))
    assert plan.needed < 0.9 * (card - 0.6) * GB
    assert not plan.tiled


@pytest.mark.parametrize(
    ("name", "fake", "half_cells"),
    [
        ("tiny", True, False),
        ("tiny", False, False),
        ("tiny", True, True),
        ("embedded", True, False),
    ],
)
def test_predictions_are_what_is_counted(name: str, fake: bool, half_cells: bool) -> None:
    """Against every tensor that is alive at the peak of each pass."""
    config = replace(PRESETS[name](), half_cells=half_cells)
    predicted, counted = run(config, config.size, torch.float32, fake)
    assert predicted.held == pytest.approx(counted.held, rel=0.01)
    assert 0.95 * counted.window <= predicted.window <= 1.6 * counted.window
    assert 0.95 * counted.frame <= predicted.frame <= 2 * counted.frame
    assert 0.95 * counted.reference_pass <= predicted.reference_pass


@pytest.mark.slow
def test_predictions_of_the_full_size() -> None:
    predicted, counted = run(PRESETS["sd15"](), (896, 640), torch.float16)
    assert predicted.held == pytest.approx(counted.held, rel=0.01)
    assert counted.window <= predicted.window <= 1.2 * counted.window
    assert predicted.frame == pytest.approx(counted.frame, rel=0.05)


def test_memory_is_given_by_a_word_or_a_size() -> None:
    assert [parse_memory(word) for word in ("auto", "LOW", " high ")] == ["auto", "low", "high"]
    assert parse_memory("8GB") == 8 * GB
    assert parse_memory("1.5 GiB") == 1.5 * 2**30
    assert parse_memory("123456") == 123456
    for wrong in ("", "much", "8 TB", "-1GB", "0", "1e9"):
        with pytest.raises(InputError, match="expected auto, low, high, or a size such as 8GB"):
            parse_memory(wrong)


def test_what_the_user_asks_for_is_what_is_planned() -> None:
    gpu = torch.device("cuda:0")
    assert choose(NEEDS, 24 * GB, gpu) == plan_memory(NEEDS, 24 * GB)
    assert choose(NEEDS, "9GB", gpu) == plan_memory(NEEDS, 9 * GB)
    cpu = torch.device("cpu")
    assert choose(NEEDS, "high", cpu).windows_at_once == 1
    assert choose(NEEDS, "high", cpu).frames_at_once == 8
    low = choose(NEEDS, "low", cpu)
    assert (low.offload, low.tiled, low.frames_at_once) == (False, False, 2)  # as a window needs
    assert low.free > 0


def test_advice_is_the_first_setting_that_fits() -> None:
    settings = [("--memory low", 6 * GB), ("--window 8", 4 * GB), ("--size 64x64", GB)]
    assert what_fits(settings, 6 * GB) == "--memory low needs about 6.0 GB"
    assert what_fits(settings, 5 * GB) == "--window 8 needs about 4.0 GB"
    assert what_fits(settings, 1) == "even --size 64x64 needs about 1.0 GB"
