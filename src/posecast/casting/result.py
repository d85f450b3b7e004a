"""The result of an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from posecast.casting.plan import AnimationPlan

OnProgress = Callable[[str, int, int], None]
"""Called with the name of the current phase, the units done, and their total number."""


@dataclass(frozen=True)
class AnimationResult:
    """A finished clip and its plan."""

    frames: UInt8[np.ndarray, "frames height width channels"]
    """RGB; with the cut-out on a transparent background, RGB and alpha."""
    fps: float
    plan: AnimationPlan

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the inputs, from the plan."""
        return self.plan.notes
