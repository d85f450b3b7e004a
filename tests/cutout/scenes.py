"""Scenes that the cut-out animates, and their pictures in `tests/goldens/cutout`.

    python -m tests.cutout.scenes [NAME ...]

draws those pictures anew. Look at them before they are committed: they say what is right.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from posecast.casting.sheet import OrderChange
from posecast.cutout import CutoutAnimator
from posecast.cutout.plate import clean_plate
from posecast.media.images import read_image, write_image
from posecast.puppets import PuppetSettings, plan_shots, render
from posecast.types import PoseSequence
from tests.cutout.dolls import BLACK, SKIN, WHITE, Clothes, Doll, drawn

GOLDENS = Path(__file__).resolve().parents[1] / "goldens" / "cutout"
PLAIN = (176, 190, 186)
TALL = 258
"""Height of pictures: those of up to 256 pixels are worked on at twice their size, for longer."""


@dataclass(frozen=True)
class Scene:
    """A picture with its people, and the poses that they are brought into."""

    picture: np.ndarray
    standing: np.ndarray
    """(people, 18, 3): joints in the picture."""
    poses: Sequence[np.ndarray]
    """The same in each frame."""
    masks: np.ndarray | None
    """(people, height, width), 0..1; None: found by colours."""
    hands: np.ndarray | None = None
    """(people, 2, 21, 3), those that a network would find; None: none."""
    options: dict[str, Any] = field(default_factory=dict)
    ground: np.ndarray | None = None
    """What is behind the people, to save the time that inpainting it takes; None: inpaint it."""


def frames_of(scene: Scene) -> np.ndarray:
    """The frames of a scene: no network decides anything."""
    height, width = scene.picture.shape[:2]
    hands = np.zeros((len(scene.standing), 2, 21, 3), np.float32)
    if scene.hands is not None:
        hands[:] = scene.hands
    tracks = np.stack(scene.poses, axis=1).astype(np.float32)
    options = {"fps": 4.0, "masks": scene.masks, **scene.options}
    plate = clean_plate if scene.ground is None else lambda *_: scene.ground
    with (
        mock.patch("posecast.cutout.moving.clean_plate", plate),
        mock.patch("posecast.cutout.moving.found_hands", return_value=hands.copy()),
        mock.patch("posecast.cutout.mattes.found_masks", return_value=None),
        mock.patch("posecast.casting.plan.found_masks", return_value=None),
    ):
        return CutoutAnimator()(
            scene.picture,
            PoseSequence(tracks, width, height, fps=4.0),
            reference_poses=PoseSequence(scene.standing[:, None], width, height),
            mend=False,
            **options,
        ).frames


def sheet(frames: np.ndarray) -> np.ndarray:
    """Frames side by side."""
    return np.concatenate(list(frames), axis=1)


def plain(width: int) -> np.ndarray:
    """A wall of one colour."""
    return np.full((TALL, width, 3), PLAIN, np.uint8)


def shaded(width: int) -> np.ndarray:
    """A wall on which light falls from the right."""
    return np.tile(np.linspace(120, 210, width)[None, :, None], (TALL, 1, 3)).astype(np.uint8)


def of_dolls(
    ground: np.ndarray,
    people: Sequence[tuple[Doll, Clothes]],
    *frames: Sequence[Doll],
    arms_behind: Sequence[int] = (),
    depth_order: str | Sequence[OrderChange] | None = None,
    inpainted: bool = False,
) -> Scene:
    """Dolls, far ones first, and how they stand in each frame."""
    picture, masks = drawn(ground, people, arms_behind)
    standing = np.stack([doll.joints for doll, _ in people])
    poses = [np.stack([doll.joints for doll in frame]) for frame in frames]
    options = {"depth_order": depth_order or ",".join(map(str, reversed(range(len(people)))))}
    behind = None if inpainted else ground
    return Scene(picture, standing, poses, masks, options=options, ground=behind)


def raised() -> Scene:
    """Arms over the head and legs apart; elbows and knees bent by more than a right angle."""
    doll = Doll((100, 62), 210)
    return of_dolls(
        plain(200),
        [(doll, Clothes())],
        [doll.moved(arms=((150, 165), (100, 175)), legs=((25, 20), (14, 0)))],
        [doll.moved(y=20, arms=((40, 175), (70, -50)), legs=((50, -60), (15, 30)), tilt=12)],
    )


def crossed() -> Scene:
    """Bare forearms on a striped dress go up; hands on the hips go down."""
    folded, akimbo = (
        Doll((70, 52), 190, arms=((14, -75), (18, -62))),
        Doll((200, 52), 190, arms=((48, -40), (52, -44))),
    )
    return of_dolls(
        plain(270),
        [
            (folded, Clothes((40, 110, 90), (230, 230, 220), bare_arms=True)),
            (akimbo, Clothes((120, 60, 130), None, (50, 50, 56), loose=1.3)),
        ],
        [folded.moved(arms=((75, 80), (120, 150))), akimbo.moved(arms=((20, 10), (14, 6)))],
        [
            folded.moved(arms=((35, -110), (14, 10)), tilt=-10),
            akimbo.moved(arms=((150, 20), (90, 90))),
        ],
    )


def skirts() -> Scene:
    """A skirt of one colour and one of two, when legs part, come together and walk."""
    one = Doll((75, 50), 200, arms=((22, 14), (22, 14)))
    other = Doll((215, 50), 200, arms=((30, 20), (30, 20)), legs=((9, 6), (9, 6)))
    return of_dolls(
        plain(290),
        [
            (one, Clothes((230, 220, 200), None, skirt=(0.5, (160, 40, 60), (160, 40, 60)))),
            (other, Clothes((60, 70, 80), None, flared=0.06,
                            skirt=(0.62, (60, 70, 80), (210, 160, 60)))),
        ],
        [one.moved(legs=((30, 10), (22, 26))), other.moved(legs=((-3, -3), (-3, -3)))],
        [
            one.moved(legs=((40, -40), (2, 2)), arms=((50, 30), (8, 4))),
            other.moved(legs=((28, 5), (14, -30)), tilt=8),
        ],
    )  # fmt: skip


def coats() -> Scene:
    """A coat to the shins beside which arms hang, and a gown to the ground."""
    coat = Doll((75, 50), 200, arms=((5, 2), (5, 2)), legs=((6, 2), (6, 2)))
    gown = Doll((215, 50), 200, arms=((16, 10), (16, 10)), legs=((5, 3), (5, 3)))
    return of_dolls(
        plain(290),
        [
            (coat, Clothes((90, 70, 50), None, flared=0.03, loose=1.15,
                           skirt=(0.75, (90, 70, 50), (90, 70, 50)))),
            (gown, Clothes((180, 190, 220), None, flared=0.11, bare_arms=True,
                           skirt=(1.1, (180, 190, 220), (150, 165, 205)))),
        ],
        [
            coat.moved(arms=((80, 60), (40, 20)), legs=((18, 8), (18, 20))),
            gown.moved(arms=((110, 150), (60, 90)), tilt=-8, legs=((14, 8), (2, 0))),
        ],
        [
            coat.moved(arms=((130, 170), (20, -70)), legs=((35, -25), (4, 0))),
            gown.moved(wide=0.6, aside=0.3, legs=((20, 20), (10, 10))),
        ],
    )  # fmt: skip


def sideways() -> Scene:
    """Two who stand sideways, wholly and halfway, with an arm before the trunk."""
    one = Doll((60, 50), 190, wide=0.3, aside=0.7, arms=((8, -6), (10, 30)), legs=((8, 4), (6, 8)))
    other = Doll((165, 50), 190, wide=0.6, aside=-0.4, arms=((12, -35), (6, 4)))
    return of_dolls(
        plain(230),
        [(one, Clothes()), (other, Clothes((70, 130, 150), (40, 60, 80), (90, 80, 60)))],
        [
            one.moved(arms=((50, 30), (60, 90)), legs=((30, 10), (24, 40)), tilt=10),
            other.moved(arms=((40, 90), (70, 60)), aside=-0.2, wide=0.75),
        ],
        [
            one.moved(wide=0.7, aside=0.3, arms=((90, 90), (10, 120))),
            other.moved(
                wide=0.35, aside=-0.8, arms=((25, 10), (30, -60)), legs=((20, 5), (12, 30))
            ),
        ],
    )


def turned() -> Scene:
    """From the front aside; one with the arms behind the trunk."""
    one = Doll((65, 50), 190, arms=((20, 10), (20, 10)))
    other = Doll((180, 50), 190, arms=((18, -30), (18, -30)))
    return of_dolls(
        plain(250),
        [
            (one, Clothes((190, 150, 60), (60, 60, 120), skirt=(0.4, (60, 60, 120), (40, 40, 90)))),
            (other, Clothes((80, 130, 70), None)),
        ],
        [
            one.moved(wide=0.4, aside=0.7, arms=((30, 40), (20, 10)), legs=((20, 20), (8, 8))),
            other.moved(wide=0.5, aside=0.6, arms=((60, 30), (40, -60))),
        ],
        [
            one.moved(wide=0.55, aside=-0.5, arms=((30, -50), (30, 60))),
            other.moved(wide=0.7, aside=-0.8, arms=((50, 20), (90, 120)), tilt=6),
        ],
        arms_behind=[1],
    )


def lacking() -> Scene:
    """Faces of five points and of none; who lacks feet, wrists, a leg: in the picture or later."""
    face = tuple(range(14, 18))
    one = Doll((60, 50), 190, without=(10, 13, 7))
    other = Doll((170, 50), 190, without=(0, *face, 10))
    return of_dolls(
        plain(240),
        [(one, Clothes()), (other, Clothes((70, 90, 70), WHITE, (120, 110, 90)))],
        [
            one.moved(x=8, arms=((60, 60), (70, 40)), legs=((20, 10), (5, -30)), aside=0.4),
            other.moved(tilt=14, arms=((100, 60), (40, 20)), legs=((12, 8), (25, 10))),
        ],
        [
            one.moved(x=8, arms=((60, 60), (30, 40)), without=(3, 4, 10, 13, 7, 16)),
            other.moved(tilt=-10, without=(0, *face, 5, 6, 7, 10), legs=((12, 8), (40, -20))),
        ],
    )


def cut_off() -> Scene:
    """A portrait whose arms and legs the picture's border cuts comes in, up and nearer."""
    doll = Doll((90, 80), 400, arms=((24, 40), (14, 6)), without=(9, 10, 12, 13, 4))
    return of_dolls(
        shaded(190),
        [(doll, Clothes((190, 60, 60), (225, 190, 120)))],
        [doll.moved(x=14, y=-36, arms=((40, 60), (50, 30)))],
        [doll.moved(x=-22, y=-20, tall=350, tilt=9, arms=((16, 20), (80, 120)))],
    )


