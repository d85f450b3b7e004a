"""LPIPS, FID, FID-VID and FVD over folders of videos: one more pass, networks in batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, UInt8
from torch import Tensor

from posecast.errors import InputError
from posecast.estimators.devices import usable_device
from posecast.metrics.clips import CLIP_FRAMES, clip_batches, gaps_on_threads
from posecast.metrics.folders import (
    FrameBatch,
    VideoPair,
    count_frames,
    frame_batches,
    frame_numbers,
)
from posecast.metrics.frechet import Moments, frechet_distance
from posecast.metrics.mask_files import VideoMasks
from posecast.metrics.networks import i3d, inception, lpips, resnet3d, weights
from posecast.metrics.protocols import Protocol
from posecast.metrics.settings import NETWORK_NAMES, EvaluationSettings, OnFrames
from posecast.metrics.totals import FrameTotals, joined

BATCH = 16
"""Frames that are read at once."""
CLIPS_AT_ONCE = 4
_GREY = np.uint8(127)
"""Grey level around a character for LPIPS."""
_LEAST_SIDE = 32
"""Smallest side that the network needs, pixels."""

Frames = UInt8[np.ndarray, "frames height width 3"]
Lpips = Callable[[Frames, Frames, Protocol], Float64[np.ndarray, " frames"]]


@dataclass(frozen=True)
class FeatureNetwork:
    """What a Frechet distance compares: features of frames, or of samples of 16 frames."""

    dimension: int
    features: (
        Callable[[Frames], Float32[np.ndarray, "rows dimension"]]
        | Callable[[Tensor], Float32[np.ndarray, "rows dimension"]]
    )
    prepare: Callable[[Frames], Float32[Tensor, "frames 3 side side"]] | None = None
    """Of networks for samples: frames as the network takes them. None: features are of frames."""


@dataclass(frozen=True)
class NetworkScores:
    """The networks' scores of one method."""

    by_video: tuple[dict[str, FrameTotals], ...]
    distances: dict[str, float]
    weights: dict[str, dict[str, str]]
    skipped: dict[str, str]


@dataclass
class NetworkMetrics:
    """The loaded networks, and the reasons for missing ones."""

    lpips: Lpips | None = None
    extractors: dict[str, FeatureNetwork] = field(default_factory=dict)
    weights: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    _real: dict[str, Moments] = field(default_factory=dict)
    _real_of: tuple[Any, ...] = ()

    @property
    def any_loaded(self) -> bool:
        """Whether any network is loaded."""
        return self.lpips is not None or bool(self.extractors)

    def score(
        self,
        pairs: Sequence[VideoPair],
        settings: EvaluationSettings,
        on_frames: OnFrames | None = None,
    ) -> NetworkScores:
        """Score one method's videos. Features of the real ones are kept for the next method."""
        skipped = dict(self.skipped)
        if not self.any_loaded:
            return NetworkScores(tuple({} for _ in pairs), {}, dict(self.weights), skipped)
        standard = (settings.size, settings.crop, settings.uninterrupted)
        known = self._real_of == (sources := (standard, *(pair.real for pair in pairs)))
        ours = {name: Moments(net.dimension) for name, net in self.extractors.items()}
        theirs = {name: Moments(net.dimension) for name, net in self.extractors.items()}
        by_video = tuple(
            self._video(pair, settings, ours, {} if known else theirs, on_frames) for pair in pairs
        )
        if not known:
            self._real, self._real_of = theirs, sources
        distances = {}
        for name, moments in ours.items():
            if min(moments.count, self._real[name].count) < 2:
                skipped[name] = self._too_few(name, moments.count)
            else:
                distances[name] = frechet_distance(moments, self._real[name])
        used = {name: file for name, file in self.weights.items() if name not in skipped}
        return NetworkScores(by_video, distances, used, skipped)

    def _too_few(self, name: str, count: int) -> str:
        unit = "frames" if self.extractors[name].prepare is None else "samples of 16 frames"
        return f"a distance of distributions needs two {unit} or more, and there are {count}"

    def _video(
        self,
        pair: VideoPair,
        settings: EvaluationSettings,
        ours: Mapping[str, Moments],
        theirs: Mapping[str, Moments],
        on_frames: OnFrames | None,
    ) -> dict[str, FrameTotals]:
        gaps = _gaps(pair)
        if not settings.uninterrupted:
            lost = gaps_on_threads(count_frames(pair.real))
            gaps = (gaps[0] | lost, gaps[1] | lost)
        feeds = [_Feed(self.extractors[name], ours[name], gaps[0] | gaps[1]) for name in ours]
        real_feeds = [_Feed(self.extractors[name], theirs[name], gaps[1]) for name in theirs]
        masks = None
        if self.lpips is not None and settings.masks is not None:
            masks = VideoMasks.of(settings.masks.real, pair, settings.crop)
        scores: list[FrameTotals] = []
        masked: list[FrameTotals] = []
        with closing(
            _read_ahead(frame_batches(pair, settings.size, BATCH, settings.crop))
        ) as batches:
            for batch in batches:
                if self.lpips is not None:
                    values = self.lpips(batch.generated, batch.real, settings.protocol)
                    scores.append(FrameTotals.mean_of(values))
                if self.lpips is not None and masks is not None:
                    masked.append(masked_lpips(self.lpips, batch, masks, settings.protocol))
                for feed in feeds:
                    feed.push(batch.start, batch.generated)
                for feed in real_feeds:
                    feed.push(batch.start, batch.real)
                if on_frames is not None:
                    on_frames(len(batch.real))
        found = {"lpips": scores, "mask_lpips": masked}
        return {name: joined(parts) for name, parts in found.items() if parts}


