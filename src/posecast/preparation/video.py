"""Prepares one video: scans it, cuts it into clips, and writes it atomically or refuses it."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posecast.data.store import (
    ENTRY,
    FLOW,
    TIMES,
    VIDEOS,
    MediaKind,
    Record,
    new_video,
    write_clip_arrays,
    write_entry,
)
from posecast.errors import InputError
from posecast.geometry.mask_sharing import MAX_IDS
from posecast.media.frame_rate import frame_rate
from posecast.media.seeking import packet_times
from posecast.media.video import VideoInfo, iterate_video, read_header
from posecast.media.video_formats import write_mp4
from posecast.preparation.clips import FoundClip, find_clips
from posecast.preparation.masks import write_masks
from posecast.preparation.people import EstimatedPeople, GivenPeople, People
from posecast.preparation.scan import Scan, Scanner
from posecast.preparation.settings import (
    PrepareSettings,
    load_depth,
    load_encoding,
    load_flow,
    load_masks,
    load_pose,
)
from posecast.preparation.sources import VideoSource

KEY_FRAMES = 16
"""Distance of key frames in re-encoded videos, at which decoding can start."""
_CONTAINERS = {
    "mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm", "avi": "avi",
    "ts": "mpegts", "mpg": "mpeg", "mpeg": "mpeg", "flv": "flv", "wmv": "asf", "gif": "gif",
    "ogv": "ogg", "webp": "webp", "apng": "apng",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """The result of preparing one video."""

    name: str
    clips: int = 0
    frames: int = 0
    """Frames of all clips."""
    array_bytes: int = 0
    """Bytes of arrays, without pictures."""
    refused: str | None = None
    fault: str | None = None
    """The traceback of a bug in Posecast: the video is refused and the run continues."""


def prepare_video(
    source: VideoSource,
    dataset: Path,
    settings: PrepareSettings,
    advance: Callable[[int], None] = lambda frames: None,
) -> Outcome:
    """Add one video to a dataset; faults of the video are in the outcome and not raised.

    A video that is already in the dataset only gets missing latents. `advance` is called with
    numbers of finished frames.

    Raises:
        InputError: the estimators are not available.
        OSError: the dataset cannot be written.
    """
    encoder = load_encoding(settings)
    outcome = Outcome(source.name)
    if not (dataset / VIDEOS / source.name / ENTRY).exists():
        outcome = _scanned(source, dataset, settings, advance)
    if encoder is None or outcome.refused is not None:
        return outcome
    from posecast.preparation.encoding import encode_video

    with _reasons(source.name, dataset, "no latents: ") as failed:
        more = encode_video(dataset, source.name, encoder)
        return replace(outcome, array_bytes=outcome.array_bytes + more)
    return failed[0]


def _scanned(
    source: VideoSource,
    dataset: Path,
    settings: PrepareSettings,
    advance: Callable[[int], None],
) -> Outcome:
    flow, depth = load_flow(settings), load_depth(settings)
    pose = None if source.poses or source.missing_poses else load_pose(settings)
    found: list[People] = []

    def people(size: tuple[int, int]) -> People:
        if source.poses is not None:
            found.append(GivenPeople(source.poses, size, source.body or settings.body))
        elif pose is not None:
            found.append(EstimatedPeople(pose))
        return found[-1]

    scanner = Scanner(people, flow, depth, advance)
    with _reasons(source.name, dataset) as failed:
        info = read_header(source.path)
        if source.missing_poses:
            raise InputError(source.missing_poses)
        with new_video(dataset, source.name) as folder:
            scan = scanner.scan(source.path, folder / FLOW)
            return _write(source, folder, settings, scan, found[-1], info)
    return failed[0]


@contextmanager
def _reasons(name: str, dataset: Path, before: str = "") -> Iterator[list[Outcome]]:
    """Turn an error in the block into an outcome, which is added to the yielded list."""
    failed: list[Outcome] = []
    try:
        yield failed
    except InputError as error:
        failed.append(Outcome(name, refused=f"{before}{error}"))
    except OSError as error:
        if error.filename is None or str(error.filename).startswith(str(dataset)):
            raise
        failed.append(Outcome(name, refused=f"{before}{error.filename}: {error.strerror}"))
    except Exception as error:
        reason = f"{before}fault: {type(error).__name__}: {error}"
        failed.append(Outcome(name, refused=reason, fault=traceback.format_exc()))


def _write(
    source: VideoSource,
    folder: Path,
    settings: PrepareSettings,
    scan: Scan,
    people: People,
    info: VideoInfo,
) -> Outcome:
    rate = frame_rate(scan.times, scan.unit, info.fps)
    fps = rate.fps
    clips, left_out = find_clips(scan, people, fps, settings.min_frames)
    notes = [*scan.changes, *_named_wrong(source.path, info)]
    notes += [*([rate.note] if rate.note else []), *people.notes, *left_out]
    if not clips:
        raise InputError.at(source.path, f"holds no clip: {'; '.join(left_out)}")
    media, kind = _write_media(source.path, folder, settings, fps)
    times = packet_times(folder / media) if settings.media == "reencode" else scan.times
    if len(times) != len(scan.times):
        raise RuntimeError(f"{len(times)} frames written of {len(scan.times)}")
    np.save(folder / TIMES, np.asarray(times, dtype=np.int64))
    masks_of = load_masks(settings)
    masked = [False] * len(clips)
    if masks_of is not None:
        masked = write_masks(source.path, clips, folder, masks_of)
        if not all(masked):
            notes.append(f"no masks of clips with more than {MAX_IDS} characters")
    records = []
    for number, clip in enumerate(clips):
        write_clip_arrays(folder, number, clip.keypoints, clip.ranks)
        record = _record(source, number, clip, scan, people, fps, media, kind)
        records.append(replace(record, masks=masked[number]))
    about: dict[str, Any] = {
        "name": source.name,
        "source": source.source,
        "file": source.path.name,
        "bytes": source.path.stat().st_size,
        "notes": notes,
    }
    write_entry(folder, records, about)
    beside = (*folder.glob("*.npy"), *folder.glob("*.masks/*.png"))
    arrays = sum(file.stat().st_size for file in beside)
    return Outcome(source.name, len(clips), sum(r.frames for r in records), arrays)


def _record(
    source: VideoSource,
    number: int,
    clip: FoundClip,
    scan: Scan,
    people: People,
    fps: float,
    media: str,
    kind: MediaKind,
) -> Record:
    characters, frames = clip.keypoints.shape[:2]
    return Record(
        video=source.name, clip=number, group=f"{source.name}-shot-{clip.shot:04d}",
        source=source.source, media=media, media_kind=kind, first_frame=clip.start, frames=frames,
        video_frames=len(scan.times), height=scan.height, width=scan.width, fps=fps,
        characters=characters, joints=people.joints,
        poses_from="given" if people.given else "estimated", ranks_from=clip.ranks_from,
        background_flow=True, **asdict(clip.statistics),
    )  # fmt: skip


def _write_media(
    path: Path, folder: Path, settings: PrepareSettings, fps: float
) -> tuple[str, MediaKind]:
    if settings.media == "reference":
        return str(path.resolve()), "reference"
    if settings.media == "reencode":
        write_mp4(iterate_video(path), folder / "video.mp4", fps, KEY_FRAMES)
        return "video.mp4", "video"
    suffix = path.suffix.lower()
    media = f"video{suffix if suffix[1:].isalnum() else ''}"
    shutil.copyfile(path, folder / media)
    os.chmod(folder / media, 0o644)
    return media, "video"


def _named_wrong(path: Path, info: VideoInfo) -> list[str]:
    expected = _CONTAINERS.get(path.suffix.lower().lstrip("."))
    if expected is None or expected in info.container.split(","):
        return []
    return [f"named {path.suffix}, but is {info.container.split(',')[0]}"]
