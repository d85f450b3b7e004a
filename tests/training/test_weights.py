"""Starting weights: public layouts fit, and what does not fit is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import MotionAdapter
from safetensors.torch import load_file, save_file

from posecast.errors import InputError
from posecast.models.guider import Guiders
from posecast.models.unet import UNet
from posecast.training.weights import load_motion, load_part

SHAPE = {
    "widths": (8, 8),
    "attention": (True, True),
    "layers_per_block": 1,
    "num_heads": 2,
    "cross_attention_dim": 8,
    "norm_groups": 4,
}
MOTION = {"heads": 2, "groups": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole U-Net of images."""
    UNet(**SHAPE).save_pretrained(tmp_path / "unet")
    return tmp_path / "unet"


def test_a_unet_of_images_becomes_one_of_clips(folder: Path):
    unet = UNet(**SHAPE, motion=MOTION)
    load_part(unet, folder)
    saved = load_file(folder / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(unet.state_dict()[name], value) for name, value in saved.items())


def test_a_reference_net_takes_what_it_has_of_a_whole_unet(folder: Path):
    net = UNet(**SHAPE, role="reference")
    load_part(net, folder)
    saved = load_file(folder / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in net.state_dict().items())


def test_diffusers_motion_adapter_fits(tmp_path: Path):
    adapter = MotionAdapter(
        block_out_channels=(8, 8),
        motion_layers_per_block=1,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
    )
    adapter.save_pretrained(tmp_path)
    unet = UNet(**SHAPE, motion=MOTION)
    load_motion(unet, tmp_path)
    theirs, ours = adapter.state_dict(), unet.state_dict()
    block = "up_blocks.1.motion_modules.1.transformer_blocks.0"
    for a, b in [
        ("attn2.to_out.0.bias", "attention_blocks.1.to_out.0.bias"),
        ("norm2.weight", "norms.1.weight"),
        ("norm3.bias", "ff_norm.bias"),
        ("ff.net.2.weight", "ff.net.2.weight"),
    ]:
        assert torch.equal(theirs[f"{block}.{a}"], ours[f"{block}.{b}"])


def test_a_guider_that_the_others_learnt_without_starts_fresh(tmp_path: Path):
    settings = {"in_channels": 3, "widths": [4], "strides": [2], "out_channels": 8}
    pair = {"pose": {**settings, "init": "kaiming"}, "flow": {**settings, "init": "kaiming"}}
    learnt = Guiders({"pose": pair["pose"]})
    learnt.save_pretrained(tmp_path)
    both = Guiders(pair)
    fresh = both.get_submodule("flow").conv_out.weight.clone()
    load_part(both, tmp_path)
    maps = torch.rand(1, 2, 3, 8, 8)
    features = both({"pose": maps, "flow": maps})
    assert torch.equal(features["pose"], learnt({"pose": maps})["pose"])
    assert torch.equal(both.get_submodule("flow").conv_out.weight, fresh)


def test_what_does_not_fit_is_named(folder: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"conv_in\.bias: is \(8,\), expected \(16,\)"):
        load_part(UNet(**{**SHAPE, "widths": (16, 8)}), folder)
    with pytest.raises(InputError, match="holds no weights"):
        load_part(UNet(**SHAPE), tmp_path)
    with pytest.raises(InputError, match="this model has no such weight"):
        load_motion(UNet(**SHAPE, motion=MOTION), folder)
    path = folder / "diffusion_pytorch_model.safetensors"
    save_file({"conv_in.bias": torch.zeros(8)}, path)
    with pytest.raises(InputError, match=r"conv_in\.weight: lacks this weight"):
        load_part(UNet(**SHAPE), folder)
    path.write_bytes(b"torch.load me")
    with pytest.raises(InputError, match="is no file of weights"):
        load_part(UNet(**SHAPE), folder)
