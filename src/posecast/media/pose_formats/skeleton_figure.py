"""Selects the joints that form a figure: those connected by drawn limbs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32

from posecast.geometry.skeleton import HEAD, LEFT_WRIST, LIMBS, RIGHT_WRIST
from posecast.media.pose_formats.skeleton_evidence import Evidence
from posecast.media.pose_formats.skeleton_strokes import Limb

FOREARMS = {
    child: (limb, parent)
    for limb, (parent, child) in enumerate(LIMBS)
    if child in (RIGHT_WRIST, LEFT_WRIST)
}
"""For each wrist, the limb that ends there and the elbow."""
_FOREARM_LIMBS = tuple(limb for limb, _ in FOREARMS.values())
_FIGURE = 9.0
"""Least total length of a figure's drawn limbs in disc radii. The lines of a hand, which look like
short limbs, are shorter."""
_SHORT = 3.0  # most radii between two joints whose discs hide their limb
_CUT_SHORT = 2.0  # least visible radii of a limb that the picture's edge cuts off
_LINE = 0.6  # least slenderness of a limb; pieces of its colour in a hand are blobs
_NEAR = 4.0  # most radii from a joint to the visible start of its limb


def held_joints(
    joints: Float32[np.ndarray, "18 3"],
    limbs: dict[int, Limb],
    fitting: set[int],
    whole: Bool[np.ndarray, " 18"],
    evidence: Evidence,
) -> Bool[np.ndarray, " 18"]:
    """Which joints belong to a figure: connected by drawn limbs of sufficient total length.

    Hands are full of dots and lines that look like joints and limbs. Two joints are connected if
    their limb's colour is visible between them, or if their discs (`whole`: fully visible) or a
    hand may hide it. Joints of the head lie close together under the face's points; they are also
    connected by a limb of which little is visible (`fitting`). A limb that the picture's edge cuts
    off makes its other end a figure.
    """
    there = joints[:, 2] > 0
    places = joints[:, :2].astype(np.float64)
    figure = np.arange(18)  # the joint that represents each joint's figure
    length = np.zeros(18)
    for index, (a, b) in enumerate(LIMBS):
        if there[a] and there[b]:
            radii = evidence.radii(places[a], places[b])
            drawn = evidence.is_drawn(index, places[a], places[b])
            in_head = bool({a, b} & set(HEAD))
            hidden = radii < _SHORT and (in_head or bool(whole[[a, b]].all()))
            hidden |= index in _FOREARM_LIMBS and index not in limbs
            hidden |= in_head and index in fitting
            if drawn or hidden:
                length[figure[a]] += length[figure[b]] if figure[a] != figure[b] else 0.0
                length[figure[a]] += radii if drawn and radii > _SHORT else 0.0
                figure[figure == figure[b]] = figure[a]
        elif index in limbs and (there[a] or there[b]):
            joint = a if there[a] else b
            # Hands hide the discs of wrists. Any other lone joint must show its disc.
            seen = joints[joint, 2] == 1 or joint in FOREARMS
            if seen and _is_cut_off(places[joint], limbs[index], evidence):
                length[figure[joint]] += _FIGURE
    return np.asarray(there & (length[figure] >= _FIGURE))


def _is_cut_off(joint: np.ndarray, limb: Limb, evidence: Evidence) -> bool:
    """Whether a limb runs from a joint to the edge of the picture."""
    near, away = sorted(limb.ends, key=lambda end: float(np.linalg.norm(end - joint)))
    long = evidence.radii(near, away) > _CUT_SHORT and limb.slender > _LINE
    return long and evidence.radii(near, joint) < _NEAR and evidence.at_edge(away)
