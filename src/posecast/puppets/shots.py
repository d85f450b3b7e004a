"""Plans shots: characters, motion, place and camera. A plan holds all that rendering needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from posecast.puppets.bodies import POINTS, Build, pose_body, random_build
from posecast.puppets.looks import Look, random_look
from posecast.puppets.motion import arrange, dance
from posecast.puppets.scenes import paint_cloth, paint_scene
from posecast.puppets.settings import PuppetSettings

MARGIN = 0.14
"""Extra canvas at each border of the frame for a moving camera, in frame heights."""
CLOTH_PATCH = 0.2
"""Width of a patch of colour of the places "cloth", in frame heights."""


@dataclass(frozen=True)
class Actor:
    """One character of a shot. Points are in frame heights, without the camera's motion."""

    build: Build
    look: Look
    points: Float[np.ndarray, "frames points 2"]
    z: Float[np.ndarray, "frames points"]
    """Depth of each point relative to the body's middle, in standing heights; positive is away."""
    yaw: Float[np.ndarray, " frames"]
    unit: Float[np.ndarray, " frames"]
    """Standing height in frame heights."""
    distance: Float[np.ndarray, " frames"]
    """Distance from the camera, roughly in metres: from 3.4 (near) to 4.8 (far)."""


@dataclass(frozen=True)
class ShotPlan:
    """A shot of which any frame can be rendered, also with other looks or an inverted order."""

    settings: PuppetSettings
    canvas: UInt8[np.ndarray, "height width 3"]
    actors: tuple[Actor, ...]
    camera: Float[np.ndarray, "frames 2 3"]
    """Affine maps from scene to frame, both in frame heights."""
    light: Float[np.ndarray, "frames 3"]
    tied: bool = True
    """Whether the camera moves the characters too; if not, it moves only the background."""

    @property
    def actors_camera(self) -> Float[np.ndarray, "frames 2 3"]:
        """The camera that applies to the characters."""
        return self.camera if self.tied else _still_camera(self.num_frames)

    @property
    def num_frames(self) -> int:
        """Number of frames of the whole shot."""
        return len(self.camera)

    def with_looks(self, permutation: tuple[int, ...]) -> ShotPlan:
        """The same shot with character j dressed as ``permutation[j]``."""
        looks = [self.actors[p].look for p in permutation]
        dressed = (replace(a, look=look) for a, look in zip(self.actors, looks, strict=True))
        return replace(self, actors=tuple(dressed))

    def with_order_inverted(self) -> ShotPlan:
        """The same shot with the front-to-back order inverted; nobody moves in the picture."""
        distances = np.stack([a.distance for a in self.actors])
        mirrored = distances.min(axis=0) + distances.max(axis=0) - distances
        actors = (replace(a, distance=d) for a, d in zip(self.actors, mirrored, strict=True))
        return replace(self, actors=tuple(actors))


