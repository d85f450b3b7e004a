"""Speed and memory of the cut-out engine: ``python -m benchmarks.cutout``.

Two puppets of the stage: the first frame of a shot is the picture, and the shot's own poses drive
it, forwards and backwards. The first frame's time includes the set-up (cutting the picture, making
the plate). With ``--write`` the frames are written to an MP4, as for users. Each line is measured
in its own process. The largest resident set that the operating system reports must not grow with
the length.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import numpy as np

SHOT = 24
"""Number of frames of the shot."""
COLUMNS = ("frames", "set-up s", "frames/s", "core s/frame", "resident MB")


def measure(height: int, width: int, frames: int, mend: bool, write: bool) -> dict[str, float]:
    from posecast.cutout import CutoutAnimator
    from posecast.media.video import write_video
    from posecast.puppets import PuppetSettings, plan_shots, render

    settings = PuppetSettings((height, width), SHOT, characters=(0.0, 1.0), supersample=1)
    shot = plan_shots(5, settings, 1)[0]
    clips = [render(shot, frames=[i]) for i in range(SHOT)]
    tracks = np.concatenate([clip.poses.keypoints for clip in clips], axis=1)
    to_and_fro = np.concatenate([tracks, tracks[:, ::-1]], axis=1)
    tracks = to_and_fro[:, np.arange(frames) % (2 * SHOT)]
    first = clips[0]
    animator = CutoutAnimator.from_pretrained()
    plan = animator.plan(
        first.frames[0], first.poses.with_keypoints(tracks), reference_poses=first.poses
    )
    begin = time.monotonic()
    made = animator.frames(plan, mend=mend)
    start = next(made)
    ready, worked = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        rest = chain([start], made)
        if write:
            write_video(rest, Path(folder) / "out.mp4", 24)
        else:
            assert sum(1 for _ in rest) == frames
    seconds = time.monotonic() - ready
    return {
        "frames": frames,
        "set-up s": ready - begin,
        "frames/s": (frames - 1) / seconds,
        "core s/frame": (time.process_time() - worked) / (frames - 1),
        "resident MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["768x512", "1080x1920"], help="HxW")
    parser.add_argument("--frames", type=int, nargs="+", default=[48, 192])
    parser.add_argument("--mend", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        height, width, frames = map(int, options.one.split(","))
        print(json.dumps(measure(height, width, frames, options.mend, options.write)))
        return
    print(f"load {os.getloadavg()[0]:.1f} before, {os.cpu_count()} cores")
    print("| size | " + " | ".join(COLUMNS) + " |")
    for size in options.sizes:
        for frames in options.frames:
            one = f"{size.replace('x', ',')},{frames}"
            again = [sys.executable, "-m", "benchmarks.cutout", "--one", one]
            again += [f"--{name}" for name in ("mend", "write") if getattr(options, name)]
            done = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {size} | " + " | ".join(f"{found[c]:.4g}" for c in COLUMNS) + " |", flush=True
            )


if __name__ == "__main__":
    main()
