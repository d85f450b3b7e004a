"""What an engine gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from posecast.casting.plan import AnimationPlan

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many units of it are done, and how many there are."""


@dataclass(frozen=True)
class AnimationResult:
    """A finished clip, and what it was made from."""

    frames: UInt8[np.ndarray, "frames height width channels"]
    """RGB; of the cut-out over a transparent ground RGB and alpha."""
    fps: float
    plan: AnimationPlan

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about the inputs, the plan's own."""
        return self.plan.notes
