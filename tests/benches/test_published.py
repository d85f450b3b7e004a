"""The published benches: their data, cutting by time, resuming, references and poses."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.benches.published import (
    BENCHES,
    Bench,
    BenchClip,
    BenchFolder,
    published_bench,
)
from posecast.benches.published_download import download_bench
from posecast.benches.published_prepare import estimated, given, prepare_bench
from posecast.casting.plan import plan_animation
from posecast.errors import InputError
from posecast.media.poses import read_poses, write_poses
from posecast.media.video import write_video
from posecast.metrics.evaluate import evaluate
from posecast.metrics.folders import iterate_frames, pair_videos
from posecast.metrics.settings import EvaluationSettings
from posecast.metrics.video_cast import CastFolders
from posecast.types import PoseSequence

FPS = 10
SIZE = (32, 48)


def film(path: Path, frames: int = 40, times: list[int] | None = None) -> Path:
    """A lossless video whose frame i is of the grey i; frame i is shown at ``times[i]`` tenths."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=Fraction(FPS))
        stream.height, stream.width, stream.pix_fmt = *SIZE, "bgr0"
        for index in range(frames):
            image = np.full((*SIZE, 3), index, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = (times or range(frames))[index], Fraction(1, FPS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def bench(*clips: tuple[str, float, float]) -> Bench:
    made = tuple(BenchClip(name, f"https://example.org/{name[:-2]}", *at) for name, *at in clips)
    return Bench("toy", "a test", "3", len(made), None, made)


class Site:
    """A downloader that has some videos, and remembers what it was asked for."""

    def __init__(self, **frames: int) -> None:
        self.frames, self.asked = frames, []

    def __call__(self, url: str, folder: Path, name: str) -> Path:
        self.asked.append(url)
        if name not in self.frames:
            raise InputError(f"{url}: cannot be downloaded (Private video)")
        return film(folder / f"{name}.mkv", self.frames[name])


def greys(clip: Path) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in iterate_frames(clip)]


def test_table_6_is_here_as_printed():
    bench = published_bench("multi-character")
    assert (bench.videos, bench.frames, bench.paper_table) == (20, 3917, "3")
    assert len({clip.name for clip in bench.clips}) == 20
    assert sum(clip.end - clip.start for clip in bench.clips) == 124
    for before, clip in zip(bench.clips, bench.clips[1:], strict=False):
        assert clip.url == f"https://www.youtube.com/watch?v={clip.source}"
        assert clip.source != before.source or before.end < clip.start
    assert {published_bench(name).paper_table for name in BENCHES} == {"1", "2", "3"}


def test_the_table_in_the_paper_says_the_same(shared):
    import re

    row = r"^(\S+_\d)\[(\S+?)\]\(\S+?\)(\d\d):(\d\d)–(\d\d):(\d\d)$"
    rows = re.findall(row, (shared / "paper.txt").read_text("utf-8"), re.MULTILINE)
    times = [[60.0 * int(a) + int(b), 60.0 * int(c) + int(d)] for _, _, a, b, c, d in rows]
    said = [(name, url, *at) for (name, url, *_), at in zip(rows, times, strict=True)]
    clips = published_bench("multi-character").clips
    assert said == [(c.name, c.url, c.start, c.end) for c in clips]


def test_clips_are_cut_by_time_and_adjacent_ones_share_no_frame(tmp_path):
    toy = bench(("a_0", 0.5, 1), ("a_1", 1, 1.7), ("a_2", 3, 4))
    record = download_bench(toy, BenchFolder(tmp_path), Site(a=40))
    assert greys(tmp_path / "real" / "a_0") == [5, 6, 7, 8, 9]
    assert greys(tmp_path / "real" / "a_1") == [10, 11, 12, 13, 14, 15, 16]
    assert greys(tmp_path / "real" / "a_2") == list(range(30, 40))
    assert record.clips["a_1"] == {"start": 1, "end": 1.7, "fps": 10, "frames": 7}
    assert json.loads((tmp_path / "clips.json").read_text())["clips"] == record.clips


def test_the_time_on_screen_counts_not_the_number_of_the_frame(tmp_path):
    (tmp_path / "sources").mkdir()
    # The first frame is shown at 0.3 s of the file's clock; frames 10 to 19 stand for 0.2 s each.
    times = [3 + (i if i < 10 else 10 + 2 * (i - 10)) for i in range(20)]
    film(tmp_path / "sources" / "a.mkv", 20, times)
    lines = []
    site = Site()
    download_bench(
        bench(("a_0", 1, 2)), BenchFolder(tmp_path), site, lambda *heard: lines.append(heard)
    )
    assert greys(tmp_path / "real" / "a_0") == [10, 11, 12, 13, 14]
    assert site.asked == []
    assert "rate varies" in lines[0][1]


def test_what_cannot_be_had_is_listed_and_the_others_go_on(tmp_path):
    toy = bench(("gone_0", 0, 1), ("short_0", 0, 1), ("short_1", 1, 3), ("ok_0", 0, 1))
    site = Site(short=20, ok=10)
    record = download_bench(toy, BenchFolder(tmp_path), site)
    assert list(record.clips) == ["short_0", "ok_0"]
    assert "Private video" in record.missing["gone_0"]
    assert "short.mkv: the last frame is shown at 1.90 s, but" in record.missing["short_1"]
    assert sorted(path.name for path in (tmp_path / "real").iterdir()) == ["ok_0", "short_0"]
    assert json.loads((tmp_path / "clips.json").read_text())["missing"] == record.missing


def test_a_broken_video_is_the_reason_for_its_clips(tmp_path):
    (tmp_path / "sources").mkdir()
    whole = film(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "sources" / "a.mkv").write_bytes(whole[:200])
    (tmp_path / "sources" / "b.mp4").write_bytes(whole)
    (tmp_path / "sources" / "b.webm").write_bytes(whole)
    toy = bench(("a_0", 0, 1), ("a_1", 1, 2), ("b_0", 0, 1))
    record = download_bench(toy, BenchFolder(tmp_path), Site())
    assert record.clips == {}
    assert record.missing["a_0"] == record.missing["a_1"]
    assert "a.mkv" in record.missing["a_0"]
    assert "b.mp4 and b.webm are both" in record.missing["b_0"]


def test_called_again_it_does_only_what_is_missing(tmp_path):
    toy = bench(("a_0", 0, 1), ("a_1", 1, 2), ("b_0", 0, 1))
    folder = BenchFolder(tmp_path)
    first = Site(a=20)
    assert "b_0" in download_bench(toy, folder, first).missing
    stamp = (tmp_path / "real" / "a_0").stat().st_mtime_ns
    (tmp_path / "real" / "a_1" / "frame_000003.png").unlink()
    again = Site(a=20, b=10)
    record = download_bench(toy, folder, again)
    assert again.asked == ["https://example.org/b"]
    assert record.missing == {}
    assert sorted(record.clips) == ["a_0", "a_1", "b_0"]
    assert len(greys(tmp_path / "real" / "a_1")) == 10
    assert (tmp_path / "real" / "a_0").stat().st_mtime_ns == stamp
    (tmp_path / "clips.json").write_text("[]")
    with pytest.raises(InputError, match=r"clips\.json: is not a record"):
        download_bench(toy, folder, again)


def people(frames: int, seen_from: tuple[int, ...], scale: int = 1) -> PoseSequence:
    """Stick people side by side; each is seen from some frame on."""
    height, width = SIZE
    keypoints = np.zeros((len(seen_from), frames, 18, 3), np.float32)
    for j, start in enumerate(seen_from):
        keypoints[j, start:, :, 0] = 6 + 14 * j + np.arange(18) % 5
        keypoints[j, start:, :, 1] = 4 + np.arange(18)
        keypoints[j, start:, :, 2] = 1
    keypoints[..., :2] = (keypoints[..., :2] + 0.5) * scale - 0.5
    keypoints[keypoints[..., 2] == 0] = 0
    order = tuple(reversed(range(len(seen_from))))
    return PoseSequence(keypoints, width * scale, height * scale, 25.0, front_to_back=order)


@pytest.fixture
def clips(tmp_path) -> BenchFolder:
    """A clip as a folder of frames, one as a video, and poses of both."""
    frames = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)
    (tmp_path / "real").mkdir()
    write_video(frames, tmp_path / "real" / "one", FPS)
    film(tmp_path / "real" / "two.mkv", 3)
    (tmp_path / "given").mkdir()
    write_poses(people(3, (2, 0, 0), scale=2), tmp_path / "given" / "one.json")
    write_poses(people(3, (0, 0)), tmp_path / "given" / "two.json")
    return BenchFolder(tmp_path)


