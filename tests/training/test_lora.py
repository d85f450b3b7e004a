"""LoRA trains little, changes nothing at the start, and is written merged."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.models.lora import FILE, lora_file, merge_lora
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


def test_the_layers_are_a_file_of_their_own(run: TrainingConfig, tmp_path: Path) -> None:
    """The start with the file's layers on it is the model that the run wrote, guiders and all."""
    run = replace(run, frozen=("vae", "image_encoder"))
    model = train(run, make_task)
    with safe_open(model / FILE, "pt") as file:
        names = set(file.keys())
        said = json.loads(file.metadata()["lora_adapter_metadata"])
    layers = {name for name in names if "lora_" in name}
    assert layers
    assert all(re.fullmatch(r"(unet|reference_net)\..*\.lora_[AB]\.weight", n) for n in layers)
    assert {name.split(".")[0] for name in names - layers} == {"guiders"}
    assert (said["unet.r"], said["unet.lora_alpha"]) == (2, 16.0)
    assert run.model.init is not None
    start, trained = Animator.from_pretrained(run.model.init), Animator.from_pretrained(model)
    merge_lora(start, model)
    for part in ("unet", "reference_net", "guiders"):
        ours, theirs = (getattr(one, part).state_dict() for one in (start, trained))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name])
    # Diffusers' own name does as well; a run may start from it.
    (tmp_path / "other").mkdir()
    shutil.copy(model / FILE, tmp_path / "other" / "pytorch_lora_weights.safetensors")
    assert lora_file(tmp_path / "other").is_file()
    second = replace(
        run, lora=None, model=replace(run.model, lora=model / FILE), output=tmp_path / "second"
    )
    begun = build_animator(second).unet.state_dict()
    for name, value in begun.items():
        torch.testing.assert_close(value, trained.unet.state_dict()[name])


def test_half_of_an_adaptation_is_half_way(run: TrainingConfig) -> None:
    model = train(run, make_task)
    assert run.model.init is not None
    start, trained = Animator.from_pretrained(run.model.init), Animator.from_pretrained(model)
    before = {name: value.clone() for name, value in start.unet.state_dict().items()}
    merge_lora(start, model / FILE, 0.5)
    for name, value in start.unet.state_dict().items():
        half = (before[name] + trained.unet.state_dict()[name]) / 2
        torch.testing.assert_close(value, half)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text_encoder.x.lora_A.weight": (2, 4)}, "it adapts none of the model's parts"),
        ({"unet.nowhere.to_q.lora_A.weight": (2, 4)}, r"unet\.nowhere\.to_q: .*no such layer"),
        ({"guiders.pose.x": (1,)}, "is of another model"),
        ({}, "holds no low-rank layers"),
    ],
)
def test_files_of_other_models_are_refused(run, tmp_path: Path, change, message: str) -> None:
    tensors = {name: torch.zeros(shape) for name, shape in change.items()}
    if "guiders.pose.x" in change:
        tensors |= {f"unet.{_layer(run)}.lora_{side}.weight": _zeros(run, side) for side in "AB"}
    save_file({"unet.x": torch.zeros(1)} if not change else tensors, tmp_path / "x.safetensors")
    animator = Animator.from_pretrained(run.model.init)
    before = {name: value.clone() for name, value in animator.state_dict().items()}
    expected = "it adapts none of the model's parts" if not change else message
    with pytest.raises(InputError, match=rf"x\.safetensors: .*{expected}"):
        merge_lora(animator, tmp_path / "x.safetensors")
    assert all(torch.equal(before[name], v) for name, v in animator.state_dict().items())


def _layer(run: TrainingConfig) -> str:
    unet = Animator.from_pretrained(run.model.init).unet
    return next(name for name, _ in unet.named_modules() if name.endswith("attn1.to_q"))


def _zeros(run: TrainingConfig, side: str) -> torch.Tensor:
    weight = Animator.from_pretrained(run.model.init).unet.get_submodule(_layer(run)).weight
    return torch.zeros((2, weight.shape[1]) if side == "A" else (weight.shape[0], 2))


def test_layers_of_another_shape_or_half_are_refused(run: TrainingConfig, tmp_path: Path) -> None:
    animator, layer = Animator.from_pretrained(run.model.init), _layer(run)
    down, up = (_zeros(run, side) for side in "AB")
    for tensors, message in (
        ({"lora_A.weight": down}, "expected lora_A.weight and lora_B.weight"),
        ({"lora_A.weight": down[:, :-1], "lora_B.weight": up}, r"expected \d+ x \d+"),
    ):
        named = {f"unet.{layer}.{name}": value.contiguous() for name, value in tensors.items()}
        save_file(named, tmp_path / "x.safetensors")
        with pytest.raises(InputError, match=message):
            merge_lora(animator, tmp_path / "x.safetensors")


def test_saving_does_not_touch_the_run(run: TrainingConfig, tmp_path: Path) -> None:
    task = make_task(run, Process(torch.device("cpu")))
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    task.save(tmp_path / "saved")
    after = task.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_lora_on_frozen_networks_is_refused(run: TrainingConfig) -> None:
    with pytest.raises(InputError, match="both U-Nets are frozen"):
        build_animator(replace(run, frozen=("vae", "unet", "reference_net")))
