"""The driver's sound goes into the clip, in time."""

from __future__ import annotations

import os
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media.sound import Sound, has_sound
from posecast.media.video import write_video

RATE = 44100


def tone(seconds: float, channels: int = 1) -> np.ndarray:
    """Silence but for a beep in every second half of a second, higher each time."""
    times = np.arange(int(seconds * RATE)) / RATE
    beeps = np.sin(2 * np.pi * 220 * (1 + np.floor(times)) * times) * (times % 1 >= 0.5)
    return np.repeat(0.5 * beeps[None].astype(np.float32), channels, axis=0)


def talking_video(
    path: Path, seconds: float = 2.0, channels: int = 1, codec: str = "aac", fps: int = 10
) -> Path:
    samples = tone(seconds, channels)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=Fraction(fps))
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
        audio = file.add_stream(codec, rate=RATE, layout=layout)
        for i in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), i, np.uint8), format="rgb24")
            file.mux(video.encode(frame))
        for start in range(0, samples.shape[1], 1024):
            part = np.ascontiguousarray(samples[:, start : start + 1024])
            kind = audio.format.name
            if kind == "s16":
                part = np.ascontiguousarray((part.T.reshape(1, -1) * 32767).astype(np.int16))
            frame = av.AudioFrame.from_ndarray(part, format=kind, layout=layout)
            frame.sample_rate, frame.pts = RATE, start
            file.mux(audio.encode(frame))
        file.mux(video.encode(None))
        file.mux(audio.encode(None))
    return path


def heard(path: Path) -> tuple[np.ndarray, int, int]:
    """The samples of a file, of the first channel, their rate, and how many channels there are."""
    with closing(av.open(str(path))) as file:
        stream = file.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
        parts, first = [], None
        for frame in file.decode(stream):
            first = frame.time if first is None else first
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        samples = np.concatenate(parts)
        lead = round((first or 0.0) * stream.rate)
        samples = np.pad(samples, (max(0, lead), 0))[max(0, -lead) :]
        return samples, stream.rate, stream.codec_context.channels


def loudness(samples: np.ndarray, rate: int, at: float) -> float:
    part = samples[round((at - 0.1) * rate) : round((at + 0.1) * rate)]
    return float(np.sqrt((part**2).mean())) if len(part) else 0.0


def pitch(samples: np.ndarray, rate: int, at: float) -> float:
    part = samples[round((at - 0.1) * rate) : round((at + 0.1) * rate)]
    return float(np.abs(np.fft.rfft(part)).argmax() * rate / len(part))


def clip(out: Path, sound: Sound | None, frames: int, fps: float) -> Path:
    pictures = (np.full((32, 32, 3), i, np.uint8) for i in range(frames))
    assert write_video(pictures, out, fps, sound) == frames
    return out


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "pcm_s16le")])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_heard_at_its_time(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    source = talking_video(tmp_path / name, 3.0, channels, codec)
    samples, rate, kept = heard(clip(tmp_path / "out.mp4", Sound(source), 24, 12))
    assert kept == channels
    assert len(samples) / rate == pytest.approx(2.0, abs=0.06)
    assert loudness(samples, rate, 0.25) < 0.02 < 0.2 < loudness(samples, rate, 0.75)
    assert loudness(samples, rate, 1.25) < 0.02 < 0.2 < loudness(samples, rate, 1.75)
    assert pitch(samples, rate, 0.75) == pytest.approx(220, abs=6)
    assert pitch(samples, rate, 1.75) == pytest.approx(440, abs=6)


def test_it_begins_where_the_clip_begins(tmp_path: Path) -> None:
    source = talking_video(tmp_path / "a.mp4", 4.0)
    samples, rate, _ = heard(clip(tmp_path / "out.mp4", Sound(source, 2.25), 10, 10))
    assert len(samples) / rate == pytest.approx(1.0, abs=0.06)
    assert loudness(samples, rate, 0.12) < 0.02 < 0.2 < loudness(samples, rate, 0.5)
    assert pitch(samples, rate, 0.5) == pytest.approx(660, abs=6)


def test_a_sound_that_ends_early_ends_early(tmp_path: Path) -> None:
    source = talking_video(tmp_path / "a.mp4", 1.0)
    samples, rate, _ = heard(clip(tmp_path / "out.mp4", Sound(source), 30, 10))
    assert len(samples) / rate == pytest.approx(1.0, abs=0.06)


def test_more_channels_become_two(tmp_path: Path) -> None:
    source = talking_video(tmp_path / "a.mkv", 1.0, 6, "aac")
    samples, rate, channels = heard(clip(tmp_path / "out.mp4", Sound(source), 10, 10))
    assert channels == 2
    assert loudness(samples, rate, 0.75) > 0.1


def test_sound_is_written_reproducibly(tmp_path: Path) -> None:
    source = talking_video(tmp_path / "a.mp4")
    one, other = (clip(tmp_path / name, Sound(source), 10, 10) for name in ("b.mp4", "c.mp4"))
    assert one.read_bytes() == other.read_bytes()


def test_kinds_that_hold_no_sound_are_written_without(tmp_path: Path) -> None:
    source = talking_video(tmp_path / "a.mp4")
    clip(tmp_path / "b.gif", Sound(source), 5, 10)
    clip(tmp_path / "frames", Sound(source), 5, 10)
    assert not has_sound(tmp_path / "b.gif")


def test_has_sound_tells_videos_with_sound(tmp_path: Path) -> None:
    assert has_sound(talking_video(tmp_path / "a.mp4"))
    assert not has_sound(clip(tmp_path / "b.mp4", None, 3, 10))
    (tmp_path / "c.json").write_text("{}")
    (tmp_path / "d.mp4").write_bytes(b"nothing")
    for name in ("c.json", "d.mp4", "e.mp4", "."):
        assert not has_sound(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    assert not has_sound(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"b\.mp4: has no sound"):
        clip(tmp_path / "f.mp4", Sound(tmp_path / "b.mp4"), 3, 10)
    assert not (tmp_path / "f.mp4").exists()
