from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from posecast.casting.drivers import Footage
from posecast.casting.options import PlanOptions
from posecast.errors import InputError
from posecast.export import SYSTEMS, plan_scene, write_export
from posecast.export.faces import face_box
from posecast.export.scail2 import coloured, draw_bones
from posecast.export.scene import fitting_size, frames_of
from posecast.export.together import together
from posecast.export.wan_animate import draw_person
from posecast.media.video import read_video, write_video
from posecast.types import PoseSequence
from tests.casting.conftest import person
from tests.cutout.conftest import Painted
from tests.estimators.puppet_scenes import scene as filming


def test_sizes_are_nearest_to_shape_and_pixels_in_whole_steps() -> None:
    assert fitting_size((1080, 1920), 32, (704, 1280)) == (704, 1280)
    assert fitting_size((1920, 1080), 32, (704, 1280)) == (1280, 704)
    assert fitting_size((333, 500), 1, None) == (333, 500)
    assert fitting_size((333, 500), 8, None) == (336, 496)
    assert fitting_size((10, 500), 32, (704, 1280))[0] >= 32


def test_a_size_that_a_system_does_not_take_is_refused(
    pair: Painted, crossing: PoseSequence, options: PlanOptions
) -> None:
    with pytest.raises(InputError, match=r"`size=300x320`: .*multiples of 32"):
        plan_scene(pair.picture, crossing, replace(options, size=(300, 320)), step=32)


def test_replacement_needs_people_who_were_filmed(
    pair: Painted, crossing: PoseSequence, options: PlanOptions
) -> None:
    with pytest.raises(InputError, match="a pose file has no picture"):
        plan_scene(pair.picture, crossing, options, "replacement")
    with pytest.raises(InputError, match="keep their positions"):
        plan_scene(pair.picture, crossing, replace(options, retarget=True), "replacement")


