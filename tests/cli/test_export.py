from __future__ import annotations

import json
from pathlib import Path

import pytest

from posecast.cli import run
from posecast.cli.export import NAMES
from posecast.export import SYSTEMS


def export(scene: dict[str, Path], out: Path, *more: str | Path) -> int:
    line = ["--reference", scene["picture"], "--reference-poses", scene["people"],
            "--poses", scene["dance"], "-o", out, *more]  # fmt: skip
    return run(["export", *map(str, line)])


def test_the_names_are_those_of_the_table() -> None:
    assert tuple(SYSTEMS) == NAMES


def test_it_writes_a_folder_and_says_who_is_who(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scail"
    assert export(scene, out, "--for", "scail2", "--size", "64x64", "--assign", "0:1,1:0") == 0
    shown = capsys.readouterr().out
    assert "SCAIL-2, 6 frames of 64x64, 12 a second; characters: 0 blue, 1 red" in shown
    about = json.loads((out / "export.json").read_text())
    assert [c["driver"] for c in about["characters"]] == [1, 0]
    assert export(scene, out, "--for", "scail2", "--size", "96x64", "--quiet") == 0  # replaced
    assert json.loads((out / "export.json").read_text())["size"] == [96, 64]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--for", "scail2", "--size", "60x64"), "--size 60x64: expected sides that are multiples"),
        (("--for", "multianimate", "--form", "replacement"), "--form replacement: MultiAnimate"),
        (("--for", "scail2", "--form", "replacement"), "--form replacement: expected --poses"),
        (("--for", "flux"), "'flux' is not one of"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    scene: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    message: str,
) -> None:
    out = tmp_path / "out"
    assert export(scene, out, *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len([line for line in error.splitlines() if "error" in line]) == 1
    assert not out.exists()


def test_a_folder_with_other_files_is_refused(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "holiday.mp4").write_bytes(b"mine")
    assert export(scene, out, "--for", "openpose") == 2
    assert "holds other files (holiday.mp4)" in capsys.readouterr().err
    assert [p.name for p in out.iterdir()] == ["holiday.mp4"]
