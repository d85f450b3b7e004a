"""Hands and faces that were drawn, of bodies whose points are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from posecast.estimators.builtin.details import DetailNetworks, Known
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.builtin.joints import whole_body
from posecast.estimators.builtin.networks import Seen
from posecast.geometry.skeleton import CONFIDENCE_THRESHOLD, FACE, LEFT_HAND, RIGHT_HAND
from posecast.media.images import read_image
from tests.estimators.puppet_scenes import WALL

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
SIZE = (480, 640)
# Of the drawn hand (an image of 224x224): wrist, knuckles, and where the fingers end.
WRIST, INDEX, LITTLE = (112, 194), (90, 124), (136, 129)
TIPS = [(54, 104), (76, 56), (102, 40), (127, 46), (152, 68)]
# Of the drawn face (192x192): ears, the middles of eyes and mouth, and the nose's tip.
EARS, EYES, MOUTH, NOSE = [(44, 95), (148, 95)], [(76, 90), (116, 90)], (96, 136), (93, 114)


@pytest.fixture(scope="module")
def networks() -> DetailNetworks:
    return DetailNetworks("cpu")


@dataclass(frozen=True)
class Drawn:
    """A frame with one drawn thing, and where its points went."""

    frame: np.ndarray
    map: np.ndarray

    @classmethod
    def of(cls, kind: str, x: float, y: float, size: float, degrees: float) -> Drawn:
        with np.load(Path(__file__).with_name("goldens") / "people_networks.npz") as stored:
            picture = stored[f"{kind}_{kind}_input"]
        middle = picture.shape[0] / 2
        place = cv2.getRotationMatrix2D((middle, middle), degrees, size / picture.shape[0])
        place[:, 2] += (x - middle, y - middle)
        frame = cv2.warpAffine(picture, place, SIZE[::-1], flags=cv2.INTER_LINEAR, borderValue=WALL)
        return cls(frame, place)

    def at(self, *points: tuple[float, float]) -> np.ndarray:
        return np.array(points) @ self.map[:, :2].T + self.map[:, 2]


def body(points: dict[int, np.ndarray]) -> Seen:
    """Somebody of whom these points are seen; all others lie far from everything."""
    places = np.full((1, 33, 2), 2000, np.float32)
    seen = np.zeros((1, 33), np.float32)
    for point, place in points.items():
        places[0, point], seen[0, point] = place, 1
    nobody = np.zeros((1, 4))
    return Seen(places, seen, seen, seen, seen, np.ones(1, np.float32), nobody, nobody)


def with_hand(drawn: Drawn, left: bool = True) -> Seen:
    first = 15 if left else 16
    places = drawn.at(WRIST, LITTLE, INDEX)
    return body({first: places[0], first + 2: places[1], first + 4: places[2]})


def with_face(drawn: Drawn) -> Seen:
    right_ear, left_ear = drawn.at(*EARS)
    right, left = drawn.at(*EYES)
    corners = drawn.at((MOUTH[0] - 18, MOUTH[1]), (MOUTH[0] + 18, MOUTH[1]))
    head = {0: drawn.at(NOSE)[0], 7: left_ear, 8: right_ear, 10: corners[0], 9: corners[1]}
    return body(head | dict.fromkeys((1, 2, 3), left) | dict.fromkeys((4, 5, 6), right))


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize(("size", "degrees"), [(224, 0), (90, 180), (150, 70)])
def test_the_points_of_a_hand_are_found(
    networks: DetailNetworks, left: bool, size: float, degrees: float
) -> None:
    drawn = Drawn.of("hand", 320, 240, size, degrees)
    seen = with_hand(drawn, left)
    person = whole_body(seen, SIZE, networks(drawn.frame, seen).points)[0]
    hand, other = person[LEFT_HAND], person[RIGHT_HAND]
    if not left:
        hand, other = other, hand
    assert (hand[:, 2] > 0.5).all()
    assert not other.any()
    # The tip of each finger, and the wrist, as far as a drawing has them.
    expected = drawn.at(WRIST, *TIPS)
    off = np.linalg.norm(hand[[0, 4, 8, 12, 16, 20], :2] - expected, axis=1)
    assert off.max() < 0.12 * size


@pytest.mark.parametrize(("size", "degrees"), [(192, 0), (80, 180), (130, -50)])
def test_the_points_of_a_face_are_found(
    networks: DetailNetworks, size: float, degrees: float
) -> None:
    drawn = Drawn.of("face", 320, 240, size, degrees)
    seen = with_face(drawn)
    person = whole_body(seen, SIZE, networks(drawn.frame, seen).points)[0]
    face = person[FACE]
    assert (face[:, 2] > 0.9).all()
    found = [face[part, :2].mean(axis=0) for part in (slice(36, 42), slice(42, 48), slice(48, 68))]
    expected = drawn.at(*EYES, MOUTH)
    assert np.linalg.norm(np.array(found) - expected, axis=1).max() < 0.05 * size
    # The jaw runs from the person's right to its left, around the chin.
    (chin,) = drawn.at((96, 166))
    assert np.linalg.norm(face[8, :2] - chin) < 0.08 * size
    right, left = drawn.at((46, 100), (146, 100))
    assert np.linalg.norm(face[0, :2] - right) < np.linalg.norm(face[0, :2] - left)


def test_what_is_no_hand_is_absent(networks: DetailNetworks) -> None:
    drawn = Drawn.of("hand", 320, 240, 200, 0)
    there = with_hand(drawn)
    wall = np.full_like(drawn.frame, WALL)
    tiny = Drawn.of("hand", 320, 240, 18, 0)
    hidden = with_hand(drawn)
    hidden.visible[0, 15] = 0.2
    elsewhere = with_hand(drawn)
    elsewhere.points[0, 15:20:2] += (90, 0)  # the body's wrist is not this hand's
    for frame, seen in (
        (wall, there),
        (tiny.frame, with_hand(tiny)),
        (drawn.frame, hidden),
        (drawn.frame, elsewhere),
    ):
        person = whole_body(seen, SIZE, networks(frame, seen).points)[0]
        assert (person[LEFT_HAND, 2] < CONFIDENCE_THRESHOLD).all()
        assert not person[RIGHT_HAND].any()
        assert (person[FACE, 2] < CONFIDENCE_THRESHOLD).all()


def test_a_hand_is_followed(networks: DetailNetworks, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the next frame it is looked at once, in the region that its own points made."""
    drawn = Drawn.of("hand", 320, 240, 200, 20)
    seen = with_hand(drawn)
    first = networks(drawn.frame, seen)
    assert first.known.hands.shape == (1, 4)
    looks: list[np.ndarray] = []
    crops = networks._crops
    monkeypatch.setattr(networks, "_crops", lambda *a: looks.append(a[1]) or crops(*a))
    second = networks(drawn.frame, seen, first.known)
    (regions,) = [look for look in looks if len(look)]
    np.testing.assert_array_equal(regions, first.known.hands)
    apart = np.linalg.norm((second.points - first.points)[0, 68:89, :2], axis=1)
    assert apart.mean() < 0.03 * 200
    # A region that is far from where the body says is not taken.
    looks.clear()
    networks(drawn.frame, seen, Known(first.known.hands + (150, 0, 0, 0), first.known.faces))
    assert len(looks) == 3