def test_who_is_in_the_first_frame_is_the_cast(clips):
    done = prepare_bench(clips, given(clips.root / "given"))
    assert done.characters == {"one": 2, "two": 2}
    poses = read_poses(clips.poses / "one.json")
    reference = read_poses(clips.references / "one.poses.json")
    expected = people(3, (2, 0, 0))
    np.testing.assert_allclose(poses.keypoints, expected.keypoints[1:], atol=1e-5)
    np.testing.assert_array_equal(reference.keypoints, poses.keypoints[:, :1])
    assert poses.front_to_back == (1, 0)  # of tracks 2, 1, 0 without 0, numbered anew
    assert (poses.height, poses.width, poses.fps) == (*SIZE, 25)
    assert read_poses(clips.poses / "two.json").fps == FPS  # the video's, not the file's 25


def test_animate_and_evaluate_take_the_folder(clips):
    prepare_bench(clips, given(clips.root / "given"))
    plan = plan_animation(
        clips.references / "one.png",
        clips.poses / "one.json",
        reference_poses=clips.references / "one.poses.json",
    )
    assert plan.cast.drivers == (0, 1)
    assert plan.cast.depth_order[0].front_to_back == (1, 0)
    cast = CastFolders(clips.poses, clips.references)
    settings = EvaluationSettings(("psnr",), size=None, cast=cast, workers=1)
    scores = evaluate(pair_videos(clips.real, clips.real), settings)
    assert scores.metrics["psnr"] == np.inf
    assert scores.metrics["character_psnr"] == np.inf