def papered(height: int, width: int) -> np.ndarray:
    """A papered wall above a floor of boards."""
    y, x = np.mgrid[:height, :width]
    ground = np.empty((height, width, 3), np.uint8)
    ground[...] = (150, 160, 140)
    ground[(x // 6) % 4 == 0] = (170, 150, 120)
    ground[..., 1] += ((y % 24 < 12) * 14).astype(np.uint8)
    floor = y > 0.72 * height
    ground[floor] = (130, 96, 70)
    ground[floor & ((x + y) % 26 < 3)] = (88, 62, 46)
    return ground


def queue() -> Scene:
    """Three behind one another before a papered wall part; then who was behind is in front."""
    far = Doll((60, 62), 170)
    middle = Doll((100, 66), 176, arms=((20, 30), (20, 30)))
    near = Doll((138, 72), 182, arms=((30, 50), (12, 8)))
    return of_dolls(
        papered(TALL, 210),
        [
            (far, Clothes((60, 60, 66), (200, 200, 190), (110, 90, 70))),
            (middle, Clothes((190, 120, 50), None, bare_arms=True)),
            (near, Clothes((60, 120, 170), WHITE)),
        ],
        [
            far.moved(x=-26, arms=((40, 120), (70, 60)), legs=((12, 8), (20, 4))),
            middle.moved(x=-4, y=-4, arms=((90, 60), (40, 20)), legs=((14, 10), (24, 8))),
            near.moved(x=36, arms=((90, 20), (12, 8)), legs=((20, 20), (3, 0))),
        ],
        [
            far.moved(x=-6, y=6, legs=((20, 10), (3, 2))),
            middle,
            near.moved(x=-70, arms=((60, 90), (40, 60))),
        ],
        depth_order=[OrderChange(0, (2, 1, 0)), OrderChange(1, (0, 1, 2))],
    )


def resting() -> Scene:
    """One alone waves; and feet that nearly stand stand still."""
    still = Doll((60, 56), 180, arms=((14, 10), (26, 20)))
    waves = Doll((160, 56), 190)
    people = [(still, Clothes((60, 60, 66), None, loose=1.2)), (waves, Clothes())]
    frames = [
        [still.moved(x=0.8), waves.moved(arms=((12, 8), (70, 150)))],
        [still.moved(x=3, y=1.5), waves.moved(arms=((12, 8), (100, 170)), legs=((5, 3), (6, 4)))],
    ]
    return of_dolls(shaded(230), people, *frames)


def fingers(wrist: np.ndarray, size: float, turn: float) -> np.ndarray:
    """21 points of a spread hand."""
    points = [(0.0, 0.0)]
    for angle, reach in ((-60, 0.9), (-22, 1.6), (-5, 1.75), (12, 1.6), (30, 1.4)):
        way = np.array([np.sin(np.radians(turn + angle)), np.cos(np.radians(turn + angle))])
        points += [tuple(way * reach * share) for share in (0.55, 0.7, 0.85, 1.0)]
    places = np.array(points) * size + wrist
    return np.concatenate([places, np.ones((21, 1))], axis=1).astype(np.float32)


def hands() -> Scene:
    """Spread hands whose points are known: one on the clothes, one beside the hip."""
    doll = Doll((100, 62), 210, arms=((24, -60), (22, 12)))
    scene = of_dolls(
        plain(210),
        [(doll, Clothes((60, 90, 150), None))],
        [doll.moved(arms=((70, 60), (60, 90)))],
        [doll.moved(wide=0.6, aside=0.4, arms=((30, 20), (30, -20)))],
    )
    joints = doll.joints
    found = np.stack([fingers(joints[4, :2], 14, 60), fingers(joints[7, :2], 14, 12)])
    assert scene.masks is not None
    for hand in found[:, :, :2]:
        shown = np.zeros(scene.picture.shape[:2], np.uint8)
        for finger in range(5):
            line = np.rint(hand[[0, *range(1 + 4 * finger, 5 + 4 * finger)]]).astype(np.int32)
            cv2.polylines(shown, [line], False, 1, 5)
        cv2.fillPoly(shown, [np.rint(hand[[0, 1, 5, 9, 13, 17]]).astype(np.int32)], 1)
        scene.picture[shown > 0] = SKIN
        scene.masks[0][shown > 0] = 1
    return Scene(
        scene.picture, scene.standing, scene.poses, scene.masks, found[None], ground=scene.ground
    )


def inked() -> Scene:
    """Inked on paper, without masks: what is people is told by colours and by strokes.

    A bun is inked on the head; a sun and the ground touch nobody.
    """
    doll = Doll((75, 60), 190, arms=((30, 20), (34, 24)), legs=((10, 8), (12, 6)))
    paper = np.full((TALL, 160, 3), (236, 230, 214), np.uint8)
    cv2.circle(paper, (134, 24), 12, BLACK, 2)
    cv2.line(paper, (28, 243), (140, 243), BLACK, 2)
    picture, _ = drawn(paper, [(doll, Clothes())])
    cv2.circle(picture, (72, 18), 8, BLACK, 2)
    moved = [
        doll.moved(arms=((90, 120), (40, 30))).joints[None],
        doll.moved(x=14, legs=((24, 10), (12, 6)), tilt=8).joints[None],
    ]
    return Scene(picture, doll.joints[None], moved, None, ground=paper)


def tiny() -> Scene:
    """A picture so small that it is worked on at twice its size."""
    doll = Doll((40, 22), 80, arms=((14, 8), (20, -40)))
    other = Doll((82, 24), 84, arms=((24, 20), (24, 20)), legs=((8, 6), (8, 6)))
    cloth = Clothes((60, 120, 90), None, skirt=(0.5, (40, 60, 120), (40, 60, 120)))
    return of_dolls(
        papered(112, 120),
        [(doll, Clothes()), (other, cloth)],
        [doll.moved(arms=((90, 60), (120, 150))), other.moved(x=6, legs=((20, 12), (14, 4)))],
        [doll.moved(x=8, tilt=10), other.moved(x=-16, arms=((60, 20), (20, 70)))],
        inpainted=True,
    )


def stage() -> Scene:
    """Two of the procedural stage in two of their own later poses."""
    settings = PuppetSettings(
        (TALL, 200), frames=24, fps=8.0, characters=(0, 1), formations=("cluster",)
    )
    plan = plan_shots(4, settings, 1)[0]
    clip = render(plan, [0, 6, 12])
    people, ids = clip.poses.keypoints, clip.character_ids
    assert ids is not None
    masks = np.stack([ids[0] == i + 1 for i in range(len(people))]).astype(np.float32)
    order = [OrderChange(i, tuple(np.argsort(clip.ranks[i + 1]).tolist())) for i in range(2)]
    poses = [people[:, 1], people[:, 2]]
    options, place = {"depth_order": order}, render(replace(plan, actors=()), [0]).frames[0]
    return Scene(clip.frames[0], people[:, 0], poses, masks, options=options, ground=place)


SCENES: dict[str, Callable[[], Scene]] = {
    scene.__name__: scene
    for scene in (
        raised, crossed, skirts, coats, sideways, turned, lacking, cut_off, queue, resting, hands,
        inked, tiny, stage,
    )
}  # fmt: skip


def golden(name: str) -> np.ndarray:
    """What the frames of a scene looked like, side by side."""
    return read_image(GOLDENS / f"{name}.png")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    for asked in sys.argv[1:] or SCENES:
        write_image(sheet(frames_of(SCENES[asked]())), GOLDENS / f"{asked}.png")
