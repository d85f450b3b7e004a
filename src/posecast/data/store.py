"""The dataset format ``posecast/dataset/2``: videos with poses, order and background motion.

A folder: ``videos/NAME`` holds all of one video and appears whole or not at all; ``index.parquet``
lists the clips of all videos, one a row. See docs/data.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int

from posecast.data.statistics import ClipStatistics, FrameStatistics, clip_statistics
from posecast.errors import InputError
from posecast.geometry.cells import cell_means
from posecast.geometry.dilation import dilation_maps
from posecast.media.atomic import whole_folder
from posecast.media.video import write_video
from posecast.types import JOINT_COUNTS, Clip

FORMAT = "posecast/dataset/2"
INDEX, VIDEOS, ENTRY = "index.parquet", "videos", "video.json"
FLOW, TIMES = "background_flow.npy", "times.npy"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
MAX_FRAMES, MAX_CHARACTERS, MAX_SIDE, MAX_CLIPS = 1_000_000, 10_000, 65_536, 100_000

MediaKind = Literal["video", "frames", "reference"]
Origin = Literal["truth", "given", "depth", "feet", "estimated"]


@dataclass(frozen=True)
class Record:
    """One row of the index: one single-shot clip of a video.

    Clips of one `group` show the same characters, in the same order, in the same place: the
    reference image of one may come from another.
    """

    video: str
    clip: int
    group: str
    source: str
    """Where the video is from, for the report: TikTok, YouTube, ..."""
    media: str
    """The frames: a file or folder name in the video's folder, or the path of a reference."""
    media_kind: MediaKind
    first_frame: int
    """Of the clip, in the video."""
    frames: int
    video_frames: int
    height: int
    width: int
    fps: float
    characters: int
    joints: str
    poses_from: Origin
    ranks_from: Origin
    background_flow: bool
    people: int
    """Seen at once: the most that 5% of the frames or more show."""
    background_flow_mean: float | None
    """Pixels a frame at the clip's own size, over its frames but the first (C.1)."""
    body_occlusion_rate: float | None
    """Mean over the frames; None for a single character."""
    latents: str | None = None
    """What made the clip's stored latents (`encodings.made_by`); None: there are none."""
    embeddings: str | None = None
    """The same of its image embeddings."""

    def __post_init__(self) -> None:
        for key in ("video", "group"):
            value = getattr(self, key)
            if not _NAME.fullmatch(value):
                raise ValueError(f"{key}: {value!r} is no plain name (letters, digits, . _ -)")
        if self.media_kind not in ("video", "frames", "reference"):
            raise ValueError(
                f"media_kind: expected video, frames or reference, got {self.media_kind!r}"
            )
        if self.media_kind != "reference" and not _NAME.fullmatch(self.media):
            raise ValueError(f"media: {self.media!r} is no plain name")
        if self.joints not in JOINT_COUNTS:
            raise ValueError(f"joints: expected one of {', '.join(JOINT_COUNTS)}")
        limits = {"frames": MAX_FRAMES, "video_frames": MAX_FRAMES, "height": MAX_SIDE}
        limits |= {"width": MAX_SIDE, "characters": MAX_CHARACTERS}
        for key, limit in limits.items():
            value = getattr(self, key)
            if not 1 <= value <= limit:
                raise ValueError(f"{key}: expected 1 to {limit}, got {value}")
        if not 0 <= self.clip < MAX_CLIPS:
            raise ValueError(f"clip: expected 0 to {MAX_CLIPS - 1}, got {self.clip}")
        if not 0 <= self.first_frame <= self.video_frames - self.frames:
            raise ValueError(
                f"first_frame: the clip leaves its video of {self.video_frames} frames"
            )

    @property
    def name(self) -> str:
        """Of the clip, unique in the dataset."""
        return f"{self.video}-{self.clip:04d}"

    def folder(self, dataset: str | Path) -> Path:
        """Of the clip's video."""
        return Path(dataset) / VIDEOS / self.video

    def media_path(self, dataset: str | Path) -> Path:
        """Where the frames lie: a file or a folder."""
        return self.folder(dataset) / self.media

    def array_path(self, dataset: str | Path, array: str) -> Path:
        """Where an array of the clip's own lies: ``keypoints``, ``ranks``, ``latents``, ..."""
        return self.folder(dataset) / array_name(self.clip, array)


