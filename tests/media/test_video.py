from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from posecast.errors import InputError
from posecast.media.video import iterate_video, read_info, read_video, write_video
from posecast.media.video_formats import output_format


def moving(frames: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth background, and a red square with soft edges that moves two pixels a frame."""
    y, x = np.mgrid[:height, :width]
    still = np.stack([40 + x * 2, 60 + y * 3, 255 - x - y], -1).clip(0, 255).astype(np.uint8)
    clip = np.repeat(still[None], frames, 0)
    for i in range(frames):
        clip[i, 10:30, 2 * i : 2 * i + 16] = (220, 30, 40)
        clip[i] = cv2.GaussianBlur(clip[i], (0, 0), 1.0)
    return clip


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def test_mp4_keeps_colours_length_and_rate(tmp_path: Path) -> None:
    clip = moving()
    assert write_video(iter(clip), tmp_path / "a.mp4", 30000 / 1001) == len(clip)
    frames, fps = read_video(tmp_path / "a.mp4")
    assert frames.shape == clip.shape
    assert fps == pytest.approx(30000 / 1001)
    assert psnr(frames, clip) > 30
    # A wrong matrix (BT.601 for 709) shifts flat colours by more than this.
    assert np.abs(frames[0, 15:25, 6:12].mean((0, 1)) - (220, 30, 40)).max() < 4
    with av.open(str(tmp_path / "a.mp4")) as file:
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert file.streams.video[0].codec_context.colorspace == 1


def test_the_same_frames_are_the_same_bytes(tmp_path: Path) -> None:
    digests = {}
    for kind in ("mp4", "gif"):
        for name in ("a", "b"):
            out = tmp_path / f"{name}.{kind}"
            write_video(iter(moving()), out, 12)
            digests[name] = hashlib.sha256(out.read_bytes()).hexdigest()
        assert digests["a"] == digests["b"], kind


def test_odd_sizes_gain_a_row_and_a_column(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = moving(3, 49, 65)
    write_video(clip, tmp_path / "a.mp4", 10)
    frames, _ = read_video(tmp_path / "a.mp4")
    assert frames.shape == (3, 50, 66, 3)
    assert psnr(frames[:, :49, :65], clip) > 30
    assert "65x49 has an odd side" in caplog.text
    for out in ("a.gif", "frames"):
        write_video(clip, tmp_path / out, 10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.size == (65, 49)


def test_gif_has_all_frames_their_colours_and_the_right_length(tmp_path: Path) -> None:
    clip = moving(25)
    write_video(clip, tmp_path / "a.gif", 24)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 25
        assert gif.info["loop"] == 0
        pictures, milliseconds = [], 0
        for frame in ImageSequence.Iterator(gif):
            milliseconds += frame.info["duration"]
            pictures.append(np.asarray(frame.convert("RGB")))
    assert milliseconds == 1040
    assert psnr(np.stack(pictures), clip) > 28
    assert (np.diff(np.stack(pictures)[:, 35:], axis=0) != 0).mean() < 0.02  # the still part


def test_png_frames_are_exact_and_replace_only_frames(tmp_path: Path) -> None:
    clip, out = moving(3), tmp_path / "frames"
    write_video(moving(5), out, 10)
    write_video(clip, out, 10)
    assert sorted(p.name for p in out.iterdir()) == [f"frame_{i:06d}.png" for i in range(3)]
    for i in range(3):
        assert np.array_equal(np.asarray(Image.open(out / f"frame_{i:06d}.png")), clip[i])
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        write_video(clip, out, 10)
    assert (out / "notes.txt").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames"])
def test_an_interrupted_clip_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    write_video(moving(4), tmp_path / name, 10)
    before = _contents(tmp_path)

    def broken():
        yield from moving(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(broken(), tmp_path / name, 10)
    assert _contents(tmp_path) == before
    with pytest.raises(InputError, match="no frame"):
        write_video(iter(()), tmp_path / name, 10)
    with pytest.raises(ValueError, match="frames of one video"):
        write_video([moving()[0], moving(height=50)[0]], tmp_path / name, 10)
    assert _contents(tmp_path) == before


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    ("out", "problem"),
    [
        ("a.avi", "ends in .mp4, .mov, .webm or .gif"),
        ("missing/a.mp4", "does not exist"),
        ("file/a.mp4", "is a file, not a folder"),
        ("file", "ends in .mp4, .mov, .webm or .gif"),
        ("folder.mp4", "is a folder"),
    ],
)
def test_impossible_video_outputs_are_refused(tmp_path: Path, out: str, problem: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=problem):
        output_format(tmp_path / out)


def test_impossible_rates_are_refused(tmp_path: Path) -> None:
    for fps in (0, -3, float("nan"), 1e9):
        with pytest.raises(InputError, match="frames per second"):
            write_video(moving(), tmp_path / "a.mp4", fps)


FILL = """
import resource, sys, numpy as np
from posecast.media.video import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
try:
    write_video((rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(30)), sys.argv[1], 10)
except OSError as error:
    print(error.filename)
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames"])
def test_a_full_disk_names_the_output_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    assert resource.RLIMIT_FSIZE >= 0
    script = FILL if name != "frames" else FILL.replace("20000", "3000")
    out = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", script, str(out)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(out), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_phone_video_is_turned_upright(tmp_path: Path) -> None:
    """The display matrix of the track header says: turn by 90 degrees clockwise."""
    clip = moving(4)
    write_video(clip, tmp_path / "a.mp4", 10)
    data = (tmp_path / "a.mp4").read_bytes()
    one = 0x00010000
    upright = b"".join(v.to_bytes(4, "big", signed=True) for v in (one, 0, 0, 0, one, 0, 0, 0))
    turned = b"".join(v.to_bytes(4, "big", signed=True) for v in (0, one, 0, -one, 0, 0, 0, 0))
    at = data.index(upright, data.index(b"tkhd"))
    (tmp_path / "b.mp4").write_bytes(data[:at] + turned + data[at + len(turned) :])
    frames, _ = read_video(tmp_path / "b.mp4")
    assert frames.shape == (4, 64, 48, 3)
    assert psnr(frames, np.rot90(clip, -1, axes=(1, 2))) > 30


def test_unreadable_videos_say_what_is_wrong(tmp_path: Path) -> None:
    write_video(moving(30), tmp_path / "a.mp4", 10)
    data = (tmp_path / "a.mp4").read_bytes()
    cases = {
        "empty.mp4": (b"", "the file is empty"),
        "text.mp4": (b"hello " * 100, "not a video"),
        "list.mp4": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not a video"),
        "concat.mp4": (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
        "head.mp4": (data[:200], "cut off"),
        "cut.mp4": (data[: len(data) * 3 // 4], r"cut\.mp4: frame \d+: the video is cut off"),
    }
    for name, (content, problem) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=problem):
            read_video(tmp_path / name)
    with pytest.raises(InputError, match="is a folder"):
        read_video(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_video(tmp_path / "missing.mp4")


def test_reading_is_lazy(tmp_path: Path) -> None:
    write_video(moving(30), tmp_path / "a.mp4", 10)
    data = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 3 // 4])
    frames, _ = read_video(tmp_path / "cut.mp4", max_frames=2)
    assert len(frames) == 2
    iterator = iterate_video(tmp_path / "a.mp4")
    assert next(iterator).shape == (48, 64, 3)
    iterator.close()


def test_a_video_is_read_whatever_its_name_says(tmp_path: Path) -> None:
    write_video(iter(moving()), tmp_path / "a.mp4", 30000 / 1001)
    named = (tmp_path / "a.mp4").rename(tmp_path / "a.avi")
    info = read_info(named)
    assert (info.width, info.height, info.declared_frames) == (64, 48, 12)
    assert info.fps == pytest.approx(30000 / 1001)
    assert sum(1 for _ in iterate_video(named)) == 12