def test_nobody_has_no_hands_and_faces(networks: DetailNetworks) -> None:
    frame = np.full((*SIZE, 3), WALL, np.uint8)
    seen = with_hand(Drawn.of("hand", 320, 240, 200, 0)).take([])
    details = networks(frame, seen)
    assert details.points.shape == (0, 110, 3)
    assert details.known.hands.shape == details.known.faces.shape == (0, 4)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
def test_hands_and_faces_of_a_photograph() -> None:
    """Two women: of one a hand lies outside of the picture."""
    picture = read_image(REAL / "images" / "pair_white_tops.png")
    (found,) = BuiltinFinder.load(device="cpu")(picture[None])
    right, left = found[np.argsort(-found[:, 0, 0])]
    shown = {
        name: (person[part, 2] >= CONFIDENCE_THRESHOLD).mean()
        for person, side in ((left, "left"), (right, "right"))
        for part, name in (
            (FACE, f"{side} face"),
            (LEFT_HAND, f"{side} one's left hand"),
            (RIGHT_HAND, f"{side} one's right hand"),
        )
    }
    assert [name for name, share in shown.items() if share < 1] == ["left one's right hand"]
    assert shown["left one's right hand"] == 0
    # Hands begin at wrists.
    for person in (left, right):
        assert np.linalg.norm(person[92, :2] - person[7, :2]) < 20
