"""The condition maps of a plan, in pieces, in a file and as pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.casting.sheet import OrderChange
from posecast.errors import InputError
from posecast.pipeline.map_pictures import preview_frames
from posecast.pipeline.map_renderer import MapRenderer
from posecast.pipeline.maps_file import write_maps
from posecast.types import ConditionMaps
from tests.casting.conftest import dancers
from tests.casting.test_plan import planned


def maps_of(plan: AnimationPlan) -> ConditionMaps:
    return MapRenderer(plan).maps(0, plan.num_frames)


def test_swapped_drivers_swap_the_characters_maps(scene: dict[str, Path]) -> None:
    straight = maps_of(planned(scene))
    swapped = maps_of(planned(scene, assign="0:1,1:0"))
    assert np.array_equal(straight.characters, swapped.characters[:, ::-1])
    assert np.array_equal(straight["reference_pose"][0], swapped["reference_pose"][0])


def test_the_order_of_the_maps_is_the_order_asked_for(scene: dict[str, Path]) -> None:
    changes = (OrderChange(0, (0, 1)), OrderChange(4, (1, 0)))
    close = dancers(lefts=(14, 30))
    plan = plan_animation(
        scene["picture"], close, reference_poses=scene["people"], depth_order=changes
    )
    maps = maps_of(plan)
    contested = maps.characters.all(axis=1)
    assert contested[0].any()
    assert contested[4].any()
    order = maps["depth_order"][:, 0]
    assert np.all(order[0][contested[0]] == 1)
    # From frame 4 on character 1 owns what both cover, and its own region is the front's.
    assert np.all(order[4][maps.characters[4, 1] == 1] == 1)
    assert np.all(order[3][maps.characters[3, 0] == 1] == 1)


def test_maps_in_pieces_are_the_maps(scene: dict[str, Path], tmp_path: Path) -> None:
    plan = planned(scene)
    write_maps(MapRenderer(plan).chunks(4), 6, tmp_path / "maps.npz")
    whole = maps_of(plan)
    with np.load(tmp_path / "maps.npz") as file:
        assert set(file) == {"pose", "reference_pose", "flow", "depth_order", "characters"}
        expected = {**whole.maps, "characters": whole.characters}
        expected["reference_pose"] = expected["reference_pose"][0]
        for name in file:
            assert np.array_equal(file[name], expected[name]), name
            assert file[name].dtype == expected[name].dtype
    write_maps(MapRenderer(plan).chunks(3), 6, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "maps.npz").read_bytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with pytest.raises(InputError, match=r"ends in \.npz"):
        write_maps(MapRenderer(plan).chunks(), 6, tmp_path / "maps.zip")


FULL = """
import resource, sys
import numpy as np
from posecast.pipeline.maps_file import write_maps
from posecast.types import ConditionMaps
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
pose = np.zeros((1, 3, 64, 64), np.float32)
maps = ConditionMaps({"pose": pose}, {}, np.zeros((1, 1, 64, 64), np.uint8))
try:
    write_maps([maps] * 4, 4, sys.argv[1])
except OSError as error:
    print(error.filename)
"""


def test_maps_on_a_full_disk(tmp_path: Path) -> None:
    out = tmp_path / "maps.npz"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(out)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(out), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_larger_canvas_only_adds_room(scene: dict[str, Path]) -> None:
    plan = planned(scene, size=(60, 63))
    small, large = maps_of(plan), MapRenderer(plan, (64, 64)).maps(0, 6)
    for name in ("flow", "depth_order"):
        assert np.array_equal(large[name][..., :60, :63], small[name]), name
    assert np.array_equal(large.characters[..., :60, :63], small.characters)


def test_maps_side_by_side(scene: dict[str, Path]) -> None:
    plan = planned(scene)
    frames = list(preview_frames(plan, MapRenderer(plan).chunks()))
    assert len(frames) == 6
    assert frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    # Six panels of 192 pixels.
    assert frames[0].shape[1] == 6 * (192 + 4)
    assert not np.array_equal(frames[0], frames[5])
