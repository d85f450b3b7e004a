"""Train in short turns: continue from small files, and leave small files.

    python scripts/train_in_turns.py configs/claims/images.yaml parts/images --minutes 8

A turn joins the parts in the folder to a checkpoint, trains for the given minutes (or to the end),
and writes the newest checkpoint and the run's other files back in parts of less than 16 MB. The
next turn may be on another machine: it only needs the config and the folder. Every checkpoint
within a turn (`checkpoint.every_minutes`) is written to parts at once, so an interrupted turn loses
only the work after it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from posecast.errors import InputError
from posecast.media.atomic import whole_folder
from posecast.training.checkpoints import checkpoints, read_progress
from posecast.training.config import TrainingConfig, read_config, write_config

PART_BYTES = 15 * 2**20
LIST = "parts.json"
OWN_FILES = (r"part-\d{3,}", re.escape(LIST))
"""Patterns of the files in a folder of parts, which is replaced only if it holds no others."""
KEPT = ("log.jsonl", "config.yaml", "validation", "model")
"""Files and folders that are packed with the newest checkpoint, if they exist."""
LOOK_SECONDS = 2.0


def main() -> None:
    """Run one turn from the command line."""
    arguments = _arguments()
    try:
        config = read_config(arguments.config)
        status = take_turn(config, arguments.parts, arguments.minutes, arguments.processes)
    except InputError as error:
        print(f"train_in_turns.py: error: {error}", file=sys.stderr)
        status = 2
    sys.exit(status)


def take_turn(
    config: TrainingConfig,
    parts: Path,
    minutes: float,
    processes: int = 1,
    part_bytes: int = PART_BYTES,
) -> int:
    """Continue from the parts, train, and write parts; returns the training's exit status.

    Raises `InputError` before training if a part is missing or damaged.
    """
    packed = unpack(parts, config.output) if parts.exists() else 0
    if is_finished(config):
        print(f"finished: {config.output / 'model'}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "turn.yaml"
        write_config(for_minutes(config, minutes), path)
        training = subprocess.Popen(command(path, processes))
        while training.poll() is None:
            time.sleep(LOOK_SECONDS)
            packed = pack_newest(config.output, parts, packed, part_bytes)
    if not is_finished(config):  # a run that is out of time leaves a model too
        shutil.rmtree(config.output / "model", ignore_errors=True)
    newest = checkpoints(config.output)[-1:]
    if newest:
        pack(config.output, newest[0], parts, part_bytes)
    done = read_progress(newest[0]).step if newest else 0
    print(f"{done} of {config.steps} steps done, parts in {parts}")
    return training.returncode


def is_finished(config: TrainingConfig) -> bool:
    """Whether a run's model is from its last step."""
    newest = checkpoints(config.output)[-1:]
    return (config.output / "model").is_dir() and [
        read_progress(folder).step for folder in newest
    ] == [config.steps]


def for_minutes(config: TrainingConfig, minutes: float) -> TrainingConfig:
    """The config for a number of further minutes; `max_minutes` counts those of all turns."""
    before = sum(read_progress(folder).seconds for folder in checkpoints(config.output)[-1:])
    most = before / 60 + minutes
    own = config.max_minutes
    return replace(config, max_minutes=most if own is None else min(own, most))


def command(path: Path, processes: int) -> list[str]:
    """The command that continues a training stage from its output."""
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    start = [sys.executable, "-m", *(launcher if processes > 1 else [])]
    return [*start, "posecast", "train", str(path), "--resume"]


def pack_newest(output: Path, parts: Path, packed: int, part_bytes: int) -> int:
    """Pack the newest checkpoint if it is newer than step `packed`; returns the packed step."""
    newest = checkpoints(output)[-1:]
    step = read_progress(newest[0]).step if newest else 0
    if step > packed:
        try:
            pack(output, newest[0], parts, part_bytes)
        except FileNotFoundError:  # a newer one has just replaced it
            return packed
        return step
    return packed


def pack(output: Path, checkpoint: Path, parts: Path, part_bytes: int = PART_BYTES) -> None:
    """Write a checkpoint, and what exists of `KEPT`, to `parts`, atomically."""
    parts.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file, whole_folder(parts, OWN_FILES) as draft:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for path in (checkpoint, *(output / name for name in KEPT)):
                if path.exists():
                    archive.add(path, path.relative_to(output))
        file.seek(0)
        sums = {}
        while content := file.read(part_bytes):
            name = f"part-{len(sums):03d}"
            (draft / name).write_bytes(content)
            sums[name] = hashlib.sha256(content).hexdigest()
        (draft / LIST).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def unpack(parts: Path, output: Path) -> int:
    """Join the parts in a run's output and return their step.

    Raises `InputError` if a part or their list is missing or was changed.
    """
    try:
        sums: dict[str, str] = dict(json.loads((parts / LIST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError.at(parts / LIST, "is no list of parts: missing, or damaged") from None
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        for name, expected in sums.items():
            path = parts / Path(name).name
            content = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(content).hexdigest() != expected:
                raise InputError.at(path, "is missing or was changed on its way")
            file.write(content)
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            archive.extractall(output, filter="data")
    return read_progress(checkpoints(output)[-1]).step


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("config", type=Path, help="a training config")
    parser.add_argument("parts", type=Path, help="folder of the parts")
    parser.add_argument("--minutes", type=float, required=True, help="how long this turn trains")
    parser.add_argument("--processes", type=int, default=1, help="one a GPU")
    return parser.parse_args()


if __name__ == "__main__":
    main()
