"""The network that mends a small picture whose parts were moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from posecast.cutout.mender import Mender
from posecast.cutout.mending import load_mender
from posecast.errors import InputError


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
def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    mender = Mender(widths=(8, 16))
    mender.conv_out.weight.normal_(std=0.1)
    mender.save_pretrained(tmp_path)
    layers = torch.rand(1, 20, 16, 24)
    torch.testing.assert_close(load_mender(tmp_path)(layers), mender(layers))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"widths": [30, 60]}, "norm_groups"),
        ({"norm_groups": 7}, "norm_groups"),
        ({"widths": []}, "widths"),
        ({"widths": "wide"}, "expected a list of 1 to 8"),
        ({"widths": [8] * 1000}, "widths"),
        ({"hair": 1}, "unknown setting of Mender"),
    ],
)
def test_another_config_is_refused_in_one_line(tmp_path: Path, change: dict, said: str) -> None:
    Mender(widths=(8, 16)).save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
    with pytest.raises(InputError, match=said) as error:
        load_mender(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    Mender(widths=(8, 16)).save_pretrained(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(b"not weights at all")
    with pytest.raises(InputError) as error:
        load_mender(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    weights.unlink()
    with pytest.raises(InputError, match="is missing"):
        load_mender(tmp_path)
