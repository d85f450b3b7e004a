"""`Planning`: how every engine makes a plan. Engines differ in the default size of their frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from posecast.casting.inputs import Picture, load_picture
from posecast.casting.options import PlanOptions, Poses, Size
from posecast.casting.plan import AnimationPlan, plan_animation


class Planning:
    """The `plan` of an engine."""

    USES_HANDS: ClassVar[bool] = True
    """Whether hands are estimated if `PlanOptions.hands` is None."""

    @abstractmethod
    def default_size(self, picture: Size) -> Size:
        """The default frame size (height, width) for a picture."""

    def plan(
        self,
        reference: Picture,
        poses: Poses | Sequence[Poses],
        options: PlanOptions | None = None,
        **changes: Any,
    ) -> AnimationPlan:
        """Read and match the inputs; `size` defaults to `default_size` of the picture's size.

        `changes` are fields of `PlanOptions` to be set in `options`.

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        options = replace(options or PlanOptions(), **changes)
        picture = load_picture(reference)
        if options.size is None:
            options = replace(options, size=self.default_size((picture.shape[0], picture.shape[1])))
        if options.hands is None:
            options = replace(options, hands=self.USES_HANDS)
        return plan_animation(picture, poses, options)
