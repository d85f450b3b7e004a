"""Prepares videos on a Ray cluster (extra ``cluster``): one row and one task per video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.preparation.settings import PrepareSettings
from posecast.preparation.sources import VideoSource
from posecast.preparation.video import Outcome, prepare_video


def on_cluster(
    sources: Sequence[VideoSource],
    dataset: Path,
    settings: PrepareSettings,
    address: str,
    advance: Callable[[int], None],
) -> Iterator[Outcome]:
    """Prepare videos with Ray Data on the cluster at `address` (``local`` starts one here).

    All machines must see videos and dataset under the same path.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError(
            "--cluster needs Ray, which is not installed: pip install 'posecast[cluster]'"
        ) from None
    if not sources:
        return
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(address=address, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise InputError(f"--cluster {address}: {error}") from None
    try:
        # One block per video, so that each is a separate task.
        rows = ray.data.range(len(sources), override_num_blocks=len(sources)).map(
            _prepared, fn_args=(sources, dataset, settings)
        )
        for row in rows.iter_rows():
            advance(row["frames"])
            yield Outcome(**row)
    finally:
        if started:
            ray.shutdown()


def _prepared(
    row: dict[str, Any], sources: Sequence[VideoSource], dataset: Path, settings: PrepareSettings
) -> dict[str, Any]:
    """Prepare one video in a worker. A module-level function, so Ray sends its name, no closure."""
    from posecast.preparation.pool import single_threaded

    single_threaded()
    return asdict(prepare_video(sources[int(row["id"])], dataset, settings))
