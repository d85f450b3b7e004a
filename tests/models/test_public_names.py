from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch

from posecast.models.animator import Animator
from posecast.models.public_names import from_animateanyone

KEYS = Path(__file__).parents[1] / "goldens" / "animateanyone_keys.json.gz"


def peer(name: str) -> dict[str, list[int]]:
    return json.loads(gzip.decompress(KEYS.read_bytes()))[name]


def test_motion_modules_lose_a_nesting_and_their_table() -> None:
    stem = "down_blocks.0.motion_modules.1.temporal_transformer."
    attention = "transformer_blocks.0.attention_blocks.0."
    names = {
        "conv_in.weight": 1,
        stem + "proj_in.weight": 2,
        stem + attention + "to_q.weight": 3,
        stem + attention + "pos_encoder.pe": 4,
    }
    assert from_animateanyone(names) == {
        "conv_in.weight": 1,
        "down_blocks.0.motion_modules.1.proj_in.weight": 2,
        "down_blocks.0.motion_modules.1." + attention + "to_q.weight": 3,
    }


def test_sd15_preset_has_the_public_parameters() -> None:
    with torch.device("meta"):
        animator = Animator.from_preset("sd15")

    def shapes(module: torch.nn.Module) -> dict[str, list[int]]:
        return {name: list(p.shape) for name, p in module.named_parameters()}

    full = {**peer("denoising_unet"), **peer("motion_module")}
    assert shapes(animator.unet) == from_animateanyone(full)
    assert shapes(animator.reference_net) == from_animateanyone(peer("reference_unet"))
    guiders = {name: animator.guiders.get_submodule(name) for name in animator.guiders.names}
    assert sorted(guiders) == ["depth_order", "flow", "pose", "reference_pose"]
    pose = peer("pose_guider")
    assert shapes(guiders["pose"]) == pose
    assert shapes(guiders["flow"]) == shapes(guiders["reference_pose"]) == pose
    one_channel = {**pose, "conv_in.weight": [16, 1, 3, 3]}
    assert shapes(guiders["depth_order"]) == one_channel
