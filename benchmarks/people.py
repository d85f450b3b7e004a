"""Speed of the built-in estimator on video: `python benchmarks/people.py`.

Two drawn people walk past each other at 1280x720, or a video of yours is used. It reports frames
per second from the file to the tracks, and the growth of memory from a third of the video to its
end.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.measure import machine
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.footage import estimate_poses
from posecast.media.video import read_info, write_video


def walk(frames: int) -> Iterator[np.ndarray]:
    from tests.estimators.puppet_scenes import scene

    for k in range(frames):
        share = 0.5 - 0.5 * np.cos(k / 40)
        people = [(250 + 800 * share, 370, 420, 0), (1030 - 800 * share, 380, 460, 0)]
        yield scene((720, 1280), people)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--people-weights", type=Path)
    parser.add_argument("--no-hands", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    finder = BuiltinFinder.load(options.people_weights, options.device, not options.no_hands)
    finder(np.zeros((1, 64, 64, 3), np.uint8))  # the first call also prepares the networks
    process, rss = psutil.Process(), []
    with tempfile.TemporaryDirectory() as folder:
        video = options.video or Path(folder) / "walk.mp4"
        if options.video is None:
            write_video(walk(options.frames), video, 25)
        start, cpu = time.perf_counter(), time.process_time()

        def on_frames(_: int) -> None:
            rss.append(process.memory_info().rss)

        poses = estimate_poses(video, finder, options.frames, on_frames)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        info = read_info(video)
    frames, seen = poses.num_frames, poses.keypoints.any(axis=(2, 3))
    grown = (rss[-1] - rss[len(rss) // 3]) / 2**20
    print(f"{machine(torch.device(options.device))}, {torch.get_num_threads()} threads")
    print(
        f"{frames} frames of {info.width}x{info.height}, {seen.sum() / frames:.1f} people a frame"
    )
    print(f"{frames / seconds:.1f} frames a second ({1000 * cpu / frames:.0f} ms of CPU a frame)")
    print(
        f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB at most, "
        f"{grown:+.0f} MiB over the last two thirds"
    )


if __name__ == "__main__":
    main()
