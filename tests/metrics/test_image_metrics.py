"""L1, MAE, PSNR, SSIM against the goldens, and where the right answer is known by construction."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

from posecast.metrics.image_metrics import (
    NAMES,
    error_histogram,
    image_scores,
    l1,
    mae_255,
    psnr,
    ssim,
    ssim_map,
)
from posecast.metrics.protocols import aggregate

# What each metric is called in golden.json.
GOLDEN_NAMES = {
    "field": {"l1": "l1_field", "mae_255": "mae_255", "psnr": "psnr_wrapped", "ssim": "ssim_field"},
    "correct": {
        "l1": "mae_255",
        "mae_255": "mae_255",
        "psnr": "psnr_exact",
        "ssim": "ssim_rgb_gauss11",
    },
}


def _frames(value: int, frames: int = 2) -> np.ndarray:
    return np.full((frames, 16, 20, 3), value, np.uint8)


def _noise(seed: int, shape: tuple[int, ...] = (2, 24, 17, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("pair", ["pair_a", "pair_b"])
@pytest.mark.parametrize("protocol", ["field", "correct"])
def test_image_metrics_match_the_goldens(goldens, pair, protocol):
    golden = json.loads((goldens / "metrics.json").read_text())["pairs"][pair]
    with np.load(goldens / "pairs.npz") as arrays:
        generated, real = arrays[f"{pair}_gen"], arrays[f"{pair}_gt"]
    scores = image_scores(generated, real, protocol)
    pixels = generated.shape[1] * generated.shape[2]
    golden["mae_255"] = np.multiply(golden["l1_field"], pixels)
    for name in NAMES:
        expected = golden[GOLDEN_NAMES[protocol][name]]
        np.testing.assert_allclose(scores[name], expected, rtol=1e-12)
        assert aggregate(scores[name], protocol) == pytest.approx(np.mean(expected), rel=1e-12)


@pytest.mark.parametrize(("protocol", "best"), [("field", 100.0), ("correct", np.inf)])
def test_a_copy_has_perfect_scores(protocol, best):
    frames = _noise(1)
    scores = {k: aggregate(v, protocol) for k, v in image_scores(frames, frames, protocol).items()}
    assert scores == {"l1": 0.0, "mae_255": 0.0, "psnr": best, "ssim": 1.0}


def test_an_error_of_sixteen_is_none_when_squares_wrap():
    assert psnr(_frames(116), _frames(100), "field") == pytest.approx(100.0)
    assert psnr(_frames(116), _frames(100), "correct") == pytest.approx(
        20 * np.log10(255 / 16), rel=1e-12
    )


def test_l1_of_the_field_depends_on_the_size_of_frames():
    assert mae_255(_frames(110), _frames(100), "field") == pytest.approx(10.0)
    assert l1(_frames(110), _frames(100), "correct") == pytest.approx(10.0)
    assert l1(_frames(110), _frames(100), "field") == pytest.approx(10.0 / (16 * 20))


def test_scores_do_not_depend_on_which_is_which_nor_on_other_frames():
    a, b = _noise(1), _noise(2)
    for protocol in ("field", "correct"):
        together = image_scores(a, b, protocol)
        for name, values in image_scores(b, a, protocol).items():
            np.testing.assert_allclose(values, together[name], rtol=1e-12)
        for name, values in image_scores(a[1:], b[1:], protocol).items():
            np.testing.assert_array_equal(values, together[name][1:])


@pytest.mark.parametrize("protocol", ["field", "correct"])
def test_ssim_by_its_formula_where_the_window_is_the_frame(protocol):
    window = 7 if protocol == "field" else 11
    grey = np.random.default_rng(3).integers(0, 256, (2, window, window), dtype=np.uint8)
    a, b = np.repeat(grey[..., None], 3, axis=-1)[:, None]  # Grey: both protocols see one channel.
    if protocol == "field":
        weights = np.full(window**2, 1 / window**2)
    else:
        line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
        weights = np.outer(line, line).ravel() / line.sum() ** 2
    x, y = grey[0].ravel().astype(float), grey[1].ravel().astype(float)
    mx, my = weights @ x, weights @ y
    sample = window**2 / (window**2 - 1) if protocol == "field" else 1.0
    vx, vy = sample * (weights @ (x - mx) ** 2), sample * (weights @ (y - my) ** 2)
    vxy = sample * (weights @ ((x - mx) * (y - my)))
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ssim(a, b, protocol) == pytest.approx([expected], rel=1e-9)


def test_wrong_input_is_refused():
    # Without the shape checks that tests alone have.
    with pytest.raises(ValueError, match="same frames"):
        inspect.unwrap(error_histogram)(_frames(1, frames=2), _frames(1, frames=3))
    with pytest.raises(ValueError, match="same frames"):
        inspect.unwrap(ssim)(_frames(1, frames=2), _frames(1, frames=3), "correct")
    with pytest.raises(ValueError, match="smaller than SSIM's 11x11"):
        ssim(_noise(1, (1, 10, 30, 3)), _noise(1, (1, 10, 30, 3)), "correct")


def test_one_identical_frame_does_not_decide_a_mean():
    assert aggregate(np.array([20.0, np.inf]), "correct") == 60.0
    assert aggregate(np.array([np.inf, np.inf]), "correct") == np.inf
    assert np.isnan(aggregate(np.empty(0), "correct"))


@pytest.mark.parametrize("height", [16, 74, 75, 150])  # Below, at and above a strip of rows.
@pytest.mark.parametrize("protocol", ["field", "correct"])
def test_ssim_is_the_mean_of_its_map(height, protocol):
    a, b = _noise(1, (1, height, 20, 3)), _noise(2, (1, height, 20, 3))
    whole = ssim_map(a[0], b[0], protocol).mean()
    assert ssim(a, b, protocol) == pytest.approx([whole], rel=1e-12)
