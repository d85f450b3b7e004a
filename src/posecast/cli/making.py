"""The drivers' sound, for commands that make videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.casting.plan import AnimationPlan

WITH_SOUND = ("mp4", "mov", "webm")
"""Output formats with sound."""


def audible(asked: bool | None, out: Path, kind: str) -> None:
    """Refuse requested sound if the output format cannot store it.

    Raises:
        InputError: `out` is of such a kind.
    """
    if asked and kind not in WITH_SOUND:
        raise InputError(f"{out}: `audio=` needs an output format with sound, such as .mp4")


def check_sound(asked: bool | None, plan: AnimationPlan) -> None:
    """Refuse requested sound if no driver has any.

    Raises:
        InputError: none has.
    """
    if asked and plan.sound is None:
        raise InputError("`audio=`: none of the poses is a video with sound")