def array_name(clip: int, array: str) -> str:
    """The file of a clip's own array in the video's folder."""
    return f"clip-{clip:04d}.{array}.npy"


def check_name(name: str) -> str:
    """A video's name, or `InputError` where it is no plain one."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no plain name (letters, digits, . _ -)")
    return name


def new_video(dataset: str | Path, name: str) -> AbstractContextManager[Path]:
    """A temporary folder that becomes the video's when the block ends well.

    Raises `InputError` where the name is taken or is no plain one, or the place cannot be written.
    """
    videos = Path(dataset) / VIDEOS
    videos.mkdir(parents=True, exist_ok=True)
    if (videos / check_name(name)).exists():
        raise InputError.at(dataset, f"has a video called {name} already")
    return whole_folder(videos / name)


def video_names(dataset: str | Path) -> set[str]:
    """The videos that are there whole, in the index or not yet."""
    return {entry.parent.name for entry in (Path(dataset) / VIDEOS).glob(f"[!.]*/{ENTRY}")}


def write_entry(folder: Path, records: Sequence[Record], about: dict[str, Any]) -> None:
    """``video.json``: what the index collects, and what else is known `about` the video."""
    entry = {"format": FORMAT, **about, "clips": [asdict(record) for record in records]}
    (folder / ENTRY).write_text(entry_text(entry), encoding="utf-8")


def entry_text(entry: dict[str, Any]) -> str:
    """A ``video.json`` as it is written."""
    return json.dumps(entry, indent=1) + "\n"


def write_clip_arrays(
    folder: Path,
    clip: int,
    keypoints: Float32[np.ndarray, "characters frames joints 3"],
    ranks: Int[np.ndarray, "frames characters"],
) -> None:
    """The arrays of a clip's own."""
    np.save(folder / array_name(clip, "keypoints"), keypoints)
    np.save(folder / array_name(clip, "ranks"), ranks.astype(np.int16))


def write_clip(
    dataset: str | Path,
    clip: Clip,
    group: str,
    name: str,
    video: Literal["mp4", "png"] = "mp4",
    source: str = "stage",
) -> Record:
    """Add a clip to a dataset as a video of its own; `table.write_index` then lists it.

    MP4 is lossy (H.264, yuv420p) and small; PNG frames are exact.

    Raises `InputError` where the name is taken or is no plain name, or the place cannot be written.
    """
    frames, height, width = clip.frames.shape[:3]
    statistics, cells = _measure(clip)
    media = "video.mp4" if video == "mp4" else "frames"
    try:
        record = Record(
            video=name, clip=0, group=group, source=source, media=media,
            media_kind="video" if video == "mp4" else "frames", first_frame=0, frames=frames,
            video_frames=frames, height=height, width=width, fps=float(clip.poses.fps or 25.0),
            characters=clip.poses.num_characters, joints=clip.poses.joints, poses_from="truth",
            ranks_from="truth", background_flow=cells is not None, **asdict(statistics),
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"clip {name}: {error}") from None
    with new_video(dataset, name) as folder:
        write_video(clip.frames, folder / media, record.fps)
        write_clip_arrays(folder, 0, clip.poses.keypoints.astype(np.float32), clip.ranks)
        if cells is not None:
            np.save(folder / FLOW, cells)
        write_entry(folder, [record], {"name": name, "source": source})
    return record


def _measure(clip: Clip) -> tuple[ClipStatistics, np.ndarray | None]:
    """Statistics of a clip whose truth is known, and its background's motion in cells."""
    size = clip.frames.shape[1:3]
    figures, cells = [], []
    for index in range(len(clip.frames)):
        masks = dilation_maps(clip.poses.keypoints[:, index], size)
        flow = None if clip.background_flow is None else clip.background_flow[index]
        figures.append(FrameStatistics.of(masks, flow if index else None))
        if flow is not None:
            cells.append(cell_means(flow))
    return clip_statistics(figures), np.stack(cells) if cells else None
