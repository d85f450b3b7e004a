"""Samples from the stage: pure functions of an index; batches with their maps."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
import torch

from posecast.data import BatchSettings, PuppetSource, Sample, assemble
from posecast.geometry.condition_maps import Scene, condition_maps
from posecast.puppets import PuppetSettings, plan_shots, render

STAGE = PuppetSettings(size=(32, 48), frames=6, characters=(0.0, 1.0))


def same(a: Sample, b: Sample) -> bool:
    return all(
        np.array_equal(getattr(a, field.name), getattr(b, field.name))
        for field in dataclasses.fields(Sample)
    )


def test_a_sample_is_a_pure_function_of_its_index():
    source = PuppetSource(STAGE, frames=3, seed=5)
    first = [source.sample(i) for i in (0, 1, 2)]
    again = [PuppetSource(STAGE, frames=3, seed=5).sample(i) for i in (2, 1, 0)][::-1]
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not any(same(a, b) for a, b in itertools.combinations(first, 2))
    assert not same(first[0], PuppetSource(STAGE, frames=3, seed=6).sample(0))


def test_a_sample_has_the_documented_shapes():
    sample = PuppetSource(STAGE, frames=3).sample(0)
    assert sample.reference.shape == (32, 48, 3)
    assert sample.reference_keypoints.shape == (2, 18, 3)
    assert sample.reference_ranks.shape == (2,)
    assert sample.frames.shape == (3, 32, 48, 3)
    assert sample.keypoints.shape == (2, 3, 18, 3)
    assert sample.ranks.shape == (3, 2)
    assert sample.background_flow is not None
    assert sample.background_flow.shape == (3, 2, 32, 48)


def test_clips_are_consecutive_frames_of_one_shot():
    source = PuppetSource(STAGE, frames=4, kind="clips", misaligned=0.0, seed=1)
    sample = source.sample(3)
    rng = np.random.default_rng((1, 3))
    shot = render(plan_shots(int(rng.integers(2**62)), STAGE, 1)[0])
    starts = [s for s in range(3) if np.array_equal(shot.frames[s : s + 4], sample.frames)]
    assert len(starts) == 1
    assert any(np.array_equal(frame, sample.reference) for frame in shot.frames)


def test_a_reference_from_before_the_clip_is_the_frame_before_it():
    settings = dataclasses.replace(STAGE, camera="shaking")
    source = PuppetSource(
        settings, frames=5, kind="clips", misaligned=0.0, seed=1, reference="before"
    )
    sample = source.sample(3)
    rng = np.random.default_rng((1, 3))
    plan = plan_shots(int(rng.integers(2**62)), settings, 1)[0]
    shot = render(plan)
    assert np.array_equal(sample.reference, shot.frames[0])
    assert np.array_equal(sample.frames, shot.frames[1:])
    # The flow, added up, is where the background is, seen from the reference.
    added = sample.background_flow[:, :, 0, 0].cumsum(axis=0)
    moved = (plan.camera[1:, :, 2] - plan.camera[0, :, 2]) * 32
    np.testing.assert_allclose(added, moved, atol=1e-3)
    assert np.abs(moved).max() > 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "images"}, "needs clips"),
        ({"misaligned": 0.5}, "misaligned 0"),
        ({"frames": 6}, "longer than the clip"),
    ],
)
def test_a_reference_from_before_needs_a_clip_with_a_frame_before_it(changes, expected):
    given = {"frames": 5, "kind": "clips", "misaligned": 0.0, "reference": "before"}
    with pytest.raises(ValueError, match=expected):
        PuppetSource(STAGE, **(given | changes))


def test_misaligned_references_come_from_another_shot():
    aligned = PuppetSource(STAGE, frames=6, misaligned=0.0).sample(0)
    apart = PuppetSource(STAGE, frames=6, misaligned=1.0).sample(0)
    assert any(np.array_equal(frame, aligned.reference) for frame in aligned.frames)
    assert not any(np.array_equal(frame, apart.reference) for frame in apart.frames)


def test_moving_scenes_have_background_motion():
    source = PuppetSource(STAGE, frames=4, kind="clips", moving=1.0)
    still = PuppetSource(STAGE, frames=4, kind="clips", moving=0.0)
    moved = [np.abs(source.sample(i).background_flow).max() for i in range(4)]
    assert max(moved) > 0.05
    assert all(not still.sample(i).background_flow.any() for i in range(4))


def test_a_shot_shorter_than_the_targets_is_refused():
    with pytest.raises(ValueError, match="6 frames holds no 7 targets"):
        PuppetSource(STAGE, frames=7)


def test_a_batch_holds_the_maps_of_its_samples():
    source = PuppetSource(STAGE, frames=3)
    samples = [source.sample(i) for i in range(2)]
    batch = assemble(samples, np.random.default_rng(0), BatchSettings(identity_drop=0.0))
    shapes = {name: tuple(value.shape) for name, value in batch.maps.items()}
    assert shapes == {
        "pose": (2, 3, 3, 32, 48),
        "flow": (2, 3, 3, 32, 48),
        "depth_order": (2, 3, 1, 32, 48),
        "reference_pose": (2, 1, 3, 32, 48),
        "identity": (2, 3, 8, 32, 48),
    }
    assert tuple(batch.frames.shape) == (2, 3, 3, 32, 48)
    assert torch.equal(batch.frames[1, 2, 0], torch.from_numpy(samples[1].frames[2, :, :, 0]) / 255)
    sample = samples[1]
    scene = Scene(
        sample.keypoints,
        sample.reference_keypoints,
        sample.ranks,
        (32, 48),
        background_flow=sample.background_flow,
        reference_ranks=sample.reference_ranks,
    )
    maps = condition_maps(scene)
    assert torch.equal(batch.maps["flow"][1], torch.from_numpy(maps["flow"]))
    assert torch.equal(batch.maps["depth_order"][1], torch.from_numpy(maps["depth_order"]))
    union = torch.from_numpy(maps.characters.max(axis=1, keepdims=True)).float()
    assert torch.equal(batch.character_mask[1], union)


def test_identity_codes_are_shared_by_reference_and_targets_and_fresh_a_sample():
    sample = PuppetSource(STAGE, frames=2, misaligned=0.0).sample(0)
    batch = assemble([sample, sample], np.random.default_rng(0), BatchSettings(identity_drop=0.0))

    def codes(identity: torch.Tensor) -> set[tuple[float, ...]]:
        pixels = identity.movedim(-3, -1).flatten(0, -2)
        return {tuple(code) for code in pixels.unique(dim=0).tolist() if any(code)}

    target = [codes(batch.maps["identity"][i]) for i in range(2)]
    reference = [codes(batch.reference_maps["identity"][i]) for i in range(2)]
    assert target[0] == reference[0]
    assert len(target[0]) == 2
    assert not target[0] & target[1]


def test_identity_is_dropped_from_targets_only_and_as_often_as_said():
    sample = PuppetSource(STAGE, frames=1).sample(0)
    batch = assemble([sample] * 60, np.random.default_rng(0), BatchSettings(identity_drop=0.3))
    dropped = ~batch.maps["identity"].flatten(1).any(dim=1)
    assert 8 <= int(dropped.sum()) <= 28
    assert batch.reference_maps["identity"].flatten(1).any(dim=1).all()


def test_training_without_a_guider_draws_no_map_for_it_and_changes_no_other():
    samples = [PuppetSource(STAGE, frames=2).sample(0)]
    full = assemble(samples, np.random.default_rng(0))
    fewer = assemble(samples, np.random.default_rng(0), BatchSettings(names=("pose", "identity")))
    assert set(fewer.maps) == {"pose", "identity"}
    assert torch.equal(full.maps["identity"], fewer.maps["identity"])


def test_flow_from_the_reference_says_where_its_background_has_gone():
    big = dataclasses.replace(STAGE, size=(96, 96), frames=12)
    settings = {"frames": 3, "misaligned": 1.0, "moving": 1.0}
    before = PuppetSource(big, **settings).sample(2)
    sample = PuppetSource(big, **settings, flow_from="reference").sample(2)
    assert same(dataclasses.replace(sample, background_flow=before.background_flow), before)
    assert sample.background_flow is not None
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    moved = []
    for frame, flow, ids in zip(
        sample.frames, sample.background_flow, sample.character_ids, strict=True
    ):
        # A pixel's place minus its flow is where the reference shows it.
        u, v = flow
        assert float(np.hypot(u, v).mean()) > 1
        carried = cv2.remap(sample.reference, x - u, y - v, cv2.INTER_LINEAR)
        inside = (x - u > 0) & (y - v > 0) & (x - u < 95) & (y - v < 95) & (ids == 0)
        nearer = [
            np.median(np.abs(picture.astype(float) - frame)[inside])
            for picture in (carried, sample.reference)
        ]
        moved.append(nearer[0] < nearer[1])
    assert all(moved)


def test_conditions_are_left_out_of_samples_as_often_as_said():
    sample = PuppetSource(STAGE, frames=1).sample(0)
    settings = BatchSettings(
        names=("pose", "flow", "depth_order", "reference_pose", "identity", "body"),
        drop={"reference_pose": 0.5, "flow": 1.0, "pose": 0.0},
    )
    batch = assemble([sample] * 60, np.random.default_rng(0), settings)
    left_out = batch.left_out["reference_pose"]
    assert 18 <= int(left_out.sum()) <= 42
    assert batch.left_out["flow"].all()
    assert not batch.left_out["pose"].any()
    for maps in (batch.maps["reference_pose"], *map(batch.reference_maps.get, ("pose", "body"))):
        assert torch.equal(maps.flatten(1).any(dim=1), ~left_out)
    # Nothing is drawn of rates that are certain.
    settings = BatchSettings(drop={"flow": 1.0})
    same = [assemble([sample], np.random.default_rng(0), s) for s in (settings, BatchSettings())]
    assert torch.equal(*(one.maps["identity"] for one in same))
