"""The benchmarks on which papers publish figures: their clips, sources and folder layout.

A bench is one folder. `real/` holds its clips (videos or folders of frames), `poses/` and
`references/` the inputs of `posecast animate` and `posecast evaluate` for each clip, `sources/` the
videos from which clips were cut, and `clips.json` a record of what was cut.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media import json_text
from posecast.media.atomic import whole_file
from posecast.metrics.folders import named_videos

BENCHES = ("multi-character", "tiktok", "ted-talks")
RECORD_FORMAT = "posecast/bench/1"
_MAX_RECORD = 10 * 2**20


@dataclass(frozen=True)
class BenchClip:
    """A piece of a public video: the frames shown from `start` up to but not including `end`."""

    name: str
    url: str
    start: float
    """Seconds after the video's first frame, as is `end`."""
    end: float

    @property
    def source(self) -> str:
        """The name of the video that the clip is cut from."""
        return self.name.rpartition("_")[0]


@dataclass(frozen=True)
class Bench:
    """What is published about a bench."""

    name: str
    source: str
    """The publication that defines the bench."""
    paper_table: str
    """The table of the paper (`metrics.tables`) with figures on it."""
    videos: int | None
    """Number of videos; None if not published."""
    frames: int | None
    """Number of frames of all videos; None if not published."""
    clips: tuple[BenchClip, ...]
    """Empty if no list of public addresses is published."""


def published_bench(name: str) -> Bench:
    """One of `BENCHES`."""
    data = files("posecast.benches").joinpath("published.json").read_text("utf-8")
    values = json.loads(data)[name]
    clips = tuple(
        BenchClip(c["name"], c["url"], _seconds(c["start"]), _seconds(c["end"]))
        for c in values["clips"]
    )
    return Bench(name=name, **{**values, "clips": clips})


def _seconds(timestamp: str) -> float:
    minutes, seconds = timestamp.split(":")
    return 60.0 * int(minutes) + int(seconds)


@dataclass(frozen=True)
class BenchFolder:
    """The layout of a bench's folder."""

    root: Path

    @property
    def sources(self) -> Path:
        """The folder of the whole videos from which clips are cut."""
        return self.root / "sources"

    @property
    def real(self) -> Path:
        """The folder of the clips: each is a video or a folder of frames."""
        return self.root / "real"

    @property
    def poses(self) -> Path:
        """The folder of ``NAME.json``: the poses of all frames of a clip."""
        return self.root / "poses"

    @property
    def references(self) -> Path:
        """The folder of ``NAME.png`` and ``NAME.poses.json``: a clip's reference and its people."""
        return self.root / "references"

    @cached_property
    def clips(self) -> dict[str, Path]:
        """The real clips by name, in natural order.

        Raises:
            InputError: there are no clips, or two have the same name.
        """
        if not self.real.is_dir():
            raise InputError(
                f"{self.real}: no such folder; expected the bench's videos there, or folders of "
                "their frames"
            )
        return named_videos(self.real)

    @property
    def record_file(self) -> Path:
        """The file that records which clips were cut and which are missing."""
        return self.root / "clips.json"


@dataclass
class Record:
    """The result of `download_bench`: the clips that were cut, and why others are missing."""

    clips: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Clip name to its start and end (seconds), fps and frames."""
    missing: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        values = {"format": RECORD_FORMAT, "clips": self.clips, "missing": self.missing}
        with whole_file(path) as part:
            part.write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def read_record(path: Path) -> Record:
    """Read what `Record.write` wrote; an empty record if there is no file.

    Raises:
        InputError: the file is not a record.
    """
    if not path.exists():
        return Record()
    try:
        values = json_text.read_json(path, _MAX_RECORD)
        if values["format"] != RECORD_FORMAT:
            raise ValueError(f"format {values['format']!r}")
        clips = {str(name): _checked(clip) for name, clip in values["clips"].items()}
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError.at(
            path, f"is not a record of {RECORD_FORMAT} ({type(error).__name__}: {error}); remove it"
        ) from error
    return Record(clips)


def _checked(clip: Mapping[str, Any]) -> dict[str, Any]:
    fps = float(clip["fps"])
    if not 0 < fps <= 1000:
        raise ValueError(f"fps {fps:g}")
    return {
        "start": float(clip["start"]),
        "end": float(clip["end"]),
        "fps": fps,
        "frames": int(clip["frames"]),
    }
