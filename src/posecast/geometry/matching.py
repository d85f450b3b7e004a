"""Minimum-cost matching (the assignment problem), in which items may stay unmatched."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64

ALONE = 1.0
"""Cost of staying unmatched; a pair with this cost or more is not matched."""


def match(cost: Float[np.ndarray, "rows columns"]) -> list[int | None]:
    """The column of each row, or None, at the least total cost of pairs and unmatched items."""
    rows, columns = cost.shape
    if not rows or not columns:
        return [None] * rows
    capped = np.minimum(cost, ALONE)
    if rows <= columns:
        pairs = list(enumerate(least_cost_assignment(capped).tolist()))
    else:
        pairs = [
            (row, column) for column, row in enumerate(least_cost_assignment(capped.T).tolist())
        ]
    matched: list[int | None] = [None] * rows
    for row, column in pairs:
        if cost[row, column] < ALONE:
            matched[row] = column
    return matched


def match_sparse(cost: Float[np.ndarray, "rows columns"]) -> list[int | None]:
    """As `match`, in groups that share no possible pair, which is fast for long clips."""
    matched: list[int | None] = [None] * len(cost)
    possible = cost < ALONE
    left = set(np.flatnonzero(possible.any(axis=1)).tolist())
    while left:
        rows = np.zeros(len(cost), dtype=bool)
        rows[min(left)] = True
        count = 0
        while count != rows.sum():
            count = int(rows.sum())
            rows |= possible[:, possible[rows].any(axis=0)].any(axis=1)
        group = np.flatnonzero(rows)
        columns = np.flatnonzero(possible[rows].any(axis=0))
        for row, found in zip(group.tolist(), match(cost[np.ix_(group, columns)]), strict=True):
            matched[row] = None if found is None else int(columns[found])
        left -= set(group.tolist())
    return matched


def least_cost_assignment(cost: Float[np.ndarray, "rows columns"]) -> Int64[np.ndarray, " rows"]:
    """One column for each row at the least total cost; no more rows than columns.

    The Hungarian method with potentials (shortest augmenting paths), O(rows^2 columns).
    """
    rows, columns = cost.shape
    if rows > columns:
        raise ValueError(f"{rows} rows cannot each have one of {columns} columns")
    row_of = np.full(columns + 1, -1)  # the last column is the free start of each search
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        row_of[columns], column = row, columns
        best = np.full(columns, np.inf)
        came_from = np.full(columns, columns)
        done = np.zeros(columns + 1, dtype=bool)
        while row_of[column] >= 0:
            done[column] = True
            here = row_of[column]
            reduced = cost[here] - row_price[here] - column_price[:columns]
            better = ~done[:columns] & (reduced < best)
            best[better], came_from[better] = reduced[better], column
            following = int(np.argmin(np.where(done[:columns], np.inf, best)))
            step = best[following]
            row_price[row_of[done]] += step
            column_price[done] -= step
            best[~done[:columns]] -= step
            column = following
        while column != columns:
            previous = int(came_from[column])
            row_of[column] = row_of[previous]
            column = previous
    result = np.empty(rows, dtype=np.int64)
    taken = np.flatnonzero(row_of[:columns] >= 0)
    result[row_of[taken]] = taken
    return result
