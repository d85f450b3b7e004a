"""Cost of each verb of the command line: ``python -m benchmarks.verbs [--only NAMES]``.

Each verb runs as for users, in its own process, on 24 and on 72 frames of the same two puppets
(training: 5 and 25 steps). The difference gives the cost per frame; the rest of the shorter run is
the cost of starting (Python, imports, networks, picture). CPU time is that of all threads, which
other work hardly affects. Wall time is the duration of the longer run on the machine as it is.

    OMP_NUM_THREADS=1 python -m benchmarks.verbs      # as the table of docs/performance.md
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import machine
from benchmarks.people import walk
from posecast.media.images import write_image
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.puppets import PuppetSettings, render_clip

SHORT, LONG = 24, 72
STEPS = {SHORT: 5, LONG: 25}
CONFIG = Path(__file__).resolve().parent.parent / "configs" / "embedded" / "images.yaml"

PICTURE = "--reference {in}/picture.png --reference-poses {in}/picture.json"
CAST = f"{PICTURE} --poses {{in}}/poses/clip.json"
VIDEOS = "--generated {in}/generated --real {in}/videos"

VERBS = {
    "poses (bodies, faces, hands; 720x1280)": "poses {in}/people.mp4 -o {out}/poses.json",
    "poses --no-hands": "poses {in}/people.mp4 --no-hands -o {out}/poses.json",
    "conditions (768x512)": f"conditions {CAST} --size 768x512 -o {{out}}/maps.npz",
    "cut-out, 256x256, mended": f"animate {CAST} --size 256x256 -o {{out}}/clip.mp4",
    "cut-out, 768x512": f"animate {CAST} --size 768x512 -o {{out}}/clip.mp4",
    "cut-out, 1920x1280": f"animate {CAST} --size 1920x1280 -o {{out}}/clip.mp4",
    "embedded, 128x128": f"animate {CAST} --model embedded --size 128x128 -o {{out}}/clip.mp4",
    "export --for scail2 (768x512)": f"export {CAST} --for scail2 -o {{out}}/scail2",
    "prepare (768x512, poses given)": (
        "prepare {in}/videos --poses {in}/poses --workers 1 -o {out}/dataset"
    ),
    "evaluate (L1, PSNR, SSIM; 768x512)": (
        f"evaluate {VIDEOS} --metrics l1,psnr,ssim --size native --workers 1 --json {{out}}/s.json"
    ),
    "stage render (128x128)": "stage render --clips 1 --frames {frames} -o {out}/stage",
    "train (a step of configs/embedded/images.yaml)": (
        f"train {CONFIG} model.autoencoder=null steps={{steps}} output={{out}}/run"
    ),
}
"""Title of each line and its command."""


@dataclass(frozen=True)
class Run:
    """Seconds that a command took."""

    wall: float
    cpu: float


def material(folder: Path, frames: int) -> None:
    """Write the inputs of every verb, `frames` long."""
    settings = PuppetSettings((768, 512), LONG, characters=(0.0, 1.0), supersample=1)
    clip = render_clip(5, settings)
    for name in ("videos", "poses", "generated"):
        (folder / name).mkdir(parents=True)
    write_image(clip.frames[0], folder / "picture.png")
    write_poses(clip.poses.with_keypoints(clip.poses.keypoints[:, :1]), folder / "picture.json")
    kept = clip.poses.with_keypoints(clip.poses.keypoints[:, :frames])
    write_poses(kept, folder / "poses" / "clip.json")
    write_video(clip.frames[:frames], folder / "videos" / "clip.mp4", 24)
    write_video(np.roll(clip.frames[:frames], 3, axis=2), folder / "generated" / "clip.mp4", 24)
    write_video(walk(frames), folder / "people.mp4", 24)


def run(words: str, folder: Path, frames: int) -> Run:
    """Run a verb and wait for it; the times are the system's.

    Raises:
        RuntimeError: the verb failed.
    """
    with tempfile.TemporaryDirectory() as out:
        named = {"in": folder, "out": out, "frames": frames, "steps": STEPS[frames]}
        command = [sys.executable, "-m", "posecast", *words.format(**named).split()]
        begin = time.monotonic()
        with open(Path(out) / "said", "wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{words}: {(Path(out) / 'said').read_text()}")
    return Run(wall, used.ru_utime + used.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="verbs whose line holds these words")
    only = parser.parse_args().only
    print(
        f"{machine(torch.device('cpu'))}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"
    )
    print("| verb | start, CPU s | a frame, CPU ms | all, wall s |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folders = {frames: Path(name) / str(frames) for frames in (SHORT, LONG)}
        for frames, folder in folders.items():
            material(folder, frames)
        for verb, words in VERBS.items():
            if only not in verb:
                continue
            units = STEPS if "{steps}" in words else {SHORT: SHORT, LONG: LONG}
            short, long = (run(words, folder, frames) for frames, folder in folders.items())
            more = units[LONG] - units[SHORT]
            each = (long.cpu - short.cpu) / more
            start = short.cpu - each * units[SHORT]
            print(f"| {verb} | {start:.1f} | {1e3 * each:.3g} | {long.wall:.0f} |", flush=True)


if __name__ == "__main__":
    main()
