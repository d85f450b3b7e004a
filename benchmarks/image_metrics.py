"""Milliseconds per frame of L1, MAE, PSNR, SSIM on one core: ``python
benchmarks/image_metrics.py``.

If scikit-image is installed, its SSIM of the same definition is measured too. It measures CPU time,
the best of several rounds; other work on the machine has some effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from posecast.metrics.image_metrics import image_scores

FRAMES, SIZE, ROUNDS = 4, 512, 7


def milliseconds(run: Callable[[], object]) -> float:
    run()
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e3 * best / FRAMES


def main() -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 3)
    real = np.stack([np.roll(scene, 5 * i, axis=1) for i in range(FRAMES)])
    generated = np.clip(real + rng.integers(-20, 21, real.shape), 0, 255).astype(np.uint8)
    for protocol in ("field", "correct"):
        taken = milliseconds(lambda p=protocol: image_scores(generated, real, p))
        print(f"{protocol}: {taken:.1f} ms a frame of {SIZE}x{SIZE}")
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        print("scikit-image is not installed: nothing to compare with")
        return
    pairs = list(zip(generated, real, strict=True))
    grey = [[cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in pair] for pair in pairs]
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    taken = milliseconds(lambda: [structural_similarity(*pair) for pair in grey])
    print(f"scikit-image's SSIM as in field: {taken:.1f} ms")
    taken = milliseconds(
        lambda: [structural_similarity(*p, channel_axis=2, data_range=255, **wang) for p in pairs]
    )
    print(f"scikit-image's SSIM as in correct: {taken:.1f} ms")


if __name__ == "__main__":
    main()
