"""The picture's own order is a fact: asking for another one in the video does not change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posecast.casting.plan import plan_animation
from posecast.geometry.identity import identity_codes
from posecast.pipeline.map_renderer import MapRenderer
from posecast.puppets import PuppetSettings, render_clip


def test_an_inverted_order_leaves_the_picture_as_it_is():
    clip = render_clip(4, PuppetSettings(size=(64, 64), frames=2, characters=(0.0, 1.0)))
    people = replace(clip.poses.with_keypoints(clip.poses.keypoints[:, :1]), front_to_back=(1, 0))
    # Both in one place, so that whoever is in front owns every contested pixel.
    stacked = people.with_keypoints(np.repeat(people.keypoints[:1], 2, axis=0))
    codes = identity_codes(np.random.default_rng(0), 2)

    def maps(order: tuple[int, ...]):
        plan = plan_animation(
            clip.frames[0],
            stacked,
            reference_poses=stacked,
            assign={0: 0, 1: 1},
            depth_order=order,
        )
        return MapRenderer(plan, codes=codes).maps(0, 1, ("identity",), ("identity",))

    as_shown, inverted = maps((1, 0)), maps((0, 1))
    np.testing.assert_array_equal(as_shown.reference["identity"], inverted.reference["identity"])
    assert np.abs(as_shown["identity"] - inverted["identity"]).max() > 0.1
    np.testing.assert_array_equal(as_shown.reference["identity"], as_shown["identity"][0])
