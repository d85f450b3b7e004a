"""Who is in front: what somebody says, else depth, else what hides what, else the feet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecast.casting import order as casting_order
from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.errors import InputError
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.builtin.masks import PersonMasks
from posecast.geometry.left_to_right import left_to_right
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.puppets import PuppetSettings, render_clip
from posecast.types import Clip
from tests.casting.conftest import dancers

SETTINGS = PuppetSettings(size=(192, 192), frames=2, fps=2.0, characters=(0, 1))


def masks_of(clip: Clip) -> np.ndarray:
    assert clip.character_ids is not None
    ids = np.arange(1, clip.poses.num_characters + 1)
    return (clip.character_ids[0] == ids[:, None, None]).astype(np.float32)


def planned(clip: Clip, **options: object) -> AnimationPlan:
    people = replace(clip.poses.with_keypoints(clip.poses.keypoints[:, :1]), front_to_back=None)
    driver = replace(clip.poses, front_to_back=None)
    return plan_animation(clip.frames[0], driver, reference_poses=people, **options)  # type: ignore[arg-type]


def test_masks_say_it_and_the_note_says_so() -> None:
    said = 0
    for seed in range(10):
        clip = render_clip(seed, SETTINGS)
        plan = planned(clip, masks=masks_of(clip))
        assert plan.ranks[0].tolist() == clip.ranks[0].tolist(), seed
        assert len(plan.notes) == 1
        said += "by what hides what in the picture;" in plan.notes[0]
        assert "`depth_order=` says otherwise" in plan.notes[0]
    assert said >= 4


def test_masks_must_fit_the_picture() -> None:
    clip = render_clip(0, SETTINGS)
    with pytest.raises(InputError, match=r"`masks=`: .* 192x192 pixels for each of 2 characters"):
        planned(clip, masks=masks_of(clip)[:, :100])


def test_depth_says_it_where_its_weights_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = render_clip(0, SETTINGS)
    assert clip.depth is not None
    depth = clip.depth

    class Exact:
        def __init__(self, near_is_large: bool) -> None:
            self.near_is_large = near_is_large

        def __call__(self, frames: np.ndarray) -> np.ndarray:
            assert np.array_equal(frames, clip.frames[:1])
            return (-depth[:1] if self.near_is_large else depth[:1]).astype(np.float32)

    for near_is_large in (True, False):
        monkeypatch.setattr(casting_order, "depth_at_hand", lambda n=near_is_large: Exact(n))
        plan = planned(clip)
        assert plan.ranks[0].tolist() == clip.ranks[0].tolist()
        assert "by the picture's depth (Depth Anything)" in plan.notes[0]


REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "images"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
@pytest.mark.parametrize(
    ("name", "order", "overlap"),
    [
        ("pair_white_tops.png", (0, 1), False),
        ("pair_night_street.png", (0, 1), False),
        # By eye: the player in white, the one in blue, then the coach; the catcher, the batter,
        # whoever is seen beyond the catcher, and the man far off.
        ("football_trio.jpg", (0, 2, 1), False),
        ("baseball_coco196141.jpg", (2, 1, 3, 0), True),
    ],
)
def test_the_order_in_photographs_is_right(
    name: str, order: tuple[int, ...], overlap: bool
) -> None:
    """Characters from left to right, as they are found, with their masks."""
    picture = read_image(REAL / name)
    (found,) = BuiltinFinder.load(device="cpu")(picture[None])
    people = found[list(left_to_right(found))]
    masks = PersonMasks.load(device="cpu")(picture, people)
    guess, by = casting_order.by_sight(picture, people, masks)
    assert guess == order
    assert ("nobody overlaps" in by) == (not overlap)
    assert "guess" in by
    assert ("what hides what" in by) == overlap


def test_what_somebody_says_comes_first(
    scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never() -> None:
        raise AssertionError("nobody asked the picture")

    monkeypatch.setattr(casting_order, "depth_at_hand", never)
    people = read_poses(scene["people"])

    def ranks(**options: object) -> list[int]:
        options = {"reference_poses": people, **options}
        plan = plan_animation(scene["picture"], scene["dance"], **options)  # type: ignore[arg-type]
        assert plan.notes == ()
        return plan.ranks[0].tolist()

    assert ranks(depth_order=(1, 0)) == [1, 0]
    stated = replace(people, front_to_back=(1, 0))
    assert ranks(reference_poses=stated) == [1, 0]
    assert ranks(reference_poses=stated, depth_order="0,1") == [0, 1]
    half = replace(people, front_to_back=(1,))
    with pytest.raises(InputError, match="front_to_back of the reference's poses: the order 1"):
        ranks(reference_poses=half)
    # One character has nobody to be in front of.
    alone = people.with_keypoints(people.keypoints[:1])
    alone = replace(alone, ids=("0",))
    plan = plan_animation(scene["picture"], dancers(3, (20,)), reference_poses=alone)
    assert plan.ranks.tolist() == [[0]] * 3
    assert plan.notes == ()


def test_a_driving_files_order_counts_where_it_names_everybody(scene: dict[str, Path]) -> None:
    dance = replace(dancers(), front_to_back=(1, 0))

    def plan(assign: str) -> AnimationPlan:
        return plan_animation(
            scene["picture"], dance, reference_poses=scene["people"], assign=assign
        )

    assert plan("0:0,1:1").ranks[0].tolist() == [1, 0]
    assert plan("0:1,1:0").ranks[0].tolist() == [0, 1]
    # Track 0 moves both, and who stands still is in no driving file: the picture tells.
    assert plan("0:0,0:1").ranks[0].tolist() == [0, 1]
    assert "by the feet" in plan("1:1").notes[0]
