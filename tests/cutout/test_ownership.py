from __future__ import annotations

import numpy as np

from posecast.cutout.ownership import ownership
from posecast.geometry.body_part import BodyPart
from posecast.geometry.colours import colour_distances

GREEN, RED, BLUE = (90, 160, 90), (220, 30, 30), (30, 30, 220)


def bone(x: float, level: float = 0.0) -> BodyPart:
    """Upright from (x, 10) to (x, 50), ten pixels around."""
    return BodyPart((x, 10.0), (0.0, 1.0), 40.0, (0.0, 0.0), 10.0, level)


def beside(left, right):
    """One figure's bone at 20, another's at 34, and their colours up to 27 and from there on."""
    picture = np.full((60, 60, 3), GREEN, np.uint8)
    picture[8:52, 16:27], picture[8:52, 27:38] = left, right
    silhouettes = np.zeros((60, 60), bool)
    silhouettes[8:52, 16:38] = True
    return picture, np.stack([silhouettes, silhouettes])


def test_what_two_people_reach_belongs_to_whose_colours_it_has():
    picture, silhouettes = beside(RED, BLUE)
    # 1 is the nearer one: without colours all in its reach would be its own.
    owned = ownership(picture, [(0, [bone(20)]), (1, [bone(34)])], silhouettes)
    assert (owned.owner[20:40, 17:27] == 0).all()
    assert (owned.owner[20:40, 27:37] == 1).all()
    assert (owned.owner[20:40, 50:] == -1).all()
    assert np.isinf(owned.nearest[owned.owner < 0]).all()


def test_where_colours_tell_nothing_the_nearer_person_owns_what_they_reach():
    picture, silhouettes = beside(RED, RED)
    owned = ownership(picture, [(0, [bone(20)]), (1, [bone(34)])], silhouettes)
    assert (owned.owner[20:40, 25:37] == 1).all()
    alone = ownership(picture, [(0, [bone(20)]), (1, [bone(34)])])
    assert (alone.owner[20:40, 25:43] == 1).all()
    assert (alone.reached == np.isfinite(alone.nearest)).all()


def test_a_part_does_not_claim_what_fits_another_part_of_its_body():
    picture, silhouettes = beside(RED, BLUE)
    near, far = bone(20, level=-0.5), bone(34)
    owned = ownership(picture, [(0, [near, None, far])], silhouettes)
    plain = ownership(picture, [(0, [near, None, far])])
    # 28 lies 0.8 reaches from the first bone and 0.6 from the second.
    assert plain.nearest[30, 28] == np.float32(0.8 - 0.5)
    assert owned.nearest[30, 28] == np.float32(0.6)
    assert owned.nearest[30, 22] == np.float32(0.2 - 0.5)


def test_distances_are_to_the_nearest_sample():
    colours = np.array([(0, 0, 0), (3, 4, 0)], np.float32)
    samples = np.array([(0, 0, 2), (3, 4, 1)], np.float32)
    np.testing.assert_allclose(colour_distances(colours, samples), [2, 1])
    assert np.isinf(colour_distances(colours, samples[:0])).all()
