"""LoRA trains little, changes nothing at the start, and is written merged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.errors import InputError
from posecast.models.folder import load_animator, save_animator
from posecast.training.config import BatchShape, LoraSettings, TrainingConfig
from posecast.training.loop import train
from posecast.training.stages import build_animator, make_task
from posecast.training.task import Process

pytest.importorskip("peft", reason="posecast[train] is not installed")


@pytest.fixture
def run(tiny_run: TrainingConfig, tmp_path: Path) -> TrainingConfig:
    """Two steps of LoRA on a model folder, guiders frozen too."""
    start = replace(tiny_run, stage="clips", frozen=("vae",))
    torch.manual_seed(0)
    animator = build_animator(start)
    with torch.no_grad():  # fresh output layers of zero would let no gradient through
        for parameter in animator.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    save_animator(animator, tmp_path / "start")
    return replace(
        start,
        steps=2,
        model=replace(start.model, init=tmp_path / "start"),
        frozen=("vae", "image_encoder", "guiders"),
        lora=LoraSettings(rank=2),
        batch=BatchShape(references=1, frames=2),
    )


def test_only_low_rank_layers_train_and_the_start_is_unchanged(run: TrainingConfig) -> None:
    adapted, plain = build_animator(run).eval(), build_animator(replace(run, lora=None)).eval()
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert {name.split(".")[0] for name in trained} == {"unet", "reference_net"}
    count = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert count < 0.2 * sum(p.numel() for p in plain.parameters() if p.requires_grad)
    channels = plain.config.vae["latent_channels"]
    latents, noisy = torch.randn(1, channels, 4, 4), torch.randn(1, 2, channels, 4, 4)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        a = adapted(noisy, 500, latents, image, {})
        b = plain(noisy, 500, latents, image, {})
    torch.testing.assert_close(a, b)


def test_a_run_is_written_merged_and_moves_adapted_weights_only(run: TrainingConfig) -> None:
    model = train(run, make_task)
    load_animator(model)
    assert run.model.init is not None
    moved = set()
    for part in ("unet", "reference_net", "guiders"):
        before, after = (
            load_file(folder / part / "diffusion_pytorch_model.safetensors")
            for folder in (run.model.init, model)
        )
        assert before.keys() == after.keys()
        moved |= {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(".to_" in name for name in moved)


def test_saving_does_not_touch_the_run(run: TrainingConfig, tmp_path: Path) -> None:
    task = make_task(run, Process(torch.device("cpu")))
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    task.save(tmp_path / "saved")
    after = task.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_nothing_to_adapt(run: TrainingConfig) -> None:
    with pytest.raises(InputError, match="both U-Nets are frozen"):
        build_animator(replace(run, frozen=("vae", "unet", "reference_net")))