def masked_lpips(
    distance: Lpips, batch: FrameBatch, masks: VideoMasks, protocol: Protocol
) -> FrameTotals:
    """LPIPS of each character alone: what its mask holds, on grey, in the box around it."""
    size = (batch.real.shape[1], batch.real.shape[2])
    totals, counts = np.zeros(len(batch.real)), np.zeros(len(batch.real))
    for i, ids in enumerate(masks.frames(batch.start, len(batch.real), size)):
        for character in range(1, masks.characters + 1):
            mask = ids == character
            if not mask.any():
                continue
            place = _box_around(mask)
            shown = [
                np.where(mask[..., None], frame, _GREY)[place].astype(np.uint8)[None]
                for frame in (batch.generated[i], batch.real[i])
            ]
            totals[i] += float(distance(shown[0], shown[1], protocol)[0])
            counts[i] += 1
    return FrameTotals(totals, counts)


def _box_around(mask: Bool[np.ndarray, "height width"]) -> tuple[slice, slice]:
    """The box of a mask, at least `_LEAST_SIDE` pixels long and wide where the frame is."""
    sides = []
    for axis in (1, 0):
        seen = np.flatnonzero(mask.any(axis=axis))
        length = max(int(seen[-1] + 1 - seen[0]), _LEAST_SIDE)
        start = max(0, min(int(seen[0]), mask.shape[1 - axis] - length))
        sides.append(slice(start, start + length))
    return sides[0], sides[1]


@dataclass
class _Feed:
    """Takes a video's frames as they come, to a network and on to moments."""

    network: FeatureNetwork
    moments: Moments
    gaps: frozenset[int]
    """Frames that do not follow the frame before them."""
    held: Tensor | None = None

    def push(self, start: int, frames: Frames) -> None:
        """Take frames ``start`` and on."""
        if self.network.prepare is None:
            self.moments.update(self.network.features(frames))  # type: ignore[arg-type]
            return
        prepared = self.network.prepare(frames)
        cuts = [i for i in range(len(frames)) if start + i in self.gaps]
        for begin, end in zip([0, *cuts], [*cuts, len(frames)], strict=True):
            if begin in cuts:
                self.held = None
            self._follow(prepared[begin:end])

    def _follow(self, prepared: Tensor) -> None:
        """Samples that end in these frames: with the 15 before them, no others begin or end."""
        held = prepared if self.held is None else torch.cat((self.held, prepared))
        for samples in clip_batches([held], CLIPS_AT_ONCE):
            self.moments.update(self.network.features(samples))  # type: ignore[arg-type]
        self.held = held[-(CLIP_FRAMES - 1) :]


def _gaps(pair: VideoPair) -> tuple[frozenset[int], frozenset[int]]:
    """Positions before which a frame is missing, by the generated and by the real frames' names."""
    sides = []
    for video in (pair.generated, pair.real):
        numbers = frame_numbers(video, pair.num_frames) if video.is_dir() else []
        sides.append(
            frozenset(i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1)
        )
    return sides[0], sides[1]


def _read_ahead(batches: Iterator[FrameBatch]) -> Generator[FrameBatch, None, None]:
    """The same, each read and framed while the one before it is in the networks."""
    with ThreadPoolExecutor(1, "read") as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def network_metrics(
    settings: EvaluationSettings,
    place: str | Path | None = None,
    device: str | None = None,
    download: bool = False,
) -> NetworkMetrics | None:
    """The networks for the metrics asked for; None if none is.

    ``place`` is as in `weights.find_weights`; ``download`` fetches what is missing. A metric whose
    weights are not to be had is skipped with the reason; a damaged file is an error.

    Raises:
        InputError: ``place`` or the device does not exist, or a file in it is not the network's
            weights.
    """
    wanted = [name for name in NETWORK_NAMES if name in settings.metrics]
    if not wanted:
        return None
    on = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    metrics = NetworkMetrics()
    for name in wanted:
        try:
            files = _weights(name, place, download)
        except weights.WeightsMissing as missing:
            metrics.skipped[name] = str(missing)
            continue
        metrics.weights[name] = {"file": files.file, "sha256": files.sha256}
        if name == "lpips":
            metrics.lpips = partial(lpips.distance, lpips.load(*files.paths, device=on))
        else:
            metrics.extractors[name] = _feature_network(name, files.paths[0], on)
    return metrics


def _weights(
    name: weights.LearnedMetric, place: str | Path | None, download: bool
) -> weights.Weights:
    try:
        return weights.find_weights(name, place)
    except weights.WeightsMissing:
        if not download:
            raise
    try:
        return weights.download(name, place)
    except InputError as error:
        raise weights.WeightsMissing(str(error)) from error


def _feature_network(name: str, path: Path, device: torch.device) -> FeatureNetwork:
    if name == "fid":
        net = inception.load(path, device)
        return FeatureNetwork(inception.DIMENSION, partial(inception.features, net))
    if name == "fid_vid":
        return FeatureNetwork(
            resnet3d.DIMENSION,
            partial(resnet3d.features, resnet3d.load(path, device)),
            partial(resnet3d.prepare, device=device),
        )
    return FeatureNetwork(
        i3d.DIMENSION,
        partial(i3d.features, i3d.load(path, device)),
        partial(i3d.prepare, device=device),
    )
