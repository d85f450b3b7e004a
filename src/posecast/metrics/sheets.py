"""Pictures to look at beside scores: contact sheets, and frames laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from posecast.metrics.folders import VideoPair, count_frames, framed, iterate_frames

HEADER_HEIGHT = 18
OVERLAID = 6
"""Frames in an overlay: the paper's figures 2a and 8."""
MOST_ROWS = 20
"""Videos on a sheet of overlays."""

Picture = UInt8[np.ndarray, "height width 3"]
Sheet = UInt8[np.ndarray, "sheet_height sheet_width 3"]


def overlay(frames: UInt8[np.ndarray, "frames height width 3"]) -> Picture:
    """Transparent frames over each other, each as strong: what moves is blurred, what stands is
    sharp.
    """
    return np.round(frames.mean(axis=0)).astype(np.uint8)


def overlaid_video(video: Path, size: tuple[int, int]) -> Picture:
    """The overlay of `OVERLAID` frames from a video's first to its last, at equal distances.

    Frames are centre-cropped to `size`, (height, width).

    Raises:
        InputError: an unreadable frame.
    """
    last = count_frames(video) - 1
    wanted = np.round(np.linspace(0, last, OVERLAID)).astype(int)
    kept = [frame for i, frame in enumerate(iterate_frames(video)) if i in wanted]
    return overlay(np.stack([framed(frame, size) for frame in kept]))


def overlay_sheet(methods: Mapping[str, Sequence[VideoPair]], size: tuple[int, int]) -> Sheet:
    """A row a video, of at most `MOST_ROWS`: the real one's overlay, then each method's."""
    rows = []
    for pairs in list(zip(*methods.values(), strict=True))[:MOST_ROWS]:
        videos = {"real": pairs[0].real}
        videos |= {name: pair.generated for name, pair in zip(methods, pairs, strict=True)}
        titles = [f"{pairs[0].name}: {name}" for name in videos]
        tiles = [overlaid_video(video, size) for video in videos.values()]
        rows += [header(titles, size[1]), np.concatenate(tiles, axis=1)]
    return np.concatenate(rows, axis=0)


def contact_sheet(columns: Mapping[str, Sequence[Picture]]) -> Sheet:
    """Pictures of one size: a column a title, a row a clip."""
    width = next(iter(columns.values()))[0].shape[1]
    stacks = [np.concatenate(tiles, axis=0) for tiles in columns.values()]
    return np.concatenate([header(list(columns), width), np.concatenate(stacks, axis=1)], axis=0)


def header(titles: Sequence[str], width: int) -> Sheet:
    """A line of titles above columns of a width in pixels."""
    line = np.full((HEADER_HEIGHT, width * len(titles), 3), 255, np.uint8)
    for i, title in enumerate(titles):
        where, font = (4 + i * width, HEADER_HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX
        # Letters are about 7 px wide at scale 0.36: shrink titles that would run into the next one.
        scale = min(0.36, 0.36 * (width - 8) / (7 * len(title)))
        cv2.putText(line, title, where, font, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return line
