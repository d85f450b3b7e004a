"""Files that people name are opened once, in one way: regular ones, and never without end."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.cli import run
from posecast.errors import InputError, printable
from posecast.media.json_text import MAX_DEPTH, MAX_DIGITS, parse_json
from posecast.media.reading import check_regular, open_regular, read_bytes, read_head, read_text
from posecast.media.video import read_video
from posecast.media.yaml_text import parse_yaml

HERE = Path("x.json")


@pytest.fixture
def odd(tmp_path: Path) -> list[Path]:
    """Paths of each kind that are no regular files, and a link to one of them."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    # To be read only: nothing here writes to a device.
    return [tmp_path / "pipe", tmp_path / "folder", tmp_path / "link", Path("/dev/zero")]


def test_only_regular_files_are_read(odd: list[Path], tmp_path: Path) -> None:
    for path in (*odd, tmp_path / "absent", tmp_path / "a\0b"):
        for read in (
            check_regular,
            open_regular,
            lambda p: read_bytes(p, 10),
            lambda p: read_text(p, 10),
            lambda p: read_head(p, 10),
        ):
            start = time.monotonic()
            with pytest.raises(InputError):
                read(path)
            assert time.monotonic() - start < 1


def test_no_more_than_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(path, 6) == "abc"
    assert read_head(path, 4) == b"\xef\xbb\xbfa"
    with pytest.raises(InputError, match="is 6 bytes or more; expected a text file of at most 5"):
        read_text(path, 5)
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(InputError, match="or more"):
        read_bytes(path, 2**20)
    path.write_bytes(b"a\xff")
    with pytest.raises(InputError, match="not UTF-8 text at byte 1"):
        read_text(path, 5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 2000, "nesting|deep"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested more than 64 deep"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested more than 64 deep"),
        ("1" * (MAX_DIGITS + 1), "a number of 4301 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[1, 2", "broken or cut JSON"),
        ("", "broken or cut JSON"),
    ],
)
def test_json_is_bounded(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_json(text.encode(), HERE)


def test_json_of_many_values_is_refused_before_it_is_parsed() -> None:
    data = b"[" + b"[]," * 20_000_000 + b"[]]"
    start = time.monotonic()
    with pytest.raises(InputError, match="holds more values than 1536 MB can hold"):
        parse_json(data, HERE)
    assert time.monotonic() - start < 3
    value = {"a": [1, -2.5, "é", None, True], "b": {"c": []}}
    assert parse_json(json.dumps(value).encode(), HERE) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is given twice"),
        ("a: {b: 1, b: 2}\n", "line 1: the key 'b' is given twice"),
        ("a: &x [1]\nb: *x\n", r"aliases \(\*name\) are not allowed"),
        ("a: !!python/object:os.system {}\n", "tags .* are not allowed"),
        ("a: !!binary aGk=\n", "tags .* are not allowed"),
        ("[" * 100_000, "nested more than 20 deep"),
        ("- " * 30 + "1\n", "nested more than 20 deep"),
        ("- 1\n" * 60_000, "more than 50000 values"),
        ("a: [1\n", "not readable as YAML"),
        ("a: 1\n---\nb: 2\n", "not readable as YAML|single document"),
        ("? [a, b]\n: 1\n", "expected a name before the colon"),
        ("a: \x07\n", "not readable as YAML"),
    ],
)
def test_yaml_is_bounded(text: str, problem: str) -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=problem):
        parse_yaml(text, HERE)
    assert time.monotonic() - start < 10


def test_yaml_values_are_plain() -> None:
    text = (
        "a: 1\nb: 1.5\nc: 1.0e-3\nd: true\ne: no\nf: null\ng:\nh: text\ni: '12'\nj: 2024-01-01\n"
        "k: 1:30\nl: [1, 2]\nm: {n: -3}\no: .inf\np: 1_000\nq: 99999999999999999999\n"
    )
    assert parse_yaml(text, HERE) == {
        "a": 1, "b": 1.5, "c": 1e-3, "d": True, "e": False, "f": None, "g": None, "h": "text",
        "i": "12", "j": "2024-01-01", "k": "1:30", "l": [1, 2], "m": {"n": -3},
        "o": float("inf"), "p": 1000, "q": 99999999999999999999,
    }  # fmt: skip
    assert parse_yaml("", HERE) is None


def test_names_steer_no_terminal() -> None:
    hostile = "a\x1b[2J\x1b]0;x\x07\u202egpj\r\udcff\u2028b\tz"
    shown = printable(hostile)
    assert shown.isprintable()
    assert shown.encode()
    assert printable("é 日本 → ok\nnext") == "é 日本 → ok\nnext"
    message = str(InputError.at(hostile, "found " + "9" * 100_000, hostile))
    assert "\x1b" not in message
    assert len(message) < 5000


@pytest.mark.parametrize("place", ["--reference", "--poses", "--reference-poses", "--cast"])
def test_the_command_waits_for_no_pipe(
    place: str, tmp_path: Path, cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    given = {
        "--reference": cases / "ref.png",
        "--reference-poses": cases / "ref.json",
        "--poses": cases / "walk8.json",
        place: tmp_path / "pipe",
    }
    arguments = [str(a) for pair in given.items() for a in pair]
    assert run(["animate", *arguments, "-o", str(tmp_path / "o.mp4")]) == 2
    assert "is a device, pipe or socket" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_animated_pictures_cut_anywhere(ending: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (12, 10, 3), np.uint8)) for _ in range(3)]
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    whole = path.read_bytes()
    for cut in range(1, len(whole), 3):
        # Lengths at the cut that speak of more than there is, too.
        for end in (b"", b"\x21\xf9\x04\x00", b"\xff" * 7):
            path.write_bytes(whole[:cut] + end)
            with suppress(InputError):
                read_video(path)
