"""From public files to the paper's model: what its configs name loads, and travels with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from posecast.errors import InputError
from posecast.models.conversion.sd15 import convert_sd15
from posecast.models.folder import load_animator, save_animator
from posecast.models.public_names import from_animateanyone
from posecast.training.config import TrainingConfig
from posecast.training.departures import departures, describe_training
from posecast.training.layers import read_layers
from posecast.training.loop import train
from posecast.training.paths import check_paths
from posecast.training.reader import build, merged
from posecast.training.stages import build_animator, make_task, model_config
from posecast.training.task import Process
from posecast.weights import read_weights
from tests.training.public_start import write_public

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "steps": 1,
    "precision": "no",
    "gradient_checkpointing": False,
    "batch": {"references": 1, "frames": 2},
    "validation": {"every_steps": 1, "samples": 1, "sampling_steps": 1},
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with public files and the model that `fetch sd15` makes of them."""
    folder = tmp_path_factory.mktemp("public")
    convert_sd15(write_public(folder / "download"), folder / "sd15")
    return folder


def config(start: Path, tmp_path: Path, name: str, **changes: Any) -> TrainingConfig:
    """A shipped config at the smallest size, its paths moved: nothing of the model is changed."""
    content = merged(read_layers(ROOT / "configs" / name).content, SMALL)
    content["output"] = str(tmp_path / content["output"])
    content["data"] = {"stage": {"size": [32, 32], "frames": 4, "supersample": 1}}
    model = content["model"]
    places = {"models/sd15": start / "sd15", "runs": tmp_path / "runs"}
    for old, new in places.items():
        model["init"] = model["init"].replace(old, str(new))
        for part, place in model.get("parts", {}).items():
            model["parts"][part] = place.replace(old, str(new))
    return build(TrainingConfig, merged(content, changes), name)


def test_public_files_become_the_model_that_training_starts_from(start: Path) -> None:
    animator = load_animator(start / "sd15")
    state = animator.unet.state_dict()
    unet = torch.load(start / "download" / "unet" / "diffusion_pytorch_model.fp16.bin")
    for name, value in unet.items():
        assert torch.equal(state[name.removeprefix("_orig_mod.")], value.float())
    motion = from_animateanyone(read_weights(start / "download" / "mm_sd_v15_v2.ckpt"))
    assert all(torch.equal(state[name], value) for name, value in motion.items())
    scheduler = animator.scheduler.config
    assert (scheduler.prediction_type, scheduler.beta_schedule) == ("epsilon", "scaled_linear")
    assert not scheduler.rescale_betas_zero_snr