def test_more_people_than_colours_are_refused(tmp_path: Path) -> None:
    crowd = PoseSequence(
        np.stack([person(10 + 40 * i, 40, 30) for i in range(7)])[:, None], 320, 160
    )
    picture = np.zeros((160, 320, 3), np.uint8)
    scene = plan_scene(
        picture, crowd, PlanOptions(reference_poses=crowd, masks=np.ones((7, 160, 320), np.uint8))
    )
    with pytest.raises(InputError, match="7 characters; SCAIL-2 can distinguish at most 6"):
        write_export("scail2", scene, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [SYSTEMS["scail2"].mark(i) for i in range(6)] == [
        "blue", "red", "green", "magenta", "cyan", "yellow",
    ]  # fmt: skip


def test_characters_have_distinct_pure_colours() -> None:
    ids = np.arange(7, dtype=np.uint8)[None]
    shown = coloured(ids, (255, 255, 255))
    assert set(np.unique(shown).tolist()) == {0, 255}
    assert len({tuple(pixel) for pixel in shown[0].tolist()}) == 7


def test_frames_of_a_video_come_at_the_times_that_are_made(tmp_path: Path) -> None:
    levels = [np.full((32, 32, 3), 10 * i, np.uint8) for i in range(20)]
    write_video(levels, tmp_path / "clip.mp4", 20)
    stored = read_video(tmp_path / "clip.mp4")[0][:, 0, 0, 0]

    def shown(start: float, rate: float, count: int) -> list[int]:
        keypoints = np.zeros((count, 18, 3), np.float32)
        footage = Footage(tmp_path / "clip.mp4", start, (32, 32), keypoints)
        frames = [frame[0, 0, 0] for frame in frames_of(footage, rate)]
        return [int(np.abs(stored.astype(int) - level).argmin()) for level in frames]

    assert shown(0, 20, 5) == [0, 1, 2, 3, 4]
    assert shown(0.25, 20, 3) == [5, 6, 7]
    assert shown(0, 10, 4) == [0, 2, 4, 6]
    assert shown(0, 40, 4) == [0, 0, 1, 2]
    assert shown(0.9, 20, 4) == [18, 19, 19, 19]  # never fewer than are made


def test_bones_of_who_is_in_front_cover_the_others() -> None:
    people = np.stack([person(60, 20, 300), person(80, 20, 300)])
    one, other = (draw_bones(people, (700, 500), order) for order in ((0, 1), (1, 0)))
    assert (one != other).any()
    alone = draw_bones(people[:1], (700, 500), (0,))
    inside = cv2.erode(alone.any(axis=2).astype(np.uint8), np.ones((3, 3))) > 0  # not its edges
    assert inside.sum() > 1000
    same = (one == alone).all(axis=2)[inside]
    assert same.mean() > 0.98  # where two soft edges of one person meet, the ground shows through
    assert (other == alone).all(axis=2)[inside].mean() < 0.95


def test_faces_of_points_and_of_heads() -> None:
    points = np.zeros((134, 3), np.float32)
    points[24:92, :2] = np.random.default_rng(0).uniform(100, 140, (68, 2))
    points[24:92, 2] = 1
    box = face_box(points, (300, 300))
    assert box is not None
    left, top, right, bottom = box
    assert left < 100 < 140 < right
    assert top < 100 < 140 < bottom
    assert 100 - top > bottom - 140  # more forehead than chin
    body = face_box(person(60, 50, 80), (280, 200))
    assert body is not None
    assert body[1] < 50 + 0.1 * 80 < body[3]
    assert face_box(np.zeros((18, 3), np.float32), (100, 100)) is None


def test_wan_animate_draws_feet_by_the_toes_that_are_known() -> None:
    body = np.zeros((134, 3), np.float32)
    body[:18] = person(100, 20, 300)
    without = draw_person(body, (700, 500))
    body[18] = (330, 640, 1)  # the left big toe alone, as the estimator of the package finds it
    drawn = draw_person(body, (700, 500))
    np.testing.assert_array_equal(drawn[640, 330], (200, 200, 0))
    assert (drawn != without).any(axis=2).sum() > 50  # a line leads to it
    assert not draw_person(np.zeros((134, 3), np.float32), (700, 500)).any()


def test_several_writers_see_every_item_and_the_first_failure_is_raised() -> None:
    seen: list[list[int]] = [[], []]
    together(iter(range(100)), [seen[0].extend, seen[1].extend])
    assert seen == [list(range(100))] * 2

    def fails(items: object) -> None:
        next(items)  # type: ignore[call-overload]
        raise OSError("disk full")

    finished = []

    def counts(items: object) -> None:
        finished.append(sum(1 for _ in items))  # type: ignore[attr-defined]

    with pytest.raises(OSError, match="disk full"):
        together(iter(range(1000)), [fails, counts])
    assert not finished  # no other file looks whole

    def broken() -> object:
        yield 1
        raise InputError("clip.mp4: cut off")

    with pytest.raises(InputError, match="cut off"):
        together(broken(), [counts])  # type: ignore[arg-type]
    assert not finished


def test_replacement_of_people_in_a_video(pair: Painted, tmp_path: Path) -> None:
    """Two were filmed; the first one of them is replaced."""
    system = SYSTEMS["scail2"]
    options = PlanOptions(
        reference_poses=pair.poses, start=1, max_frames=2, size=(640, 352), assign="0:0",
        estimator="builtin",
    )  # fmt: skip
    people = ([(180 + 4 * i, 640, 700, 0), (520, 650, 720, 0)] for i in range(4))
    video = tmp_path / "filmed.mp4"
    write_video((filming((1280, 704), two)[0] for two in people), video, 2)
    scene = plan_scene(pair.picture, video, options, "replacement", system.step, system.pixels)
    assert scene.size == (640, 352)
    shape = scene.plan.size[0] / scene.plan.size[1]
    assert shape == pytest.approx(288 / 320, rel=0.05), "not cut to the video's shape"
    shots = list(scene.shots())
    assert len(shots) == 2
    for shot in shots:
        assert set(np.unique(shot.ids).tolist()) == {0, 1}  # the other person is left alone
        joints = scene.keypoints[0, shot.number]
        x, y = joints[[8, 11], :2].mean(axis=0).astype(int)
        assert shot.ids[y, x] == 1
    write_export("scail2", scene, tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "ref.png", "ref_mask.png", "rendered_v2.mp4", "replace_mask.mp4", "export.json",
    }  # fmt: skip
    masks = read_video(tmp_path / "out" / "replace_mask.mp4")[0]
    assert (masks[0].min(axis=2) > 225).mean() > 0.5  # the video's ground stays
