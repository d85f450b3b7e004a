"""`CutoutAnimator`: turns a picture and poses into frames, without diffusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.casting.inputs import Picture
from posecast.casting.options import PlanOptions, Poses, Size
from posecast.casting.plan import AnimationPlan
from posecast.casting.planning import Planning
from posecast.casting.result import AnimationResult, OnProgress
from posecast.casting.sheet import CastSheet
from posecast.cutout.ground import Ground
from posecast.cutout.holding import held
from posecast.cutout.in_order import in_order
from posecast.cutout.moving import MovingPicture
from posecast.cutout.steadying import planted
from posecast.cutout.warp_layers import SMALL
from posecast.errors import InputError
from posecast.geometry.framing import default_size
from posecast.geometry.smoothing import without_jitter

Frame = UInt8[np.ndarray, "height width channels"]
"""RGB; RGBA with a transparent ground."""

MODEL_NAME = "cutout"
MOST_PIXELS = 1920 * 1080
"""Largest default frame; larger pictures are scaled down unless a size is given."""


@dataclass(frozen=True)
class CutoutAnimator(Planning):
    """Animates every character of a picture by moving the picture's own pixels.

    Nothing is random. Apart from the networks that find masks and hands, only the mender is
    trained: a small network that repairs frames of small size (`mends`).
    """

    USES_HANDS: ClassVar[bool] = False  # drivers' hands are not used
    mender: Path | None = None
    """Folder of the mender's weights; None for those in the package."""

    @classmethod
    def from_pretrained(cls, model: str | Path = MODEL_NAME) -> CutoutAnimator:
        """The animator with the package's mender, or that of a model folder with a `mender/`.

        Raises:
            InputError: the folder does not exist.
        """
        if str(model) == MODEL_NAME:
            return cls()
        folder = Path(model) / "mender"
        if not folder.is_dir():
            raise InputError(
                f"{model}: expected a model folder that holds mender/, or {MODEL_NAME}"
            )
        return cls(folder)

    def default_size(self, picture: Size) -> Size:
        """The picture's own size, up to 1920x1080 pixels."""
        if picture[0] * picture[1] <= MOST_PIXELS:
            return picture
        return default_size((1, MOST_PIXELS), picture)

    def __call__(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        cast: str | Path | CastSheet | None = None,
        *,
        options: PlanOptions | None = None,
        mend: bool | None = None,
        ground: Ground | None = None,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> AnimationResult:
        """Animate `reference` (path, PIL image or uint8 array) by `poses` (paths or sequences).

        `options`, and `changes` to its fields (`reference_poses`, `masks`, `size`, `assign`, ...),
        decide who moves whom (`PlanOptions`). `mend` and `ground` are as in `frames`.

        Raises:
            InputError: an input cannot be read, or the inputs do not fit together.
        """
        if cast is not None:
            changes["cast"] = cast
        plan = self.plan(reference, poses, options, **changes)
        frames = self.frames(plan, mend=mend, ground=ground, on_progress=on_progress)
        return AnimationResult(np.stack(list(frames)), plan.fps, plan)

    def frames(
        self,
        plan: AnimationPlan,
        *,
        mend: bool | None = None,
        ground: Ground | None = None,
        first: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Iterator[Frame]:
        """Yield the frames of a plan one by one; memory does not grow with the length.

        Frames start at `first` and do not depend on it. `mend` applies the mender; None applies it
        where it helps (`mends`). `ground` is the background; None is the picture without its
        people.

        Raises:
            InputError: `mend` is combined with a `ground`: the mender only knows the picture's own.
        """
        if mend and ground is not None:
            raise InputError("`mend=True`: not with `background=` or `transparent=True`")
        if mend is None:
            mend = mends(plan) and ground is None
        made = islice(self._mended(plan), first, None) if mend else self._moved(plan, first, ground)
        for done, frame in enumerate(made, first + 1):
            yield frame
            if on_progress is not None:
                on_progress("moving", done, plan.num_frames)

    def _moved(self, plan: AnimationPlan, first: int, ground: Ground | None) -> Iterator[Frame]:
        picture, behind = MovingPicture.of(plan), None if ground is None else ground.pixels
        tracks = steadied(plan)
        return in_order(
            lambda i: picture.frame(tracks[:, i], plan.ranks[i], behind),
            range(first, plan.num_frames),
        )

    def _mended(self, plan: AnimationPlan) -> Iterator[Frame]:
        from posecast.cutout.mending import MendedPicture, load_mender, mended_frames

        mender, picture = load_mender(self.mender), MendedPicture.of(plan)
        layers = in_order(
            lambda i: picture.layers(plan.keypoints[:, i], plan.ranks[i]), range(plan.num_frames)
        )
        return mended_frames(mender, layers)


def steadied(plan: AnimationPlan) -> Float32[np.ndarray, "characters frames joints 3"]:
    """The plan's driving tracks without gaps and jitter, and with standing feet kept still."""
    calm = without_jitter(held(plan.keypoints))
    return planted(calm, plan.reference_keypoints, plan.fps)


def mends(plan: AnimationPlan) -> bool:
    """Whether the mender helps: only in small frames, as it was trained on puppets of 128x128.

    It makes larger photographs softer and leaves stains where people stood.
    """
    return max(plan.size) <= SMALL
