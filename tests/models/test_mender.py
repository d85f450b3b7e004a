"""Our extension: the network that mends a warped reference before the denoiser sees it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.models.mender import Mender, mended
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


@torch.no_grad()
def test_what_it_corrects_of_the_ground_is_the_same_in_all_frames() -> None:
    maps = torch.zeros(1, 4, 20, 16, 16)
    maps[:, 1, 19, :8] = 1  # somebody in the upper half of one frame
    flicker = torch.rand(1, 4, 1, 16, 16) * 0.02
    maps[:, :, 4:5] = 0.3 + flicker
    maps[0, 2, 4, 12, 5] = 0.9  # hair, where the warp has nobody

    class Copies(Mender):
        def forward(self, layers):
            return layers[:, :3] + layers[:, 4:5]

    result = mended(Copies(), maps)
    assert result[0, 2, :, 12, 5].tolist() == pytest.approx([0.9] * 3)  # stays
    torch.testing.assert_close(result[0, 1, 0, :8], maps[0, 1, 4, :8])  # no ground: stays
    still = torch.ones(16, 16, dtype=torch.bool)
    still[12, 5] = False
    for frame in (0, 2, 3):
        seen = [f for f in range(4) if f != 1]
        torch.testing.assert_close(result[0, frame, 0, :8], maps[0, seen, 4, :8].mean(dim=0))
        below, mean = result[0, frame, 0, 8:], maps[0, :, 4, 8:].mean(dim=0)
        torch.testing.assert_close(below[still[8:]], mean[still[8:]])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": [30, 60]}, "norm_groups"),
        ({"norm_groups": 7}, "norm_groups"),
        ({"widths": []}, "widths"),
        ({"widths": "wide"}, "expected a list of 1 to 8"),
    ],
)
def test_a_folder_with_another_mender_is_refused_in_one_line(fresh, tmp_path, change, said) -> None:
    save_animator(fresh, tmp_path)
    config = tmp_path / "mender/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    with pytest.raises(InputError, match=said) as error:
        load_animator(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mender_whose_weights_are_none_is_refused_in_one_line(fresh, tmp_path) -> None:
    save_animator(fresh, tmp_path)
    (weights,) = (tmp_path / "mender").glob("*.safetensors")
    weights.write_bytes(b"not weights at all")
    with pytest.raises(InputError) as error:
        load_animator(tmp_path)
    assert str(weights.parent) in str(error.value)
    assert "\n" not in str(error.value)


def test_it_does_not_train_with_the_denoiser(fresh) -> None:
    fresh.train()
    assert not fresh.mender.training
    assert not any(parameter.requires_grad for parameter in fresh.mender.parameters())


@torch.no_grad()
def test_it_is_saved_with_the_model_and_older_folders_have_none(fresh, example, tmp_path: Path):
    fresh.mender.conv_out.weight.normal_(std=0.1)
    save_animator(fresh, tmp_path / "new")
    again = load_animator(tmp_path / "new")
    assert torch.equal(again.mended(example.warp), fresh.mended(example.warp))

    save_animator(Animator(replace(fresh.config, mender=None)), tmp_path / "old")
    index = tmp_path / "old/model_index.json"
    content = json.loads(index.read_text())
    del content["mender"]
    index.write_text(json.dumps(content))
    old = load_animator(tmp_path / "old")
    assert old.mender is None
    assert torch.equal(old.mended(example.warp), example.warp[:, :, :3])

    (tmp_path / "new/mender/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="mender"):
        load_animator(tmp_path / "new")


def test_a_model_without_a_warped_reference_has_none() -> None:
    config = PRESETS["tiny"]()
    plain = Animator(replace(config, unet={**config.unet, "warp": False}))
    assert plain.mender is None
