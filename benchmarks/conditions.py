"""Frames per second of the condition maps on one core: ``python benchmarks/conditions.py``.

Two characters and all maps, with background flow, over a window of 16 frames. It measures CPU time
(user and system), the best of several rounds after a warm-up; other work on the machine has some
effect.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from posecast.geometry.condition_maps import Scene, condition_maps

FRAMES = 16
# openpose18 of a standing person, in hundredths of the picture's height.
STANDING = [
    (50, 12), (50, 22), (42, 22), (36, 35), (33, 47), (58, 22), (64, 35), (67, 47), (45, 50),
    (44, 70), (44, 90), (55, 50), (56, 70), (56, 90), (48, 10), (52, 10), (46, 11), (54, 11),
]  # fmt: skip


def two_people(size: tuple[int, int], joints: int) -> np.ndarray:
    """Two overlapping people who walk apart; points of hands, feet and face are random."""
    height, width = size
    rng = np.random.default_rng(0)
    keypoints = np.ones((2, FRAMES, joints, 3), dtype=np.float32)
    standing = np.array(STANDING) * 0.8 * height / 100
    keypoints[..., :18, :2] = standing
    around = standing[[7, 4, 0, 10]][rng.integers(0, 4, joints - 18)]
    keypoints[..., 18:, :2] = around + rng.normal(0, 0.02 * height, around.shape)
    for character in range(2):
        for frame in range(FRAMES):
            shift = (character - 0.5) * (0.2 * width + frame)
            keypoints[character, frame, :, 0] += shift + width / 2 - standing[0, 0]
    return keypoints


def frames_per_second(size: tuple[int, int], joints: int, codes: bool, rounds: int) -> float:
    keypoints = two_people(size, joints)
    ranks = np.tile(np.array([0, 1]), (FRAMES, 1))
    flow = np.ones((FRAMES, 2, *size), dtype=np.float32)
    identity = np.ones((2, 8), dtype=np.float32) if codes else None
    best = np.inf
    for _ in range(rounds + 1):  # the first round warms up memory and is rarely the best
        start = time.process_time()
        maps = condition_maps(Scene(keypoints, keypoints[:, 0], ranks, size, flow, codes=identity))
        best = min(best, time.process_time() - start)
        del maps
    return FRAMES / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    for size in ((896, 640), (128, 128)):
        for joints in (18, 134):
            for codes in (False, True):
                speed = frames_per_second(size, joints, codes, rounds)
                what = f"{size[0]}x{size[1]}, 2 characters, {joints} joints"
                print(f"{what}{', identity codes' if codes else ''}: {speed:.0f} frames/s")


if __name__ == "__main__":
    main()
