"""`PlanOptions`: everything a user may say about a cast, in one frozen value."""

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
"""A pose file, a picture or video to find people in, or tracks as they are."""

Masks = Float[np.ndarray, "characters height width"] | UInt8[np.ndarray, "characters height width"]
"""Where each character is seen in the picture: 0..1, or bytes that are above 0 there."""


SHORT_GAP = 0.2
"""Seconds: holes up to this in a joint's track are an estimator's, not the dancer's."""


@dataclass(frozen=True, eq=False)
class PlanOptions:
    """How a picture and its drivers are brought together; shared by all engines and verbs.

    The command line's options have the same names (`max_frames` is `--max-frames`). Errors name
    them as parameters; the command line turns these names into its own (`posecast.cli.wording`).
    """

    size: Size | None = None
    """Height and width of the frames; None: the engine's default, in the picture's own shape."""
    reference_poses: Poses | None = None
    """The picture's characters; None: the file that the cast sheet names, else they are found."""
    cast: str | Path | CastSheet | None = None
    """A cast sheet; it then says all that `assign` and `depth_order` say."""
    masks: Masks | None = None
    """Who is seen at each pixel of the picture: one mask a character, 0..1. Masks tell the order,
    and what of the picture moves."""
    mask: str | Path | None = None
    """The same as a file: an image of ids (0 nobody, 1 character 0, 2 character 1, ...), or black
    and white, which says who is foreground."""
    estimator: str | None = None
    """What finds people where no keypoints are given: ``builtin`` or ``dwpose``; None: DWPose where
    its weights are in the cache, else the built-in one."""
    people_weights: str | Path | None = None
    """A file of another landmark network for the built-in estimator."""
    hands: bool | None = None
    """Whether the built-in estimator finds hands, too; None: where the engine uses them (the
    cut-out does not)."""
    assign: str | Mapping[int, int | Sequence[int]] | tuple[tuple[int, int], ...] | None = None
    """Which driving track moves which character, in pairs, a mapping or a string.

    The string is `track:character,...`, such as `0:1,1:0`. One track may move several characters; a
    character that is left out stands as it does in the picture.
    """
    depth_order: str | Sequence[int] | Sequence[OrderChange] | None = None
    """The characters, front first, as `1,0` or a sequence; or the changes of that order."""
    poses_size: Size | None = None
    """Canvas of the driving poses where their file does not say it."""
    body: str | None = None
    """Layout of the driving OpenPose files where it cannot be told: coco18, body25, body25b."""
    start: float = 0.0
    """Begin so many seconds into the drivers."""
    duration: float | None = None
    """Make so many seconds; None: to the end of the shortest driver."""
    max_frames: int | None = None
    """Make at most so many frames."""
    fps: float | None = None
    """Frames a second, to which all drivers are resampled in time; None: the first driver's, else
    25."""
    audio: bool = True
    """Whether the plan carries the sound of the first driver that has one."""
    sound: str | Path | None = None
    """A video whose sound is heard instead."""
    sound_start: float = 0.0
    """Begin so many seconds into that sound."""
    retarget: bool | None = None
    """Whether drivers are fitted to their characters: build, size, place. None: as the cast sheet
    says, else where all people of the drivers were looked for in plain videos, which are framed as
    they happen to be."""
    retarget_frame: int | Literal["first"] | None = None
    """The frame, of those that are made, that ties drivers to characters (with it, `retarget` is
    on); `first`: the first that can; None: the one in which they stand most alike."""
    own_joints: bool = True
    """Whether joints that a driver never shows stay as in the picture, relative to the rest."""
    smooth: float = 0.0
    """Smooth the drivers' jitter over so many seconds."""
    fill_gaps: float = SHORT_GAP
    """Fill holes of up to so many seconds in the drivers' joints."""
