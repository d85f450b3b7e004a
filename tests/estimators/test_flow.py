"""Optical flow: direction, sign and scale on textures that were moved by a known amount."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from posecast.errors import InputError
from posecast.estimators.flow import flow_estimator, motion_since


def texture(height: int, width: int) -> np.ndarray:
    """Blobs of several sizes, something for a matcher to hold on to."""
    noise = np.random.default_rng(7).normal(size=(height, width, 3))
    layers = [cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.5, 4, 10)]
    mixed = sum(layers[1:], layers[0])
    return np.clip(128 + 40 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def moved(picture: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Moved by any fraction of a pixel, exactly (by phases; what leaves comes in again)."""
    rows, columns = (np.fft.fftfreq(side) for side in picture.shape[:2])
    phases = np.exp(-2j * np.pi * (dy * rows[:, None] + dx * columns))[..., None]
    spectrum = np.fft.fft2(picture, axes=(0, 1)) * phases
    return np.round(np.fft.ifft2(spectrum, axes=(0, 1)).real.clip(0, 255)).astype(np.uint8)


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.5, 0.25), (-11.0, 6.0), (0.0, 0.0)])
def test_dis_says_where_pixels_went(shift: tuple[float, float]) -> None:
    first = texture(181, 240)
    flow = flow_estimator("dis")(first, moved(first, *shift))
    assert flow.shape == (2, 181, 240)
    assert flow.dtype == np.float32
    inner = flow[:, 20:-20, 20:-20].reshape(2, -1)
    np.testing.assert_allclose(inner.mean(axis=1), shift, atol=0.05)
    assert np.abs(inner - np.array(shift)[:, None]).mean() < 0.05


def test_flow_lies_on_the_first_frames_grid() -> None:
    """A patch that moves alone: the flow is where it was, its motion since where it is."""
    before = texture(160, 200)
    after = before.copy()
    patch = texture(400, 400)[300:340, 300:340]
    before[60:100, 40:80] = patch
    after[60:100, 52:92] = patch
    estimator = flow_estimator()
    went = estimator(before, after)
    assert np.median(went[0, 65:95, 44:50]) == pytest.approx(12, abs=1)
    came = motion_since(estimator, after, before)
    assert np.median(came[0, 65:95, 82:88]) == pytest.approx(12, abs=1)
    assert abs(np.median(came[0, 65:95, 10:30])) < 0.1


def test_one_estimator_keeps_nothing_of_earlier_frames() -> None:
    first = texture(120, 120)
    second = moved(first, 4, 1)
    estimator = flow_estimator()
    fresh = estimator(first, second)
    estimator(second, moved(first, -9, 5))
    np.testing.assert_array_equal(estimator(first, second), fresh)


class Matcher(torch.nn.Module):
    """In RAFT's place: takes its pictures, and finds the one shift of a red dot."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = torch.nn.Parameter(torch.zeros(1))

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        for picture in (first, second):
            assert picture.shape[0:2] == (1, 3)
            assert not picture.shape[2] % 8
            assert not picture.shape[3] % 8
            assert min(picture.shape[2:]) >= 128
            assert picture.min() == -1
            assert picture.max() == 1
        places = [(picture[0, 0] > 0.5).nonzero()[0].flip(0) for picture in (first, second)]
        shift = (places[1] - places[0]).float() * self.sign
        flow = shift[None, :, None, None].expand(-1, -1, *first.shape[2:])
        return [torch.zeros_like(flow), flow]  # each step's: the last one counts


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    library, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    models.optical_flow = SimpleNamespace(raft_small=lambda weights, progress: Matcher())
    monkeypatch.setitem(sys.modules, "torchvision", library)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


@pytest.mark.parametrize("size", [(128, 160), (133, 171), (60, 301)])
@pytest.mark.usefixtures("torchvision")
def test_raft_gets_the_pictures_it_expects(size: tuple[int, int], tmp_path: Path) -> None:
    torch.save({"sign": torch.ones(1)}, tmp_path / "raft.pth")
    first = np.zeros((*size, 3), np.uint8)
    second = first.copy()
    first[20, 30, 0] = second[27, 25, 0] = 255
    flow = flow_estimator("raft-small", tmp_path / "raft.pth", "cpu")(first, second)
    assert flow.shape == (2, *size)
    assert flow.dtype == np.float32
    assert (flow[0] == -5).all()
    assert (flow[1] == 7).all()


@pytest.mark.usefixtures("torchvision")
def test_raft_says_what_is_wrong_with_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"raft_small.* is not there and cannot be downloaded"):
        flow_estimator("raft-small")
    path = tmp_path / "raft.pth"
    with pytest.raises(InputError, match="no such file; expected raft_small"):
        flow_estimator("raft-small", path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"no file of weights.* expected raft_small"):
        flow_estimator("raft-small", path)
    torch.save({"other": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"not the weights of raft-small .*Missing key"):
        flow_estimator("raft-small", path)


def test_raft_without_torchvision_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(InputError, match=r"pip install 'posecast\[flow\]'"):
        flow_estimator("raft")


def test_unknown_estimators_and_small_frames_are_refused() -> None:
    with pytest.raises(InputError, match="flow estimator 'horn-schunck': expected one of dis"):
        flow_estimator("horn-schunck")
    small = np.zeros((9, 40, 3), np.uint8)
    with pytest.raises(InputError, match="40x9 pixels: optical flow needs 12"):
        flow_estimator("dis")(small, small)
