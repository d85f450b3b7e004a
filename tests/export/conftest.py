from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.casting.options import PlanOptions
from posecast.casting.sheet import CastSheet, Character, OrderChange
from posecast.export import SYSTEMS, Scene, plan_scene, write_export
from posecast.types import PoseSequence
from tests.casting.conftest import person
from tests.cutout.conftest import BLUE, RED, Painted

FRAMES, CHANGE = 6, 3
"""From `CHANGE` on, character 1 is in front."""


@pytest.fixture(scope="session")
def pair() -> Painted:
    return Painted((288, 320), [(person(30, 60, 80), RED), (person(190, 50, 80), BLUE)])


@pytest.fixture(scope="session")
def crossing(pair: Painted) -> PoseSequence:
    """Both step to the middle of the picture and stay there, one over the other."""
    tracks = np.repeat(pair.poses.keypoints, FRAMES, axis=1)
    for character, way in ((0, 70.0), (1, -70.0)):
        tracks[character, ..., 0] += way + np.arange(FRAMES)[:, None]
    clip = pair.poses.with_keypoints(tracks)
    return PoseSequence(clip.keypoints, clip.width, clip.height, fps=12.0)


@pytest.fixture(scope="session")
def options(pair: Painted) -> PlanOptions:
    sheet = CastSheet(
        (Character(0, 0), Character(1, 1)),
        (OrderChange(0, (0, 1)), OrderChange(CHANGE, (1, 0))),
    )
    return PlanOptions(cast=sheet, reference_poses=pair.poses, masks=pair.masks)


def scene_for(name: str, pair: Painted, crossing: PoseSequence, options: PlanOptions) -> Scene:
    system = SYSTEMS[name]
    return plan_scene(
        pair.picture, crossing, options, step=system.step, pixels=system.pixels and (288, 320)
    )


@pytest.fixture(scope="session")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
    pair: Painted,
    crossing: PoseSequence,
    options: PlanOptions,
) -> dict[str, tuple[Scene, Path]]:
    """The same cast of two for every system, and where it lies."""
    folder = tmp_path_factory.mktemp("exports")
    made = {}
    for name in SYSTEMS:
        scene = scene_for(name, pair, crossing, options)
        write_export(name, scene, folder / name)
        made[name] = (scene, folder / name)
    return made
