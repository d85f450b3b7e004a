"""How fine attention's cells must be: the stage bench with cells copied out of the picture.

    python -m benchmarks.cells --clips 6

Every cell in which somebody is becomes the cell of the picture that is most like the truth: what an
attention that copies whole cells could make at best. Everything else is the truth's own. Prints
scores for cells of 8, 4 and 2 pixels.
"""

from __future__ import annotations

import click
import numpy as np
from jaxtyping import UInt8

from posecast.benches.scores import ScoreSheet, score_clip
from posecast.benches.stage import BenchClip, bench_clips

SIDES = (8, 4, 2)
"""Of a cell, pixels."""
SHOWN = ("character_psnr", "identity", "occlusion")
AT_ONCE = 64
"""Cells that are compared with all cells of the picture at once: bounds the memory."""


def best_cells(clip: BenchClip, side: int) -> UInt8[np.ndarray, "frames height width 3"]:
    """The clip's frames with the characters' cells taken from its reference."""
    truth, ids = clip.truth.frames, clip.truth.character_ids
    assert ids is not None, "the stage knows who is where"
    source = _cells(clip.reference.frames[0], side)
    norms = (source**2).sum(axis=1)
    frames = []
    for frame, who in zip(truth, ids, strict=True):
        cells = _cells(frame, side)
        people = np.flatnonzero(_cells(who[..., None], side).any(axis=1))
        for some in np.array_split(people, max(1, len(people) // AT_ONCE)):
            cells[some] = source[(norms - 2 * cells[some] @ source.T).argmin(axis=1)]
        rows, columns = frame.shape[0] // side, frame.shape[1] // side
        grid = cells.reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
        frames.append(grid.reshape(frame.shape).astype(np.uint8))
    return np.stack(frames)


def _cells(picture: np.ndarray, side: int) -> np.ndarray:
    """A row of values for each cell."""
    height, width, channels = picture.shape
    grid = picture.reshape(height // side, side, width // side, side, channels)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, side * side * channels).astype(np.float32)


@click.command()
@click.option("--clips", type=click.IntRange(1, 24), default=6, show_default=True)
def main(clips: int) -> None:
    """Score every size of cell."""
    given = list(bench_clips(clips))
    for side in SIDES:
        scores = [score_clip(best_cells(clip, side), clip.target()) for clip in given]
        figures = ScoreSheet(scores).figures()
        text = ", ".join(
            f"{n} {figures[n]:.3f}" for n in ("character_psnr", "identity", "occlusion")
        )
        click.echo(f"cells of {side}x{side} pixels: {text}")


if __name__ == "__main__":
    main()