def _still_camera(frames: int) -> np.ndarray:
    matrices = np.zeros((frames, 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = 1.0
    return matrices


def _shaking_camera(rng: np.random.Generator, shake: float, frames: int) -> np.ndarray:
    """Independent offsets whose mean displacement from frame to frame is about `shake`."""
    matrices = _still_camera(frames)
    # Two draws in the plane with standard deviation s are s sqrt(pi) apart on average.
    deviation = rng.uniform(0.8, 1.2) * shake / np.pi**0.5
    offsets = np.clip(rng.normal(size=(frames, 2)) * deviation, -MARGIN + 0.01, MARGIN - 0.01)
    matrices[:, :, 2] = offsets
    return matrices


def _camera(
    rng: np.random.Generator, settings: PuppetSettings, seconds: np.ndarray, aspect: float
) -> np.ndarray:
    matrices = _still_camera(len(seconds))
    if settings.camera == "still":
        return matrices
    if settings.camera == "shaking":
        return _shaking_camera(rng, settings.shake, len(seconds))
    pan = np.zeros((len(seconds), 2))
    direction = rng.normal(size=2) * (0.05, 0.02)
    pan += direction * np.sin(seconds * rng.uniform(0.5, 2.0) + rng.uniform(0, 6))[:, None]
    for _ in range(3):  # shake
        rate, phase = rng.uniform(4, 22), rng.uniform(0, 6, size=2)
        amount = rng.uniform(0.001, 0.009)
        pan += amount * np.sin(rate * seconds[:, None] + phase)
    zoom = 1 + 0.05 * np.sin(seconds * rng.uniform(0.3, 1.5) + rng.uniform(0, 6)) * (
        rng.random() < 0.6
    )
    roll = 0.012 * np.sin(seconds * rng.uniform(1, 6) + rng.uniform(0, 6)) * (rng.random() < 0.5)
    centre = np.array([aspect / 2, 0.5])
    cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
    matrices[:, 0, 0], matrices[:, 0, 1] = cos, -sin
    matrices[:, 1, 0], matrices[:, 1, 1] = sin, cos
    limit = MARGIN - 0.035 - 0.012 * max(aspect, 1.0) - 0.025 * max(aspect, 1.0)
    pan = np.clip(pan, -limit, limit)
    matrices[:, :, 2] = centre + pan - matrices[:, :, :2] @ centre
    return matrices


def _light(rng: np.random.Generator, settings: PuppetSettings, seconds: np.ndarray) -> np.ndarray:
    if settings.light == "still":
        return np.ones((len(seconds), 3))
    wave = np.sin(seconds * rng.uniform(0.5, 5) + rng.uniform(0, 6))[:, None]
    return 1 + wave * rng.uniform(0.05, 0.22) * rng.uniform(0.6, 1.0, size=3)


SIZES = ((0.56, 0.88), (0.5, 0.84), (0.45, 0.74), (0.42, 0.66))
"""Range of the tallest character's standing height for casts of 1 to 4, in frame heights."""


def plan_shots(seed: int, settings: PuppetSettings, shots: int) -> list[ShotPlan]:
    """Plan `shots` shots of the same characters in the same place.

    Motion, arrangement, order, scale and camera differ from shot to shot. The plans depend only on
    the arguments, and shot k does not depend on `shots`.
    """
    height, width = settings.size
    aspect = width / height
    rng = np.random.default_rng([seed, 0])
    weights = np.asarray(settings.characters, dtype=float)
    count = int(rng.choice(len(weights), p=weights / weights.sum())) + 1
    builds = [random_build(rng) for _ in range(count)]
    looks = [random_look(rng) for _ in range(count)]
    tall = rng.uniform(0.8, 1.0, size=count)
    margin = 0.0 if settings.camera == "still" else MARGIN
    scale = settings.supersample * height
    rows, columns = round((1 + 2 * margin) * scale), round((aspect + 2 * margin) * scale)
    if settings.places == "cloth":
        canvas = paint_cloth(rng, rows, columns, CLOTH_PATCH * scale)
    else:
        canvas = paint_scene(rng, rows, columns, settings.texture)
    seconds = np.arange(settings.frames) / settings.fps
    plans = []
    for shot in range(shots):
        rng = np.random.default_rng([seed, 1 + shot])
        near = float(rng.uniform(*SIZES[count - 1])) * min(1.0, 0.55 + 0.6 * aspect)
        floor = rng.uniform(0.9, 0.97)
        actors = []
        routes = arrange(rng, count, seconds, aspect, settings.formations)
        for j, route in enumerate(routes):
            angles, yaw = dance(rng, route, seconds)
            distance = 4.0 * (0.85 + 0.35 * route.depth)
            unit = near * tall[j] * 3.4 / distance
            body = pose_body(builds[j], angles, yaw)
            feet = floor - 0.1 * route.depth * near
            points = body[:, :, :2] * unit[:, None, None]
            points += np.stack([route.x, feet], axis=1)[:, None]
            assert points.shape[1:] == (POINTS, 2)
            actors.append(Actor(builds[j], looks[j], points, body[:, :, 2], yaw, unit, distance))
        camera = _camera(rng, settings, seconds, aspect)
        light = _light(rng, settings, seconds)
        tied = settings.camera != "shaking" or bool(rng.random() >= settings.shake_alone)
        plans.append(ShotPlan(settings, canvas, tuple(actors), camera, light, tied))
    return plans
