"""Samples of 16 frames: how many there are, and that a stream gives the same ones."""

from __future__ import annotations

import json

import pytest
import torch

from posecast.metrics.clips import (
    clip_batches,
    gaps_on_threads,
    starts,
    starts_between_gaps,
    starts_on_threads,
)


def test_window_counts_match_the_goldens(goldens):
    golden = json.loads((goldens / "windows.json").read_text())
    assert len(golden) == 9
    for row in golden:
        frames = row["frames"]
        assert len(starts(frames)) == row["stride1_all"] == row["from_frames_dataset"]
        for threads in (1, 4, 16):
            expected = row[f"gif_script_workers_{threads}"]
            assert len(starts_on_threads(frames, threads)) == expected
        gap = [number for number in range(frames) if number != frames // 2]
        assert len(starts_between_gaps(gap)) == row["from_frames_one_gap_at_middle"]


def test_samples_lie_in_the_video_and_between_gaps():
    assert starts(15) == []
    assert starts(18) == [0, 1, 2]
    numbers = [*range(3, 20), *range(40, 56)]  # 17 frames, a gap, 16 frames.
    assert starts_between_gaps(numbers) == [0, 1, 17]
    assert starts_on_threads(40, 2) == [0, 1, 2, 3, 20, 21, 22, 23]


@pytest.mark.parametrize("length", [15, 256, 300, 301, 700])
def test_gaps_leave_the_samples_of_the_fields_script(length):
    gaps = gaps_on_threads(length)
    left = [start for start in starts(length) if not gaps & set(range(start + 1, start + 16))]
    assert left == starts_on_threads(length, 16)


@pytest.mark.parametrize("length", [15, 16, 31, 40])
@pytest.mark.parametrize("read", [1, 7, 64])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_stream_gives_every_sample_once_and_in_order(length, read, batch_size):
    video = torch.arange(length * 2.0).reshape(length, 2, 1, 1)
    batches = list(clip_batches(video.split(read), batch_size))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    clips = [clip for batch in batches for clip in batch]
    assert len(clips) == len(starts(length))
    for start, clip in enumerate(clips):
        assert torch.equal(clip, video[start : start + 16].permute(1, 0, 2, 3))
