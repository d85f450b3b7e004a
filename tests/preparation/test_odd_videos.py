"""Videos as they are found: each is in the set, upright and whole, or on the list with its reason.

Wrong endings, variable rates, sound alone, empty and short files are in `test_prepare`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.cli import run
from posecast.data import read_index
from posecast.data.read import read_arrays, read_frames
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.types import Clip
from tests.preparation.conftest import psnr, write_raw


def prepared(folder: Path) -> tuple[Path, dict[str, str]]:
    """The dataset of ``folder/videos`` with the poses beside, and why videos are not in it."""
    out = folder / "data"
    arguments = ["prepare", str(folder / "videos"), "-o", str(out), "--quiet", "--workers", "1"]
    assert run([*arguments, "--poses", str(folder / "poses")]) == 0
    lines = map(json.loads, (out / "refused.jsonl").read_text().splitlines())
    return out, {line["name"]: line["reason"] for line in lines}


def encode(path: Path, frames: np.ndarray, codec: str = "libx264") -> None:
    """A video by any encoder, in the container that the path's ending names."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=12)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for image in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))


def turned(video: Path, out: Path, matrix: tuple[int, ...]) -> None:
    """The same MP4 file with another display matrix (a, b, u, c, d, v, x, y) in it."""
    data = video.read_bytes()
    upright, other = (
        b"".join((value << 16).to_bytes(4, "big", signed=True) for value in numbers)
        for numbers in ((1, 0, 0, 0, 1, 0, 0, 0), matrix)
    )
    at = data.index(upright, data.index(b"tkhd"))
    out.write_bytes(data[:at] + other + data[at + len(other) :])


CLOCKWISE, HALF, COUNTER = (
    (0, 1, 0, -1, 0, 0, 0, 0),
    (-1, 0, 0, 0, -1, 0, 0, 0),
    (0, -1, 0, 1, 0, 0, 0, 0),
)


@pytest.mark.parametrize(("matrix", "quarters"), [(CLOCKWISE, -1), (HALF, 2), (COUNTER, 1)])
def test_a_phones_video_is_upright_with_poses_as_seen(
    tmp_path: Path, clips: list[Clip], matrix: tuple[int, ...], quarters: int
):
    """Poses are given as a viewer sees the video, and frames come back that way."""
    clip = clips[0]
    seen = np.rot90(clip.frames, quarters, axes=(1, 2))
    size = {"height": seen.shape[1], "width": seen.shape[2]}
    video = write_raw(clip, tmp_path, "phone")
    turned(video, tmp_path / "turned.mp4", matrix)
    shutil.move(tmp_path / "turned.mp4", video)
    poses = replace(clip.poses, keypoints=_turned(clip.poses.keypoints, quarters), **size)
    write_poses(poses, tmp_path / "poses" / "phone.json")
    out, refused = prepared(tmp_path)
    assert not refused
    record = read_index(out)[0]
    assert (record.height, record.width) == seen.shape[1:3]
    assert psnr(read_frames(out, record, [0, 17]), seen[[0, 17]]) > 28
    np.testing.assert_allclose(
        read_arrays(out, record).keypoints[..., :2], poses.keypoints[..., :2], atol=0.01
    )
    notes = json.loads((out / "videos" / "phone" / "video.json").read_text())["notes"]
    assert "turned upright as the file asks" in notes


def _turned(keypoints: np.ndarray, quarters: int) -> np.ndarray:
    """Keypoints on the 96x128 pictures after `quarters` of `np.rot90`."""
    moved = np.zeros_like(keypoints)
    x, y = keypoints[..., 0], keypoints[..., 1]
    places = {-1: (95 - y, x), 1: (y, 127 - x), 2: (127 - x, 95 - y)}[quarters]
    there = keypoints[..., 2] > 0
    moved[..., 0], moved[..., 1] = (np.where(there, p, 0) for p in places)
    moved[..., 2] = np.where(there, keypoints[..., 2], 0)
    return moved


def test_a_size_that_changes_is_refused_with_the_frame(tmp_path: Path, clips: list[Clip]):
    """As a stream that switches its quality in the middle: two sizes in one transport stream."""
    write_raw(clips[0], tmp_path, "model")
    parts = [clips[0].frames[:9], np.repeat(clips[0].frames[9:], 2, axis=1).repeat(2, axis=2)]
    joined = b""
    for number, frames in enumerate(parts):
        encode(tmp_path / f"{number}.h264", np.ascontiguousarray(frames))
        joined += (tmp_path / f"{number}.h264").read_bytes()
    (tmp_path / "videos" / "model.mp4").unlink()
    (tmp_path / "videos" / "model.h264").write_bytes(joined)
    out = tmp_path / "data"
    arguments = ["prepare", str(tmp_path / "videos"), "-o", str(out), "--quiet", "--workers", "1"]
    assert run([*arguments, "--poses", str(tmp_path / "poses")]) == 0
    line = json.loads((out / "refused.jsonl").read_text())
    assert "frame 9: the size changes from 128x96 to 256x192" in line["reason"]
    assert not list((out / "videos").iterdir())


def test_what_is_huge_or_holds_no_frame_is_refused(tmp_path: Path, clips: list[Clip]):
    write_raw(clips[0], tmp_path, "good")
    poses = (tmp_path / "poses" / "good.json").read_bytes()
    videos = tmp_path / "videos"
    # A GIF of 9000x9000 pixels in fifty bytes: refused before memory is asked for.
    side = (9000).to_bytes(2, "little")
    image = b"\x2c" + bytes(4) + b"\x01\x00\x01\x00\x00" + b"\x02\x02\x44\x01\x00"
    palette = b"\x80\x00\x00" + b"\x00\x00\x00\xff\xff\xff"
    (videos / "huge.gif").write_bytes(b"GIF89a" + side + side + palette + image + b"\x3b")
    with av.open(str(videos / "frameless.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=12)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        file.start_encoding()
    wide = np.zeros((18, 16, 2048, 3), np.uint8)
    write_video(wide, videos / "wide.mp4", 12)
    for name in ("huge", "frameless", "wide"):
        (tmp_path / "poses" / f"{name}.json").write_bytes(poses)
    out, refused = prepared(tmp_path)
    assert [record.video for record in read_index(out)] == ["good"]
    assert "frames of 9000x9000 pixels" in refused["huge"]
    assert "holds no" in refused["frameless"]
    assert "is for 128x96 pixels, the video has 2048x16" in refused["wide"]


@pytest.mark.parametrize(
    ("ending", "codec"), [("mkv", "libx264"), ("webm", "libvpx"), ("avi", "mpeg4")]
)
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_containers_without_an_index_in_front_are_seen_to_be_cut_off(
    tmp_path: Path, clips: list[Clip], ending: str, codec: str, share: float
):
    """FFmpeg reads these without complaint, as shorter videos."""
    write_raw(clips[0], tmp_path, "good")
    for name in ("whole", "cut"):
        shutil.copy(tmp_path / "poses" / "good.json", tmp_path / "poses" / f"{name}.json")
    whole = tmp_path / "videos" / f"whole.{ending}"
    encode(whole, clips[0].frames, codec)
    data = whole.read_bytes()
    (tmp_path / "videos" / f"cut.{ending}").write_bytes(data[: int(share * len(data))])
    out, refused = prepared(tmp_path)
    assert {record.video for record in read_index(out)} == {"good", "whole"}
    assert list(refused) == ["cut"]
    assert "cut off" in refused["cut"]
