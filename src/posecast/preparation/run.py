"""A preparation run: finds the missing work, does it here, in a pool or on a cluster, and sums
up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecast.data.refused import REFUSED, read_refused
from posecast.data.store import FORMAT, VIDEOS, video_names
from posecast.data.table import write_index
from posecast.errors import InputError, counted
from posecast.media.atomic import clear_parts, write_text
from posecast.media.interruption import undisturbed
from posecast.media.json_text import read_json
from posecast.media.locks import LOCK, sole_worker
from posecast.media.outputs import check_working_folder
from posecast.preparation.pool import Progress, on_pool, one_core
from posecast.preparation.settings import PrepareSettings
from posecast.preparation.sources import VideoSource
from posecast.preparation.video import Outcome, prepare_video

ABOUT = "dataset.json"
_MAX_ABOUT = 2**20


@dataclass
class Summary:
    """What a run did, and the dataset's content afterwards."""

    videos: int = 0
    clips: int = 0
    frames: int = 0
    """Frames of all clips."""
    array_bytes: int = 0
    """Bytes of arrays, without pictures, of the videos of this run."""
    done_frames: int = 0
    """Frames of the clips made in this run."""
    refused: list[dict[str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def prepare(
    sources: Sequence[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    workers: int = 1,
    cluster: str | None = None,
    resume: bool = False,
    retry: bool = False,
    advance: Progress = lambda frames: None,
) -> Summary:
    """Add videos to a dataset; the same sources and settings give the same bytes, in any order.

    It uses `workers` processes, or the Ray cluster at the address `cluster`. `resume` continues a
    stopped run: complete and refused videos are skipped; `retry` tries refused ones again.
    `advance` is called with numbers of finished frames.

    A run that ends before anything is done leaves nothing behind.

    Raises:
        InputError: the dataset exists and `resume` is not given, or was started with other
            settings; it lies among the sources; another process works on it; or estimators or
            libraries are missing.
        OSError: the dataset cannot be written.
        KeyboardInterrupt: the run was interrupted; the message says how to continue.
    """
    dataset = dataset.absolute()
    check_working_folder(dataset, [source.path for source in sources])
    _check_begun(dataset)
    with sole_worker(dataset, [VIDEOS]), _begun(dataset, settings, resume):
        return _prepare(sources, dataset, settings, workers, cluster, retry, advance)


def _prepare(
    sources: Sequence[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    workers: int,
    cluster: str | None,
    retry: bool,
    advance: Progress,
) -> Summary:
    refused = {} if retry else read_refused(dataset)
    # Complete videos may still lack latents.
    done = set(refused) | (set() if settings.latents else video_names(dataset))
    left = [source for source in sources if source.name not in done]
    by_name = {source.name: source for source in sources}
    summary = Summary()
    outcomes = _outcomes(left, dataset, settings, workers, cluster, advance)
    # Written first with the known entries, so that a kill loses none of them.
    _write_refused(dataset, list(refused.values()))
    with (dataset / REFUSED).open("a", encoding="utf-8") as list_of_refused:
        for outcome in outcomes:
            if outcome.fault:
                summary.faults.append(outcome.fault)
            if outcome.refused is not None:
                source = by_name[outcome.name]
                line = {"name": source.name, "file": source.path.name, "source": source.source}
                refused[source.name] = {**line, "reason": outcome.refused}
                text = json.dumps(refused[source.name])
                list_of_refused.write(text + "\n")
                list_of_refused.flush()
            summary.array_bytes += outcome.array_bytes
            summary.done_frames += outcome.frames
    summary.refused = [refused[name] for name in sorted(refused)]
    _write_refused(dataset, summary.refused)
    records = write_index(dataset)
    summary.videos = len({record.video for record in records})
    summary.clips, summary.frames = len(records), sum(record.frames for record in records)
    return summary


def _check_begun(dataset: Path) -> bool:
    """Whether a run has started a dataset there. Raises `InputError` if other files are there."""
    if (dataset / ABOUT).exists():
        return True
    if dataset.is_dir() and any(entry.name != LOCK for entry in dataset.iterdir()):
        raise InputError.at(dataset, "holds other files; name a new or empty folder")
    return False


def _check_settings(dataset: Path, settings: PrepareSettings, resume: bool) -> None:
    """Raise `InputError` if this run must not continue the dataset."""
    about = dataset / ABOUT
    if not resume:
        raise InputError.at(dataset, "already exists; add --resume to continue, or choose another")
    try:
        saved: Any = read_json(about, _MAX_ABOUT)["settings"]
        changed = settings.changed(saved)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError.at(about, f"is not of format {FORMAT}") from None
    if changed:
        raise InputError.at(about, f"was started with other settings: {', '.join(changed)}")


@contextmanager
def _begun(dataset: Path, settings: PrepareSettings, resume: bool) -> Iterator[None]:
    """Start the dataset or continue it; an early end leaves nothing unfinished."""
    # If a run was killed right after its start, other settings may be used.
    if _check_begun(dataset) and not _is_bare(dataset):
        _check_settings(dataset, settings, resume)
    else:
        entry = {"format": FORMAT, "settings": settings.lasting()}
        write_text(dataset / ABOUT, json.dumps(entry, indent=1) + "\n")
    for video in (dataset / VIDEOS).glob("[!.]*/"):
        clear_parts(video)
    try:
        yield
    except BaseException as error:
        with undisturbed():
            clear_parts(dataset / VIDEOS)
            if _is_bare(dataset):
                _empty(dataset)
        if isinstance(error, KeyboardInterrupt) and (dataset / ABOUT).exists():
            done = counted(len(video_names(dataset)), "video")
            raise KeyboardInterrupt(f"{done} done; continue with --resume") from None
        raise


def _is_bare(dataset: Path) -> bool:
    """Whether nothing is done: no video is complete or refused, and there are only start files."""
    names = {entry.name for entry in dataset.iterdir()} - {LOCK}
    if not names <= {ABOUT, REFUSED, VIDEOS} or read_refused(dataset):
        return False
    videos = dataset / VIDEOS
    return not videos.exists() or not any(not p.name.startswith(".") for p in videos.iterdir())


def _empty(dataset: Path) -> None:
    for name in (ABOUT, REFUSED):
        (dataset / name).unlink(missing_ok=True)
    with suppress(OSError):
        (dataset / VIDEOS).rmdir()


def _write_refused(dataset: Path, lines: Sequence[dict[str, str]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_text(dataset / REFUSED, text)


def _outcomes(
    sources: list[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    workers: int,
    cluster: str | None,
    advance: Progress,
) -> Iterator[Outcome]:
    if cluster is not None:
        from posecast.preparation.cluster import on_cluster

        yield from on_cluster(sources, dataset, settings, cluster, advance)
    elif workers == 1:
        with one_core():
            for source in sources:
                yield prepare_video(source, dataset, settings, advance)
    else:
        yield from on_pool(sources, dataset, settings, workers, advance)
