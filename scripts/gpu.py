#!/usr/bin/env python3
"""Measure and train where a GPU can be had for minutes: ``scripts/gpu.py ITEM --out DIR``.

An item is one script that ends by itself within `--minutes`. It writes what it has to DIR after
each measurement, so that a run that is cut off loses nothing, and prints a short table last.
`--tiny` runs the same code at sizes that a CPU computes in seconds: it proves the script, and its
figures mean nothing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent

ITEMS = {
    "learn": ("gpu_learn", 8.0),
    "speed": ("gpu_speed", 3.3),
    "claims": ("gpu_claims", 8.0),
    "finetune": ("gpu_finetune", 3.0),
}
"""Name to the module beside this file and to the minutes that it takes by default. A module has a
function `run(minutes, out, tiny)` that returns an exit status."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("item", choices=ITEMS)
    parser.add_argument("--minutes", type=float, help="the most to take, start-up included")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--resume", type=Path, help="learn: the results folder of earlier runs")
    parser.add_argument("--runs", nargs="+", metavar="COURSE:SEED", help="learn: what is trained")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes: proves the script")
    return parser.parse_args()


def main() -> int:
    """Run the item with what is left of its time once everything is imported."""
    began = time.monotonic()
    arguments = parse()
    module, usual = ITEMS[arguments.item]
    # The checkout's own code, also where posecast is not installed; worker processes too.
    paths = [str(SCRIPTS.parent / "src"), str(SCRIPTS.parent), str(SCRIPTS)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    if importlib.util.find_spec(module) is None:
        print(f"{arguments.item}: scripts/{module}.py is not there", file=sys.stderr)
        return 2
    item = importlib.import_module(module)
    minutes = usual if arguments.minutes is None else arguments.minutes
    left = minutes - (time.monotonic() - began) / 60
    given = {"resume": arguments.resume, "runs": arguments.runs}
    extra = {name: value for name, value in given.items() if value is not None}
    return int(item.run(left, arguments.out, arguments.tiny, **extra))


if __name__ == "__main__":
    sys.exit(main())
