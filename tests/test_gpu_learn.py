"""scripts/gpu_learn.py: what is drawn on the device is what training's own batches hold."""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.data.batches import assemble
from posecast.training.diffusion import DiffusionTask, _batch_settings
from posecast.training.sources import source_of
from posecast.training.stages import build_animator
from posecast.training.task import Process, seed_for

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def learn():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield importlib.import_module("gpu_learn")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def render(learn):
    return importlib.import_module("gpu_render")


@pytest.fixture(scope="module")
def config(learn):
    return learn.configs_of("claims:1", tiny=True)[1]


@pytest.fixture(scope="module")
def drawn(learn):
    """Of a course: its config, and samples of it."""

    @cache
    def draw(course):
        config = learn.configs_of(f"{course}:1", tiny=True)[1]
        source = source_of(config, 123)
        return config, [source.sample(index) for index in range(12)]

    return draw


def batches(learn, render, config, samples, left_out):
    """The same samples as the script's batch and as training's own."""
    animator = build_animator(config)
    shape = render.Shape(config.batch.frames, *samples[0].size)
    data = np.zeros((len(samples), shape.nbytes), np.uint8)
    views = shape.views(data)
    for slot, sample in enumerate(samples):
        render.write_sample(sample, views, slot, radius=0.08)
    fields = render.unpacked(torch.from_numpy(data), shape)
    marks = {name: torch.full((len(samples),), True) for name in left_out}
    made = learn.to_batch(fields, animator, torch.Generator().manual_seed(0), marks)
    settings = replace(
        _batch_settings(config, animator), identity_drop=0.0, drop=dict.fromkeys(left_out, 1.0)
    )
    return made, assemble(samples, np.random.default_rng(0), settings)


@pytest.mark.parametrize("left_out", [(), ("depth_order",), ("reference_pose",)])
@pytest.mark.parametrize("course", ["claims", "embedded"])
def test_batches_made_on_the_device_equal_trainings_own(
    learn, render, drawn, course, left_out, monkeypatch
):
    monkeypatch.chdir(ROOT)
    config, samples = drawn(course)
    assert len({len(sample.keypoints) for sample in samples}) > 1
    assert any(np.abs(sample.background_flow).max() > 1 for sample in samples)
    made, wanted = batches(learn, render, config, samples, left_out)
    assert made.maps.keys() == wanted.maps.keys()
    for name in ("pose", "reference_pose", "flow", "depth_order", "body"):
        if name not in left_out:  # its guider adds nothing then, whatever is drawn
            torch.testing.assert_close(made.maps[name], wanted.maps[name], atol=1e-3, rtol=0)
    assert made.reference_maps.keys() == wanted.reference_maps.keys()
    for name in ("pose", "body"):
        torch.testing.assert_close(
            made.reference_maps[name], wanted.reference_maps[name], atol=1e-3, rtol=0
        )
    assert torch.equal(made.frames, wanted.frames)
    assert torch.equal(made.reference, wanted.reference)
    assert torch.equal(made.character_mask, wanted.character_mask)
    assert {name: m.tolist() for name, m in made.left_out.items()} == {
        name: m.tolist() for name, m in wanted.left_out.items()
    }
    # Codes are drawn anew; where they are, and how long, is the same.
    for ours, theirs in ((made.maps, wanted.maps), (made.reference_maps, wanted.reference_maps)):
        lengths = [maps["identity"].norm(dim=-3) for maps in (ours, theirs)]
        assert torch.equal(lengths[0] > 0, lengths[1] > 0)
        whole = lengths[1] > 1.97
        assert whole.any()
        if course == "embedded" and not left_out:  # one code a place: none is a mean
            assert torch.equal(lengths[0] > 1.97, lengths[0] > 0)


def test_samples_written_by_processes_are_read_whole(learn, render, config, monkeypatch):
    monkeypatch.chdir(ROOT)
    pool = render.Pool(config, 8, 2)
    try:
        reader = render.Reader(pool.place, torch.device("cpu"))
        reader.wait_for(4)
        drawn = reader.draw(16, torch.Generator().manual_seed(0))
        unknown = {clip.tobytes() for clip in drawn["pictures"][:, 1:].numpy()}
        reader.close()
    finally:
        pool.close()
    assert not pool.place.folder.exists()
    assert unknown
    source = source_of(config, seed_for(config.seed, "training"))
    for index in range(40):
        unknown.discard(source.sample(index).frames.tobytes())
        if not unknown:
            break
    assert not unknown


@pytest.mark.parametrize(
    ("run", "stage"), [("claims:1", 0), ("claims:1", 1), ("flow:2", 0), ("reference-pose:1", 0)]
)
def test_the_claims_configs_make_models_that_learn(learn, run, stage, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = learn.configs_of(run, tiny=True)[stage]
    config = replace(config, batch=replace(config.batch, references=1, frames=2))
    animator = build_animator(config)
    for guider in {"flow", "depth_order", "reference_pose"} & set(animator.config.guiders):
        assert not animator.guiders.get_submodule(guider).conv_out.weight.any()
    task = DiffusionTask(config, Process(torch.device("cpu")), animator)
    loss = task.loss(animator, task.batches[0], torch.Generator().manual_seed(0)).total
    loss.backward()
    assert torch.isfinite(loss)
    idle = [n for n, p in animator.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle


def test_a_run_that_goes_on_skips_the_stages_before(learn, tmp_path):
    assert [c.stage for c in learn.stages_of("claims:1", True, None)] == ["images", "clips"]
    (tmp_path / "claims-1" / "model").mkdir(parents=True)
    assert [c.stage for c in learn.stages_of("claims:1", True, tmp_path)] == ["clips"]
    with pytest.raises(ValueError, match=r"claims-2.model: no such folder; unpack model\.tar"):
        learn.stages_of("claims:2", True, tmp_path)


@pytest.mark.parametrize(
    ("run", "expected"), [("dance:1", "no course 'dance'; there are"), ("flow:x", "the seed")]
)
def test_runs_that_do_not_exist_are_one_line(learn, tmp_path, capsys, run, expected):
    assert learn.run(1, tmp_path / "out", tiny=True, runs=[run]) == 2
    assert expected in capsys.readouterr().err


def test_a_dead_renderer_ends_the_wait(learn, render, config, monkeypatch):
    monkeypatch.chdir(ROOT)
    pool = render.Pool(config, 8, 1)
    try:
        pool.processes[0].kill()
        pool.processes[0].join()
        with pytest.raises(RuntimeError, match="a rendering process ended"):
            learn.wait_until(time.monotonic() + 60, {"": pool})
    finally:
        pool.close()
