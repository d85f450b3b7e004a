"""Renders a shot plan with its ground truth: keypoints, ids, depth, background flow and order."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from posecast.puppets import bodies as b
from posecast.puppets.bodies import hand_points
from posecast.puppets.brush import Brush
from posecast.puppets.puppet import PART_POINTS, PARTS, TORSO, Posed, draw_puppet
from posecast.puppets.settings import PuppetSettings
from posecast.puppets.shots import MARGIN, Actor, ShotPlan, plan_shots
from posecast.types import JOINT_COUNTS, Clip, PoseSequence

BACKGROUND_DISTANCE = 10.0
RELIEF = 0.1
"""Metres in the depth map per standing height of a part's own depth."""
HIDDEN = 0.6
"""Confidence of a joint that another character covers."""


def render_clip(seed: int, settings: PuppetSettings) -> Clip:
    """Render one whole shot."""
    return render(plan_shots(seed, settings, 1)[0])


def sample_clips(seed: int, settings: PuppetSettings, shots: int) -> list[Clip]:
    """Render several whole shots of the same characters in the same place."""
    return [render(plan) for plan in plan_shots(seed, settings, shots)]


def render(plan: ShotPlan, frames: Sequence[int] | None = None) -> Clip:
    """Render a shot, or only the given frames of it (indices into the shot, in any order).

    Returns:
        The clip with its full ground truth. Background flow at pixel p of frame i is p minus the
        place of the same scene point in frame i - 1; it is zero in the shot's first frame.
    """
    indices = list(range(plan.num_frames)) if frames is None else list(frames)
    height, width = plan.settings.size
    pictures = np.empty((len(indices), height, width, 3), np.uint8)
    ids = np.empty((len(indices), height, width), np.uint8)
    depth = np.empty((len(indices), height, width), np.float32)
    flow = np.zeros((len(indices), 2, height, width), np.float32)
    ranks = np.empty((len(indices), len(plan.actors)), np.int64)
    joints = JOINT_COUNTS[plan.settings.joints]
    seen_by = plan.actors_camera
    keypoints = np.zeros((len(plan.actors), len(indices), joints, 3), np.float32)
    for k, i in enumerate(indices):
        colour, parts = _paint(plan, i)
        pictures[k] = colour
        ids[k] = np.where(parts, (parts.astype(int) - 1) // PARTS + 1, 0)
        depth[k] = _part_distances(plan, i)[parts]
        if i > 0:
            flow[k] = background_motion(plan, i, plan, i - 1)
        for j, actor in enumerate(plan.actors):
            keypoints[j, k] = _keypoints(plan.settings, seen_by[i], actor, i, ids[k], j)
        present = keypoints[:, k, :, 2].max(axis=1) > 0
        order = np.argsort([a.distance[i] for a in plan.actors], kind="stable")
        ranks[k] = -1
        ranks[k, [j for j in order if present[j]]] = np.arange(int(present.sum()))
    poses = PoseSequence(keypoints, width, height, plan.settings.fps, plan.settings.joints)
    return Clip(pictures, poses, ranks, flow, depth, ids)


def silhouettes(
    plan: ShotPlan, frames: Sequence[int] | None = None
) -> UInt8[np.ndarray, "frames characters height width"]:
    """Each character's whole silhouette (0/1), ignoring who stands in front of it."""
    indices = list(range(plan.num_frames)) if frames is None else list(frames)
    height, width = plan.settings.size
    out = np.zeros((len(indices), len(plan.actors), height, width), np.uint8)
    for k, i in enumerate(indices):
        for j, actor in enumerate(plan.actors):
            parts = np.zeros(_sample_size(plan.settings), np.uint8)
            draw_puppet(Brush(None, parts), _posed(plan, actor, i), 1)
            out[k, j] = _pick(parts, plan.settings.supersample) > 0
    return out


def _sample_size(settings: PuppetSettings) -> tuple[int, int]:
    return settings.size[0] * settings.supersample, settings.size[1] * settings.supersample


def _pick(samples: np.ndarray, step: int) -> np.ndarray:
    """The sample nearest to each pixel's centre."""
    return samples[step // 2 :: step, step // 2 :: step]


def _paint(plan: ShotPlan, i: int) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) and the part id at each pixel (H, W); 0 is background."""
    settings = plan.settings
    rows, columns = _sample_size(settings)
    if settings.camera == "still":
        colour = plan.canvas.copy()
    else:
        scale = settings.supersample * settings.size[0]
        matrix = plan.camera[i].copy()
        matrix[:, 2] = scale * (matrix[:, 2] - matrix[:, :2] @ np.array([MARGIN, MARGIN]))
        colour = cv2.warpAffine(
            plan.canvas, matrix, (columns, rows), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    parts = np.zeros((rows, columns), np.uint8)
    brush = Brush(colour, parts)
    order = np.argsort([-a.distance[i] for a in plan.actors], kind="stable")
    for j in order:
        draw_puppet(brush, _posed(plan, plan.actors[j], i), 1 + PARTS * int(j))
    if settings.supersample > 1:
        size = (settings.size[1], settings.size[0])
        colour = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
    if settings.light != "still":
        colour = np.clip(colour * plan.light[i], 0, 255).astype(np.uint8)
    return colour, _pick(parts, settings.supersample)


def _posed(plan: ShotPlan, actor: Actor, i: int) -> Posed:
    matrix = plan.actors_camera[i]
    scale = plan.settings.supersample * plan.settings.size[0]
    points = (actor.points[i] @ matrix[:, :2].T + matrix[:, 2]) * scale - 0.5
    unit = float(actor.unit[i] * np.hypot(matrix[0, 0], matrix[1, 0]) * scale)
    return Posed(points, actor.z[i], float(actor.yaw[i]), unit, actor.build, actor.look)


def _part_distances(plan: ShotPlan, i: int) -> Float[np.ndarray, " parts"]:
    tables = [np.array([BACKGROUND_DISTANCE])]
    for actor in plan.actors:
        own = actor.z[i][PART_POINTS].mean(axis=1)
        tables.append(actor.distance[i] + RELIEF * (own - own[TORSO]))
    return np.concatenate(tables).astype(np.float32)


def background_motion(
    plan: ShotPlan, frame: int, since: ShotPlan, before: int
) -> Float32[np.ndarray, "2 height width"]:
    """Background flow to a frame from a frame of another shot in the same place.

    In pixels: each pixel's place minus the place of the same scene point in frame `before` of
        `since`.
    """
    height, width = plan.settings.size
    if plan.settings.camera == "still":
        return np.zeros((2, height, width), np.float32)
    now, then = (np.vstack([p.camera[i], [0, 0, 1]]) for p, i in ((plan, frame), (since, before)))
    back = then @ np.linalg.inv(now)
    y, x = np.mgrid[0:height, 0:width]
    p = np.stack([x, y]).reshape(2, -1) + 0.5
    q = back[:2, :2] @ p + back[:2, 2:] * height
    return (p - q).reshape(2, height, width).astype(np.float32)


def _keypoints(
    settings: PuppetSettings, matrix: np.ndarray, actor: Actor, i: int, ids: np.ndarray, j: int
) -> Float[np.ndarray, "joints 3"]:
    """Joints in pixels (pixel centres are integers), without face points that are turned away."""
    height, width = settings.size
    points = (actor.points[i] @ matrix[:, :2].T + matrix[:, 2]) * height - 0.5
    out = np.zeros((JOINT_COUNTS[settings.joints], 3), np.float32)
    out[:18, :2] = points[:18]
    out[:18, 2] = 1.0
    z, radius = actor.z[i], actor.build.head
    for point, limit in (
        (b.NOSE, 0.2),
        (b.R_EYE, 0.1),
        (b.L_EYE, 0.1),
        (b.R_EAR, 0.45),
        (b.L_EAR, 0.45),
    ):
        if z[point] - z[b.HEAD] > limit * radius:
            out[point, 2] = 0.0
    if settings.joints == "wholebody134":
        for start, wrist, hand, left in (
            (92, b.L_WRIST, b.L_HAND, True),
            (113, b.R_WRIST, b.R_HAND, False),
        ):
            out[start : start + 21, :2] = hand_points(
                points[None, wrist], points[None, hand], left
            )[0]
            out[start : start + 21, 2] = 1.0
    x, y = np.rint(out[:, 0]), np.rint(out[:, 1])
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height) & (out[:, 2] > 0)
    out[~inside] = 0.0
    seen = ids[y[inside].astype(int), x[inside].astype(int)]
    hidden = (seen != 0) & (seen != j + 1)
    out[np.flatnonzero(inside)[hidden], 2] = HIDDEN
    return out
