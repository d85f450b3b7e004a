"""What may be written where. Devices are made here: real ones are never tried."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media import atomic
from posecast.media.atomic import clear_parts, whole_file, whole_folder, write_text
from posecast.media.images import write_image
from posecast.media.outputs import (
    check_apart,
    check_file,
    check_folder,
    check_place,
    check_text_file,
    check_working_folder,
    is_standard_output,
)
from posecast.media.video import write_video

FRAMES = np.zeros((2, 16, 16, 3), np.uint8)


def node(path: Path, kind: str) -> Path:
    """A pipe, a device (one of our own) or a socket."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("needs root to make a device node")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            before = Path.cwd()
            os.chdir(path.parent)  # the address of a socket is short
            try:
                server.bind(path.name)
            finally:
                os.chdir(before)
    return path


@pytest.fixture(params=["pipe", "device", "socket"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("name", ["sink", "sink.mp4", "sink.gif", "sink.png", "sink.json"])
@pytest.mark.parametrize("linked", [False, True])
def test_nodes_are_refused_and_stay(tmp_path: Path, kind: str, name: str, linked: bool) -> None:
    place = node(tmp_path / name, kind)
    mode, path = place.lstat().st_mode, place
    if linked:
        path = tmp_path / f"link{place.suffix}"
        path.symlink_to(place)
    before = sorted(tmp_path.iterdir())
    writers = [lambda: write_text(path, "text"), lambda: check_working_folder(path)]
    if place.suffix != ".json":
        writers.append(lambda: write_video(FRAMES, path, 12))
    if place.suffix == ".png":
        writers.append(lambda: write_image(FRAMES[0], path))
    for write in writers:
        with pytest.raises(InputError, match=f"is a {kind}|is a file|ends in"):
            write()
    with pytest.raises(InputError, match=f"{path.name}: is a {kind}"), whole_file(path):
        raise AssertionError("work was begun")
    with pytest.raises(InputError, match=f"{path.name}: is a {kind}"), whole_folder(path):
        raise AssertionError("work was begun")
    assert sorted(tmp_path.iterdir()) == before
    assert place.lstat().st_mode == mode


@pytest.mark.parametrize("there", [False, True])
def test_a_link_is_followed_and_kept(tmp_path: Path, there: bool) -> None:
    (tmp_path / "real").mkdir()
    file, folder = tmp_path / "real" / "a.mp4", tmp_path / "real" / "frames"
    if there:
        file.write_text("old")
        write_video(FRAMES[:1], folder, 12)
    for name, place in (("l.mp4", file), ("l", folder)):
        link = tmp_path / name
        link.symlink_to(Path("real") / place.name)
        assert write_video(FRAMES, link, 12) == 2
        assert link.is_symlink()
        assert place.exists()
    assert len(list(folder.iterdir())) == 2
    assert file.stat().st_size > 100
    assert sorted(p.name for p in tmp_path.rglob("*") if p.name.startswith(".")) == []


def test_a_link_in_a_circle_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="circular symbolic link"):
        check_place(tmp_path / "a")


def test_an_output_is_no_input_by_whatever_name(tmp_path: Path) -> None:
    source = tmp_path / "dance.mp4"
    source.write_bytes(b"driver")
    (tmp_path / "hard.mp4").hardlink_to(source)
    (tmp_path / "soft.mp4").symlink_to(source)
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "frame_000000.png").write_bytes(b"reference")
    (tmp_path / "there").symlink_to(frames)
    inputs = [source, None, frames / "frame_000000.png", tmp_path / "not there"]
    for name in ("dance.mp4", "hard.mp4", "soft.mp4", "frames/../dance.mp4"):
        with pytest.raises(InputError, match="would overwrite an input"):
            check_place(tmp_path / name, inputs)
    for name in ("frames", "there"):
        with pytest.raises(InputError, match="holds an input"):
            check_place(tmp_path / name, inputs)
    with pytest.raises(InputError, match="would overwrite an input"):
        check_file(frames / "frame_000000.png", [frames])
    assert check_place(tmp_path / "other.mp4", inputs) == tmp_path / "other.mp4"
    assert check_place(frames / "new.json", [frames]) == frames / "new.json"


@pytest.mark.parametrize("other", ["notes.txt", "frame_1.png", "deep/er/lora.safetensors", "link"])
def test_a_folder_with_other_files_is_never_emptied(tmp_path: Path, other: str) -> None:
    folder = tmp_path / "frames"
    write_video(FRAMES, folder, 12)
    (folder / ".DS_Store").write_text("of a file manager")
    (folder / other).parent.mkdir(parents=True, exist_ok=True)
    if other == "link":
        (folder / other).symlink_to(tmp_path)
    else:
        (folder / other).write_text("mine")
    with pytest.raises(InputError, match=rf"holds other files \({other}\)"):
        write_video(FRAMES, folder, 12)
    (folder / other).unlink()
    assert write_video(FRAMES[:1], folder, 12) == 1
    assert [p.name for p in folder.iterdir()] == ["frame_000000.png"]


