"""A progress bar for the verbs that make videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posecast.casting.result import OnProgress


@contextmanager
def progress_bar(quiet: bool, steps: int | None = None) -> Iterator[OnProgress]:
    """A bar on standard error for each phase; none when quiet or nobody watches.

    With the number of denoising `steps` it also says which one this is.
    """
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}
    last: dict[str, int] = {}

    def on_progress(phase: str, done: int, total: int) -> None:
        if phase not in bars:
            close()
            # disable=None: only where standard error is a terminal.
            bars[phase] = tqdm(
                desc=phase,
                total=total,
                unit=" windows" if phase == "denoising" else " frames",
                disable=True if quiet else None,
                dynamic_ncols=True,
            )
        if phase == "denoising" and steps:
            step = min(steps, 1 + done * steps // total)
            bars[phase].set_postfix_str(f"step {step} of {steps}", refresh=False)
        bars[phase].update(done - last.get(phase, 0))
        last[phase] = done

    def close() -> None:
        for bar in bars.values():
            bar.close()

    try:
        yield on_progress
    finally:
        close()
