"""A sheet of six puppets moved by the cut-out: ``python -m benchmarks.contact_sheet``.

It is for the documentation and for visual checks: the stage's puppets are free of rights. Pictures
are the first frames of shots, with trousers and skirts, alone and in pairs. Poses are from later in
the same shots, and masks are the stage's own. Nothing is mended, to show the cut-out alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from posecast.cutout import CutoutAnimator
from posecast.media.images import write_image
from posecast.puppets import PuppetSettings, plan_shots, render

SIZE, SHOT = (400, 300), 25
"""Height and width of a picture, and number of frames of its shot, of which the last is shown."""
SEEDS, PAIR = (3, 11, 19, 27, 35, 43), (4, 5)
"""Seeds of the six shots, and the indices of those with two puppets."""
GAP = 6
"""Width in pixels of the white gaps."""


def pair(seed: int, two: bool) -> np.ndarray:
    """A picture beside the cut-out's frame for the last pose of its shot."""
    weights = (0.0, 1.0) if two else (1.0,)
    settings = PuppetSettings(SIZE, SHOT, characters=weights)
    shot = plan_shots(seed, settings, 1)[0]
    first, last = (render(shot, frames=[index]) for index in (0, SHOT - 1))
    animator = CutoutAnimator()
    assert first.character_ids is not None
    people = range(1, first.poses.num_characters + 1)
    masks = np.stack([first.character_ids[0] == person for person in people]).astype(np.float32)
    plan = animator.plan(first.frames[0], last.poses, reference_poses=first.poses, masks=masks)
    moved = next(animator.frames(plan, mend=False))
    gap = np.full((SIZE[0], 1, 3), 255, np.uint8)
    return np.concatenate([first.frames[0], gap, moved], axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/media/cutout-sheet.jpg"))
    options = parser.parse_args(arguments)
    pairs = [pair(seed, index in PAIR) for index, seed in enumerate(SEEDS)]
    framed = [np.pad(one, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for one in pairs]
    rows = [np.concatenate(framed[i : i + 3], axis=1) for i in (0, 3)]
    write_image(np.concatenate(rows), options.output)
    print(f"{options.output}: six puppets, each beside its picture")


if __name__ == "__main__":
    main()
