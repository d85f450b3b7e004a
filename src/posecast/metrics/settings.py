"""How videos are scored: which metrics, by which protocol, at which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posecast.metrics import image_metrics
from posecast.metrics.mask_files import MaskFolders
from posecast.metrics.protocols import Protocol
from posecast.metrics.video_cast import CastFolders

if TYPE_CHECKING:
    from posecast.metrics.networks.weights import LearnedMetric

UNIFIED_SIZE = (512, 512)
"""The paper's unified standard (C.2): every method centre-cropped and resized to this."""
NETWORK_NAMES: tuple[LearnedMetric, ...] = ("lpips", "fid", "fid_vid", "fvd")
METRICS = (*image_metrics.NAMES, *NETWORK_NAMES)

OnFrames = Callable[[int], object]


@dataclass(frozen=True)
class EvaluationSettings:
    """How videos are scored."""

    metrics: tuple[str, ...] = METRICS
    protocol: Protocol = "correct"
    size: tuple[int, int] | None = UNIFIED_SIZE
    """(height, width) that every frame is brought to; None leaves sizes alone."""
    crop: bool = True
    """Centre-cropped to that shape, or else stretched (`folders.frame_batches`)."""
    uninterrupted: bool = True
    """Whether every frame may start a sample of 16, or those alone that are left where the field's
    script splits a video over its 16 threads (`clips.starts_on_threads`)."""
    cast: CastFolders | None = None
    """Pose files, for the character metrics."""
    masks: MaskFolders | None = None
    """Images of ids, for the metrics with masks."""
    workers: int | None = None
    """Threads; None: as many as cores."""
