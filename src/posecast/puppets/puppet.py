"""Draws one puppet: limbs from far to near, clothes, head and hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecast.puppets import bodies as b
from posecast.puppets.brush import Brush
from posecast.puppets.cloth import Cloth, limb_cloth, paint_pattern, paint_shadow
from posecast.puppets.looks import Colour, Look, shade

TORSO, HEAD, R_UPPER, R_FORE, L_UPPER, L_FORE, R_THIGH, R_SHIN, L_THIGH, L_SHIN, SKIRT = range(11)
PARTS = 11
PART_POINTS = np.array([
    (b.NECK, b.PELVIS),
    (b.HEAD, b.HEAD),
    (b.R_SHOULDER, b.R_ELBOW),
    (b.R_ELBOW, b.R_WRIST),
    (b.L_SHOULDER, b.L_ELBOW),
    (b.L_ELBOW, b.L_WRIST),
    (b.R_HIP, b.R_KNEE),
    (b.R_KNEE, b.R_ANKLE),
    (b.L_HIP, b.L_KNEE),
    (b.L_KNEE, b.L_ANKLE),
    (b.PELVIS, b.PELVIS),
])  # fmt: skip
"""For each part, the two points whose mean depth is the part's depth."""


@dataclass(frozen=True)
class Posed:
    """One puppet in one frame: points (POINTS, 2) in samples, depths (POINTS,) in body heights."""

    points: np.ndarray
    z: np.ndarray
    yaw: float
    unit: float
    """Standing height in samples."""
    build: b.Build
    look: Look


def draw_puppet(brush: Brush, posed: Posed, first_part: int) -> None:
    """Draw all parts, far ones first; part k is recorded in the part map as ``first_part + k``."""
    z = posed.z
    torso_z = (z[b.NECK] + z[b.PELVIS]) / 2
    arms = [
        ((z[b.R_ELBOW] + z[b.R_WRIST]) / 2 - torso_z, b.R_SHOULDER, R_UPPER),
        ((z[b.L_ELBOW] + z[b.L_WRIST]) / 2 - torso_z, b.L_SHOULDER, L_UPPER),
    ]
    legs = [(z[b.R_KNEE], b.R_HIP, R_THIGH), (z[b.L_KNEE], b.L_HIP, L_THIGH)]
    facing = float(np.cos(posed.yaw))
    for depth, shoulder, part in sorted(arms, reverse=True):
        if depth > 0.02:
            _arm(brush, posed, shoulder, first_part + part)
    brush.part = first_part + HEAD
    _hair_behind(brush, posed, facing)
    for _, hip, part in sorted(legs, reverse=True):
        _leg(brush, posed, hip, first_part + part)
    _torso(brush, posed, facing, first_part)
    brush.part = first_part + HEAD
    _head(brush, posed, facing)
    for depth, shoulder, part in sorted(arms, reverse=True):
        if depth <= 0.02:
            _arm(brush, posed, shoulder, first_part + part)
    brush.part = 0
    brush.flush()


def _arm(brush: Brush, posed: Posed, shoulder: int, part: int) -> None:
    look, p = posed.look, posed.points
    a, e, w, h = (
        p[shoulder],
        p[shoulder + 1],
        p[shoulder + 2],
        p[b.R_HAND + (shoulder == b.L_SHOULDER)],
    )
    width = posed.build.arm_width * posed.unit
    covered = look.sleeve.base if look.sleeve_length else look.skin
    edge = max(1.0, 0.009 * posed.unit)
    brush.part = 0
    brush.capsule(a, e, width + edge, width * 0.85 + edge, shade(covered, 0.6))
    brush.part = part
    brush.capsule(a, e, width, width * 0.85, look.skin)
    brush.part = part + 1
    brush.capsule(e, w, width * 0.82, width * 0.6, look.skin)
    _hand(brush, posed, w, h, width)
    if not look.sleeve_length:
        return
    cloth = width * 1.18
    if look.sleeve_length == 1.0:
        end = e + 0.9 * (w - e)
        brush.capsule(e, end, cloth * 0.95, cloth * 0.8, look.sleeve.base)
        paint_pattern(brush, look.sleeve, limb_cloth(e, end, cloth * 0.95, cloth * 0.8))
        end = e
    else:
        end = a + 0.75 * (e - a)
    brush.part = part
    brush.capsule(a, end, cloth, cloth * 0.95, look.sleeve.base)
    piece = limb_cloth(a, end, cloth, cloth * 0.95)
    paint_pattern(brush, look.sleeve, piece)


