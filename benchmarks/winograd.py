"""Our Winograd convolutions beside torch's, layer by layer: ``python benchmarks/winograd.py``.

It uses layers of the full-size U-Net at 896x640, of its VAE's decoder, and of the small model. The
two alternate; times are the shortest wall times of several rounds.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F

from posecast.models.winograd import best_side, winograd

LAYERS = {
    "U-Net, level 1": ((1, 320, 112, 80), 320),
    "U-Net, level 2": ((1, 640, 56, 40), 640),
    "U-Net, level 3": ((1, 1280, 28, 20), 1280),
    "decoder, level 1": ((1, 512, 112, 80), 512),
    "decoder, level 2": ((1, 256, 224, 160), 256),
    "decoder, level 3": ((1, 128, 448, 320), 128),
    "small U-Net": ((4, 96, 16, 16), 96),
}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"torch {torch.__version__}, {capability}, threads: {options.threads}")
    for name, (shape, out_channels) in LAYERS.items():
        x = torch.randn(shape).to(memory_format=torch.channels_last)
        weight = torch.randn(out_channels, shape[1], 3, 3).to(memory_format=torch.channels_last)
        bias = torch.randn(out_channels)
        side = best_side(shape, out_channels)
        plain, ours = [], []
        for _ in range(options.rounds):
            start = time.perf_counter()
            F.conv2d(x, weight, bias, padding=1)
            between = time.perf_counter()
            winograd(x, weight, bias, side or 4)
            ours.append(time.perf_counter() - between)
            plain.append(between - start)
        chosen = "taken" if side else "not taken"
        seconds = f"{1000 * min(plain):6.1f} ms, ours {1000 * min(ours):6.1f} ms"
        print(f"{name:17} {seconds}: {min(plain) / min(ours):.2f}, {chosen}", flush=True)


if __name__ == "__main__":
    main()
