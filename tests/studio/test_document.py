from __future__ import annotations

import copy
from typing import Any

import pytest

from posecast.errors import InputError
from posecast.studio.document import Change, read_document

JOINTS = [[1.0, 2.0, 0.9]] * 18


def person(key: int, driver: str | None = None) -> dict[str, Any]:
    moved = None if driver is None else {"driver": driver, "track": 0}
    return {"key": key, "name": f"Person {key}", "joints": JOINTS, "moved_by": moved}


def use(name: str, **changes: Any) -> dict[str, Any]:
    usual = {"id": name, "first": 0, "last": None, "offset": 0, "smooth": 0, "fill": 0.2}
    return {**usual, **changes}


GOOD = {
    "name": "Two",
    "people": [person(1, "driver-a"), person(3)],
    "mask": None,
    "drivers": [use("driver-a")],
    "order": [{"from_frame": 0, "keys": [3, 1]}, {"from_frame": 24, "keys": [1, 3]}],
    "retarget": True,
}


def test_a_document_comes_back_as_it_went() -> None:
    document = read_document(GOOD)
    assert read_document(document.as_json()) == document
    assert document.order == (Change(0, (3, 1)), Change(24, (1, 3)))


def test_orders_name_everybody_once_and_start_at_the_beginning() -> None:
    tree = {**GOOD, "order": [{"from_frame": 9, "keys": [3, 8, 3]}, {"from_frame": 12, "keys": []}]}
    # 8 is nobody, 1 was missing; the second change says what the first did not.
    assert read_document(tree).order == (Change(0, (3, 1)), Change(12, (1, 3)))


def test_who_is_moved_by_a_driver_that_is_gone_stands_still() -> None:
    assert read_document({**GOOD, "drivers": []}).people[0].moved_by is None


def changed(*path: Any, to: Any) -> dict[str, Any]:
    tree: Any = copy.deepcopy(GOOD)
    at = tree
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = to
    return tree


@pytest.mark.parametrize(
    ("tree", "named"),
    [
        ([], "the document"),
        (changed("people", to=None), "people"),
        (changed("people", 0, "key", to=0), r"people\[0\].key"),
        (changed("people", 0, "key", to=True), r"people\[0\].key"),
        (changed("people", 1, "key", to=1), "the same key"),
        (changed("people", 0, "joints", to=JOINTS[:5]), "18 to 134"),
        (changed("people", 0, "joints", 3, to=[1, 2]), r"joints\[3\]"),
        (changed("people", 0, "joints", 3, to=[1, 2, float("nan")]), r"joints\[3\]"),
        (changed("people", 0, "name", to="a\nb"), "name"),
        (changed("people", 0, "moved_by", "driver", to="../a"), "driver"),
        (changed("mask", to="../../etc/passwd"), "mask"),
        (changed("drivers", 0, "first", to=-1), "first"),
        (changed("drivers", to=[use("a", first=2, last=1)]), "after the beginning"),
        (changed("order", 0, "from_frame", to=-1), "from_frame"),
        (changed("retarget", to=1), "retarget"),
    ],
)
def test_what_cannot_be_is_refused_by_its_place(tree: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_document(tree)
