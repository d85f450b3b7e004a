"""The scripts for minutes on a GPU: nothing is lost, and they end by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def run_code(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )  # fmt: skip


def test_a_part_that_fails_ends_no_run(tmp_path) -> None:
    code = f"""
import sys
from pathlib import Path
from gpu_results import Results
results = Results(Path({str(tmp_path)!r}), "item", 1, lambda figures: f"a {{figures.get('a')}}")
results.do("one", 0, lambda: 1 / 0)
results.do("two", 0, lambda: results.add(a=5))
results.do("three", 100, lambda: results.add(a=6))
sys.exit(results.finish())
"""
    done = run_code(code)
    assert done.returncode == 1
    found = json.loads((tmp_path / "item.json").read_text())
    assert found["a"] == 5
    assert "ZeroDivisionError" in found["failed"]["one"]
    assert set(found["left_out"]) == {"three"}
    assert done.stdout.startswith("a 5\nfailed: one: ZeroDivisionError")
    assert (tmp_path / "item.md").read_text() == done.stdout


def test_a_run_ends_at_its_limit_with_what_it_has(tmp_path) -> None:
    code = f"""
import time
from pathlib import Path
from gpu_results import GRACE, Results
results = Results(Path({str(tmp_path)!r}), "item", (GRACE + 0.3) / 60, str)
results.on_end.append(lambda: print("stopped"))
results.add(a=5)
results.do("long", 0, lambda: time.sleep(50))
"""
    began = time.monotonic()
    done = run_code(code)
    assert time.monotonic() - began < 20
    assert done.returncode == 1
    assert "stopped" in done.stdout
    found = json.loads((tmp_path / "item.json").read_text())
    assert found["a"] == 5
    assert "long" in found["left_out"]


def test_an_item_that_is_not_there_is_named(tmp_path) -> None:
    code = (
        f"import runpy, sys\n"
        f"sys.argv = ['gpu.py', 'speed', '--out', {str(tmp_path / 'out')!r}]\n"
        f"import importlib.util\n"
        f"importlib.util.find_spec = lambda name: None\n"
        f"runpy.run_path({str(SCRIPTS / 'gpu.py')!r}, run_name='__main__')\n"
    )
    done = run_code(code)
    assert done.returncode == 2
    assert done.stderr == "speed: scripts/gpu_speed.py is not there\n"


@pytest.mark.slow
@pytest.mark.parametrize("item", ["speed", "finetune"])
def test_an_item_at_tiny_sizes(tmp_path, item) -> None:
    command = [sys.executable, str(SCRIPTS / "gpu.py"), item, "--tiny", "--minutes", "4"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / f"{item}.json").read_text())
    assert not found["failed"]
    assert not found["left_out"]
