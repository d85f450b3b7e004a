"""Videos as a player shows them: turned, mirrored, with square pixels, without cover pictures."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media.poses import read_poses
from posecast.media.seeking import packet_times, read_frames_at
from posecast.media.video import is_video, iterate_timed, read_info, read_video, write_video
from tests.media.test_video import moving, psnr

# a, b, c, d of a display matrix, and what it does to a clip (frames, height, width, 3).
MATRICES = {
    "mirrored": ((-1, 0, 0, 1), lambda clip: clip[:, :, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda clip: clip[:, ::-1]),
    "half a turn": ((-1, 0, 0, -1), lambda clip: clip[:, ::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda clip: np.rot90(clip, -1, axes=(1, 2))),
    "counterclockwise": ((0, -1, 1, 0), lambda clip: np.rot90(clip, 1, axes=(1, 2))),
    "transposed": ((0, 1, 1, 0), lambda clip: clip.swapaxes(1, 2)),
    "transversed": ((0, -1, -1, 0), lambda clip: clip[:, ::-1, ::-1].swapaxes(1, 2)),
    "nearly clockwise": ((0.02, 0.99, -0.99, 0.02), lambda clip: np.rot90(clip, -1, axes=(1, 2))),
    "flat": ((0, 0, 0, 0), lambda clip: clip),
}


def with_matrix(video: Path, matrix: tuple[float, ...]) -> None:
    """Put a display matrix into the track header of an MP4 file of ours."""
    a, b, c, d = matrix
    data = video.read_bytes()
    old, new = (
        struct.pack(">8i", *(round(v * 65536) for v in values))
        for values in ((1, 0, 0, 0, 1, 0, 0, 0), (a, b, 0, c, d, 0, 0, 0))
    )
    at = data.index(old, data.index(b"tkhd"))
    video.write_bytes(data[:at] + new + data[at + len(old) :])


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_is_obeyed(tmp_path: Path, name: str) -> None:
    matrix, change = MATRICES[name]
    clip = moving(4)
    write_video(clip, tmp_path / "a.mp4", 10)
    plain, _ = read_video(tmp_path / "a.mp4")
    with_matrix(tmp_path / "a.mp4", matrix)
    frames, _ = read_video(tmp_path / "a.mp4")
    assert np.array_equal(frames, change(plain))
    times = np.array(packet_times(tmp_path / "a.mp4"))
    assert np.array_equal(read_frames_at(tmp_path / "a.mp4", times, [3])[0], frames[3])
    said = " ".join(next(iterate_timed(tmp_path / "a.mp4")).changes)
    assert ("mirrored" in said) == (
        name in ("mirrored", "upside down", "transposed", "transversed")
    )
    assert ("turned" in said) == (name not in ("mirrored", "flat"))


def test_the_mirrored_sample_is_the_plain_one_mirrored(cases: Path) -> None:
    mirrored, _ = read_video(cases / "m_hflip.mp4")
    plain, _ = read_video(cases / "q.mp4")
    assert np.array_equal(mirrored, plain[:, :, ::-1])


def encode(path: Path, frames: np.ndarray, codec: str = "libx264", aspect: str = "1") -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=12)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for image in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("2", (48, 128)), ("16/11", (48, 93)), ("1/2", (96, 64)), ("200/199", (48, 64))],
)
def test_frames_have_square_pixels(tmp_path: Path, aspect: str, size: tuple[int, int]) -> None:
    encode(tmp_path / "a.mp4", moving(4), aspect=aspect)
    frames, _ = read_video(tmp_path / "a.mp4")
    assert frames.shape[1:3] == size
    times = np.array(packet_times(tmp_path / "a.mp4"))
    assert np.array_equal(read_frames_at(tmp_path / "a.mp4", times, [2])[0], frames[2])
    # The red square, 16x20 stored pixels, has the shape that the file means.
    red = (frames[0].astype(int) - (220, 30, 40)).__abs__().max(axis=-1) < 40
    height, width = (np.ptp(np.flatnonzero(red.any(axis=axis))) + 1 for axis in (1, 0))
    assert width / height == pytest.approx(0.8 * float(Fraction(aspect)), rel=0.12)


def test_a_sideways_video_of_wide_pixels(tmp_path: Path) -> None:
    """The pixels' shape is that of the stored frame, before the turn."""
    encode(tmp_path / "a.mp4", moving(4), aspect="2")
    with_matrix(tmp_path / "a.mp4", (0, 1, -1, 0))
    assert read_video(tmp_path / "a.mp4")[0].shape == (4, 128, 48, 3)


