"""Depth Anything: our pictures are the published processor's, and the network's maps come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForDepthEstimation, DepthAnythingConfig
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from posecast.errors import InputError
from posecast.estimators.depth import DepthEstimator, depth_estimator
from posecast.estimators.depth_anything import network_picture, network_size

SIZES = [(913, 622), (240, 426), (960, 540), (518, 518), (37, 200), (391, 333)]


@pytest.fixture(scope="module")
def processor() -> DPTImageProcessorPil:
    """As the published preprocessor_config.json sets it."""
    return DPTImageProcessorPil(
        size={"height": 518, "width": 518},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Depth Anything with random weights, in the published layout."""
    torch.manual_seed(0)
    config = DepthAnythingConfig(
        backbone_config={
            "model_type": "dinov2",
            "image_size": 518,
            "patch_size": 14,
            "hidden_size": 16,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "mlp_ratio": 2,
            "out_indices": [1, 2, 3, 4],
            "apply_layernorm": True,
            "reshape_hidden_states": False,
        },
        reassemble_hidden_size=16,
        neck_hidden_sizes=[4, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    folder = tmp_path_factory.mktemp("depth")
    model = AutoModelForDepthEstimation.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
    # The network's last step is flat below 0.
    torch.nn.init.constant_(model.head.conv3.bias, 1.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def estimator(weights: Path) -> DepthEstimator:
    return depth_estimator(weights, "cpu")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth and sharp parts in all channels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    frame = np.kron(coarse, np.ones((8, 8, 1), int))[:height, :width]
    return (frame + rng.integers(0, 30, frame.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_the_published_processors(
    processor: DPTImageProcessorPil, size: tuple[int, int]
) -> None:
    frame = picture(*size)
    expected = processor(frame, return_tensors="np")["pixel_values"][0]
    found = network_picture(frame)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_network_sizes_match_numbers_by_hand() -> None:
    assert network_size(1080, 1920) == (518, 924)
    assert network_size(913, 622) == (756, 518)  # the width needs less scaling
    assert network_size(2, 64) == (14, 518)


def test_maps_are_the_libraries_at_the_frames_size(
    processor: DPTImageProcessorPil, weights: Path, estimator: DepthEstimator
) -> None:
    """The same as transformers' own processor, network and resizing give."""
    frames = np.stack([picture(91, 62, seed) for seed in range(5)])  # more than one batch
    model = AutoModelForDepthEstimation.from_pretrained(weights).eval()
    found = estimator(frames)
    assert found.shape == (5, 91, 62)
    assert found.dtype == np.float32
    assert estimator.near_is_large
    for frame, depth in ((frames[0], found[0]), (frames[4], found[4])):
        with torch.no_grad():
            output = model(**processor(frame, return_tensors="pt"))
        (expected,) = processor.post_process_depth_estimation(output, target_sizes=[(91, 62)])
        np.testing.assert_allclose(depth, expected["predicted_depth"], rtol=1e-4, atol=1e-5)
    assert found[0].std() > 0.01


def test_no_frames_give_no_depth_maps(estimator: DepthEstimator) -> None:
    assert estimator(np.zeros((0, 20, 30, 3), np.uint8)).shape == (0, 20, 30)


def test_metric_networks_say_that_far_is_large(weights: Path, tmp_path: Path) -> None:
    text = (weights / "config.json").read_text()
    assert '"relative"' in text
    (tmp_path / "config.json").write_text(text.replace('"relative"', '"metric"'))
    (tmp_path / "model.safetensors").write_bytes((weights / "model.safetensors").read_bytes())
    assert not depth_estimator(tmp_path, "cpu").near_is_large


def test_says_what_is_wrong_with_the_weights(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"config\.json is not there.*get it from http"):
        depth_estimator()
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        depth_estimator(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        depth_estimator(tmp_path)
    parameters = tmp_path / "model.safetensors"
    parameters.write_bytes((weights / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match="a 'clip'; expected 'depth_anything'"):
        depth_estimator(tmp_path)
    (tmp_path / "config.json").write_bytes((weights / "config.json").read_bytes())
    with pytest.raises(InputError, match="is cut or damaged"):
        depth_estimator(tmp_path)
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights / "model.safetensors")
    del tensors["head.conv2.weight"]
    save_file(tensors, parameters, {"format": "pt"})
    with pytest.raises(InputError, match=r"1 parameters are missing, such as head\.conv2\.weight"):
        depth_estimator(tmp_path)


def test_devices_that_are_not_there(weights: Path) -> None:
    with pytest.raises(InputError, match="device cuda:99: cannot be used here"):
        depth_estimator(weights, "cuda:99")
