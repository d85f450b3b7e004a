from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from posecast.metrics.tracking_scores import Overlaps, overlaps_of, tracking_totals

CASES = json.loads((Path(__file__).parent / "tracking_cases.json").read_text())["cases"]


def frames_of(case: dict) -> list[Overlaps]:
    return [
        Overlaps(tuple(real), tuple(made), np.array(iou, float).reshape(len(real), len(made)))
        for real, made, iou in zip(case["real"], case["generated"], case["iou"], strict=True)
    ]


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_published_code(case: dict) -> None:
    totals = tracking_totals(frames_of(case))
    assert totals.hota == pytest.approx(case["hota"], abs=1e-12)
    assert totals.idf1 == pytest.approx(case["idf1"], abs=1e-12)


def same(pairs: list[tuple[int, int]]) -> Overlaps:
    """One frame in which each pair lies exactly on each other."""
    real, made = zip(*pairs, strict=True)
    return Overlaps(real, made, np.eye(len(pairs)))


def test_an_exchange_half_way_costs_half_of_the_identities() -> None:
    kept, exchanged = same([(1, 1), (2, 2)]), same([(1, 2), (2, 1)])
    assert tracking_totals([kept] * 8).idf1 == tracking_totals([kept] * 8).hota == 1
    mixed = tracking_totals([kept] * 4 + [exchanged] * 4)
    assert mixed.idf1 == 0.5
    assert mixed.hota == pytest.approx(math.sqrt(1 * (4 / 12)))  # A = 4 / (8 + 8 - 4) for each
    assert tracking_totals([exchanged] * 8).idf1 == 1  # names mean nothing, only who stays who


def test_videos_add_up_and_nobody_is_no_score() -> None:
    good, bad = (
        tracking_totals([same([(1, 1)])] * 4),
        tracking_totals([Overlaps((1,), (), np.zeros((1, 0)))] * 4),
    )
    assert bad.idf1 == bad.hota == 0
    assert (good + bad).idf1 == pytest.approx(2 * 4 / (2 * 4 + 4))
    empty = tracking_totals([Overlaps((), (), np.zeros((0, 0)))])
    assert math.isnan(empty.idf1)
    assert math.isnan(empty.hota)


def test_overlaps_of_images_of_ids() -> None:
    real = np.array([[1, 1, 0, 2]], np.uint8)
    made = np.array([[5, 0, 0, 3]], np.uint8)
    found = overlaps_of(real, made)
    assert found.real == (1, 2)
    assert found.generated == (3, 5)
    np.testing.assert_allclose(found.iou, [[0, 0.5], [1, 0]])
