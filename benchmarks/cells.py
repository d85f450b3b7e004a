"""How fine attention's cells must be: the stage bench with cells copied out of the picture.

    python -m benchmarks.cells --clips 6
    python -m benchmarks.cells --clips 6 --by body

By default every cell in which somebody is becomes the cell of the picture that is most like the
truth: what an attention that copies whole cells could make at best, for cells of 8, 4 and 2 pixels.
With `--by body` a cell of 4 pixels becomes the one at the nearest body coordinates of the same
person, which is what attention can know, with the picture's cells on one grid or on finer ones.
Everything else is the truth's own.
"""

from __future__ import annotations

from unittest.mock import patch

import click
import numpy as np
from jaxtyping import UInt8

from posecast.benches.scores import ScoreSheet, score_clip
from posecast.benches.stage import BenchClip, bench_clips
from posecast.geometry import body_coordinates

SIDES = (8, 4, 2)
"""Of a cell, pixels."""
SHOWN = ("character_psnr", "identity", "occlusion")
AT_ONCE = 64
"""Cells that are compared with all cells of the picture at once: bounds the memory."""
CELL = 4
GRIDS = {
    "one grid": [(0, 0)],
    "a second grid, half a cell on along both axes": [(0, 0), (2, 2)],
    "four grids, at every 2 pixels": [(y, x) for y in (0, 2) for x in (0, 2)],
    "sixteen grids, at every pixel": [(y, x) for y in range(4) for x in range(4)],
}
"""How far from the picture's corner each grid of cells begins, pixels."""

Frames = UInt8[np.ndarray, "frames height width 3"]


def best_cells(clip: BenchClip, side: int) -> Frames:
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
        frames.append(_picture(cells, frame.shape))
    return np.stack(frames)


def cells_by_body(clip: BenchClip, grids: list[tuple[int, int]]) -> Frames:
    """The clip's frames with the characters' cells taken from where their bodies say."""
    reference, ids = clip.reference, clip.truth.character_ids
    assert ids is not None, "the stage knows who is where"
    assert reference.character_ids is not None
    poses, frames = clip.request().poses.keypoints, []
    found = []
    for person, skeleton in enumerate(reference.poses.keypoints[:, 0]):
        own = reference.character_ids[0] == person + 1
        parts = [_source(reference.frames[0], own, skeleton, *start) for start in grids]
        found.append(tuple(np.concatenate(x) for x in zip(*parts, strict=True)))
    for number, (frame, who) in enumerate(zip(clip.truth.frames, ids, strict=True)):
        cells = _cells(frame, CELL)
        for person, (source, places) in enumerate(found):
            _, wanted = _source(frame, who == person + 1, poses[person, number], 0, 0)
            mine = np.flatnonzero(_mostly(who == person + 1) & ~np.isnan(wanted[:, 0]))
            known = np.flatnonzero(~np.isnan(places[:, 0]))
            if len(known) == 0:
                continue
            for some in np.array_split(mine, max(1, len(mine) // AT_ONCE)):
                far = ((wanted[some, None] - places[known]) ** 2).sum(axis=2)
                cells[some] = source[known[far.argmin(axis=1)]]
        shown = _picture(cells, frame.shape)
        frames.append(np.where(who[..., None] > 0, shown, frame))
    return np.stack(frames)


def _source(
    picture: np.ndarray, own: np.ndarray, skeleton: np.ndarray, top: int, left: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a grid, and the body coordinates of their middles; NaN where they are not one's."""
    size = (picture.shape[0], picture.shape[1])
    rows, columns = (size[0] - top) // CELL * CELL, (size[1] - left) // CELL * CELL
    at = np.s_[top : top + rows, left : left + columns]
    with patch.multiple(body_coordinates, STRIDE=1, _FIRST=0.0):
        body = body_coordinates.body_coordinates(skeleton[None], size)[:, *at]
    coordinates = _cells(body[:2].transpose(1, 2, 0), CELL).reshape(-1, CELL, CELL, 2)
    places = coordinates[:, 1:3, 1:3].mean(axis=(1, 2))  # of the four pixels in the middle
    near = _cells(body[2:].transpose(1, 2, 0), CELL).min(axis=1) > 0
    places[~(_mostly(own[at]) & near)] = np.nan
    return _cells(picture[at], CELL), places


def _mostly(own: np.ndarray) -> np.ndarray:
    """Cells of which at least half is somebody's."""
    return _cells(own[..., None], CELL).mean(axis=1) >= 0.5


def _cells(picture: np.ndarray, side: int) -> np.ndarray:
    """A row of values for each cell."""
    height, width, channels = picture.shape
    grid = picture.reshape(height // side, side, width // side, side, channels)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, side * side * channels).astype(np.float32)


def _picture(cells: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The picture of these cells."""
    side = round((cells.shape[1] / shape[2]) ** 0.5)
    grid = cells.reshape(shape[0] // side, shape[1] // side, side, side, shape[2])
    return grid.transpose(0, 2, 1, 3, 4).reshape(shape).astype(np.uint8)


@click.command()
@click.option("--clips", type=click.IntRange(1, 24), default=6, show_default=True)
@click.option("--by", type=click.Choice(["truth", "body"]), default="truth", show_default=True)
def main(clips: int, by: str) -> None:
    """Score every size of cell, or every set of grids."""
    given = list(bench_clips(clips))
    made = (
        ((f"cells of {side}x{side} pixels", [best_cells(c, side) for c in given]) for side in SIDES)
        if by == "truth"
        else ((name, [cells_by_body(c, grids) for c in given]) for name, grids in GRIDS.items())
    )
    for name, frames in made:
        pairs = zip(frames, given, strict=True)
        figures = ScoreSheet([score_clip(x, c.target()) for x, c in pairs]).figures()
        text = ", ".join(f"{n} {figures[n]:.3f}" for n in SHOWN)
        click.echo(f"{name}: {text}")


if __name__ == "__main__":
    main()
