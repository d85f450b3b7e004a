from __future__ import annotations

import numpy as np
import pytest

from posecast.geometry import drawing
from posecast.geometry.drawing import Strokes, draw_poses
from posecast.geometry.skeleton import LIMBS, present, skeleton_height
from posecast.media.pose_formats.skeleton_pictures import (
    is_skeleton_picture,
    palette_fits,
    read_skeleton,
    shows_several,
)
from posecast.media.pose_formats.skeleton_wrists import limb_half_width
from posecast.puppets import PuppetSettings, plan_shots


def dancers(count: int, joints: int = 18, size: int = 400) -> list[np.ndarray]:
    """Single people in dancing poses (joints, 3), hands beside the wrists where there are any."""
    rng = np.random.default_rng(0)
    people = []
    for seed in range(count):
        plan = plan_shots(seed, PuppetSettings(size=(size, size), frames=1, characters=(1,)), 1)[0]
        person = np.zeros((joints, 3), np.float32)
        person[:18, :2] = plan.actors[0].points[0, :18] * size
        person[:18, 2] = 1
        if joints == 134:
            for hand, elbow, wrist in ((slice(92, 113), 6, 7), (slice(113, 134), 3, 4)):
                arm = person[wrist, :2] - person[elbow, :2]
                beyond = np.linspace(0, 0.6, 21)[:, None] * arm
                person[hand, :2] = person[wrist, :2] + beyond + rng.uniform(-3, 3, (21, 2))
                person[hand, 2] = 1
            angles = np.linspace(0, np.pi, 68)
            middle = person[0, :2]
            person[24:92, 0] = middle[0] + size / 28 * np.cos(angles)
            person[24:92, 1] = middle[1] + size / 28 * np.sin(angles)
            person[24:92, 2] = 1
        people.append(person)
    return people


@pytest.fixture(params=[2, 4, 6])
def strokes(request, monkeypatch) -> Strokes:
    width = request.param
    chosen = Strokes(width, width, max(1, width // 2), width, max(1, width // 2))
    monkeypatch.setattr(drawing.Strokes, "for_size", classmethod(lambda cls, size: chosen))
    return chosen


def errors(person: np.ndarray, size: int) -> np.ndarray:
    """How far each body joint is read from where it was drawn, by body heights; NaN: not read."""
    read = read_skeleton(draw_poses(person[None], (size, size)))
    away = np.linalg.norm(read[:, :2] - person[:18, :2], axis=1) / skeleton_height(person)
    return np.where(present(read) & present(person[:18]), away, np.nan)


@pytest.mark.parametrize("joints", [18, 134])
def test_drawn_joints_are_read_back(strokes, joints):
    """Within 2% of the body height, at any stroke width, hands and face drawn over it or not."""
    away = np.array([errors(person, 640) for person in dancers(6, joints, 640)])
    assert np.nanmax(away[:, :14]) < 0.02
    assert np.isfinite(away[:, :14]).mean() >= 0.98
    if joints == 18:
        assert np.nanmax(away) < 0.02


def test_wrists_under_hands_of_small_pictures(strokes):
    """A hand of a small picture hides most of its forearm, and a leg the rest of some."""
    away = np.array([errors(person, 384) for person in dancers(16, 134, 384)])
    assert (away[:, (4, 7)] < 0.02).all()
    if strokes.limb <= 4:
        assert np.nanmax(away[:, :14]) < 0.02


@pytest.mark.parametrize(("limb", "joint"), [(7, 4), (3, 5)])
def test_how_wide_limbs_are_drawn_is_seen(monkeypatch, limb, joint):
    chosen = Strokes(limb, joint)
    monkeypatch.setattr(drawing.Strokes, "for_size", classmethod(lambda cls, size: chosen))
    person = dancers(1)[0]
    picture = draw_poses(person[None], (400, 400))
    sure = [i for i, (a, b) in enumerate(LIMBS) if max(a, b) < 14]
    assert limb_half_width(picture, np.floor(person[:18, :2]).astype(float), sure, joint) == limb


def test_red_and_blue_and_palettes_are_told_apart():
    person = dancers(1)[0]
    picture = draw_poses(person[None], (400, 400))
    fits = palette_fits(picture)
    share = {name: met / max(pairs, 1) for name, (met, pairs) in fits.items()}
    assert max(share, key=lambda name: share[name]) == "DWPose"
    swapped = palette_fits(np.ascontiguousarray(picture[..., ::-1]))
    assert swapped["DWPose (BGR)"] == fits["DWPose"]
    assert swapped["DWPose"] == fits["DWPose (BGR)"]


def test_what_is_a_skeleton_picture():
    person = dancers(1, 134)[0]
    assert is_skeleton_picture(draw_poses(person[None], (400, 400)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert not is_skeleton_picture(noise)
    assert not is_skeleton_picture(np.full((64, 64, 3), 120, np.uint8))
    dark = noise // 12
    dark[20:40, 20:40] = (120, 90, 80)  # a face at night
    assert not is_skeleton_picture(dark)


def test_two_people_are_noticed():
    one, other = dancers(2)
    one[:, 0] += 150 - one[1, 0]
    other[:, 0] += 320 - other[1, 0]
    assert shows_several(draw_poses(np.stack([one, other]), (400, 400)))
    assert not shows_several(draw_poses(one[None], (400, 400)))


def test_empty_and_partial_skeletons_are_read():
    assert not read_skeleton(np.zeros((64, 64, 3), np.uint8)).any()
    person = dancers(1)[0]
    person[[9, 10, 12, 13, 4]] = 0
    read = read_skeleton(draw_poses(person[None], (400, 400)))
    np.testing.assert_array_equal(present(read), present(person))