def test_both_stages_of_the_paper_run_as_they_are_printed(start: Path, tmp_path: Path) -> None:
    first = config(start, tmp_path, "paper/stage1.yaml")
    images = build_animator(first)
    assert not any("motion" in name for name in images.unet.state_dict())
    stored = load_file(start / "sd15" / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(images.unet.state_dict()["conv_in.weight"], stored["conv_in.weight"].float())
    trained = train(first, make_task)
    second = config(start, tmp_path, "paper/stage2.yaml")
    clips = build_animator(second)
    motion = {name: value for name, value in stored.items() if "motion_modules" in name}
    assert motion
    state = clips.unet.state_dict()
    assert all(torch.equal(state[name], value.float()) for name, value in motion.items())
    after = load_file(trained / "unet" / "diffusion_pytorch_model.safetensors")
    assert torch.equal(state["conv_in.weight"], after["conv_in.weight"])
    assert not torch.equal(after["conv_in.weight"], stored["conv_in.weight"].float())
    made = load_animator(train(second, make_task))
    assert made.config.motion is not None
    assert made.scheduler.config.prediction_type == "epsilon"
    assert departures(second, model_config(second.model)) == [
        "size: 32x32 (paper: 896x640)",
        "data.misaligned: 0.7 (paper: 0)",
        "steps: 1 (paper: 60000)",
        "batch (references a step, frames): 1x2 (paper: 1x16)",
    ]


def test_the_baseline_has_the_pose_guider_alone(start: Path, tmp_path: Path) -> None:
    animator = build_animator(config(start, tmp_path, "animateanyone/stage1.yaml"))
    assert list(animator.config.guiders) == ["pose"]


def test_what_a_model_was_trained_with_travels_with_it(start: Path, tmp_path: Path) -> None:
    """Through a first stage that teaches something else, into a second that says nothing."""
    changes = {
        "model": {
            "relearn": ["scheduler", "conditions", "shared_noise"],
            "overrides": {
                "conditions": {"flow_scale": 16.0, "drawing": "openpose"},
                "shared_noise": 0.5,
            },
        }
    }
    trained = train(config(start, tmp_path, "field/stage1.yaml", **changes), make_task)
    second = config(start, tmp_path, "field/stage2.yaml")
    second.model.overrides.clear()
    animator = build_animator(second)
    assert animator.scheduler.config.prediction_type == "v_prediction"
    assert animator.scheduler.config.rescale_betas_zero_snr
    assert animator.config.conditions.flow_scale == 16
    assert animator.config.shared_noise == 0.5
    task: Any = make_task(second, Process(torch.device("cpu")))
    assert task.shared_noise == 0.5
    assert task.schedule.alphas_cumprod[-1] == 0
    assert task.batches.make.keywords["settings"].conditions.drawing == "openpose"
    assert load_animator(trained).config.conditions.flow_scale == 16
    assert load_animator(trained).config.conditions.drawing == "openpose"
    assert "50% of the noise shared" in describe_training(second)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"scheduler": {"prediction_type": "sample"}},
            r"scheduler\.prediction_type: sample, but .*sd15 was trained with epsilon; leave it",
        ),
        (
            {"scheduler": {"beta_schedule": "linear"}},
            r"beta_schedule: linear, but .* was trained with scaled_linear",
        ),
        ({"conditions": {"radius_fraction": 0.1}}, r"conditions\.radius_fraction: 0\.1, but .*08"),
        ({"conditions": {"max_characters": 3}}, r"set model\.relearn: \[conditions\]"),
        ({"conditions": {"drawing": "openpose"}}, r"drawing: openpose, but .* with dwpose"),
        ({"shared_noise": 1.0}, r"shared_noise: 1\.0, but .* trained with 0\.0"),
        ({"code_overlaps": "mean"}, r"code_overlaps: mean, but .* trained with front"),
        ({"half_cells": True}, r"half_cells: True, but .* trained with False"),
    ],
)
def test_a_mismatch_is_refused_by_name(start, tmp_path, overrides: dict, message: str) -> None:
    changes = {"model": {"overrides": overrides}}
    name = next(iter(overrides))
    with pytest.raises(InputError, match=message):
        build_animator(config(start, tmp_path, "paper/stage1.yaml", **changes))
    changes["model"]["relearn"] = [name]
    build_animator(config(start, tmp_path, "paper/stage1.yaml", **changes))


def test_how_to_sample_may_change_freely(start: Path, tmp_path: Path) -> None:
    overrides = {"scheduler": {"timestep_spacing": "trailing"}, "num_steps": 20}
    model = {"model": {"overrides": overrides}}
    animator = build_animator(config(start, tmp_path, "paper/stage1.yaml", **model))
    assert animator.scheduler.config.timestep_spacing == "trailing"
    assert animator.scheduler.config.beta_schedule == "scaled_linear"


def test_noise_that_clips_are_not_sampled_from_is_refused(start: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"objective": {"shared_noise": 1.0}, "stage": "clips"}
    with pytest.raises(InputError, match=r"objective.shared_noise: 1, but the model samples .* 0"):
        build_animator(config(start, tmp_path, "paper/stage1.yaml", **changes))


def test_a_preset_with_another_autoencoder_is_refused(start: Path, tmp_path: Path) -> None:
    model = {"model": {"preset": "embedded"}}
    with pytest.raises(InputError, match=r"model.preset: embedded has a Patch.*of sd15"):
        build_animator(config(start, tmp_path, "paper/stage1.yaml", **model))


