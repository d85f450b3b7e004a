"""The rate is that of the frames' times; a header is believed where they agree with it."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.media.frame_rate import frame_rate
from posecast.media.poses import read_poses
from posecast.media.video import read_header, read_info, read_video
from tests.media.test_video import moving


def test_a_header_that_times_agree_with_is_exact() -> None:
    milliseconds = [round(i * 1001 / 30) for i in range(100)]
    assert frame_rate(milliseconds, 0.001, 30000 / 1001).fps == 30000 / 1001
    assert frame_rate(milliseconds, 0.001, 30000 / 1001).note is None
    assert frame_rate(milliseconds[:3], 0.001, 30).fps == 30  # too few to tell the two apart


@pytest.mark.parametrize("stated", [59.94, 1000.0, 15.0, 0.0, float("nan")])
def test_a_wrong_header_is_not_believed(stated: float) -> None:
    times = [33 * i for i in range(50)]
    rate = frame_rate(times, 0.001, stated)
    assert rate.fps == pytest.approx(1000 / 33)
    assert rate.note is not None
    assert "30.3" in rate.note


def test_uneven_times_give_their_mean_and_breaks_do_not_count() -> None:
    uneven = np.cumsum([20, 60] * 30).tolist()
    assert frame_rate(uneven, 0.001, 60).fps == pytest.approx(25, rel=0.02)
    assert "variable" in str(frame_rate(uneven, 0.001, 60).note)
    broken = [*range(0, 4000, 40), *range(60_000, 64_000, 40)]
    assert frame_rate(broken, 0.001, 25).fps == 25


@pytest.mark.parametrize("times", [[], [7], [5, 5, 5], [-1, -1], [0, 40, 20], [0, 1, 2]])
def test_times_that_say_nothing_leave_the_header(times: list[int]) -> None:
    unit = 1e-6
    assert frame_rate(times, unit, 24).fps == 24
    assert frame_rate(times, unit, 1e9).fps == 25
    assert frame_rate(times, 0.0, 24).fps == 24


def variable(path: Path, milliseconds: list[int]) -> None:
    """A video whose frames are shown at these times, by a header that says 60 a second."""
    clip = moving(len(milliseconds))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264" if path.suffix == ".mp4" else "libvpx", rate=60)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for when, image in zip(milliseconds, clip, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.mark.parametrize("ending", ["mp4", "webm"])
def test_a_clip_is_as_long_as_its_times_say(tmp_path: Path, ending: str) -> None:
    times = np.cumsum([0, *[17, 50, 33, 34] * 10]).tolist()
    variable(tmp_path / f"a.{ending}", times)
    frames, fps = read_video(tmp_path / f"a.{ending}")
    assert len(frames) == len(times)
    assert (len(frames) - 1) / fps == pytest.approx(times[-1] / 1000, rel=0.01)
    assert read_info(tmp_path / f"a.{ending}").fps == fps


def test_the_recorder_sample_is_not_twice_too_fast(cases: Path) -> None:
    path = cases / "mediarecorder.webm"
    assert read_header(path).fps == pytest.approx(59.94, abs=0.01)
    assert read_poses(path).fps == pytest.approx(29.3, abs=0.05)


def test_the_header_alone_is_quick(cases: Path) -> None:
    start = time.perf_counter()
    for _ in range(20):
        read_header(cases / "skel.mp4")
    assert time.perf_counter() - start < 2