def test_files_that_come_in_meanwhile_stay(tmp_path: Path) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield FRAMES[0]
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match=r"notes\.txt"):
        write_video(frames(), tmp_path / "out", 12)
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "notes.txt"]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_is_there_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_exchange: bool
) -> None:
    """Old or new: between the two there is one step, or the old one beside for the next run."""
    folder = tmp_path / "frames"
    write_video(FRAMES[:1], folder, 12)
    if not can_exchange:
        monkeypatch.setattr(atomic, "exchange", lambda one, other: False)

    renamed: list[str] = []
    rename = os.rename

    def first_rename_alone(one: Path, other: Path) -> None:
        if renamed:
            raise SystemExit  # as a kill: nothing after this is done, and no clean-up below it
        renamed.append(Path(other).name)
        rename(one, other)

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, "rename", first_rename_alone)
        patched.setattr(atomic.shutil, "rmtree", lambda *a, **k: None)
        if can_exchange:
            write_video(FRAMES, folder, 12)
        else:
            with pytest.raises(SystemExit):
                write_video(FRAMES, folder, 12)
    if can_exchange:
        assert not renamed
        assert len(list(folder.iterdir())) == 2
    else:
        assert not folder.exists()
    assert len(list(tmp_path.iterdir())) == 2
    clear_parts(tmp_path, "frames")
    assert [p.name for p in tmp_path.iterdir()] == ["frames"]
    assert len(list(folder.iterdir())) == (2 if can_exchange else 1)


def test_parts_of_one_name_are_told_from_others(tmp_path: Path) -> None:
    names = [".a.12345678.part.mp4", ".a.12345678.part.gif", ".b.12345678.part.mp4", ".a.mp4"]
    for name in names:
        (tmp_path / name).touch()
    long = tmp_path / f"{'x' * 240}.mp4"
    with whole_file(long) as part:
        part.write_text("x")
        (tmp_path / part.name.replace(part.name[18:26], "00000000")).touch()  # a killed one's
    assert long.read_text() == "x"
    long.unlink()
    clear_parts(tmp_path, "a.mp4")
    assert {p.name for p in tmp_path.iterdir()} > set(names[1:])
    assert len(list(tmp_path.iterdir())) == 4
    clear_parts(tmp_path, long.name)
    assert {p.name for p in tmp_path.iterdir()} == set(names[1:])
    clear_parts(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".a.mp4"]


def test_text_alone_goes_to_standard_output(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_standard_output("/dev/stdout")
    for name in ("-", "/proc/self/fd/1"):
        assert check_text_file(name) == Path(name)
        write_text(name, "déjà\n")
        for check in (check_place, check_file, check_working_folder):
            with pytest.raises(InputError, match="only text"):
                check(name)
        with pytest.raises(InputError, match="only text"):
            write_video(FRAMES, name, 12)
    assert capfdbinary.readouterr().out.decode() == "déjà\ndéjà\n"
    assert not list(tmp_path.iterdir())


def test_two_outputs_must_differ(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a.json")
    check_apart(tmp_path / "a.json", None, tmp_path / "b.json", "-")
    for pair in ((tmp_path / "a.json", tmp_path / "link"), ("-", "/proc/self/fd/1")):
        with pytest.raises(InputError, match="two outputs with the same name"):
            check_apart(*pair)


def test_impossible_output_places_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for path, message in (
        (".", "is the current folder"),
        ("/", "is the current folder"),
        ("no/where.mp4", "the folder no does not exist"),
        ("file/a.mp4", "file is a file, not a folder"),
        ("a\0b", "cannot be a path"),
    ):
        with pytest.raises(InputError, match=message):
            check_place(path)
    for path in ("file", "file/run"):
        with pytest.raises(InputError, match="is a file; expected a folder"):
            check_working_folder(path)
    with pytest.raises(InputError, match=r"ends in \.npz"):
        check_file("a.mp4", endings=[".npz"])
    with pytest.raises(InputError, match="is a file; expected the name of a folder"):
        check_folder("file", ())
    assert check_working_folder("new/run") == Path("new/run")


def test_a_folder_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match="no longer exists"):
        check_place("a.mp4")


def test_colons_are_of_a_name(tmp_path: Path) -> None:
    for name in ("a:b.mp4", "a:b.gif", "a:b", "http:c.mp4"):
        assert write_video(FRAMES, tmp_path / name, 12) == 2
    assert {p.name for p in tmp_path.iterdir()} == {"a:b.mp4", "a:b.gif", "a:b", "http:c.mp4"}
