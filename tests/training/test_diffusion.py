"""The diffusion stages: they learn, resume bit for bit, and drop and leave out what they say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from posecast.data import PuppetSource, Sample
from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.folder import load_animator
from posecast.models.presets import PRESETS
from posecast.puppets import PuppetSettings
from posecast.training.checkpoints import STATE_FILE, checkpoints
from posecast.training.config import (
    BatchShape,
    DataSettings,
    ModelSettings,
    ObjectiveSettings,
    TrainingConfig,
    ValidationSettings,
)
from posecast.training.diffusion import DiffusionTask, latent_weights
from posecast.training.loop import train
from posecast.training.stages import make_task, model_config
from posecast.training.task import Process

CPU = Process(torch.device("cpu"))


# Clips use every layer that images use, so the slow tests run on images only where asked.
BOTH = [pytest.param("images", marks=pytest.mark.slow), "clips"]


@pytest.fixture(params=["images", "clips"])
def run(request, tiny_run: TrainingConfig) -> TrainingConfig:
    """Four steps of the tiny model on stage clips of 32x32."""
    return diffusion_run(tiny_run, request.param)


@pytest.fixture
def images_run(tiny_run: TrainingConfig) -> TrainingConfig:
    return diffusion_run(tiny_run, "images")


def diffusion_run(tiny_run: TrainingConfig, stage: str) -> TrainingConfig:
    return replace(
        tiny_run,
        stage=stage,
        steps=4,
        frozen=("vae",),
        data=DataSettings(stage=PuppetSettings(size=(32, 32), frames=4, supersample=1)),
        batch=BatchShape(references=2, frames=2),
    )


def task_of(config: TrainingConfig) -> DiffusionTask:
    torch.manual_seed(0)
    task = make_task(config, CPU)
    assert isinstance(task, DiffusionTask)
    task.set_training(True)
    return task


def loss_of(task: DiffusionTask, batch, seed: int = 0) -> float:
    generator = torch.Generator().manual_seed(seed)
    return float(task.loss(task.module, batch, generator).total.detach())


@dataclass(frozen=True)
class OneSample:
    """The same sample for ever: what a network must be able to learn by heart."""

    stored: Sample

    def sample(self, index: int) -> Sample:
        return self.stored


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_one_clip_is_learned_by_heart(run: TrainingConfig):
    config = replace(run, objective=ObjectiveSettings(reference_drop=0.0, identity_drop=0.0))
    task = task_of(config)
    source = OneSample(PuppetSource(config.data.stage, frames=2).sample(0))
    batch = replace(task.batches, source=source, references=1)[0]
    parameters = [p for p in task.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=4e-3)
    losses = []
    for step in range(40):
        loss = task.loss(task.module, batch, torch.Generator().manual_seed(step)).total
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.25 * sum(losses[:5])


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_a_resumed_run_equals_an_unbroken_one(run: TrainingConfig, tmp_path: Path):
    run = replace(run, steps=3)
    validation = ValidationSettings(every_steps=2, samples=1, sampling_steps=2)
    unbroken = replace(run, output=tmp_path / "unbroken", validation=validation)
    train(unbroken, make_task)
    # `max_minutes` is over after the first step; the schedule goes by `steps` alone.
    train(replace(run, max_minutes=1e-6), make_task)
    train(run, make_task, resume=True)
    assert [f.name for f in checkpoints(run.output)] == ["step-00000001", "step-00000003"]
    a, b = (load_file(checkpoints(o)[-1] / STATE_FILE) for o in (unbroken.output, run.output))
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_every_parameter_that_trains_gets_a_gradient(run: TrainingConfig):
    task = task_of(run)
    loss = task.loss(task.module, task.batches[0], torch.Generator().manual_seed(0))
    loss.total.backward()
    silent = [n for n, p in task.module.named_parameters() if p.requires_grad and p.grad is None]
    assert silent == []  # else many processes would wait for it for ever
    frozen = [n for n, p in task.module.named_parameters() if not p.requires_grad]
    assert any(n.startswith("vae.") for n in frozen)
    motion = [n for n, _ in task.module.named_parameters() if "motion_modules" in n]
    assert bool(motion) == (run.stage == "clips")


def test_a_dropped_reference_is_not_seen(images_run: TrainingConfig):
    def losses(rate: float) -> list[float]:
        objective = replace(images_run.objective, reference_drop=rate)
        task = task_of(replace(images_run, objective=objective))
        batch = task.batches[0]
        other = replace(batch, reference=torch.rand_like(batch.reference))
        for module in task.module.modules():  # a fresh network has no say in what it makes
            if isinstance(module, torch.nn.Conv2d) and not module.weight.any():
                torch.nn.init.normal_(module.weight, std=0.1)
        return [loss_of(task, x) for x in (batch, other)]

    seen, dropped = losses(0.0), losses(1.0)
    assert seen[0] != seen[1]
    assert dropped[0] == dropped[1]


def test_training_without_guiders(images_run: TrainingConfig):
    config = replace(images_run, without=("flow", "depth_order", "identity"))
    task = task_of(config)
    names = {name for name, _ in task.animator.guiders.named_children()}
    assert names == {"pose", "reference_pose"}
    batch = task.batches[0]
    assert set(batch.maps) == {"pose", "reference_pose"}
    assert set(batch.reference_maps) == {"pose"}
    task.loss(task.module, batch, torch.Generator().manual_seed(0)).total.backward()
    assert task.animator.guiders.get_parameter("pose.conv_in.weight").grad is not None


def test_no_guider_at_all_trains_too(images_run: TrainingConfig):
    every = ("pose", "flow", "depth_order", "reference_pose", "identity")
    task = task_of(replace(images_run, without=every))
    assert loss_of(task, task.batches[0]) > 0


def test_the_image_encoder_is_frozen_on_request(images_run: TrainingConfig):
    task = task_of(replace(images_run, frozen=("vae", "image_encoder")))
    assert not any(p.requires_grad for p in task.animator.image_encoder.parameters())


def test_frames_of_images_have_their_own_timesteps_those_of_clips_share_one(run: TrainingConfig):
    task = task_of(run)
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, noisy, timestep, *rest):
            seen.append(timestep)
            return task.module(noisy, timestep, *rest)

    task.loss(Spy(), task.batches[0], torch.Generator().manual_seed(0))
    assert tuple(seen[0].shape) == ((2, 2) if run.stage == "images" else (2,))
    assert len(seen[0].unique()) == seen[0].numel()


def test_characters_weigh_more_by_their_share_of_a_cell():
    mask = torch.zeros(1, 1, 1, 16, 16)
    mask[..., :8, :4] = 1
    weights = latent_weights(mask, (2, 2), character_weight=3.0)
    assert weights.flatten().tolist() == [2.0, 1.0, 1.0, 1.0]


def test_codes_go_without_order_where_the_model_says_so(images_run: TrainingConfig):
    config = replace(PRESETS["tiny"](), code_overlaps="mean")
    other = DiffusionTask(images_run, Process(torch.device("cpu")), Animator.from_preset(config))
    assert other.batches.make.keywords["settings"].code_overlaps == "mean"


def test_clips_start_from_a_model_of_images(images_run: TrainingConfig, tmp_path: Path):
    folder = train(replace(images_run, steps=1), make_task)
    clips = replace(
        images_run,
        stage="clips",
        output=tmp_path / "clips",
        model=ModelSettings(preset="tiny", init=folder),
    )
    task = task_of(clips)
    trained = load_animator(folder).state_dict()
    own = task.animator.state_dict()
    assert all(torch.equal(own[name], value) for name, value in trained.items())
    assert {name for name in own if name not in trained} == {
        name for name in own if "motion_modules" in name
    }


def test_the_autoencoder_comes_from_its_own_stage(
    tiny_run: TrainingConfig, images_run: TrainingConfig, tmp_path: Path
):
    folder = train(replace(tiny_run, steps=1), make_task) / "vae"
    model = ModelSettings(preset="tiny", autoencoder=folder)
    task = task_of(replace(images_run, output=tmp_path / "images", model=model))
    saved = load_file(folder / "diffusion_pytorch_model.safetensors")
    assert torch.equal(
        task.animator.vae.state_dict()["decoder.0.weight"], saved["decoder.0.weight"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": ModelSettings(preset="huge")}, "no preset is called huge"),
        ({"model": ModelSettings(preset="tiny", overrides={"units": 1})}, "units: unknown"),
        (
            {"model": ModelSettings(preset="tiny", init=Path("/none"))},
            "does not exist; expected weights",
        ),
        ({"model": ModelSettings(preset="tiny", parts={"head": Path("x")})}, "no such part"),
        ({"frozen": ("image_encoder",)}, "only the autoencoder stage trains the vae"),
        ({"frozen": ("vae", "nose")}, "no part is called nose"),
        ({"frozen": ("vae", "unet", "reference_net", "guiders", "image_encoder")}, "nothing is"),
    ],
)
def test_mistakes_are_named(images_run: TrainingConfig, change: dict, message: str):
    with pytest.raises(InputError, match=message):
        train(replace(images_run, **change), make_task)


def test_overrides_are_merged_into_the_preset():
    settings = ModelSettings(preset="tiny", overrides={"unet": {"widths": [8, 8]}, "window": 6})
    config = model_config(settings)
    assert config.unet["widths"] == [8, 8]
    assert config.unet["layers_per_block"] == 1
    assert config.window == 6


def test_a_guider_dropped_from_a_sample_is_exactly_left_out(run: TrainingConfig):
    task = task_of(run)
    animator, batch = task.animator, task.batches[0]
    for parameter in animator.guiders.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1)
    latents = animator.encode(batch.frames.flatten(0, 1)).unflatten(0, batch.frames.shape[:2])
    given = (animator.encode(batch.reference), batch.reference)

    def predict(maps, **changes):
        with torch.no_grad():
            return animator(latents, 500, *given, maps, batch.reference_maps, **changes)

    marked = torch.tensor([True, False])
    for name in ("flow", "depth_order", "reference_pose"):
        whole = predict(batch.maps)
        mixed = predict(batch.maps, drop_guiders={name: marked})
        without = predict({k: v for k, v in batch.maps.items() if k != name})
        torch.testing.assert_close(mixed[0], without[0])
        torch.testing.assert_close(mixed[1], whole[1])
        assert not torch.allclose(whole[0], without[0])


def test_guiders_are_dropped_as_often_as_the_config_says(run: TrainingConfig):
    rates = {"flow": 1.0, "depth_order": 0.5}
    task = task_of(replace(run, objective=ObjectiveSettings(guider_drop=rates)))
    seen: list[dict] = []

    class Module(torch.nn.Module):
        def forward(self, noisy, timesteps, *rest):
            seen.append(rest[-1])
            return noisy

    for seed in range(40):
        task.loss(Module(), task.batches[seed], torch.Generator().manual_seed(seed))
    assert all(one["flow"].all() for one in seen)
    assert 0.3 < torch.stack([one["depth_order"] for one in seen]).float().mean() < 0.7
    assert all("reference_pose" not in one for one in seen)


def test_validation_samples_as_users_do(images_run: TrainingConfig, monkeypatch):
    model = replace(images_run.model, overrides={"num_steps": 3, "guidance_scale": 2.5})
    config = replace(images_run, model=model, validation=ValidationSettings(samples=1))
    torch.manual_seed(0)
    seen = []

    def judge(made, samples):
        seen.append(made)
        return {"lpips": float(len(samples))}

    def validated(**settings):
        changed = replace(config, validation=replace(config.validation, **settings))
        torch.manual_seed(0)
        task = make_task(changed, CPU, judge)
        task.set_training(False)
        halves = []
        denoise = type(task.animator).denoise

        def counted(animator, *arguments, **given):
            halves.append(given["reference"] is not None)
            return denoise(animator, *arguments, **given)

        monkeypatch.setattr(type(task.animator), "denoise", counted)
        with torch.no_grad():
            metrics = task.validate().metrics
        monkeypatch.setattr(type(task.animator), "denoise", denoise)
        return metrics, halves

    metrics, halves = validated()
    assert halves == [True] + 3 * [True, False]
    assert set(metrics) == {
        f"{region}_psnr_{steps}_steps" for region in ("character", "background") for steps in (1, 3)
    } | {"lpips"}
    assert metrics["lpips"] == 1
    assert seen[0].shape == (1, 2, 32, 32, 3)
    assert np.array_equal(seen[0], (validated(guidance=2.5), seen[-1])[1])
    assert not np.array_equal(seen[0], (validated(guidance=4.0), seen[-1])[1])
    metrics, halves = validated(guidance=1.0, sampling_steps=2)
    assert halves == [True] + 2 * [True]
    assert "character_psnr_2_steps" in metrics
