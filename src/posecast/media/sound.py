"""Copies the sound of a driving video to the clip that is made from it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from posecast.errors import InputError
from posecast.media.pose_formats.content import content_kind
from posecast.media.reading import read_head
from posecast.media.video import open_video

if TYPE_CHECKING:
    import av

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates in hertz that encoders accept; other rates are resampled to the last one."""
_CODECS = {"webm": "libopus"}
"""Codec by container; AAC for all others."""
_OPUS_RATE = 48000
_CHUNK = 1024
"""Number of samples encoded at a time."""
_LEAD = 1.0
"""Seconds before the start at which decoding begins, because decoders need to settle."""


@dataclass(frozen=True)
class Sound:
    """The sound of a video file from a given time on."""

    file: Path
    start: float = 0.0
    """Seconds after the first frame of the video."""

    def add_to(self, output: av.container.OutputContainer) -> SoundWriter:
        """Add an audio stream for it to a file that is about to be written.

        Raises:
            InputError: the file cannot be read, or has no sound.
        """
        return SoundWriter(self, output)


def has_sound(path: str | Path) -> bool:
    """Whether a file is a video with sound, by its content; False if it cannot be read."""
    path = Path(path)
    try:
        kind = content_kind(read_head(path, 64))
        if kind in ("json", "npy", "npz") or kind.endswith(" image"):
            return False
        with closing(open_video(path)) as container:
            return bool(container.streams.audio)
    except (OSError, InputError):
        return False


class SoundWriter:
    """Encodes a sound alongside a clip's frames, up to the time of the last frame written."""

    def __init__(self, sound: Sound, output: av.container.OutputContainer) -> None:
        self._output = output
        codec = _CODECS.get(output.format.name, "aac")
        self._rate, self._layout = _kept(sound, _OPUS_RATE if codec == "libopus" else None)
        self._stream = output.add_stream(codec, rate=self._rate, layout=self._layout)
        self._samples = _samples(sound, self._rate, self._layout)
        self._waiting = np.zeros((1 if self._layout == "mono" else 2, 0), np.float32)
        self._done = 0

    def up_to(self, seconds: float, last: bool = False) -> None:
        """Write the sound up to a time of the clip in seconds; with `last`, the clip ends there.

        Raises:
            InputError: the sound is damaged.
        """
        import av

        end = round(seconds * self._rate)
        while (missing := end - self._done) > 0 and (last or missing >= _CHUNK):
            chunk = self._next(min(_CHUNK, missing))
            if chunk.shape[1] == 0:
                break
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(chunk), format="fltp", layout=self._layout
            )
            frame.sample_rate, frame.pts = self._rate, self._done
            self._done += chunk.shape[1]
            self._output.mux(self._stream.encode(frame))
        if last:
            self._samples.close()
            self._output.mux(self._stream.encode(None))

    def _next(self, count: int) -> Float32[np.ndarray, "channels samples"]:
        while self._waiting.shape[1] < count:
            more = next(self._samples, None)
            if more is None:
                break
            self._waiting = np.concatenate([self._waiting, more], axis=1)
        chunk, self._waiting = self._waiting[:, :count], self._waiting[:, count:]
        return chunk


def _kept(sound: Sound, rate: int | None) -> tuple[int, str]:
    """Sample rate (`rate` if the encoder requires one) and channel layout of the written sound."""
    with closing(open_video(sound.file)) as container:
        if not container.streams.audio:
            raise InputError(f"{sound.file}: has no sound")
        stream = container.streams.audio[0]
        own = stream.rate if stream.rate in _RATES else _RATES[-1]
        return rate or own, "mono" if stream.codec_context.channels == 1 else "stereo"


def _samples(
    sound: Sound, rate: int, layout: str
) -> Generator[Float32[np.ndarray, "channels samples"], None, None]:
    """Samples in -1..1 from the sound's start on; silence until the file's sound begins."""
    import av

    with closing(open_video(sound.file)) as container:
        stream, video = container.streams.audio[0], container.streams.video[0]
        origin = float((video.start_time or 0) * (video.time_base or 0)) + sound.start
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        container.seek(max(0, int((origin - _LEAD) * 1_000_000)))
        place: int | None = None
        try:
            for frame in container.decode(stream):
                if place is None:
                    place = round(((frame.time or 0.0) - origin) * rate)
                    # In pieces: a file may claim that its sound starts in a thousand years.
                    for begun in range(0, place, rate):
                        pause = min(rate, place - begun)
                        yield np.zeros((1 if layout == "mono" else 2, pause), np.float32)
                for part in resampler.resample(frame):
                    samples = part.to_ndarray()
                    kept = samples[:, max(0, -place) :]
                    place += samples.shape[1]
                    if kept.shape[1]:
                        yield kept
        except (av.error.FFmpegError, EOFError) as error:
            raise InputError(
                f"{sound.file}: its sound is damaged ({error}); `audio=False` leaves it out"
            ) from error
