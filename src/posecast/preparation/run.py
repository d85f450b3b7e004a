"""A run: what is left to do, done by processes, a pool or a cluster, and listed at the end."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecast.data.store import FORMAT, VIDEOS, video_names, write_text
from posecast.data.table import write_index
from posecast.errors import InputError
from posecast.media.json_text import parse_json, read_json
from posecast.media.reading import read_text
from posecast.preparation.settings import PrepareSettings
from posecast.preparation.sources import VideoSource
from posecast.preparation.video import Outcome, prepare_video

ABOUT, REFUSED = "dataset.json", "refused.jsonl"
_MAX_ABOUT, _MAX_REFUSED = 2**20, 256 * 2**20
_POLL = 0.5  # seconds between looks at the workers' progress
_AHEAD = 4  # videos handed to the pool for each worker

Progress = Callable[[int], None]


@dataclass
class Summary:
    """What a run did, and what the dataset holds now."""

    videos: int = 0
    clips: int = 0
    frames: int = 0
    """Of the clips."""
    array_bytes: int = 0
    """Beside the pictures, of the videos that this run did."""
    done_frames: int = 0
    """Of the clips that this run made."""
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
    """Add videos to a dataset; the same sources and settings give the same bytes in any order.

    `workers` processes, or the Ray cluster at the address `cluster`. `resume` goes on with what a
    stopped run has begun: videos that are whole, or refused, are left alone (`retry`: the refused
    ones are tried again). `advance` is told of frames as they are done.

    Raises:
        InputError: the dataset is there already and `resume` is not given, or was begun by other
            settings; estimators or libraries are missing.
        OSError: the dataset cannot be written.
    """
    dataset = dataset.absolute()
    _begin(dataset, settings, resume)
    refused = {} if retry else _read_refused(dataset / REFUSED)
    # Videos that are whole may still lack their latents.
    done = set(refused) | (set() if settings.latents else video_names(dataset))
    left = [source for source in sources if source.name not in done]
    by_name = {source.name: source for source in sources}
    summary = Summary()
    outcomes = _outcomes(left, dataset, settings, workers, cluster, advance)
    with (dataset / REFUSED).open("w", encoding="utf-8") as list_of_refused:
        for line in refused.values():
            list_of_refused.write(json.dumps(line) + "\n")
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
    lines = [json.dumps(line) + "\n" for line in summary.refused]
    write_text(dataset / REFUSED, "".join(lines))
    records = write_index(dataset)
    summary.videos = len({record.video for record in records})
    summary.clips, summary.frames = len(records), sum(record.frames for record in records)
    return summary


def _begin(dataset: Path, settings: PrepareSettings, resume: bool) -> None:
    """Make the folder, or see that it may be gone on with; drop what was left half done."""
    if dataset.is_file():
        raise InputError.at(dataset, "is a file; expected a folder to write the dataset into")
    about = dataset / ABOUT
    if not about.exists():
        if dataset.is_dir() and any(dataset.iterdir()):
            raise InputError.at(dataset, "holds other files; name a new or empty folder")
        dataset.mkdir(parents=True, exist_ok=True)
        entry = {"format": FORMAT, "settings": settings.lasting()}
        write_text(about, json.dumps(entry, indent=1) + "\n")
        return
    if not resume:
        raise InputError.at(dataset, "is there already; add --resume to go on, or name another")
    try:
        saved: Any = read_json(about, _MAX_ABOUT)["settings"]
        changed = settings.changed(saved)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError.at(about, f"is none of {FORMAT}") from None
    if changed:
        raise InputError.at(about, f"was begun with other settings: {', '.join(changed)}")
    for part in (dataset / VIDEOS).glob(".*.part*"):
        shutil.rmtree(part, ignore_errors=True)


def _read_refused(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    refused = {}
    for line in read_text(path, _MAX_REFUSED, "a list of refused videos").splitlines():
        try:
            entry = parse_json(line.encode(), path)
            refused[str(entry["name"])] = entry
        except (ValueError, KeyError, TypeError):
            continue  # cut off by a kill: that video is tried again
    return refused


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
        yield from _on_pool(sources, dataset, settings, workers, advance)


def _on_pool(
    sources: list[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    workers: int,
    advance: Progress,
) -> Iterator[Outcome]:
    """A video a process: one decodes while another waits for the accelerator."""
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    queue = iter(sources)
    told = 0
    with _pool(workers, context, counter) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            for source in queue:
                running.add(pool.submit(_in_worker, source, dataset, settings))
                if len(running) >= _AHEAD * workers:
                    break
            if not running:
                return
            finished, running = wait(running, _POLL, FIRST_COMPLETED)
            advance(counter.value - told)
            told = counter.value
            for future in finished:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    raise InputError(
                        "a worker was killed, most likely for want of memory: go on with --resume "
                        "and fewer --workers"
                    ) from None


@contextmanager
def _pool(workers: int, context: Any, counter: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end at once when the run does: what they had begun is not kept."""
    pool = ProcessPoolExecutor(workers, context, _start_worker, (counter,))
    try:
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_counter: Any = None


def _start_worker(counter: Any) -> None:
    global _counter
    _counter = counter
    # Ctrl-C reaches all processes of a terminal; the run decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    single_threaded()


def single_threaded() -> None:
    """One core a process: there is one process a core, and no bit depends on their number."""
    import cv2

    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def one_core() -> Iterator[None]:
    """The same for a while, in a process that is not ours alone."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _in_worker(source: VideoSource, dataset: Path, settings: PrepareSettings) -> Outcome:
    def advance(frames: int) -> None:
        assert _counter is not None
        with _counter.get_lock():
            _counter.value += frames

    return prepare_video(source, dataset, settings, advance)
