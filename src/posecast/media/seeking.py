"""Reads single frames of a video: seeks to a key frame before, then decodes up to the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

from posecast.errors import InputError
from posecast.media.animated import is_animated
from posecast.media.display import Display
from posecast.media.video import iterate_video, open_video, video_stream

if TYPE_CHECKING:
    import av

_NEAR = 48
"""Up to this many frames ahead, decoding on is faster than a new seek."""
# Seconds further back to retry: frames after a key frame in the file may be shown before it.
_STEPS_BACK = (0.0, 2.0, 10.0)


def read_frames_at(
    path: str | Path, times: Int64[np.ndarray, " video_frames"], indices: Sequence[int]
) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """The frames at `indices`, in that order, identical to those of `iterate_video`.

    `times` are the presentation times of all frames in the file's own unit. If they do not rise
    from frame to frame (missing ones are -1), the file is decoded from its start.

    Raises:
        InputError: as `iterate_video`; or a frame does not exist.
    """
    path = Path(path)
    wanted = sorted(set(indices))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < len(times):
        raise InputError.at(path, f"expected frames 0 to {len(times) - 1}", f"frame {wanted[-1]}")
    rising = not is_animated(path) and (len(times) < 2 or bool((np.diff(times) > 0).all()))
    found = _seek(path, times, wanted) if rising else _from_start(path, wanted)
    for index in wanted:
        if index not in found:
            raise InputError.at(path, "no such frame", f"frame {index}")
    return [found[index] for index in indices]


def _from_start(path: Path, wanted: list[int]) -> dict[int, np.ndarray]:
    with closing(iterate_video(path)) as frames:
        ahead = islice(frames, wanted[-1] + 1 if wanted else 0)
        kept = set(wanted)
        return {index: frame for index, frame in enumerate(ahead) if index in kept}


def _seek(path: Path, times: np.ndarray, wanted: list[int]) -> dict[int, np.ndarray]:
    import av

    found: dict[int, np.ndarray] = {}
    try:
        with closing(open_video(path)) as container:
            stream = video_stream(container, path)
            for run in _runs(wanted):
                for back in _STEPS_BACK:
                    found |= _decode_run(container, stream, times, run, back)
                    if run[0] in found:
                        break
    except (av.error.FFmpegError, EOFError):
        found = {}  # decoding a damaged or odd file from the start finds them, or names the fault
    missing = [index for index in wanted if index not in found]
    return found | _from_start(path, missing) if missing else found


def _runs(wanted: list[int]) -> Iterator[list[int]]:
    """Group the indices so that one seek serves each group."""
    start = 0
    for k in range(1, len(wanted) + 1):
        if k == len(wanted) or wanted[k] - wanted[k - 1] > _NEAR:
            yield wanted[start:k]
            start = k


def _decode_run(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    times: np.ndarray,
    run: list[int],
    back: float,
) -> dict[int, np.ndarray]:
    display = Display.of(stream)
    unit = float(stream.time_base or 1)
    container.seek(int(times[run[0]]) - round(back / unit), stream=stream, backward=True)
    by_time = {int(times[index]): index for index in run}
    last = int(times[run[-1]])
    found: dict[int, np.ndarray] = {}
    for frame in container.decode(stream):
        if frame.pts is None:
            return {}
        if frame.pts in by_time:
            found[by_time[frame.pts]] = display.rgb(frame)
        if frame.pts >= last:
            break
    return found


def packet_times(path: str | Path) -> list[int]:
    """The presentation times of a video's frames without decoding; for Posecast's own files."""
    with closing(open_video(Path(path))) as container:
        packets = container.demux(video_stream(container, Path(path)))
        return sorted(packet.pts for packet in packets if packet.pts is not None)
