"""scripts/gpu_learn.py: what is drawn on the device is what training's own batches hold."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.data.batches import assemble
from posecast.training.config import read_config
from posecast.training.diffusion import DiffusionTask, _batch_settings
from posecast.training.sources import source_of
from posecast.training.stages import build_animator
from posecast.training.task import Process

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
    return learn.shrunk(read_config(ROOT / "configs" / "claims" / "clips.yaml"), tiny=True)


def test_batches_made_on_the_device_equal_trainings_own(learn, render, config, monkeypatch):
    monkeypatch.chdir(ROOT)
    animator = build_animator(config)
    source = source_of(config, 123)
    samples = [source.sample(index) for index in range(6)]
    assert len({len(sample.keypoints) for sample in samples}) > 1
    assert any(np.abs(sample.background_flow).max() > 1 for sample in samples)
    shape = render.Shape(config.batch.frames, 64, 64)
    data = np.zeros((len(samples), shape.nbytes), np.uint8)
    views = shape.views(data)
    for slot, sample in enumerate(samples):
        render.write_sample(sample, views, slot, radius=0.08)
    fields = render.unpacked(torch.from_numpy(data), shape)
    made = learn.to_batch(fields, animator, torch.Generator().manual_seed(0))
    settings = replace(_batch_settings(config, animator), identity_drop=0.0, drop={})
    wanted = assemble(samples, np.random.default_rng(0), settings)
    for name in ("pose", "reference_pose", "flow", "depth_order", "body"):
        torch.testing.assert_close(made.maps[name], wanted.maps[name], atol=1e-3, rtol=0)
    for name in ("pose", "body"):
        torch.testing.assert_close(
            made.reference_maps[name], wanted.reference_maps[name], atol=1e-3, rtol=0
        )
    assert torch.equal(made.frames, wanted.frames)
    assert torch.equal(made.reference, wanted.reference)
    assert torch.equal(made.character_mask, wanted.character_mask)
    # Codes are drawn anew; where they are, and how long, is the same.
    lengths = [batch.maps["identity"].norm(dim=2) for batch in (made, wanted)]
    assert torch.equal(lengths[0] > 0, lengths[1] > 0)
    alone = wanted.maps["depth_order"].gt(0) & (lengths[1] > 1.97)[:, :, None]
    assert torch.allclose(lengths[0][alone[:, :, 0]], torch.tensor(0.7 * 8**0.5), atol=1e-4)


@pytest.mark.parametrize("name", ["images", "clips"])
def test_the_claims_configs_make_models_that_learn(learn, name, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = learn.shrunk(read_config(ROOT / "configs" / "claims" / f"{name}.yaml"), tiny=True)
    config = replace(config, batch=replace(config.batch, references=1, frames=2))
    animator = build_animator(config)
    for guider in ("flow", "depth_order", "reference_pose"):
        assert not animator.guiders.get_submodule(guider).conv_out.weight.any()
    task = DiffusionTask(config, Process(torch.device("cpu")), animator)
    loss = task.loss(animator, task.batches[0], torch.Generator().manual_seed(0)).total
    loss.backward()
    assert torch.isfinite(loss)
    idle = [n for n, p in animator.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
