from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.geometry.skeleton import present
from posecast.media.poses import read_poses
from posecast.pipeline.map_renderer import MapRenderer
from tests.casting.conftest import dancers


@pytest.fixture
def real(shared: Path) -> Path:
    return shared / "real"


def planned(real: Path, name: str, poses: object, **options: object) -> AnimationPlan:
    picture = real / "images" / name
    keypoints = picture.with_suffix(".poses.json")
    options = {"reference_poses": keypoints, "size": (192, 128), **options}
    return plan_animation(picture, poses, **options)  # type: ignore[arg-type]


def test_one_person_and_a_dwpose_folder(real: Path) -> None:
    plan = planned(real, "man_red_jacket.png", real / "keypoints" / "dwpose_npy_fight")
    assert plan.keypoints.shape == (1, 132, 134, 3)
    assert plan.picture.shape == (192, 128, 3)
    # A portrait of 622x913 in 128x192: nearly all of it stays, the man stands in the middle.
    seen = plan.reference_keypoints[0][present(plan.reference_keypoints[0])]
    assert len(seen) == 18
    assert np.all((seen[:, :2] >= 0) & (seen[:, :2] < (128, 192)))
    assert abs(seen[:, 0].mean() - 64) < 12
    maps = MapRenderer(plan).maps(0, 8)
    assert maps["pose"].any(axis=(1, 2, 3)).all()
    assert 0.05 < maps.characters.mean() < 0.8


@pytest.mark.parametrize("name", ["pair_white_tops.png", "pair_night_street.png"])
def test_two_people_one_driver_each(real: Path, name: str) -> None:
    size = (128, 128) if "white" in name else (192, 108)
    drivers = [dancers(10, (8,)), dancers(10, (36,))]
    plan = planned(real, name, drivers, size=size)
    swapped = planned(real, name, drivers, size=size, assign="0:1,1:0")
    inverted = planned(real, name, drivers, size=size, depth_order="1,0")
    assert plan.cast.drivers == (0, 1)
    assert np.array_equal(swapped.keypoints, plan.keypoints[::-1])
    assert plan.ranks[0].tolist() == [0, 1]  # as its file says
    straight, reverse = MapRenderer(plan).maps(0, 10), MapRenderer(inverted).maps(0, 10)
    assert np.array_equal(straight.characters, reverse.characters)
    first_only = (straight.characters[:, 0] == 1) & (straight.characters[:, 1] == 0)
    assert np.all(straight["depth_order"][:, 0][first_only] == 1)
    assert first_only.any()
    assert np.all(reverse["depth_order"][:, 0][first_only] == 0.875)


@pytest.mark.parametrize("name", ["pair_white_tops.png", "pair_night_street.png"])
def test_who_is_in_front_is_found_as_annotated(real: Path, name: str) -> None:
    people = read_poses(real / "images" / name.replace(".png", ".poses.json"))
    assert people.front_to_back is not None
    unsaid = replace(people, front_to_back=None)
    plan = planned(real, name, dancers(2, (8, 36)), reference_poses=unsaid)
    assert plan.cast.depth_order[0].front_to_back == people.front_to_back
    assert any("from front to back" in note for note in plan.notes)


@pytest.mark.parametrize("poses", ["openpose_v12_sign", "dwpose_npy_fight"])
def test_half_body_drivers_leave_the_legs(real: Path, poses: str) -> None:
    plan = planned(real, "man_red_jacket.png", real / "keypoints" / poses, retarget=True)
    own = plan.reference_keypoints[0]
    shown = present(plan.keypoints[0])
    assert shown[:, [8, 9, 10, 11, 12, 13]].all()
    # Shins as long as the picture's, and below the knees, in every frame.
    for knee, ankle in ((9, 10), (12, 13)):
        shins = plan.keypoints[0, :, ankle, :2] - plan.keypoints[0, :, knee, :2]
        length = np.linalg.norm(own[ankle, :2] - own[knee, :2])
        np.testing.assert_allclose(np.linalg.norm(shins, axis=1) / length, 1, atol=0.15)
        assert (shins[:, 1] > 0.8 * length).all()
    assert any("never shows" in note and "both ankles" in note for note in plan.notes)
