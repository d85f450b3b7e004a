from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import posecast
from posecast.cli.wording import in_options

ROOT = Path(posecast.__file__).parent


@pytest.mark.parametrize(
    ("library", "command_line"),
    [
        ("choose another `size=`", "choose another --size"),
        ("`max_frames=0`: expected 1", "--max-frames 0: expected 1"),
        ("`window=2` `memory=low` needs 2 GB", "--window 2 --memory low needs 2 GB"),
        ("`retarget=True` helps", "--retarget helps"),
        ("`audio=False` leaves it out", "--no-audio leaves it out"),
        ("`num_steps=`, `guidance_scale=3`", "--steps, --guidance 3"),
        ("unknown key `size`, in `a.yaml`", "unknown key `size`, in `a.yaml`"),
    ],
)  # fmt: skip
def test_parameters_become_options(library: str, command_line: str) -> None:
    assert in_options(library) == command_line


def texts(path: Path) -> list[str]:
    """The strings of a module but for its documentation and for whole commands to be typed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in documentation
        and "posecast animate" not in node.value
    ]


@pytest.mark.parametrize("room", ["casting", "pipeline", "geometry"])
def test_the_library_names_parameters_and_no_options(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for text in texts(path):
            assert not re.search(r"(?<![\w-])--[a-z]", text), (path, text)