def _hand(brush: Brush, posed: Posed, wrist: np.ndarray, hand: np.ndarray, width: float) -> None:
    along = hand - wrist
    across = np.array([-along[1], along[0]])
    brush.ellipse(wrist + 0.5 * along, width * 0.75, width * 0.75, posed.look.skin)
    if posed.unit < 120:
        return
    for k in range(4):
        tip = wrist + 1.6 * along + (k - 1.5) * 0.3 * across
        brush.capsule(wrist + 0.7 * along, tip, width * 0.24, width * 0.2, posed.look.skin)
    brush.capsule(wrist + 0.3 * along, wrist + along + 0.75 * across, width * 0.26, width * 0.2,
                  posed.look.skin)  # fmt: skip


def _leg(brush: Brush, posed: Posed, hip: int, part: int) -> None:
    look, p = posed.look, posed.points
    h, k, a = p[hip], p[hip + 1], p[hip + 2]
    toe = p[b.R_TOE + (hip == b.L_HIP)]
    width = posed.build.leg_width * posed.unit
    edge = max(1.0, 0.007 * posed.unit)
    brush.part = 0
    base = look.skin if look.skirt else look.bottom.base
    brush.capsule(h, k, width + edge, width * 0.8 + edge, shade(base, 0.62))
    brush.part = part + 1
    brush.capsule(k, a, width * 0.75, width * 0.5, look.skin)
    brush.capsule(a, toe, width * 0.62, width * 0.5, look.shoes)
    brush.part = part
    brush.capsule(h, k, width, width * 0.78, look.skin)
    if look.skirt:
        return
    cloth = width * 1.1
    if look.leg_length > 0.5:
        end = k + (2 * look.leg_length - 1.08) * (a - k)
        brush.part = part + 1
        brush.capsule(k, end, cloth * 0.85, cloth * 0.72, look.bottom.base)
        piece = limb_cloth(k, end, cloth * 0.85, cloth * 0.72)
        paint_pattern(brush, look.bottom, piece)
        paint_shadow(brush, look.bottom, piece)
        end = k
    else:
        end = h + 0.75 * (k - h)
    brush.part = part
    brush.capsule(h, end, cloth, cloth * 0.88, look.bottom.base)
    piece = limb_cloth(h, end, cloth, cloth * 0.88)
    paint_pattern(brush, look.bottom, piece)
    paint_shadow(brush, look.bottom, piece)


def _torso_cloth(posed: Posed) -> Cloth:
    p, build, u = posed.points, posed.build, posed.unit
    neck, pelvis = p[b.NECK], p[b.PELVIS]
    along = pelvis - neck
    along = along / max(float(np.hypot(along[0], along[1])), 1e-6)
    across = np.array([along[1], -along[0]])
    shown = abs(float((p[b.L_SHOULDER] - p[b.R_SHOULDER]) @ across)) / 2
    whole = build.shoulder * u
    turned = np.sqrt(max(0.0, whole**2 - shown**2)) * build.depth
    ratio = float(np.hypot(shown, turned)) / whole
    shoulder = whole * ratio + 0.6 * build.arm_width * u
    waist = build.waist * u * (0.45 + 0.55 * ratio)
    hip = (build.hip + build.leg_width) * u * (0.6 + 0.4 * ratio)
    top, bottom = neck - 0.012 * u * along, pelvis + 0.03 * u * along

    rows = []
    for t, half in ((0.0, shoulder), (0.65, waist), (1.0, hip)):
        middle = top + t * (bottom - top)
        rows.append((middle + half * across, middle - half * across))
    left, right = zip(*rows, strict=True)
    return Cloth((0.0, 0.65, 1.0), left, right)


