"""Small files under every public name that training starts from, and models made of them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from posecast.models.conversion.parts import public_shapes
from posecast.models.unet import UNet

UNET = {"widths": (32, 32), "attention": (True, False), "layers_per_block": 1,
        "cross_attention_dim": 16, "norm_groups": 8}  # fmt: skip
CONFIG = {
    "_class_name": "UNet2DConditionModel",
    "block_out_channels": [32, 32],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "norm_num_groups": 8,
}
OLD_VAE = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}


def write_public(folder: Path) -> Path:
    """`unet/` (half precision's name), `vae/` (old names, .bin), `image_encoder/` (a whole CLIP's
    names, shards), `mm_sd_v15_v2.ckpt` (in a `state_dict`, after `module.`).
    """
    torch.manual_seed(0)
    for name in ("unet", "vae", "image_encoder"):
        (folder / name).mkdir(parents=True)
    unet = UNet(**UNET)
    torch.save(
        {f"_orig_mod.{name}": value.half() for name, value in unet.state_dict().items()},
        folder / "unet" / "diffusion_pytorch_model.fp16.bin",
    )
    (folder / "unet" / "config.json").write_text(json.dumps(CONFIG))
    vae = small_vae()
    vae.save_config(folder / "vae")
    state = vae.state_dict()
    for new, old in OLD_VAE.items():
        state = {name.replace(new, old): value for name, value in state.items()}
    torch.save(state, folder / "vae" / "diffusion_pytorch_model.bin")
    encoder = small_encoder()
    encoder.config.save_pretrained(folder / "image_encoder")
    clip = {**encoder.state_dict(), "logit_scale": torch.ones(())}
    clip["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    clip["text_model.encoder.weight"] = torch.ones(2)
    names = sorted(clip)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = folder / "image_encoder" / f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: clip[name] for name in part}, file)
    write_motion(folder / "mm_sd_v15_v2.ckpt")
    return folder


def write_motion(path: Path) -> None:
    """AnimateDiff v2's file: its names, position tables among them."""
    from posecast.models.position import frame_positions

    moving = UNet(**UNET, motion={})
    generator = torch.Generator().manual_seed(1)
    state = {
        f"module.{name}": frame_positions(*shape[1:])[None]
        if name.endswith(".pe")
        else torch.randn(shape, generator=generator)
        for name, shape in public_shapes(moving, 32).items()
        if ".motion_modules." in name
    }
    torch.save({"epoch": 3, "state_dict": state}, path)


def small_vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8] * 4,
        norm_num_groups=4,
    )


def small_encoder() -> CLIPVisionModelWithProjection:
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
            projection_dim=16,
        )
    )