def test_poses_are_estimated_where_none_are_given_and_kept(clips):
    asked = []

    def estimate(frames: np.ndarray) -> list[np.ndarray]:
        asked.append(len(frames))
        body = people(1, (0, 0)).keypoints[:, 0]
        whole = np.zeros((2, 134, 3), np.float32)
        whole[:, :18] = body
        return [whole] * len(frames)

    done = prepare_bench(clips, estimated(estimate, lambda frames: None))
    assert done.characters == {"one": 2, "two": 2}
    assert asked == [3, 3]
    (clips.poses / "two.json").unlink()
    again = prepare_bench(clips, estimated(estimate, lambda frames: None))
    assert (again.already, list(again.characters), asked) == (["one"], ["two"], [3, 3, 3])


def test_tracks_end_at_a_cut_and_the_line_says_so(tmp_path):
    (tmp_path / "real").mkdir()
    shots = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3)).astype(np.uint8)
    frames = shots.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)
    write_video(frames, tmp_path / "real" / "one", FPS)
    lines = []

    def note(name: str, line: str) -> None:
        lines.append(f"{name}: {line}")

    def estimate(frames: np.ndarray) -> list[np.ndarray]:
        whole = np.zeros((1, 134, 3), np.float32)
        whole[:, :18] = people(1, (0,)).keypoints[:, 0]
        return [whole] * len(frames)

    find = estimated(estimate, lambda frames: None, note)
    prepare_bench(BenchFolder(tmp_path), find, on_clip=note)
    assert lines == [
        "one: cuts at frame 4: tracks end there",
        "one: 8 frames, 1 character; 1 more are not in the first frame: left out",
    ]
    seen = read_poses(tmp_path / "poses" / "one.json").keypoints[0].any(axis=(1, 2))
    assert seen.tolist() == [True] * 4 + [False] * 4


def test_clips_that_cannot_be_prepared_are_listed(clips):
    write_poses(people(2, (0,)), clips.root / "given" / "one.json")
    write_poses(people(3, (1,)), clips.root / "given" / "two.json")
    done = prepare_bench(clips, given(clips.root / "given"))
    assert done.characters == {}
    assert "poses of 2 frames" in done.missing["one"]
    assert "nobody is in the first frame" in done.missing["two"]
    assert list(clips.poses.iterdir()) == list(clips.references.iterdir()) == []
    (clips.root / "given" / "one.json").unlink()
    done = prepare_bench(clips, given(clips.root / "given"))
    assert "holds no pose file of the video 'one'" in done.missing["one"]
    with pytest.raises(InputError, match=r"real: no such folder"):
        prepare_bench(BenchFolder(clips.root / "nowhere"), given(clips.root / "given"))
