"""Which of the joints that were found are one figure's: those that drawn limbs hold together."""

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
"""Of each wrist the limb that ends there, and the elbow."""
_FOREARM_LIMBS = tuple(limb for limb, _ in FOREARMS.values())
_FIGURE = 9.0
"""Radii of a disc that a figure's drawn limbs are long at least, laid end to end: the lines of a
hand, which look like short limbs, are not."""
_SHORT = 3.0  # radii between two joints whose discs cover their limb
_CUT_SHORT = 2.0  # radii of a limb that is seen before the edge of the picture cuts it off
_LINE = 0.6  # slenderness of a limb, whose pieces in a hand are blobs
_NEAR = 4.0  # radii from a joint to where its limb begins to be seen


def held_joints(
    joints: Float32[np.ndarray, "18 3"],
    limbs: dict[int, Limb],
    fitting: set[int],
    whole: Bool[np.ndarray, " 18"],
    evidence: Evidence,
) -> Bool[np.ndarray, " 18"]:
    """Which joints belong to a figure: linked by limbs that are drawn, and long enough together.

    Hands are full of dots and lines that look like joints. Two joints are linked by a limb whose
    colour is seen between them, or that their discs (`whole`: seen as large as they are drawn) or a
    hand may hide; those of the head, which lie close and under the face's points, also by one of
    which little is seen (`fitting`). A limb that the edge of the picture cuts off makes a figure of
    its other end.
    """
    there = joints[:, 2] > 0
    places = joints[:, :2].astype(np.float64)
    figure = np.arange(18)  # the joint that names each joint's figure
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
            # Hands hide wrists' discs; of any other joint that is all there is, the disc is seen.
            seen = joints[joint, 2] == 1 or joint in FOREARMS
            if seen and _is_cut_off(places[joint], limbs[index], evidence):
                length[figure[joint]] += _FIGURE
    return np.asarray(there & (length[figure] >= _FIGURE))


def _is_cut_off(joint: np.ndarray, limb: Limb, evidence: Evidence) -> bool:
    """Whether a limb goes from a joint to the edge of the picture."""
    near, away = sorted(limb.ends, key=lambda end: float(np.linalg.norm(end - joint)))
    long = evidence.radii(near, away) > _CUT_SHORT and limb.slender > _LINE
    return long and evidence.radii(near, joint) < _NEAR and evidence.at_edge(away)
