"""Whole frames of the cut-out, as they were when somebody last looked at them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cutout.scenes import SCENES, frames_of, golden, sheet

OFF = 6
"""Levels of 255 by which a pixel may be off: processors round sums of floats differently."""
MOST_OFF = 2e-4
"""Share of pixels that may be further off: where two pieces are equally near, rounding decides."""
MEAN_OFF = 0.01
"""Mean difference in levels."""


@pytest.mark.parametrize("name", SCENES)
def test_frames_look_as_they_did(name: str) -> None:
    now, then = sheet(frames_of(SCENES[name]())).astype(int), golden(name).astype(int)
    assert now.shape == then.shape
    off = np.abs(now - then)
    share, mean = float((off.max(axis=2) > OFF).mean()), float(off.mean())
    assert share <= MOST_OFF and mean <= MEAN_OFF, (
        f"{name}: {share:.2%} of the pixels are off by more than {OFF} levels, on average all by "
        f"{mean:.3f}. If this is meant, draw it anew with `python -m tests.cutout.scenes {name}`, "
        f"and look at tests/goldens/cutout/{name}.png before it is committed"
    )
