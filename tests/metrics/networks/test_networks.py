"""The four networks: the same numbers as the field's code under the same weights, from files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from posecast.metrics.clips import clip_batches
from posecast.metrics.networks import i3d, inception, lpips, resnet3d
from posecast.metrics.networks.resize import resize_bicubic
from posecast.metrics.networks.weights import VGG_HEADS, folders

Synthetic = Callable[..., Path]
RTOL = 1e-3  # The goldens' own: float32 convolutions differ by platform.


def _agrees(out: np.ndarray, golden: dict[str, Any]) -> None:
    assert list(out.shape) == golden["shape"]
    np.testing.assert_allclose(out[0, :8], golden["first8"], rtol=RTOL, atol=1e-6)
    assert out.mean(dtype=np.float64) == pytest.approx(golden["mean"], rel=RTOL)
    assert out.std(dtype=np.float64) == pytest.approx(golden["std"], rel=RTOL)


@pytest.mark.parametrize(
    ("module", "name"), [(i3d, "i3d_logits"), (resnet3d, "resnet50_3d_features")]
)
def test_video_networks_match_the_goldens(
    golden, synthetic: Synthetic, module: ModuleType, name: str
):
    golden = golden[name]
    network = module.load(synthetic(golden["keys"]))
    video = np.random.default_rng(55).integers(0, 256, (16, 32, 40, 3), dtype=np.uint8)
    frames = module.prepare(video)
    for statistic in ("std", "min", "max"):
        value = float(getattr(frames, statistic)())
        assert value == pytest.approx(golden["input"][statistic], rel=1e-5)
    (clips,) = clip_batches([frames], batch_size=4)
    _agrees(module.features(network, clips), golden["out"])


def test_inception_matches_the_golden(golden, synthetic: Synthetic):
    golden = golden["fid_inception_pool3"]
    network = inception.load(synthetic(golden["keys"]))
    frames = np.random.default_rng(56).integers(0, 256, (2, 64, 80, 3), dtype=np.uint8)
    together = inception.features(network, frames)
    _agrees(together, golden["out"])
    alone = inception.features(network, frames, batch_size=1)
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)
    assert inception.features(network, frames[:0]).shape == (0, 2048)


def _lpips_pair(frames: int = 1, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(57)
    a = rng.integers(0, 256, (frames, size, size, 3), dtype=np.uint8)
    b = np.clip(a + rng.integers(-40, 41, a.shape), 0, 255).astype(np.uint8)
    return a, b


def test_lpips_with_the_published_heads(golden, synthetic: Synthetic):
    golden = golden["lpips_vgg"]
    places = [folder / name for folder in folders() for name in VGG_HEADS.names]
    heads = [place for place in places if place.is_file()]
    if not heads:
        pytest.skip(f"needs {VGG_HEADS.name} of {VGG_HEADS.where} in {folders()[0]}")
    network = lpips.load(heads[0], synthetic(golden["backbone_keys_as_named_by_lpips"]))
    a, b = _lpips_pair()
    for protocol, name in (("field", "field_0to1_fed_raw"), ("correct", "correct_minus1to1")):
        assert lpips.distance(network, a, b, protocol) == pytest.approx([golden[name]], rel=RTOL)


HEADS = {f"lin{i}.model.1.weight": [1, c, 1, 1] for i, c in enumerate((64, 128, 256, 512, 512))}


def _lpips_by_its_formula(
    backbone: dict[str, Tensor], heads: dict[str, Tensor], a: Tensor, b: Tensor
) -> float:
    """Straight from the paper's equation 1, layer by layer, a picture at a time."""
    mean, deviation = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    towers = []
    for picture in (a, b):
        x = ((picture - mean) / deviation).permute(2, 0, 1)[None].double()
        taps = []
        for convolutions in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
            x = F.max_pool2d(x, 2) if taps else x
            for number in convolutions:
                weight, bias = (backbone[f"features.{number}.{k}"] for k in ("weight", "bias"))
                x = F.conv2d(x, weight.double(), bias.double(), padding=1).clamp(min=0)
            taps.append(x[0] / x[0].norm(dim=0))
        towers.append(taps)
    total = 0.0
    for i, (x, y) in enumerate(zip(*towers, strict=True)):
        weight = heads[f"lin{i}.model.1.weight"].double()[0]
        total += float((weight * (x - y) ** 2).sum(dim=0).mean())
    return total


@pytest.mark.parametrize(("protocol", "low"), [("field", 0.0), ("correct", -1.0)])
def test_lpips_matches_its_formula(golden, synthetic: Synthetic, protocol: str, low: float):
    shapes = {
        re.sub(r"slice\d", "features", name): shape
        for name, shape in golden["lpips_vgg"]["backbone_keys_as_named_by_lpips"].items()
    }
    backbone, heads = synthetic(shapes | {"classifier.0.bias": [4]}, "b.pth"), synthetic(HEADS)
    network = lpips.load(backbone, heads)
    a, b = _lpips_pair(frames=3, size=32)
    scores = lpips.distance(network, a, b, protocol, batch_size=2)
    for i, score in enumerate(scores):
        pair = [torch.from_numpy(x[i] / 255.0 * (1.0 - low) + low).float() for x in (a, b)]
        expected = _lpips_by_its_formula(torch.load(backbone), torch.load(heads), *pair)
        assert score == pytest.approx(expected, rel=RTOL)
    assert lpips.distance(network, a, a, protocol) == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    with pytest.raises(ValueError, match="differ in shape"):
        inspect.unwrap(lpips.distance)(network, a, b[:2], protocol)


@pytest.mark.parametrize("size", [(40, 52), (300, 260)])
def test_resize_is_pillows_of_float_pictures(size: tuple[int, int]):
    frames = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    resized = resize_bicubic(frames, 112, "cpu")
    for i, frame in enumerate(frames):
        for channel in range(3):
            picture = Image.fromarray(frame[..., channel].astype(np.float32))
            expected = np.asarray(picture.resize((112, 112), Image.Resampling.BICUBIC))
            np.testing.assert_allclose(resized[i, channel], expected, atol=5e-3)


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("size", [(4, 9, 14), (5, 8, 7)])
def test_pooling_an_axis_at_a_time_is_pooling(kernel, stride, size):
    x = torch.rand(2, 3, *size)
    expected = F.max_pool3d(i3d._same(x, kernel, stride), kernel, stride)
    assert expected.shape[2:] == tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    assert torch.equal(i3d._pool(x, kernel, stride), expected)
