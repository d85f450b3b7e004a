"""The cut-out compared with AnimatedDrawings' method: ``python -m benchmarks.rigid_mesh``.

That method (Smith et al. 2023, arXiv 2303.12741), in plain form, moves one mesh over the mask with
pinned joints, as rigidly as possible (Sorkine and Alexa 2007). A real clip is re-enacted: its first
frame is the picture, its own poses (one pose file) drive it, and its own frames are the truth. It
prints the PSNR (dB) of the characters, within their dilation maps, and of the whole frame, for
both. ``--sheet`` writes six frames of the truth, the mesh and the cut-out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from posecast.casting.plan import AnimationPlan
from posecast.cutout import CutoutAnimator
from posecast.cutout.layers import BODY, Layer
from posecast.cutout.mattes import mattes_of
from posecast.cutout.motion import Skin
from posecast.cutout.moving import without_ground
from posecast.cutout.painting import paint
from posecast.cutout.plate import clean_plate
from posecast.geometry.depth_order import paint_order
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.framing import Framing
from posecast.geometry.skeleton import BODY as BODY_JOINTS
from posecast.geometry.skeleton import present
from posecast.media.images import write_image
from posecast.media.poses import read_poses
from posecast.media.video import read_video

CELLS, ROUNDS, PIN = 500, 10, 100.0
"""Cells per mesh, iterations per frame, and weight of a pinned joint."""


class RigidMesh:
    """A mask's mesh that deforms as rigidly as its pinned joints allow."""

    def __init__(self, picture: np.ndarray, matte: np.ndarray, joints: np.ndarray) -> None:
        side = max(3.0, float(np.sqrt((matte > 0.5).sum() / CELLS)))
        rows, columns = (int(n / side) + 2 for n in matte.shape)
        y, x = np.mgrid[:rows, :columns].astype(np.float64) * side
        inside = cv2.dilate((matte > 0.02).astype(np.uint8), np.ones((3, 3), np.uint8))
        cells = cv2.resize(
            inside.astype(np.float32), (columns - 1, rows - 1), interpolation=cv2.INTER_AREA
        )
        numbers = np.arange(rows * columns).reshape(rows, columns)
        corners = [numbers[:-1, :-1], numbers[:-1, 1:], numbers[1:, :-1], numbers[1:, 1:]]
        a, b, c, d = (corner[cells > 0] for corner in corners)
        triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
        used, triangles = np.unique(triangles, return_inverse=True)
        places = np.stack([x.ravel()[used], y.ravel()[used]], axis=1)
        triangles = triangles.reshape(-1, 3)
        pixels = np.dstack([picture, np.rint(matte * 255).astype(np.uint8)])
        skin = Skin(places, np.zeros(len(places), np.int64), {})
        self.layer = Layer(BODY, (0, 0), pixels, skin, triangles)
        edges = np.concatenate([triangles[:, [i, (i + 1) % 3]] for i in range(3)])
        self._edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
        self._pinned = present(joints)
        distance = np.hypot(*(places[:, None] - joints[None, :, :2]).transpose(2, 0, 1))
        self._pins = distance.argmin(axis=0)
        self._offsets = places[self._pins] - joints[:, :2]
        self._moved = places.copy()

    def to(self, joints: np.ndarray) -> np.ndarray:
        """The new places of the points for these joints, starting from the last places."""
        places = self.layer.skin.places
        i, j = self._edges.T
        pinned = np.flatnonzero(self._pinned & present(joints))
        matrix = np.zeros((len(places), len(places)))
        np.add.at(matrix, (i, i), 1)
        np.add.at(matrix, (i, j), -1)
        np.add.at(matrix, (self._pins[pinned], self._pins[pinned]), PIN)
        inverse = np.linalg.inv(matrix)
        edge = places[i] - places[j]
        for _ in range(ROUNDS):
            new = self._moved[i] - self._moved[j]
            cosine = np.bincount(i, (edge * new).sum(axis=1), len(places))
            sine = np.bincount(i, edge[:, 0] * new[:, 1] - edge[:, 1] * new[:, 0], len(places))
            length = np.maximum(np.hypot(cosine, sine), 1e-9)
            cosine, sine = cosine / length, sine / length
            c, s = cosine[i] + cosine[j], sine[i] + sine[j]
            turned = np.stack([c * edge[:, 0] - s * edge[:, 1], s * edge[:, 0] + c * edge[:, 1]], 1)
            wanted = np.zeros_like(places)
            np.add.at(wanted, i, turned / 2)
            np.add.at(
                wanted, self._pins[pinned], PIN * (joints[pinned, :2] + self._offsets[pinned])
            )
            self._moved = inverse @ wanted
        return self._moved


def rigid_frames(plan: AnimationPlan) -> np.ndarray:
    """All frames of a plan, made by rigid meshes with the same plate and masks."""
    mattes = mattes_of(plan)
    everybody = mattes.max(axis=0)
    plate = clean_plate(plan.picture, everybody)
    freed = without_ground(plan.picture, everybody, plate)
    people = [
        RigidMesh(freed, matte, pose[BODY_JOINTS])
        for matte, pose in zip(mattes, plan.reference_keypoints, strict=True)
    ]
    frames = []
    for index in range(plan.num_frames):
        frame = plate.copy()
        for character in paint_order(plan.ranks[index]):
            person = people[character]
            paint(person.layer, person.to(plan.keypoints[character, index, BODY_JOINTS]), frame)
        frames.append(frame)
    return np.stack(frames)


def scores(made: np.ndarray, truth: np.ndarray, plan: AnimationPlan) -> tuple[float, float]:
    """PSNR of the characters and of whole frames, in dB."""
    error = ((made.astype(float) - truth) ** 2).mean(axis=-1)
    people = np.stack(
        [dilation_maps(plan.keypoints[:, i], plan.size).any(axis=0) for i in range(len(made))]
    )
    return tuple(float(10 * np.log10(255**2 / values.mean())) for values in (error[people], error))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("poses", type=Path)
    parser.add_argument("--size", default="448x256", help="HxW")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args(arguments)
    height, width = map(int, options.size.split("x"))
    truth, _ = read_video(options.clip, options.frames)
    poses = read_poses(options.poses)
    tracks = poses.keypoints[:, : len(truth)]
    first = poses.with_keypoints(tracks[:, :1])
    plan = CutoutAnimator().plan(
        truth[0], poses.with_keypoints(tracks), reference_poses=first, size=(height, width)
    )
    framing = Framing((truth.shape[1], truth.shape[2]), plan.size)
    truth = np.stack([framing.image(frame) for frame in truth])
    made = {
        "rigid mesh": rigid_frames(plan),
        "cut-out": np.stack(list(CutoutAnimator().frames(plan, mend=False))),
    }
    print("| | characters dB | all dB |\n|---|---:|---:|")
    for name, frames in made.items():
        characters, everything = scores(frames, truth[: len(frames)], plan)
        print(f"| {name} | {characters:.2f} | {everything:.2f} |")
    if options.sheet:
        chosen = np.linspace(0, len(truth) - 1, 6).astype(int)
        rows = [np.concatenate(list(v[chosen]), axis=1) for v in (truth, *made.values())]
        write_image(np.concatenate(rows), options.sheet)


if __name__ == "__main__":
    main()
