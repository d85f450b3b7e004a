"""PSNR, SSIM and Frechet distances beside those of torchmetrics and torch-fidelity.

`pytest -m slow tests/metrics/networks/test_other_libraries.py` in an environment that has them as
well; they are no part of the project's own (torch-fidelity needs torchvision). docs/evaluation.md
has what it gave. The frames are the committed ones of `tests/goldens`; nothing is downloaded.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from posecast.metrics.frechet import Moments, frechet_distance
from posecast.metrics.image_metrics import mae_255, psnr, ssim
from posecast.metrics.networks import inception

Synthetic = Callable[..., Path]
pytestmark = pytest.mark.slow


def library(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            name, reason=f"pip install {name.partition('.')[0]}", exc_type=ImportError
        )


@pytest.fixture(params=["pair_a", "pair_b"])
def pair(request: pytest.FixtureRequest, goldens: Path) -> tuple[np.ndarray, np.ndarray]:
    """Generated and real frames (2, height, width, 3)."""
    with np.load(goldens / "pairs.npz") as arrays:
        return arrays[f"{request.param}_gen"], arrays[f"{request.param}_gt"]


def images(frames: np.ndarray) -> torch.Tensor:
    """As the other libraries take them: (frames, 3, height, width), here in float64."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).double()


def test_psnr_and_ssim_are_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """SSIM where the window lies inside: torchmetrics goes on past the border, by reflections."""
    image = library("torchmetrics.functional.image")
    errors = {"mae_255": mae_255, "psnr": psnr, "ssim": ssim}
    a, b = images(pair[0]), images(pair[1])
    _, similarity = image.structural_similarity_index_measure(
        a, b, sigma=1.5, data_range=255.0, reduction="none", return_full_image=True
    )
    theirs = {
        "mae_255": (a - b).abs().mean((1, 2, 3)),
        "psnr": torch.stack(
            [
                image.peak_signal_noise_ratio(x, y, data_range=255.0)
                for x, y in zip(a, b, strict=True)
            ]
        ),
        "ssim": similarity[:, :, 5:-5, 5:-5].mean((1, 2, 3)),
    }
    for name, ours in errors.items():
        found = ours(*pair, "correct")
        difference = np.abs(found - theirs[name].numpy()).max()
        print(f"{name}: largest difference {difference:.1e}")
        # Theirs ends in float32.
        np.testing.assert_allclose(found, theirs[name].numpy(), rtol=1e-6)


class Flat(torch.nn.Module):
    """A feature network that downloads nothing: a fixed random projection of small pictures."""

    num_features = 12

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 12).flatten(1)
        generator = torch.Generator().manual_seed(0)
        return small @ torch.randn(small.shape[1], self.num_features, generator=generator)


def moments(features: np.ndarray) -> Moments:
    gathered = Moments(features.shape[1])
    for batch in np.array_split(features, 5):
        gathered.update(batch)
    return gathered


def test_frechet_distance_is_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Batch by batch, from pictures to the distance; its root needs covariances of full rank."""
    fid = library("torchmetrics.image.fid")
    metric = fid.FrechetInceptionDistance(feature=Flat()).set_dtype(torch.float64)
    a, b = (
        torch.cat([images(np.roll(frames, shift, axis=2)) for shift in range(0, 80, 4)])
        for frames in pair
    )
    for batch in a.to(torch.uint8).split(7):
        metric.update(batch, real=False)
    for batch in b.to(torch.uint8).split(5):
        metric.update(batch, real=True)
    theirs = float(metric.compute())
    ours = frechet_distance(*(moments(Flat()(x).numpy()) for x in (a, b)))
    print(f"Frechet distance: {ours:.6f}, torchmetrics {theirs:.6f}")
    assert ours == pytest.approx(theirs, rel=1e-7)


@pytest.mark.parametrize("rows", [40, 256])
def test_frechet_distance_is_torch_fidelitys(goldens: Path, rows: int) -> None:
    fid = library("torch_fidelity.metric_fid")
    with np.load(goldens / "frechet.npz") as arrays:
        x, y = arrays["x"][:rows], arrays["y"][:rows]
    stated = [fid.fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    theirs = fid.fid_statistics_to_metric(*stated, verbose=False)["frechet_inception_distance"]
    ours = frechet_distance(moments(x), moments(y))
    print(f"{rows} rows: {ours:.9f}, torch-fidelity {theirs:.9f}")
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_inception_is_torch_fidelitys(golden: dict[str, Any], synthetic: Synthetic) -> None:
    """The network, on pictures of its own size: each resizes in its own way before."""
    extractor = library("torch_fidelity.feature_extractor_inceptionv3")
    file = synthetic(golden["fid_inception_pool3"]["keys"])
    theirs = extractor.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file)
    )
    shape = (2, inception.SIZE, inception.SIZE, 3)
    frames = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = theirs(pictures)[0].numpy()
        found = inception.load(file)((pictures.float() - 128) / 128).numpy()
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"Inception: largest relative difference {difference:.1e}")
    assert difference < 1e-5