def _torso(brush: Brush, posed: Posed, facing: float, first_part: int) -> None:
    look, u = posed.look, posed.unit
    piece = _torso_cloth(posed)
    (a, c), (d, e), (f, g) = piece.at(0.0), piece.at(0.65), piece.at(1.0)
    brush.part = first_part + TORSO
    brush.polygon(np.stack([d, e, g, f]), look.top.base)
    inset = 0.16 * (c - a)
    drop = 0.1 * (d - a)
    brush.polygon(np.stack([a + inset, c - inset, c + drop, e, d, a + drop]), look.top.base)
    paint_pattern(brush, look.top, piece, facing)
    paint_shadow(brush, look.top, piece)
    if look.skirt:
        brush.part = first_part + SKIRT
        _skirt(brush, posed, f, g, facing)
    if look.belt is not None:
        (h, i), (j, k) = piece.at(0.9), piece.at(1.0)
        brush.polygon(np.stack([h, i, k, j]), look.belt)
    brush.part = first_part + HEAD
    neck, head = posed.points[b.NECK], posed.points[b.HEAD]
    half = 0.032 * u
    brush.capsule(neck, head, half, half, shade(look.skin, 0.88))
    if look.scarf is not None:
        brush.ellipse(neck - 0.012 * u * np.array([0.0, 1.0]), 0.06 * u, 0.026 * u, look.scarf)


def _skirt(brush: Brush, posed: Posed, f: np.ndarray, g: np.ndarray, facing: float) -> None:
    look, p = posed.look, posed.points
    reach = posed.build.thigh * posed.unit * look.skirt
    knees = (p[b.R_KNEE] + p[b.L_KNEE]) / 2
    down = knees - p[b.PELVIS]
    down = down / max(float(np.hypot(down[0], down[1])), 1e-6)
    across = (g - f) / max(float(np.linalg.norm(g - f)), 1e-6)
    spread = abs(float((p[b.R_KNEE] - p[b.L_KNEE]) @ across)) / 2
    half = float(np.linalg.norm(g - f)) / 2 * 1.25 + spread * min(look.skirt, 1.0)
    top = (f + g) / 2
    bottom = top + reach * down
    w0 = float(np.linalg.norm(g - f)) / 2

    piece = Cloth(
        (0.0, 1.0),
        (top - w0 * across, bottom - half * across),
        (top + w0 * across, bottom + half * across),
    )
    (a, c), (d, e) = piece.at(0.0), piece.at(1.0)
    brush.polygon(np.stack([a, c, e, d]), look.bottom.base)
    paint_pattern(brush, look.bottom, piece, facing)
    paint_shadow(brush, look.bottom, piece)


def _hair_behind(brush: Brush, posed: Posed, facing: float) -> None:
    look, head, r = posed.look, posed.points[b.HEAD], posed.build.head * posed.unit
    dark = shade(look.hair, 0.82)
    side = float(np.sin(posed.yaw))
    back = np.array([-0.35 * r * side, 0.0])
    if look.hair_style == "afro":
        brush.ellipse(head + back - (0, 0.15 * r), 1.55 * r, 1.5 * r, look.hair)
    elif look.hair_style in ("long", "bob") and facing > -0.2:
        drop = 2.0 * r if look.hair_style == "long" else 0.9 * r
        brush.capsule(head + back, head + back + (0, drop), 1.12 * r, 1.0 * r, dark)
    elif look.hair_style == "tail" and facing > -0.2:
        end = head + np.array([-1.9 * r * side, 1.4 * r])
        brush.capsule(head + back - (0, 0.3 * r), end, 0.45 * r, 0.2 * r, dark)
    elif look.hair_style == "bun":
        brush.ellipse(head + 0.6 * back - (0, 1.25 * r), 0.5 * r, 0.45 * r, look.hair)


