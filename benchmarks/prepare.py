"""Cost of preparing compared with decoding and DIS flow alone: `python benchmarks/prepare.py`.

It uses a stage clip at 896x640 with given poses, and measures CPU time of one process, which other
load hardly affects. Decoding plus DIS and the whole are measured alternately.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2

from posecast.media.poses import write_poses
from posecast.media.video import iterate_video, write_video
from posecast.preparation import PrepareSettings, VideoSource
from posecast.preparation.pool import single_threaded
from posecast.preparation.video import prepare_video
from posecast.puppets import PuppetSettings, render_clip


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def decode_and_flow(video: Path) -> None:
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    previous = None
    with closing(iterate_video(video)) as frames:
        for frame in frames:
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            if previous is not None:
                dis.calc(grey, previous, None)
            previous = grey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="Show what takes the time.")
    options = parser.parse_args()
    single_threaded()
    settings = PuppetSettings(
        size=(896, 640), frames=options.frames, characters=(0, 1), camera="moving", supersample=1
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = render_clip(1, settings)
        write_video(clip.frames, folder / "clip.mp4", 25)
        write_poses(clip.poses, folder / "clip.json")
        source = VideoSource("clip", folder / "clip.mp4", "stage", folder / "clip.json")
        runs = iter(range(1000))

        def whole() -> None:
            outcome = prepare_video(source, folder / f"data-{next(runs)}", PrepareSettings())
            assert outcome.refused is None, outcome
            print(f"{outcome.array_bytes / outcome.frames / 1000:.1f} kB a frame")

        whole()
        pairs = [
            (cpu(lambda: decode_and_flow(source.path)), cpu(whole)) for _ in range(options.rounds)
        ]
        least, all_of_it = (min(times) for times in zip(*pairs, strict=True))
        print(f"{platform.processor() or platform.machine()}, {options.frames} frames of 896x640")
        print(f"decoding and DIS: {options.frames / least:.1f} frames a second and core")
        print(f"prepare:          {options.frames / all_of_it:.1f} frames a second and core")
        print(f"ratio:            {all_of_it / least:.2f}")
        if options.profile:
            with cProfile.Profile() as profile:
                whole()
            pstats.Stats(profile).sort_stats("tottime").print_stats(16)


if __name__ == "__main__":
    main()
