"""Memory of long clips: ``python -m benchmarks.long --frames 500 2000``.

Two characters walk through a picture for that many frames, with one denoising step. Each length
runs in its own process, whose largest resident set the operating system reports. `counted` is the
peak memory of that process's tensors without weights. Its growing parts are `latents` (noise and
latents, on the CPU) and `kept` (the guiders' outputs, on the CPU, at most 2 GiB).
``--stub-denoiser`` leaves out only the U-Net's arithmetic (its prediction is zero), which shortens
hours to minutes. ``--count`` adds `counted`, and takes longer.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np

SIZE = 128
STANDING = [
    (50, 12), (50, 22), (42, 22), (36, 35), (33, 47), (58, 22), (64, 35), (67, 47), (45, 50),
    (44, 70), (44, 90), (55, 50), (56, 70), (56, 90), (48, 10), (52, 10), (46, 11), (54, 11),
]  # fmt: skip


def walkers(frames: int) -> np.ndarray:
    """Keypoints (2, frames, 18, 3) of two people who sway past each other."""
    keypoints = np.ones((2, frames, 18, 3), np.float32)
    keypoints[..., :2] = np.array(STANDING, np.float32) * SIZE / 100
    sway = 30 * np.sin(np.arange(frames) / 10)
    keypoints[0, :, :, 0] += sway[:, None]
    keypoints[1, :, :, 0] -= sway[:, None]
    return keypoints


def measure(model: str, frames: int, stub: bool, counting: bool) -> dict[str, float]:
    import torch

    from benchmarks.memory import PeakMemory
    from posecast import AnimationPipeline
    from posecast.pipeline import animation
    from posecast.pipeline.conditioning import Conditioning
    from posecast.types import PoseSequence

    pipe = AnimationPipeline.from_pretrained(model)
    if stub:
        pipe.animator.denoise = lambda noisy, *arguments, **options: torch.zeros_like(noisy)
    made: list[Conditioning] = []

    class Watched(Conditioning):
        def __post_init__(self) -> None:
            made.append(self)
            super().__post_init__()

    animation.Conditioning = Watched
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    tracks = walkers(frames)
    plan = pipe.plan(
        picture,
        PoseSequence(tracks, SIZE, SIZE),
        size=(SIZE, SIZE),
        reference_poses=PoseSequence(tracks[:, :1], SIZE, SIZE),
    )
    memory, begin = PeakMemory(), time.monotonic()
    with memory if counting else nullcontext():
        generator = torch.Generator().manual_seed(0)
        options = {"num_steps": 1, "guidance_scale": 1.0, "memory": "high"}
        count = sum(1 for _ in pipe.frames(plan, generator=generator, **options))
    assert count == frames
    latent = 4 * np.prod(made[0].latent_shape)
    return {
        "frames": frames,
        "latents": 2 * latent / 1e6,
        "kept": made[0].kept_bytes / 1e6,
        "counted": memory.peak / 1e6,
        "resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "seconds": time.monotonic() - begin,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--stub-denoiser", action="store_true")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        result = measure(options.model, options.one, options.stub_denoiser, options.count)
        print(json.dumps(result))
        return
    columns = ("frames", "latents", "kept", "counted", "resident", "seconds")
    print("| " + " | ".join(columns) + " |  (MB)")
    for frames in options.frames:
        again = [sys.executable, "-m", "benchmarks.long", *sys.argv[1:], "--one", str(frames)]
        done = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(done.stdout.splitlines()[-1])
        print("| " + " | ".join(f"{result[c]:.0f}" for c in columns) + " |", flush=True)


if __name__ == "__main__":
    main()
