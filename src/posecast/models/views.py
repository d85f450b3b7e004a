"""Views of the reference: the picture as it is, and moved on by half a cell.

Ours, not the paper's. A spot of a body rarely lies on the grid of cells in the picture as it does
in the frame. With `AnimatorConfig.half_cells` the ReferenceNet also gets the picture moved on by
half a cell along both axes, and attention finds cells of either grid.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Moves = tuple[tuple[float, float], ...]
"""How far on along y and x the views' cells are, in cells."""


def view_moves(half_cells: bool) -> Moves:
    """The moves of all views, the first of which is the picture itself."""
    return ((0.0, 0.0), (0.5, 0.5)) if half_cells else ((0.0, 0.0),)


def views(x: Float[Tensor, "b c h w"], moves: Moves, cell: int) -> Float[Tensor, "b views c h w"]:
    """The views of pictures or maps in which a cell has `cell` values a side.

    What enters at the far edges repeats the last row or column.
    """
    moved = []
    for down, right in moves:
        rows, columns = round(down * cell), round(right * cell)
        moved.append(F.pad(x[..., rows:, columns:], (0, columns, 0, rows), mode="replicate"))
    return torch.stack(moved, dim=1)
