"""Our extension: the network that mends a warped reference before the denoiser sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.mender import Mender
from posecast.models.presets import PRESETS


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (72, 104)])  # any multiples of eight
def test_a_fresh_one_mends_nothing_and_any_other_corrects_the_carried_picture(size) -> None:
    mender = Mender(widths=(8, 8, 16), norm_groups=4)
    layers = torch.rand(2, 20, *size)
    torch.testing.assert_close(mender(layers), layers[:, :3])
    mender.conv_out.weight.normal_(std=0.1)
    mended = mender(layers)
    assert mended.shape == (2, 3, *size)
    other = layers.clone()
    other[:, 5] = 0  # a layer beside the carried picture
    assert not torch.allclose(mender(other), mended)


@torch.no_grad()
def test_the_denoiser_sees_the_mended_picture(fresh, example) -> None:
    carried = fresh.warped(example.warp)
    fresh.mender.conv_out.bias += 0.1
    mended = fresh.warped(example.warp)
    expected = fresh.encode((example.warp[1, :, :3] + 0.1).clamp(0, 1))
    torch.testing.assert_close(mended[1, :, :-4], expected)
    torch.testing.assert_close(mended[:, :, -4:], carried[:, :, -4:])  # what is known stays known


def test_it_does_not_train_with_the_denoiser(fresh) -> None:
    fresh.train()
    assert not fresh.mender.training
    assert not any(parameter.requires_grad for parameter in fresh.mender.parameters())


@torch.no_grad()
def test_it_is_saved_with_the_model_and_older_folders_have_none(fresh, example, tmp_path: Path):
    fresh.mender.conv_out.weight.normal_(std=0.1)
    fresh.save_pretrained(tmp_path / "new")
    again = Animator.from_pretrained(tmp_path / "new")
    assert torch.equal(again.mended(example.warp), fresh.mended(example.warp))

    Animator(replace(fresh.config, mender=None)).save_pretrained(tmp_path / "old")
    index = tmp_path / "old/model_index.json"
    content = json.loads(index.read_text())
    del content["mender"]
    index.write_text(json.dumps(content))
    old = Animator.from_pretrained(tmp_path / "old")
    assert old.mender is None
    assert torch.equal(old.mended(example.warp), example.warp[:, :, :3])

    (tmp_path / "new/mender/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="mender"):
        Animator.from_pretrained(tmp_path / "new")


def test_a_model_without_a_warped_reference_has_none() -> None:
    config = PRESETS["tiny"]()
    plain = Animator(replace(config, unet={**config.unet, "warp": False}))
    assert plain.mender is None
