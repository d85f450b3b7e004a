"""The exported content: the cast's poses, and the visible character at each pixel of each frame."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8

from posecast.casting.drivers import Footage
from posecast.casting.inputs import Picture, load_picture
from posecast.casting.masks import masks_by_colours
from posecast.casting.options import PlanOptions, Poses, Size
from posecast.casting.plan import AnimationPlan, plan_animation, with_found_masks
from posecast.errors import InputError
from posecast.estimators.footage import is_picture, iter_frames
from posecast.geometry.framing import Framing, default_size
from posecast.geometry.mask_sharing import to_ids
from posecast.media.video import read_info
from posecast.types import JointSet, PoseSequence

Form = Literal["animation", "replacement"]
Frame = UInt8[np.ndarray, "height width 3"]
Ids = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True)
class Shot:
    """One frame: the moved picture or the driver's own frame, with the visible characters."""

    number: int
    picture: Frame
    ids: Ids
    """0 for none of the cast, j + 1 for character j."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A plan in one of two export forms.

    ``animation``: the picture is animated. Poses are the plan's; pictures and masks come from the
    cut-out engine, with people in front hiding others. ``replacement``: the picture's characters
    replace the people of a video. Poses and pictures are the video's, and the network in the
    package finds the masks.
    """

    plan: AnimationPlan
    form: Form
    size: Size
    """Height and width of the frames; the picture has the plan's size."""
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    """In pixels of `size`."""
    people_weights: str | Path | None = None
    """Weights of the network that finds masks in a video."""

    @classmethod
    def of(cls, plan: AnimationPlan) -> Scene:
        """A plan's scene for ``animation``, at the plan's size."""
        plan = with_found_masks(plan)
        return cls(plan, "animation", plan.size, plan.keypoints)

    @property
    def masks_are_from(self) -> str:
        """The masks' origin in words, for the export's description."""
        if self.form == "replacement":
            return "found in the driver's video"
        return "the cut-out engine's layers"

    def order(self, frame: int) -> tuple[int, ...]:
        """The characters of a frame from front to back."""
        return tuple(int(i) for i in np.argsort(self.plan.ranks[frame], kind="stable"))

    def poses(self) -> PoseSequence:
        """The cast's tracks, without a fixed order, as it may change from frame to frame."""
        joints: JointSet = "openpose18" if self.keypoints.shape[2] == 18 else "wholebody134"
        height, width = self.size
        return PoseSequence(self.keypoints, width, height, self.plan.fps, joints)

    def shots(self) -> Iterator[Shot]:
        """Yield all frames one by one.

        Raises:
            InputError: the driver's video cannot be read.
        """
        if self.form == "animation":
            return _moved(self.plan)
        return self._filmed()

    def reference_ids(self) -> Ids:
        """The visible character at each pixel of the picture."""
        plan = self.plan
        masks = plan.masks
        if masks is None:
            masks = masks_by_colours(plan.picture, plan.reference_keypoints, _order(plan))
        return to_ids(masks)

    def _filmed(self) -> Iterator[Shot]:
        from posecast.estimators.builtin.masks import PersonMasks

        footage = next(f for f in self.plan.footage if f is not None)
        framing = Framing(footage.size, self.size)
        masks_of = PersonMasks.load(self.people_weights)
        absent = [i for i, driver in enumerate(self.plan.cast.drivers) if driver is None]
        for number, frame in enumerate(frames_of(footage, self.plan.fps)):
            picture, people = framing.image(frame), self.keypoints[:, number].copy()
            people[absent] = 0  # they are in the picture but not in the video
            yield Shot(number, picture, to_ids(masks_of(picture, people, self.order(number))))


