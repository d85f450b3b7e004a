from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from posecast import cli
from posecast.benches import stage as stage_bench
from posecast.benches.contestants import PipelineModel, _order_changes, contestants, without_motion
from posecast.casting.sheet import OrderChange
from posecast.cli.benchmark import _borders
from posecast.media.images import read_image
from posecast.models import Animator
from posecast.pipeline.animation import AnimationPipeline

SIZE, FRAMES = (64, 64), 3


@pytest.fixture(scope="module")
def clip() -> stage_bench.BenchClip:
    (first,) = stage_bench.bench_clips(1, SIZE, FRAMES)
    return first


@pytest.fixture(scope="module")
def pipe() -> AnimationPipeline:
    torch.manual_seed(0)
    animator = Animator.from_preset("tiny")
    for parameter in animator.parameters():  # Zero starts would leave whole networks silent.
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return AnimationPipeline(animator)


@pytest.fixture(scope="module")
def generate(pipe) -> PipelineModel:
    return PipelineModel(pipe, steps=1, guidance=1.5, without=(), window=4, stride=2)


def test_orders_become_changes_with_the_absent_last():
    ranks = np.array([[0, 1], [0, 1], [1, 0], [-1, 0]])
    assert _order_changes(ranks) == (OrderChange(0, (0, 1)), OrderChange(2, (1, 0)))


def test_pipeline_is_asked_for_exactly_the_tracks_and_orders(clip, generate, monkeypatch):
    plans = []

    def spy(self, plan, **settings):
        plans.append(plan)
        return iter(np.zeros((plan.num_frames, *plan.size, 3), np.uint8))

    monkeypatch.setattr(AnimationPipeline, "frames", spy)
    for request in (clip.request(), clip.request_inverted(), clip.request_swapped()):
        assert generate(request).shape == (FRAMES, *SIZE, 3)
        plan = plans[-1]
        np.testing.assert_array_equal(plan.ranks, request.ranks)
        np.testing.assert_allclose(plan.keypoints, request.poses.keypoints, atol=1e-4)
        np.testing.assert_array_equal(plan.picture, clip.reference.frames[0])
        np.testing.assert_array_equal(plan.reference_ranks, clip.reference.ranks[0])


def test_same_request_same_bytes_and_every_yardstick_is_another_run(clip, pipe, generate):
    entrants = contestants(pipe, generate)
    frames = entrants.model(clip.request())
    np.testing.assert_array_equal(frames, entrants.model(clip.request()))
    assert np.any(frames != entrants.without_reference_net(clip.request()))
    one = clip.request().frame(1)
    assert entrants.single_frames(one).shape == (1, *SIZE, 3)
    decoded = entrants.autoencoder(clip.truth.frames)
    assert decoded.dtype == np.uint8
    assert decoded.shape == clip.truth.frames.shape


def test_without_motion_has_the_same_weights_and_no_motion_modules(pipe):
    stills = without_motion(pipe.animator)
    assert stills.config.motion is None
    weights, whole = stills.state_dict(), pipe.animator.state_dict()
    assert len(weights) < len(whole)
    for name, value in weights.items():
        assert torch.equal(value, whole[name]), name
    assert without_motion(stills) is stills


def test_borders_of_a_long_clip():
    assert _borders(0, 8) == []
    assert _borders(16, 8) == [4, 8, 12]
    with pytest.raises(cli.InputError, match="--long 8"):
        _borders(8, 8)
    with pytest.raises(cli.InputError, match="--long 20"):
        _borders(20, 1)


def test_verb_prints_the_table_and_writes_both_files(pipe, tmp_path, monkeypatch, capsys):
    small = functools.partial(stage_bench.bench_clips, size=SIZE, frames=2)
    monkeypatch.setattr(stage_bench, "bench_clips", small)
    model = tmp_path / "model"
    pipe.save_pretrained(model)
    scores, sheet = tmp_path / "scores.json", tmp_path / "sheet.png"
    status = cli.run(
        ["benchmark", "stage", "--model", str(model), "--clips", "1", "--steps", "1", "--quiet"]
        + ["--long", "0", "--without", "depth", "--json", str(scores)]
        + ["--contact-sheet", str(sheet), "--device", "cpu"]
    )
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    assert "1 step, guidance 1.5, without depth_order" in captured.out
    assert "| model " in captured.out
    figures = json.loads(scores.read_text())
    assert figures["settings"]["without"] == ["depth_order"]
    assert len(figures["runs"]) == 7
    assert read_image(sheet).shape[1] == 10 * SIZE[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "nowhere/scores.json"], "nowhere"),
        (["--contact-sheet", "sheet.jpg"], ".png"),
        (["--without", "gravity"], "gravity"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_mistakes_are_named_before_any_work(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["benchmark", "stage", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
