"""`posecast convert` and `fetch`: a user's folders in, a model folder or one clear line out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from posecast import AnimationPipeline
from posecast.cli import run
from posecast.models import hub, public_files
from posecast.models.folder import load_animator
from posecast.models.unet import UNet
from tests.models.peer_cases import case
from tests.models.test_conversion import write_weights


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AnimateAnyone's files with a VAE (old names, .bin) and an image encoder."""
    folder = write_weights(tmp_path_factory.mktemp("cli") / "weights", case())
    torch.manual_seed(0)
    AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8] * 4,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    vae = AutoencoderKL.from_pretrained(folder / "vae").state_dict()
    old = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    for new, name in old.items():
        vae = {key.replace(new, name): value for key, value in vae.items()}
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(vae, folder / "vae" / "diffusion_pytorch_model.bin")
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
            projection_dim=32,
        )
    ).save_pretrained(folder / "image_encoder")
    return folder


def test_converted_weights_animate(public: Path, tmp_path: Path, scene, capsys) -> None:
    model = tmp_path / "model"
    arguments = ["convert", "animateanyone", "--weights", str(public), "-o", str(model)]
    assert run([*arguments, "--dtype", "float16"]) == 0
    assert "million parameters" in capsys.readouterr().out
    result = AnimationPipeline.from_pretrained(model)(
        scene["picture"],
        scene["dance"],
        reference_poses=scene["people"],
        size=(64, 64),
        max_frames=2,
        num_steps=1,
    )
    assert result.frames.shape == (2, 64, 64, 3)


def test_what_is_missing_is_one_line(tmp_path: Path, capsys) -> None:
    arguments = ["convert", "animateanyone", "--weights", str(tmp_path), "-o", str(tmp_path / "m")]
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error == f"posecast: error: {tmp_path}/denoising_unet.pth: is missing\n"
    assert list(tmp_path.iterdir()) == []


@torch.no_grad()
def test_training_can_start_from_converted_sd15(public: Path, tmp_path: Path, capsys) -> None:
    """Both U-Nets begin alike; motion modules come from AnimateDiff's file."""
    unet = UNet(
        widths=(32, 32, 64, 32),
        layers_per_block=1,
        cross_attention_dim=32,
        norm_groups=8,
    )
    folder = tmp_path / "sd"
    (folder / "unet").mkdir(parents=True)
    save_file(unet.state_dict(), folder / "unet" / "diffusion_pytorch_model.safetensors")
    (folder / "unet" / "config.json").write_text(
        '{"_class_name": "UNet2DConditionModel", "block_out_channels": [32, 32, 64, 32], '
        '"layers_per_block": 1, "cross_attention_dim": 32, "norm_num_groups": 8}'
    )
    arguments = ["convert", "sd15", "--weights", str(folder), "-o", str(tmp_path / "stills")]
    assert run(arguments) == 0
    assert "this model makes stills" in capsys.readouterr().err
    shutil.copy(public / "motion_module.pth", folder / "mm_sd_v15_v2.ckpt")
    assert run([*arguments[:-1], str(tmp_path / "clips")]) == 0
    stills, clips = (load_animator(tmp_path / name) for name in ("stills", "clips"))
    assert stills.config.motion is None
    for name, value in unet.state_dict().items():
        assert torch.equal(clips.unet.state_dict()[name], value)
        assert torch.equal(stills.unet.state_dict()[name], value)
        if not name.startswith(("conv_norm_out", "conv_out")):
            assert torch.equal(clips.reference_net.state_dict()[name], value)
    assert clips.unet.mid_block.motion_modules[0].proj_out.weight.any()
    assert not clips.guidance({"pose": torch.rand(1, 1, 3, 16, 16)}).any()


def test_fetched_weights_are_converted(public, tmp_path, monkeypatch, capsys) -> None:
    def fetch(files, folder: Path) -> None:
        assert files == public_files.ANIMATEANYONE
        shutil.copytree(public, folder)

    monkeypatch.setattr(hub, "fetch_files", fetch)
    assert run(["fetch", "animateanyone", "-o", str(tmp_path / "model")]) == 0
    assert "model.download is not needed any more" in capsys.readouterr().out
    assert load_animator(tmp_path / "model").vae is not None


def test_fetch_without_a_network_is_one_error(tmp_path: Path, capsys) -> None:
    """The tests are offline, as the hub's own setting says."""
    assert run(["fetch", "animateanyone", "-o", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    arguments = ["--reference", __file__, "--reference-poses", __file__, "--poses", __file__]
    out = str(tmp_path / "x.mp4")
    assert run(["animate", *arguments, "--model", "owner/name", "-o", out]) == 2
    assert "owner/name: cannot be fetched from the hub" in capsys.readouterr().err