def frames_of(footage: Footage, rate: float) -> Generator[Frame, None, None]:
    """The frame of a driver's video that is nearest in time to each output frame."""
    count = len(footage.keypoints)
    own = rate if is_picture(footage.path) else read_info(footage.path).fps
    first = round(footage.start * own)
    wanted = np.rint(first + np.arange(count) * (own / rate)).astype(np.int64).tolist()
    done = 0
    frame = None
    with closing(iter_frames(footage.path)) as frames:
        for number, frame in enumerate(frames):
            while done < count and wanted[done] == number:
                yield frame
                done += 1
            if done == count:
                return
    while frame is not None and done < count:  # the last output times lie after the last frame
        yield frame
        done += 1


def plan_scene(
    reference: Picture,
    poses: Poses | Sequence[Poses],
    options: PlanOptions,
    form: Form = "animation",
    step: int = 1,
    pixels: Size | None = None,
) -> Scene:
    """Read and match the inputs for a system whose sides are multiples of `step`.

    Frames have about as many pixels as `pixels` (height, width), with the aspect ratio of the
    picture, or for ``replacement`` of the video. Without `pixels` they have its size.

    Raises:
        InputError: an input cannot be read, the inputs do not fit together, a side is not a
            multiple of `step`, or for ``replacement`` the drivers are not people of one plain
            video.
    """
    asked = options.size
    if asked is not None:
        check_step(asked, step)
    picture = load_picture(reference)
    own = fitting_size((picture.shape[0], picture.shape[1]), step, pixels)
    if form == "animation":
        return Scene.of(plan_animation(picture, poses, replace(options, size=asked or own)))
    if options.retarget or options.retarget_frame is not None:
        raise InputError(
            "`form=replacement`: the people of the video keep their positions; leave out "
            "`retarget=True`"
        )
    plan = with_found_masks(
        plan_animation(picture, poses, replace(options, size=own, retarget=False))
    )
    footage = _one_video(plan)
    size = asked or fitting_size(footage.size, step, pixels)
    return Scene(plan, form, size, _in_video(plan, size), options.people_weights)


def check_step(size: Size, step: int) -> None:
    """Refuse a size (height, width) with a side that is not a multiple of `step`.

    Raises:
        InputError: a side is not.
    """
    if size[0] % step or size[1] % step:
        raise InputError(f"`size={size[0]}x{size[1]}`: expected sides that are multiples of {step}")


def fitting_size(shown: Size, step: int, pixels: Size | None) -> Size:
    """The size with sides in multiples of `step` nearest to an aspect ratio and a pixel count."""
    height, width = shown if pixels is None else default_size(pixels, shown)
    return max(step, step * round(height / step)), max(step, step * round(width / step))


def _order(plan: AnimationPlan) -> list[int]:
    """The characters in the picture, from front to back."""
    return [int(i) for i in np.argsort(plan.ranks_in_picture, kind="stable")]


def _one_video(plan: AnimationPlan) -> Footage:
    """The one video that contains all drivers."""
    found = [
        footage
        for footage, driver in zip(plan.footage, plan.cast.drivers, strict=True)
        if driver is not None
    ]
    if not found or any(f is None or f.path != found[0].path for f in found if found[0]):
        raise InputError(
            "`form=replacement`: expected `poses=`, one plain video that shows all people who are "
            "to be replaced"
        )
    if found[0] is None:
        raise InputError(
            "`form=replacement`: expected `poses=`, a plain video; a pose file has no picture"
        )
    return found[0]


def _in_video(plan: AnimationPlan, size: Size) -> Float32[np.ndarray, "characters frames joints 3"]:
    """All characters as found in the video, framed to `size`; absent if not in it."""
    keypoints = np.zeros_like(plan.keypoints)
    for character, footage in enumerate(plan.footage):
        if footage is not None:
            framed = Framing(footage.size, size).keypoints(footage.keypoints)
            keypoints[character, :, : framed.shape[1]] = framed
    return keypoints


def _moved(plan: AnimationPlan) -> Iterator[Shot]:
    from posecast.cutout.in_order import in_order
    from posecast.cutout.moving import MovingPicture

    picture = MovingPicture.of(plan)

    def shot(number: int) -> Shot:
        return Shot(number, *picture.shown(plan.keypoints[:, number], plan.ranks[number]))

    return in_order(shot, range(plan.num_frames))
