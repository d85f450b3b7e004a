from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from posecast import cli
from posecast.errors import InputError

LIGHT = """
import sys
from posecast.cli import run
status = run(["--help"])
heavy = {"torch", "numpy", "cv2", "diffusers", "transformers", "av", "PIL"} & set(sys.modules)
sys.exit(f"imported {sorted(heavy)}" if heavy else status)
"""


def test_help_lists_the_verbs_and_imports_none(tmp_path: object) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for verb in cli.VERBS:
        assert verb in done.stdout
    # Of the processor, not of the clock: other tests may run beside this one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.7


def test_python_m_posecast_runs_the_command_line(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "posecast", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"posecast {cli.__version__}\n")


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"posecast {verb}" in out
    assert "--debug" in out


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Callable[[list[str]], int]:
    """A command line whose verb `demo` raises."""

    @click.command()
    def demo() -> None:
        raise error

    module = type(sys)("posecast.cli.demo")
    module.demo = demo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "posecast.cli.demo", module)
    return cli.run


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("a.json: people[0]:\nexpected 54 numbers"), 2,
         "posecast: error: a.json: people[0]: expected 54 numbers"),
        (OSError(errno.ENOSPC, "No space left on device", "out.mp4"), 2,
         "posecast: error: out.mp4: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "in.png"), 2,
         "posecast: error: in.png: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 2,
         "posecast: error: No space left on device"),
        (OSError("odd"), 1, "posecast: fault: OSError: odd"),
        (MemoryError(), 2, "posecast: error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2,
         "posecast: error: out of memory"),
        (KeyError("x"), 1, "posecast: fault: KeyError: 'x' (this is a mistake in posecast"),
        (KeyboardInterrupt(), 130, "posecast: interrupted"),
        (KeyboardInterrupt("continue with posecast train a.yaml --resume"), 130,
         "posecast: interrupted: continue with posecast train a.yaml --resume"),
    ],
)  # fmt: skip
def test_errors_become_one_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    line: str,
) -> None:
    assert failing(monkeypatch, error)(["demo"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().startswith(line)
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [["demo", "--debug"], ["--debug", "demo"]])
def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert failing(monkeypatch, KeyError("x"))(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_usage_errors_have_status_2_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["dance"], ["animate"], ["animate", "--sise", "3"], ["--nope"]):
        assert cli.run(arguments) == 2
        assert "Traceback" not in capsys.readouterr().err
    for size in ("12", "axb", "12x", "1234567x8"):
        assert cli.run(["conditions", "--size", size]) == 2
        assert "expected HEIGHTxWIDTH" in capsys.readouterr().err