def _head(brush: Brush, posed: Posed, facing: float) -> None:
    look, p = posed.look, posed.points
    head, r = p[b.HEAD], posed.build.head * posed.unit
    side = float(np.sin(posed.yaw))
    if look.hair_style == "spikes":
        for angle in (-0.9, -0.45, 0.0, 0.45, 0.9):
            tip = np.array([np.sin(angle), -np.cos(angle)])
            across = np.array([-tip[1], tip[0]]) * 0.35 * r
            base = head + 0.8 * r * tip
            brush.polygon(np.stack([base - across, base + across, head + 1.6 * r * tip]), look.hair)
    if facing < -0.2 and look.hair_style in ("long", "bob", "tail"):
        drop = {"long": 2.0, "bob": 0.9, "tail": 1.5}[look.hair_style] * r
        width = 0.45 * r if look.hair_style == "tail" else 1.08 * r
        brush.capsule(head, head + (0, drop), width, 0.85 * width, shade(look.hair, 0.9))
    brush.ellipse(head, 1.04 * r, 1.14 * r, look.hair)
    width = r * (0.5 + 0.42 * max(facing, 0.0)) * min(1.0, max(0.0, (facing + 0.45) * 2.2))
    if width > 0.05 * r:
        brush.ellipse(head + (0.42 * r * side, 0.2 * r), width, 0.9 * r, look.skin)
        _face(brush, posed, facing, r)
    if look.hair_style in ("cap", "beanie"):
        _hat(brush, head, r, side, facing, look)


def _hat(
    brush: Brush, head: np.ndarray, r: float, side: float, facing: float, look: Look
) -> None:  # fmt: skip
    top = np.array(
        [(np.cos(a) * 1.12 * r, np.sin(a) * 1.22 * r) for a in np.linspace(-3.14, 0, 12)]
    )
    brush.polygon(head - (0, 0.28 * r) + top, look.hat)
    if look.hair_style == "beanie":
        start, end = head + (-1.0 * r, -0.32 * r), head + (1.0 * r, -0.32 * r)
        brush.capsule(start, end, 0.2 * r, 0.2 * r, shade(look.hat, 0.7))
    elif facing > -0.5:
        centre = head + (0.75 * r * side, -0.35 * r)
        brush.ellipse(centre, r * (0.75 + 0.35 * abs(side)), 0.2 * r, shade(look.hat, 0.7))


def _face(brush: Brush, posed: Posed, facing: float, r: float) -> None:
    look, p, z = posed.look, posed.points, posed.z
    limit = z[b.HEAD] + 0.1 * posed.build.head
    line: Colour = shade(look.skin, 0.55)
    for eye in (b.R_EYE, b.L_EYE):
        if z[eye] < limit:
            brush.ellipse(p[eye], 0.2 * r, 0.17 * r, (250, 250, 250))
            brush.ellipse(p[eye] + (0.06 * r * np.sin(posed.yaw), 0), 0.11 * r, 0.14 * r, look.eyes)
            if look.glasses:
                for side in (-0.24 * r, 0.24 * r):
                    start, end = p[eye] + (-0.28 * r, side), p[eye] + (0.28 * r, side)
                    brush.capsule(start, end, 0.045 * r, 0.045 * r, look.eyes)
    if facing > -0.1:
        brush.ellipse(p[b.NOSE], 0.09 * r, 0.13 * r, shade(look.skin, 0.8))
        mouth = p[b.NOSE] + (-0.1 * r * np.sin(posed.yaw), 0.42 * r)
        half = 0.28 * r * max(0.3, facing)
        brush.capsule(mouth - (half, 0), mouth + (half, 0), 0.07 * r, 0.07 * r, (176, 60, 60))
    ear = b.L_EAR if posed.yaw % (2 * np.pi) > np.pi else b.R_EAR
    if abs(np.sin(posed.yaw)) > 0.5 and look.hair_style not in ("long", "bob", "afro", "beanie"):
        brush.ellipse(p[ear] * 0.6 + p[b.HEAD] * 0.4, 0.16 * r, 0.22 * r, line)
