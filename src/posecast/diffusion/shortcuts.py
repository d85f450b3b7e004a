"""Shortcuts: nearly the same clip with less work. Each is a setting; all are off by default.

`benchmarks/fast.py` measures their cost in quality and the saved work (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from posecast.diffusion.windows import window_starts

Solver = Literal["ddim", "dpm++"]


@dataclass(frozen=True)
class Shortcuts:
    """The differences of a run from full DDIM with guidance in every step.

    `solver`: `ddim`, or `dpm++` (DPM-Solver++(2M), arXiv 2211.01095: needs fewer steps).
    `guided`: the part of the steps, from the first (0) to the last (1), that are guided
    (arXiv 2404.07724); in the others the unconditional half is left out.
    `reuse`: deep features of the U-Net are made anew in every `reuse`-th step only.
    `shift_windows`: windows do not overlap; in every other step they begin half a window later.

    ValueError: a value that cannot be.
    """

    solver: Solver = "ddim"
    guided: tuple[float, float] = (0.0, 1.0)
    reuse: int = 1
    shift_windows: bool = False

    def __post_init__(self) -> None:
        if self.solver not in get_args(Solver):
            known = ", ".join(get_args(Solver))
            raise ValueError(f"solver {self.solver!r}: expected one of {known}")
        if not 0 <= self.guided[0] <= self.guided[1] <= 1:
            raise ValueError(f"guided {self.guided}: expected 0 <= first <= last <= 1")
        if self.reuse < 1:
            raise ValueError(f"reuse {self.reuse}: expected 1 (never) or more")

    def guides(self, step: int, num_steps: int) -> bool:
        """Whether guidance is on in a step (0 is the first)."""
        first, last = self.guided
        return first * num_steps <= step < last * num_steps

    def makes_deep(self, step: int, num_steps: int) -> bool:
        """Whether a step computes its deep features, or else reuses those of the previous step.

        When guidance begins, those of the unconditional half do not exist yet and are computed.
        """
        begins = self.guides(step, num_steps) and not self.guides(step - 1, num_steps)
        return step % self.reuse == 0 or begins

    def windows(self, num_frames: int, window: int, stride: int, step: int) -> list[range]:
        """The frames of each window of a step; with `shift_windows` the stride does not matter.

        Shifted windows do not move while deep features are reused.
        """
        if not self.shift_windows:
            length = min(window, num_frames)
            starts = window_starts(num_frames, window, stride)
            return [range(start, start + length) for start in starts]
        later = window // 2 if (step // self.reuse) % 2 else 0
        return shifted_windows(num_frames, window, later)


def shifted_windows(num_frames: int, window: int, later: int) -> list[range]:
    """Adjacent windows that begin `later` frames later; each frame is in one of them.

    The remainder at either end is a window of at least half the length; a shorter remainder is
    extended over its neighbour. A clip shorter than a window is one window.
    """
    if num_frames <= window:
        return [range(num_frames)]
    least = max(1, window // 2)
    starts = range(later - window if later else 0, num_frames, window)
    return [
        range(min(max(0, start), num_frames - least), max(min(start + window, num_frames), least))
        for start in starts
    ]


NO_SHORTCUTS = Shortcuts()

FAST = Shortcuts(solver="dpm++", guided=(0.2, 0.8), reuse=2, shift_windows=True)
"""The shortcuts of `--fast`, with `FAST_STEPS` steps: measured in docs/performance.md."""
FAST_STEPS = 16


def chosen(fast: bool | Shortcuts, steps: int | None, usual_steps: int) -> tuple[Shortcuts, int]:
    """The shortcuts that `fast` means (all, none, or those given), and the number of steps."""
    if isinstance(fast, Shortcuts):
        return fast, usual_steps if steps is None else steps
    default = min(FAST_STEPS, usual_steps) if fast else usual_steps
    return FAST if fast else NO_SHORTCUTS, default if steps is None else steps
