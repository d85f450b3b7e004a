"""Public weights at full size: files to the full key list, converted, loaded, run."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from posecast import AnimationPipeline
from posecast.models.conversion.animateanyone import convert_animateanyone
from posecast.models.presets import sd15
from tests.casting.conftest import scene
from tests.models.full_size import write_files

__all__ = ["scene"]

GIGABYTE = 1024**2  # of kilobytes, which the system counts in


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_full_size_is_converted_loaded_and_run_within_20_gb(tmp_path: Path, scene) -> None:
    weights = tmp_path / "weights"
    write_files(weights)
    shape = sd15()
    AutoencoderKL(**shape.vae).half().save_pretrained(weights / "vae")
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**shape.image_encoder))
    encoder.half().save_pretrained(weights / "image_encoder")
    del encoder
    convert_animateanyone(weights, tmp_path / "model")
    pipe = AnimationPipeline.from_pretrained(tmp_path / "model")
    result = pipe(
        scene["picture"],
        scene["dance"],
        reference_poses=scene["people"],
        size=(256, 256),
        max_frames=2,
        num_steps=2,
        generator=torch.Generator().manual_seed(0),
    )
    assert result.frames.shape == (2, 256, 256, 3)
    assert result.frames.std() > 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIGABYTE
    print(f"peak memory {peak:.1f} GB")
    assert peak < 20
