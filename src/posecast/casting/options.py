"""`PlanOptions`: all options of a cast, in one frozen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from posecast.casting.sheet import CastSheet, OrderChange
from posecast.types import PoseSequence

Size = tuple[int, int]
"""Height and width."""

Poses = str | Path | PoseSequence
"""A pose file, a picture or video to find people in, or tracks."""

Masks = Float[np.ndarray, "characters height width"] | UInt8[np.ndarray, "characters height width"]
"""The mask of each character: 0..1, or bytes above 0 inside it."""


SHORT_GAP = 0.2
"""Seconds. Gaps in the track of a joint up to this length are taken for errors of the estimator."""


@dataclass(frozen=True, eq=False)
class PlanOptions:
    """How a picture and its drivers are combined; shared by all engines and commands.

    The command line's options have the same names (`max_frames` is `--max-frames`). Errors name
    them as parameters; the command line translates these to its options (`posecast.cli.wording`).
    """

    size: Size | None = None
    """Height and width of the frames; None: the engine's default, with the picture's aspect
    ratio."""
    reference_poses: Poses | None = None
    """Poses of the picture's characters; None: the file named in the cast sheet, else estimated."""
    cast: str | Path | CastSheet | None = None
    """A cast sheet; it replaces `assign` and `depth_order`."""
    masks: Masks | None = None
    """One mask per character, 0..1. Masks decide the depth order and which pixels the cut-out
    moves."""
    mask: str | Path | None = None
    """Masks as a file: an image of ids (0 background, 1 character 0, 2 character 1, ...), or a
    black-and-white image of the foreground."""
    estimator: str | None = None
    """Pose estimator for inputs without keypoints: ``builtin`` or ``dwpose``; None: DWPose if its
    weights are in the cache, else the built-in one."""
    people_weights: str | Path | None = None
    """Weights of another landmark network for the built-in estimator."""
    hands: bool | None = None
    """Whether the built-in estimator also finds hands; None: if the engine uses them (the cut-out
    does not)."""
    assign: str | Mapping[int, int | Sequence[int]] | tuple[tuple[int, int], ...] | None = None
    """Which driving track moves which character, in pairs, a mapping or a string.

    The string is `track:character,...`, such as `0:1,1:0`. One track may move several characters; a
    character that is left out keeps its pose from the picture.
    """
    depth_order: str | Sequence[int] | Sequence[OrderChange] | None = None
    """The characters from front to back, as `1,0` or a sequence; or a sequence of changes of the
    order."""
    poses_size: Size | None = None
    """Canvas of the driving poses, for files that do not state it."""
    body: str | None = None
    """Joint layout of the driving OpenPose files if it is ambiguous: coco18, body25, body25b."""
    start: float = 0.0
    """Start this far into the drivers, seconds."""
    duration: float | None = None
    """Length of the clip, seconds; None: to the end of the shortest driver."""
    max_frames: int | None = None
    """Largest number of frames to make."""
    fps: float | None = None
    """Frames per second, to which all drivers are resampled; None: that of the first driver, else
    25."""
    audio: bool = True
    """Whether the plan keeps the sound of the first driver that has any."""
    sound: str | Path | None = None
    """A video whose sound is used instead."""
    sound_start: float = 0.0
    """Start this far into that sound, seconds."""
    retarget: bool | None = None
    """Whether drivers are fitted to their characters in proportions, size and position. None: as
    stated in the cast sheet, else only if all drivers were found in plain videos, whose framing is
    arbitrary, or if one driver moves several characters, who cannot all stand in its place."""
    retarget_frame: int | Literal["first"] | None = None
    """The output frame in which drivers and characters are aligned (turns `retarget` on); `first`:
    the first suitable one; None: the one in which their poses are most alike."""
    own_joints: bool = True
    """Whether joints that a driver never shows keep their pose from the picture, relative to the
    rest."""
    smooth: float = 0.0
    """Standard deviation of the Gaussian that smooths the drivers, seconds."""
    fill_gaps: float = SHORT_GAP
    """Longest gap in the track of a joint that is filled, seconds."""
