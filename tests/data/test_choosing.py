"""Which clips samples come from, which are held out, at which pace, in which crop and mirror."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from posecast.data import DatasetSource, PuppetSource, read_index, write_clip, write_index
from posecast.data.choosing import ClipChoice, Limits
from posecast.data.held_out import part_of
from posecast.data.mirroring import MirroredSource, mirrored
from posecast.data.pace import Pace
from posecast.data.store import Record
from posecast.errors import InputError
from posecast.geometry.cells import composed
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.drawing import draw_poses
from posecast.geometry.mirroring import OTHER_SIDE, mirrored_keypoints
from posecast.geometry.skeleton import JOINT_NAMES
from posecast.puppets import PuppetSettings, background_motion, plan_shots, render, sample_clips

SIZE = (48, 64)
RECORD = Record(
    video="v", clip=0, group="v", source="TikTok", media="video.mp4", media_kind="video",
    first_frame=0, frames=30, video_frames=30, height=48, width=64, fps=24.0, characters=2,
    joints="openpose18", poses_from="estimated", ranks_from="depth", background_flow=True, people=2,
    background_flow_mean=0.5, body_occlusion_rate=0.1,
)  # fmt: skip


def drawn_from(source: DatasetSource, samples: int = 400) -> Counter[int]:
    """How often each of the pictures' first pixels (a clip's number) is a target's."""
    return Counter(int(source.sample(i).frames[0, 0, 0, 0]) for i in range(samples))


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips whose pixels are all their number, of 4, 4 and 12 frames and two sources."""
    dataset = tmp_path_factory.mktemp("numbered") / "data"
    for number, (frames, source) in enumerate([(4, "TikTok"), (4, "YouTube"), (12, "YouTube")]):
        clip = sample_clips(number, PuppetSettings(size=(32, 32), frames=frames), 1)[0]
        clip = replace(clip, frames=np.full_like(clip.frames, 50 * number))
        write_clip(dataset, clip, f"g{number}", f"v{number}", "png", source)
    write_index(dataset)
    return dataset


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ClipChoice(), [1 / 3, 1 / 3, 1 / 3]),
        (ClipChoice(draw="by_length"), [0.2, 0.2, 0.6]),
        (ClipChoice(shares={"TikTok": 3.0, "YouTube": 1.0}), [0.75, 0.125, 0.125]),
        (ClipChoice("by_length", {"TikTok": 1.0, "YouTube": 1.0}), [0.5, 0.125, 0.375]),
        (ClipChoice(shares={"YouTube": 2.0}), [0, 0.5, 0.5]),
        (ClipChoice(where={"frames": Limits(min=5)}), [0, 0, 1]),
        (ClipChoice(where={"source": Limits(among=("TikTok",))}), [1, 0, 0]),
    ],
)
def test_clips_are_drawn_as_often_as_is_said(numbered: Path, choice, expected):
    counts = drawn_from(DatasetSource(numbered, (32, 32), 1, clips=choice))
    found = [counts[50 * number] / 400 for number in range(3)]
    assert found == pytest.approx(expected, abs=0.08)
    assert [share == 0 for share in found] == [share == 0 for share in expected]


def test_impossible_choices_are_refused(numbered: Path):
    with pytest.raises(ValueError, match=r"where\.occlusion: no index has such a column; expected"):
        ClipChoice(where={"occlusion": Limits(max=1)})
    with pytest.raises(ValueError, match=r"where\.source: is str; expected among"):
        ClipChoice(where={"source": Limits(max=1)})
    with pytest.raises(ValueError, match=r"where\.people: is int; expected min and max"):
        ClipChoice(where={"people": Limits(among=("2",))})
    with pytest.raises(ValueError, match=r"where\.people: expected min and max, or among"):
        ClipChoice(where={"people": Limits()})
    with pytest.raises(InputError, match=r"has no source 'TV'; there are TikTok, YouTube"):
        DatasetSource(numbered, (32, 32), 1, clips=ClipChoice(shares={"TV": 1.0}))
    with pytest.raises(InputError, match=r"none of its 3 clips matches data\.clips"):
        DatasetSource(numbered, (32, 32), 1, clips=ClipChoice(where={"frames": Limits(min=99)}))


def test_clips_without_a_figure_pass_only_where_that_is_said():
    alone = replace(RECORD, body_occlusion_rate=None)
    for limits, expected in (
        (Limits(max=0.2), [True, False]),
        (Limits(max=0.2, unknown=True), [True, True]),
        (Limits(min=0.2), [False, False]),
    ):
        choice = ClipChoice(where={"body_occlusion_rate": limits})
        assert [choice.passes(RECORD), choice.passes(alone)] == expected


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), min_size=1, max_size=25),
    st.sampled_from([0.05, 0.3, 0.9]),
)
def test_no_video_and_no_group_is_in_both_parts(pairs, share):
    records = [replace(RECORD, video=f"v{v}", group=f"g{g}") for v, g in pairs]
    training, held_out = (part_of(records, part, share) for part in ("training", "held_out"))
    assert len(training) + len(held_out) == len(records)
    for name in ("video", "group"):
        seen = {getattr(record, name) for record in training}
        assert not seen & {getattr(record, name) for record in held_out}
    assert training


def test_the_share_is_kept_and_videos_stay_in_their_part():
    records = [replace(RECORD, video=f"v{k}", group=f"v{k}") for k in range(400)]
    before = {record.video for record in part_of(records[:300], "held_out", 0.1)}
    after = {record.video for record in part_of(records, "held_out", 0.1)}
    assert len(after) == pytest.approx(40, abs=15)
    assert before == {video for video in after if int(video[1:]) < 300}
    assert len(part_of(records[:2], "held_out", 0.01)) == 1
    assert part_of(records[:1], "held_out", 0.5) == []
    assert part_of(records, "held_out", 0.0) == []


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory):
    """A clip with a moving camera at 12 frames a second, its plan, and its dataset."""
    settings = PuppetSettings(size=SIZE, frames=13, characters=(0.0, 1.0), camera="shaking")
    plan = plan_shots(5, settings, shots=1)[0]
    clip = render(plan)
    dataset = tmp_path_factory.mktemp("moving") / "data"
    write_clip(dataset, clip, "g", "one", "png")
    write_index(dataset)
    return plan, clip, dataset


@pytest.mark.parametrize(
    ("pace", "steps"),
    [
        (Pace(), [0, 1, 2]),
        (Pace(stride=4), [0, 4, 8]),
        (Pace(rate=5.0), [0, 2, 5]),
        (Pace(rate=60.0), [0, 1, 2]),
    ],
)
def test_clips_take_their_frames_at_the_pace_and_their_flow_since(moving, pace, steps):
    plan, clip, dataset = moving
    source = DatasetSource(dataset, SIZE, 3, "clips", pace=pace)
    starts = set()
    for index in range(12):
        sample = source.sample(index)
        (start,) = np.flatnonzero((clip.frames == sample.frames[0]).all(axis=(1, 2, 3)))
        times = [int(start) + step for step in steps]
        np.testing.assert_array_equal(sample.frames, clip.frames[times])
        np.testing.assert_allclose(sample.keypoints, clip.poses.keypoints[:, times], atol=1e-3)
        starts.add(int(start))
        first = times[0] - steps[1]
        for flow, time, before in zip(sample.background_flow, times, [first, *times], strict=False):
            truth = background_motion(plan, time, plan, before) if before >= 0 else 0 * flow
            assert np.abs(flow - truth).max() < 0.25
    assert len(starts) > 2


def test_the_stage_takes_frames_at_the_pace_too():
    settings = PuppetSettings(size=SIZE, frames=13, camera="shaking")
    plain = PuppetSource(settings, 13, "clips", misaligned=0.0)
    paced = PuppetSource(settings, 4, "clips", misaligned=0.0, pace=Pace(stride=4))
    whole, sample = plain.sample(3), paced.sample(3)
    np.testing.assert_array_equal(sample.frames, whole.frames[::4])
    zeros = np.zeros_like(sample.background_flow[0])
    np.testing.assert_array_equal(sample.background_flow[0], zeros)
    summed = [whole.background_flow[k + 1 : k + 5].sum(axis=0) for k in (0, 4, 8)]
    assert np.abs(sample.background_flow[1:] - summed).max() < 1
    assert np.abs(sample.background_flow[1:]).max() > 1
    with pytest.raises(ValueError, match="holds no 4 targets"):
        PuppetSource(settings, 4, "clips", pace=Pace(stride=5))


def test_motion_is_followed_back_not_added_where_it_stands():
    """A zoom: after n frames of a factor, what is here comes from n factors nearer the middle."""
    size, cells, factor, frames = (160, 160), 20, 1.1, 4
    y, x = (np.mgrid[0:cells, 0:cells] + 0.5) * 8 - 80
    place = np.stack([x, y]).astype(np.float32)
    one, truth = place * (1 - 1 / factor), place * (1 - 1 / factor**frames)
    found = composed(np.stack([one] * frames), size)
    inside = np.s_[:, 4:-4, 4:-4]
    assert np.abs(found - truth)[inside].max() < 0.02
    assert np.abs(frames * one - truth)[inside].max() > 2


def test_crops_cut_pictures_skeletons_and_flow_alike(moving):
    _, clip, dataset = moving
    # Half of each side at half the size: the pixels of the clip, from somewhere.
    source = DatasetSource(dataset, (24, 32), 1, "images", misaligned=0.0, crop=(0.5, 0.5))
    places = set()
    for index in range(8):
        sample = source.sample(index)
        drawn = sample.keypoints[:, 0]
        fits = []
        for time in range(len(clip.frames)):
            known = clip.poses.keypoints[:, time]
            shift = (known - drawn)[..., :2][known[..., 2] > 0]
            if np.abs(shift - shift[0]).max() < 1e-3:
                fits.append((time, *shift[0].tolist()))
        ((time, left, top),) = fits
        assert -0.01 < left < 32.01
        assert -0.01 < top < 24.01
        places.add((round(float(left)), round(float(top))))
        box = (left, top, left + 32, top + 24)
        cut = Image.fromarray(clip.frames[time]).resize((32, 24), Image.Resampling.LANCZOS, box)
        assert np.abs(np.asarray(cut).astype(int) - sample.frames[0]).max() <= 2
    assert len(places) > 4


def test_reference_and_targets_are_cropped_at_one_place(numbered: Path, moving):
    _, clip, dataset = moving
    source = DatasetSource(dataset, (24, 32), 1, "images", 0.0, crop=(0.5, 0.5))
    still = replace(clip, frames=np.repeat(clip.frames[:1], len(clip.frames), axis=0))
    target = source.dataset.parent / "still"
    write_clip(target, still, "g", "one", "png")
    write_index(target)
    sample = replace(source, dataset=target).sample(1)
    np.testing.assert_array_equal(sample.reference, sample.frames[0])


def test_the_other_side_of_every_joint():
    assert sorted(OTHER_SIDE) == list(range(134))
    assert all(OTHER_SIDE[other] == joint for joint, other in enumerate(OTHER_SIDE))
    assert JOINT_NAMES[OTHER_SIDE[JOINT_NAMES.index("right_wrist")]] == "left_wrist"
    assert JOINT_NAMES[OTHER_SIDE[JOINT_NAMES.index("left_hand_7")]] == "right_hand_7"
    assert JOINT_NAMES[OTHER_SIDE[JOINT_NAMES.index("left_big_toe")]] == "right_big_toe"
    face = {k: OTHER_SIDE[24 + k] - 24 for k in range(68)}
    # Corners of jaw, brows, eyes, nose and mouth; the tip of the nose is its own mirror image.
    assert (face[0], face[17], face[36], face[39], face[31], face[48]) == (16, 26, 45, 42, 35, 54)
    assert (face[8], face[30], face[33], face[51], face[57], face[62], face[66]) == (
        8, 30, 33, 51, 57, 62, 66,
    )  # fmt: skip


def test_a_mirrored_sample_is_the_same_scene_in_a_mirror(moving):
    _, _, dataset = moving
    sample = DatasetSource(dataset, SIZE, 2, "clips").sample(0)
    other = mirrored(sample)
    np.testing.assert_array_equal(other.frames, sample.frames[:, :, ::-1])
    np.testing.assert_array_equal(other.reference, sample.reference[:, ::-1])
    for before, after in (
        (sample.keypoints[:, 0], other.keypoints[:, 0]),
        (sample.reference_keypoints, other.reference_keypoints),
    ):
        maps = dilation_maps(before, SIZE)[:, :, ::-1]
        assert (maps != dilation_maps(after, SIZE)).mean() < 0.01
        # Red on the right: the drawing is not the mirrored one, whose colours are exchanged.
        assert not np.array_equal(draw_poses(after, SIZE), draw_poses(before, SIZE)[:, ::-1])
        np.testing.assert_allclose(after[:, 4, 0], 63 - before[:, 7, 0])
    flow, back = sample.background_flow, other.background_flow
    np.testing.assert_array_equal(back[:, 0], -flow[:, 0, :, ::-1])
    np.testing.assert_array_equal(back[:, 1], flow[:, 1, :, ::-1])
    again = mirrored(other)
    np.testing.assert_allclose(again.keypoints, sample.keypoints, atol=1e-4)
    np.testing.assert_array_equal(again.background_flow, flow)


def test_absent_joints_stay_absent_in_the_mirror():
    person = np.zeros((18, 3), np.float32)
    person[4] = (10, 20, 1)
    other = mirrored_keypoints(person, 64)
    assert other[7].tolist() == [53, 20, 1]
    assert not other[np.arange(18) != 7].any()


def test_some_samples_are_mirrored(moving):
    _, _, dataset = moving
    plain = DatasetSource(dataset, SIZE, 1, "images")
    source = MirroredSource(plain, 0.3)
    flipped = [
        not np.array_equal(source.sample(i).frames, plain.sample(i).frames) for i in range(60)
    ]
    assert 8 <= sum(flipped) <= 30
    assert all(
        np.array_equal(source.sample(i).frames, plain.sample(i).frames[:, :, ::-1])
        for i in range(60)
        if flipped[i]
    )


def test_an_index_has_the_columns_that_filters_name(numbered: Path):
    assert {record.source for record in read_index(numbered)} == {"TikTok", "YouTube"}
