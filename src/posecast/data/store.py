"""The dataset format ``posecast/dataset/2``: videos with poses, order and background motion.

A folder: ``videos/NAME`` holds all of one video and appears whole or not at all; ``index.parquet``
lists the clips of all videos, one a row. See docs/data.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from posecast.data.statistics import FrameStatistics, clip_statistics
from posecast.errors import InputError
from posecast.geometry.cells import cell_means
from posecast.geometry.dilation import dilation_maps
from posecast.media.atomic import whole_folder
from posecast.media.video import write_video
from posecast.types import JOINT_COUNTS, Clip, PoseSequence

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
    """Source of the video, for the report: TikTok, YouTube, ..."""
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
    """Largest number of people that at least 5% of the frames show at once."""
    background_flow_mean: float | None
    """Pixels a frame at the clip's own size, over its frames but the first (C.1)."""
    body_occlusion_rate: float | None
    """Mean over the frames; None for a single character."""
    latents: str | None = None
    """Identifies the network of the stored latents (`encodings.made_by`); None: there are none."""
    embeddings: str | None = None
    """The same of its image embeddings."""
    masks: bool = False
    """Whether there is an image of ids of each frame (`masks_name`)."""

    def __post_init__(self) -> None:
        for key in ("video", "group"):
            value = getattr(self, key)
            if not _NAME.fullmatch(value):
                raise ValueError(f"{key}: {value!r} is not a valid name (letters, digits, . _ -)")
        if self.media_kind not in ("video", "frames", "reference"):
            raise ValueError(
                f"media_kind: expected video, frames or reference, got {self.media_kind!r}"
            )
        if self.media_kind != "reference" and not _NAME.fullmatch(self.media):
            raise ValueError(f"media: {self.media!r} is not a valid name")
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


def masks_name(clip: int) -> str:
    """The folder of a clip's images of ids in the video's folder: ``frame_000000.png``, ..."""
    return f"clip-{clip:04d}.masks"


def check_name(name: str) -> str:
    """A video's name, or `InputError` if it is not a valid one."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a valid name (letters, digits, . _ -)")
    return name


def new_video(dataset: str | Path, name: str) -> AbstractContextManager[Path]:
    """A temporary folder that becomes the video's when the block ends well.

    Raises `InputError` where the name is taken or not valid, or the place cannot be written.
    """
    videos = Path(dataset) / VIDEOS
    videos.mkdir(parents=True, exist_ok=True)
    if (videos / check_name(name)).exists():
        raise InputError.at(dataset, f"already has a video called {name}")
    return whole_folder(videos / name)


def video_names(dataset: str | Path) -> set[str]:
    """The complete videos, also those not yet in the index."""
    return {entry.parent.name for entry in (Path(dataset) / VIDEOS).glob(f"[!.]*/{ENTRY}")}


def write_entry(folder: Path, records: Sequence[Record], about: dict[str, Any]) -> None:
    """``video.json``: the index rows of the video, and further facts `about` it."""
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


@dataclass(frozen=True)
class Footage:
    """A clip from any source: frames one by one, and their data.

    `poses` are in pixels of the frames and have as many; `ranks`: 0 is the front, -1 no rank.
    """

    frames: Iterable[UInt8[np.ndarray, "height width 3"]]
    poses: PoseSequence
    ranks: Int[np.ndarray, "frames characters"]
    poses_from: Origin
    ranks_from: Origin
    background_flow: Iterable[Float[np.ndarray, "2 height width"]] | None = None
    """For each frame the background's motion since the one before, pixels a frame; 0 in the
    first."""

    @classmethod
    def rendered(cls, clip: Clip) -> Footage:
        """A clip with known ground truth."""
        return cls(clip.frames, clip.poses, clip.ranks, "truth", "truth", clip.background_flow)


def write_clip(
    dataset: str | Path,
    clip: Clip | Footage,
    group: str,
    name: str,
    video: Literal["mp4", "png"] = "mp4",
    source: str = "stage",
) -> Record:
    """Add a clip to a dataset as a video of its own; `table.write_index` then lists it.

    MP4 is lossy (H.264, yuv420p) and small; PNG frames are exact. Frames are written as they come:
    memory does not grow with their number.

    Raises `InputError` where the name is taken or not valid, the place cannot be written, or
    frames, poses, ranks and flow do not fit each other. Nothing is left of the clip then.
    """
    clip = Footage.rendered(clip) if isinstance(clip, Clip) else clip
    poses, media = clip.poses, "video.mp4" if video == "mp4" else "frames"
    if clip.ranks.shape != (poses.num_frames, poses.num_characters):
        raise InputError(
            f"clip {name}: ranks are {clip.ranks.shape}; expected {poses.num_frames} frames of "
            f"{poses.num_characters} characters"
        )
    with new_video(dataset, name) as folder:
        measure = _Measure(name, clip)
        fps = float(poses.fps or 25.0)
        written = write_video(measure.frames(), folder / media, fps)
        if written != poses.num_frames:
            raise InputError(f"clip {name}: {written} frames, but {poses.num_frames} poses")
        cells = measure.cells
        try:
            record = Record(
                video=name, clip=0, group=group, source=source, media=media,
                media_kind="video" if video == "mp4" else "frames", first_frame=0, frames=written,
                video_frames=written, height=poses.height, width=poses.width, fps=fps,
                characters=poses.num_characters, joints=poses.joints, poses_from=clip.poses_from,
                ranks_from=clip.ranks_from, background_flow=bool(cells),
                **asdict(clip_statistics(measure.figures)),
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"clip {name}: {error}") from None
        write_clip_arrays(folder, 0, poses.keypoints.astype(np.float32), clip.ranks)
        if cells:
            np.save(folder / FLOW, np.stack(cells))
        write_entry(folder, [record], {"name": name, "source": source})
    return record


class _Measure:
    """Yields a clip's frames, and keeps the figures and the background motion of each."""

    def __init__(self, name: str, clip: Footage) -> None:
        self._name, self._clip = name, clip
        self.figures: list[FrameStatistics] = []
        self.cells: list[np.ndarray] = []

    def frames(self) -> Iterator[np.ndarray]:
        """The frames as they come. Raises `InputError` where one does not fit."""
        poses = self._clip.poses
        size = (poses.height, poses.width)
        flows = None if self._clip.background_flow is None else iter(self._clip.background_flow)
        for index, frame in enumerate(self._clip.frames):
            if index == poses.num_frames:
                raise self._unfit(index, f"has no poses; they are of {poses.num_frames} frames")
            if frame.shape != (*size, 3):
                raise self._unfit(index, f"is {frame.shape}; the poses are of {size}")
            flow = None if flows is None else next(flows, None)
            if flows is not None and (flow is None or flow.shape != (2, *size)):
                raise self._unfit(index, "has no flow of its size")
            masks = dilation_maps(poses.keypoints[:, index], size)
            self.figures.append(FrameStatistics.of(masks, flow if index else None))
            if flow is not None:
                self.cells.append(cell_means(flow))
            yield frame

    def _unfit(self, index: int, problem: str) -> InputError:
        return InputError(f"clip {self._name}: frame {index} {problem}")
