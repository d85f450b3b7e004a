"""The dataset format ``posecast/dataset/1``: clips with their poses, order and background motion.

A folder: ``index.jsonl`` lists the clips, one JSON object a line; ``clips/NAME.mp4`` (or the folder
``clips/NAME`` of PNG frames) and ``clips/NAME.npz`` hold them. See docs/data.md.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Float, Float16

from posecast.errors import InputError
from posecast.media.atomic import whole_file
from posecast.media.video import write_video
from posecast.types import JOINT_COUNTS, Clip

FORMAT = "posecast/dataset/1"
INDEX = "index.jsonl"
FLOW_STRIDE = 8
"""The background's motion is smooth: it is kept at an eighth of the size."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
MAX_FRAMES, MAX_CHARACTERS, MAX_SIDE = 1_000_000, 10_000, 65_536


@dataclass(frozen=True)
class Record:
    """One line of the index: one single-shot clip.

    Clips of one `group` show the same characters, in the same order, in the same place: the
    reference image of one may come from another.
    """

    name: str
    group: str
    frames: int
    height: int
    width: int
    characters: int
    joints: str
    fps: float
    video: Literal["mp4", "png"]
    background_flow: bool
    character_ids: bool
    format: str = FORMAT

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name!r} is no plain name (letters, digits, . _ -)")
        if self.format != FORMAT:
            raise ValueError(f"format: expected {FORMAT}, got {self.format!r}")
        if self.joints not in JOINT_COUNTS:
            raise ValueError(f"joints: expected one of {', '.join(JOINT_COUNTS)}")
        if self.video not in ("mp4", "png"):
            raise ValueError(f"video: expected mp4 or png, got {self.video!r}")
        limits = {"frames": MAX_FRAMES, "height": MAX_SIDE, "width": MAX_SIDE}
        for key, limit in {**limits, "characters": MAX_CHARACTERS}.items():
            value = getattr(self, key)
            if not 1 <= value <= limit:
                raise ValueError(f"{key}: expected 1 to {limit}, got {value}")

    def arrays_path(self, dataset: Path) -> Path:
        """Where the clip's arrays lie."""
        return dataset / "clips" / f"{self.name}.npz"

    def video_path(self, dataset: Path) -> Path:
        """Where the clip's frames lie: a file or a folder."""
        return dataset / "clips" / (f"{self.name}.mp4" if self.video == "mp4" else self.name)


def write_clip(
    dataset: str | Path,
    clip: Clip,
    group: str,
    name: str,
    video: Literal["mp4", "png"] = "mp4",
) -> Record:
    """Add a clip to a dataset, which is created where there is none.

    The clip's line enters the index last, so that an interrupted write leaves no clip half there.
    MP4 is lossy (H.264, yuv420p) and small; PNG frames are exact.

    Raises `InputError` where the name is taken or is no plain name, or the place cannot be written.
    """
    dataset = Path(dataset)
    record = _record(clip, group, name, video)
    (dataset / "clips").mkdir(parents=True, exist_ok=True)
    if record.arrays_path(dataset).exists() and name in _names(dataset):
        raise InputError.at(dataset, f"has a clip called {name} already")
    write_video(clip.frames, record.video_path(dataset), record.fps)
    arrays: dict[str, np.ndarray] = {
        "keypoints": clip.poses.keypoints.astype(np.float32),
        "ranks": clip.ranks.astype(np.int16),
    }
    if clip.background_flow is not None:
        arrays["background_flow"] = shrink_flow(clip.background_flow)
    if clip.character_ids is not None:
        arrays["character_ids"] = clip.character_ids
    with whole_file(record.arrays_path(dataset)) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays)
    _append(dataset / INDEX, json.dumps(asdict(record)))
    return record


def shrink_flow(
    flow: Float[np.ndarray, "frames 2 height width"],
) -> Float16[np.ndarray, "frames 2 h w"]:
    """Means over cells of 8x8 pixels; the vectors stay pixels a frame at full size."""
    height, width = flow.shape[2:]
    size = (-(-width // FLOW_STRIDE), -(-height // FLOW_STRIDE))
    shrunk = [
        [cv2.resize(channel, size, interpolation=cv2.INTER_AREA) for channel in field]
        for field in np.ascontiguousarray(flow, dtype=np.float32)
    ]
    return np.asarray(shrunk).astype(np.float16)


def _record(clip: Clip, group: str, name: str, video: Literal["mp4", "png"]) -> Record:
    frames, height, width = clip.frames.shape[:3]
    try:
        return Record(
            name=name,
            group=group,
            frames=frames,
            height=height,
            width=width,
            characters=clip.poses.num_characters,
            joints=clip.poses.joints,
            fps=float(clip.poses.fps or 25.0),
            video=video,
            background_flow=clip.background_flow is not None,
            character_ids=clip.character_ids is not None,
        )
    except ValueError as error:
        raise InputError(f"clip {name}: {error}") from None


def _names(dataset: Path) -> set[str]:
    index = dataset / INDEX
    if not index.exists():
        return set()
    lines: list[dict[str, Any]] = [json.loads(line) for line in whole_lines(index)]
    return {line["name"] for line in lines}


def whole_lines(path: Path) -> list[str]:
    """The lines of an index; one cut off by an interruption (no line end) does not count."""
    text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


def _append(index: Path, line: str) -> None:
    descriptor = os.open(index, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
