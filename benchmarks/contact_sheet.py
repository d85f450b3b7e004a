"""Six puppets that the cut-out moves, by their pictures: ``python -m benchmarks.contact_sheet``.

A sheet for the documentation, and for looking: the stage's puppets are free of anybody's rights.
Pictures are the first frames of shots, in trousers and in skirts, alone and in pairs; the poses are
those of the same shots, later on, and the masks the stage's own. Nothing is mended, so that the
cut-out is seen alone.
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
"""Height and width of a picture; frames of its shot, of which the last one is shown."""
SEEDS, PAIR = (3, 11, 19, 27, 35, 43), (4, 5)
"""The six shots, and which of them are of two."""
GAP = 6
"""Pixels of white between pictures."""


def pair(seed: int, two: bool) -> np.ndarray:
    """A picture and what the cut-out makes of it for the last pose of its shot."""
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
