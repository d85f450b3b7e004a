"""One writer at a time, told by its process; what killed ones left is cleared."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.media.interruption import interrupted_with, interruptible, undisturbed
from posecast.media.locks import LOCK, sole_worker, sole_writer

HOLD = """
import sys, time
from pathlib import Path
from posecast.media.locks import sole_worker, sole_writer
hold = {"writer": sole_writer, "worker": sole_worker}[sys.argv[1]]
with hold(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(kind: str, path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, kind, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize(("kind", "keep"), [("writer", sole_writer), ("worker", sole_worker)])
def test_a_second_is_refused_with_the_firsts_number(tmp_path: Path, kind: str, keep) -> None:
    out = tmp_path / "out"
    link = tmp_path / "link"
    link.symlink_to(out)
    process = holder(kind, out)
    try:
        for path in (out, link):
            with pytest.raises(InputError, match=rf"process {process.pid} is writing"), keep(path):
                raise AssertionError("work was begun")
        with keep(tmp_path / "other"):
            pass
    finally:
        process.kill()
        process.communicate()
    with keep(out):  # a lock that a kill left is none
        names = {p.name for p in tmp_path.rglob("*")} - {"out", "link"}
        assert len(names) == 1
    assert {p.name for p in tmp_path.rglob("*")} <= {"link", "out"}


def test_what_a_killed_one_left_is_cleared(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints" / ".step-00000002.0123abcd.part").mkdir(parents=True)
    (run / ".log.0123abcd.part.jsonl").touch()
    (run / "checkpoints" / "step-00000001").mkdir()
    (run / ".mine").touch()
    with sole_worker(run, ["checkpoints", "not there"]):
        found = {p.relative_to(run).as_posix() for p in run.rglob("*")}
        assert found == {LOCK, ".mine", "checkpoints", "checkpoints/step-00000001"}


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with sole_worker(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not list(tmp_path.iterdir())
    with sole_worker(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert (tmp_path / "a" / "b" / "file").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_end_is_an_interruption_but_not_of_a_clean_up(number: int) -> None:
    before = signal.getsignal(number)
    signal.signal(number, signal.default_int_handler)  # perhaps ignored by who runs the tests
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), interruptible() as heard:  # noqa: PT012
            with undisturbed():
                signal.raise_signal(number)
                done.append("clean-up")
                assert heard.is_set() is False
            done.append("never")
        assert heard.is_set()
        with pytest.raises(KeyboardInterrupt), interruptible():  # noqa: PT012
            try:
                signal.raise_signal(number)
            finally:
                signal.raise_signal(number)  # a launcher forwards it: the same wish
                done.append("unwound")
    finally:
        signal.signal(number, before)
    assert done == ["clean-up", "unwound"]


def test_it_ends_with_the_process_it_works_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    with pytest.raises(KeyboardInterrupt), interruptible():  # noqa: PT012
        interrupted_with(process.pid)
        time.sleep(30)
    process.wait()


def test_without_locks_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that has none."""

    def none(*arguments: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("filelock._unix.fcntl.flock", none)
    with sole_writer(tmp_path / "out"), sole_worker(tmp_path / "run"):
        pass
    assert not list(tmp_path.iterdir())


def test_ignored_signals_stay_ignored_and_other_threads_are_left_alone() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)

        def elsewhere() -> None:
            with interruptible(), undisturbed():
                pass

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGHUP, before)