def test_the_sample_of_wide_pixels_shows_nobody_squeezed(cases: Path) -> None:
    wide = read_poses(cases / "sar2.mp4")
    plain = read_poses(cases / "skel.mp4")
    assert (wide.width, wide.height) == (512, 512)
    both = (wide.keypoints[..., 2] > 0) & (plain.keypoints[..., 2] > 0)
    assert both.mean() > 0.9
    # A limb in front of another is read otherwise in some frame: of all joints, a few may differ.
    assert np.quantile(np.abs(wide.keypoints - plain.keypoints)[both], 0.98) < 2


def covered(path: Path, clip: np.ndarray | None) -> None:
    """A file whose first picture is its cover; then a video, or sound alone."""
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        if clip is not None:
            video = file.add_stream("libx264", rate=10)
            video.height, video.width, video.pix_fmt = *clip.shape[1:3], "yuv420p"
        sound = file.add_stream("aac", rate=44100)
        black = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        file.mux(cover.encode(black.reformat(format="yuvj420p")))
        file.mux(cover.encode(None))
        for image in [] if clip is None else clip:
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        if clip is not None:
            file.mux(video.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp")
        silence.sample_rate = 44100
        file.mux(sound.encode(silence))
        file.mux(sound.encode(None))


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    clip = moving(5)
    covered(tmp_path / "song.mp4", None)
    covered(tmp_path / "film.mp4", clip)
    with pytest.raises(InputError, match="a cover picture, but no video"):
        read_video(tmp_path / "song.mp4")
    assert not is_video(tmp_path / "song.mp4")
    frames, _ = read_video(tmp_path / "film.mp4")
    assert frames.shape == clip.shape
    assert psnr(frames, clip) > 25


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.ts", "libx264"), ("a.flv", "flv1"), ("a.wmv", "wmv2"), ("a.mpg", "mpeg2video"),
        ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.ogv", "libtheora"),
    ],
)  # fmt: skip
def test_skeleton_videos_of_every_container(cases: Path, tmp_path: Path, name, codec) -> None:
    frames, _ = read_video(cases / "skel.mp4", max_frames=3)
    try:
        with av.open(str(tmp_path / name), "w") as file:
            stream = file.add_stream(codec, rate=25)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            for image in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            file.mux(stream.encode(None))
    except ValueError as error:
        pytest.skip(f"this FFmpeg has no {codec}: {error}")
    assert len(read_video(tmp_path / name)[0]) == 3
    renamed = (tmp_path / name).rename(tmp_path / "poses")
    found = read_poses(renamed)
    assert found.num_frames == 3
    assert found.fps == pytest.approx(25, rel=0.01)
    assert (found.keypoints[..., 2] > 0).sum() > 30


def test_the_transport_stream_of_the_samples_is_read(cases: Path) -> None:
    found = read_poses(cases / "skeleton.ts")
    assert (found.num_frames, found.width, found.height, found.fps) == (24, 512, 512, 25.0)


def test_what_is_no_video_is_none(cases: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 1000)
    (tmp_path / "empty").touch()
    files = [tmp_path / "text", tmp_path / "empty", tmp_path, tmp_path / "missing"]
    files += [cases / name for name in ("ref.png", "ref.json", "dwpose_npint/0.npy")]
    assert not [file for file in files if is_video(file)]
    assert read_info(cases / "q.mp4").fps == 25
