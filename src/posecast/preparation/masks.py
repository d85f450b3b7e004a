"""Writes masks of the clips as id images (`prepare --masks`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from posecast.data.store import masks_name
from posecast.estimators.builtin.masks import PersonMasks
from posecast.geometry.mask_sharing import MAX_IDS, to_ids
from posecast.media.id_images import Ids, write_id_frames
from posecast.media.video import iterate_video
from posecast.preparation.clips import FoundClip

_KNOWN = ("depth", "given")
"""Reliable sources of ranks; such ranks decide about pixels in several masks."""


def write_masks(
    video: Path, clips: Sequence[FoundClip], folder: Path, masks_of: PersonMasks
) -> list[bool]:
    """Write a folder of images for each clip in another pass; returns which clips have one.

    The `clips` must be in order of time. A clip with more characters than an id image can hold gets
    none.
    """
    written = []
    at = 0
    with closing(iterate_video(video)) as frames:
        for number, clip in enumerate(clips):
            length = clip.keypoints.shape[1]
            fits = len(clip.keypoints) <= MAX_IDS
            if fits:
                own = islice(frames, clip.start - at, clip.start - at + length)
                write_id_frames(_images(own, clip, masks_of), folder / masks_name(number))
                at = clip.start + length
            written.append(fits)
    return written


def _images(
    frames: Iterator[np.ndarray],
    clip: FoundClip,
    masks_of: Callable[..., np.ndarray],
) -> Iterator[Ids]:
    for frame, people, ranks in zip(frames, clip.keypoints.swapaxes(0, 1), clip.ranks, strict=True):
        ids = np.zeros(frame.shape[:2], np.uint8)
        seen = np.flatnonzero(people.any(axis=(1, 2)))
        if len(seen):
            order = np.argsort(ranks[seen], kind="stable").tolist()
            known = clip.ranks_from in _KNOWN and (ranks[seen] >= 0).all()
            one_based = to_ids(masks_of(frame, people[seen], order if known else None))
            ids = np.append(0, seen + 1).astype(np.uint8)[one_based]
        yield ids