def test_parts_take_the_public_files_themselves(start: Path, tmp_path: Path) -> None:
    public = start / "download"
    parts = {
        "unet": str(public / "unet" / "diffusion_pytorch_model.fp16.bin"),
        "reference_net": str(public / "unet"),
        "vae": str(public / "vae"),
        "image_encoder": str(public / "image_encoder"),
        "motion": str(public / "mm_sd_v15_v2.ckpt"),
    }
    model = load_animator(start / "sd15")
    for parameter in model.parameters():
        parameter.data.zero_()
    save_animator(model, tmp_path / "zeroed")
    changes = {"stage": "clips", "model": {"init": str(tmp_path / "zeroed"), "parts": parts}}
    clips = config(start, tmp_path, "paper/stage1.yaml", **changes)
    ours, expected = build_animator(clips), load_animator(start / "sd15")
    for name in ("unet", "reference_net", "vae", "image_encoder"):
        found = getattr(ours, name).state_dict()
        for key, value in getattr(expected, name).state_dict().items():
            assert torch.equal(found[key], value), (name, key)


def test_motion_of_another_animatediff_is_refused(start: Path, tmp_path: Path) -> None:
    state = read_weights(start / "download" / "mm_sd_v15_v2.ckpt")
    state = {name: value for name, value in state.items() if not name.startswith("mid_block")}
    save_file(state, tmp_path / "v3.safetensors")
    model = {"model": {"parts": {"motion": str(tmp_path / "v3.safetensors")}}}
    with pytest.raises(InputError, match="AnimateDiff v3's motion modules"):
        build_animator(config(start, tmp_path, "paper/stage1.yaml", stage="clips", **model))
    with pytest.raises(InputError, match="the stage images has no motion modules"):
        build_animator(config(start, tmp_path, "paper/stage1.yaml", **model))


def test_the_schedule_beside_public_weights_is_kept(start: Path, tmp_path: Path) -> None:
    weights = write_public(tmp_path / "download")
    (weights / "scheduler").mkdir()
    file = weights / "scheduler" / "scheduler_config.json"
    file.write_text('{"_class_name": "PNDMScheduler", "skip_prk_steps": true, "beta_end": 0.02}')
    convert_sd15(weights, tmp_path / "model")
    scheduler = load_animator(tmp_path / "model").scheduler.config
    assert (scheduler.beta_end, scheduler.prediction_type) == (0.02, "epsilon")
    file.write_text('{"use_beta_sigmas": true}')
    with pytest.raises(InputError, match=r"scheduler_config\.json: use_beta_sigmas"):
        convert_sd15(weights, tmp_path / "other")


def test_what_a_run_starts_from_is_looked_at_before_anything_is_built(
    start: Path, tmp_path: Path
) -> None:
    """Every kind of file that loads is accepted; what cannot load is named with its reason."""
    public = start / "download"
    parts = {"unet": public / "unet", "motion": public / "mm_sd_v15_v2.ckpt"}
    model: dict[str, Any] = {"parts": {name: str(place) for name, place in parts.items()}}
    run = config(start, tmp_path, "paper/stage1.yaml", model=model)
    check_paths(run, Path("run.yaml"))
    broken = tmp_path / "encoder"
    broken.mkdir()
    (broken / "pytorch_model-00002-of-00002.bin").write_bytes(b"")
    model["parts"]["image_encoder"] = str(broken)
    run = config(start, tmp_path, "paper/stage1.yaml", model=model)
    with pytest.raises(InputError, match=r"parts\.image_encoder: .*shard 1 of 2 of pytorch_model"):
        check_paths(run, Path("run.yaml"))


def test_latents_are_drawn_where_that_is_asked_for(start: Path, tmp_path: Path) -> None:
    def losses(kind: str) -> list[float]:
        changes = {"objective": {"latents": kind}}
        run = config(start, tmp_path, "paper/stage1.yaml", **changes)
        torch.manual_seed(0)
        task: Any = make_task(run, Process(torch.device("cpu")))
        batch = task.batches[0]
        found = []
        encode = type(task.animator).encode

        def noting(animator, images, *rest, **given):
            found.append(encode(animator, images, *rest, **given))
            return found[-1]

        type(task.animator).encode = noting
        try:
            for seed in (1, 2, 1):
                task.loss(task.module, batch, torch.Generator().manual_seed(seed))
        finally:
            type(task.animator).encode = encode
        frames = found[::2]
        return [float((frames[0] - other).abs().max()) for other in frames[1:]]

    assert losses("mode") == [0, 0]
    other, same = losses("sample")
    assert other > 0
    assert same == 0
