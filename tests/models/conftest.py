from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from posecast.models.animator import Animator
from posecast.models.presets import LATENT_CHANNELS, PRESETS

SIZE = 64
CHANNELS = {name: guider["in_channels"] for name, guider in PRESETS["tiny"]().guiders.items()}


class Example:
    """One batch of inputs for the tiny preset: two samples of three frames."""

    def __init__(self, batch: int = 2, frames: int = 3, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)

        def rand(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator)

        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        self.noisy = randn(batch, frames, LATENT_CHANNELS, SIZE // 8, SIZE // 8)
        self.latents = randn(batch, LATENT_CHANNELS, SIZE // 8, SIZE // 8)
        self.images = rand(batch, 3, SIZE, SIZE)
        self.maps = {
            name: rand(batch, 1 if name == "reference_pose" else frames, channels, SIZE, SIZE)
            for name, channels in CHANNELS.items()
        }
        self.reference_maps = {
            "pose": rand(batch, 3, SIZE, SIZE),
            "identity": rand(batch, 8, SIZE, SIZE),
        }

    def predict(self, animator: Animator, timestep: int | Tensor = 500, **changes) -> Tensor:
        """Through the public methods, as the pipeline does."""
        given = {"maps": self.maps, "reference_maps": self.reference_maps} | changes
        appearance = animator.embed(self.images)
        reference = animator.reference_features(self.latents, appearance, given["reference_maps"])
        if given.get("drop_reference"):
            reference, appearance = None, torch.zeros_like(appearance)
        return animator.denoise(
            self.noisy,
            timestep,
            appearance=appearance,
            reference=reference,
            guidance=animator.guidance(given["maps"]),
            correspondence=animator.correspondence(given["maps"]),
        )


def awaken(module: torch.nn.Module, seed: int = 0) -> None:
    """Give every parameter that starts at zero a small value, so that nothing is silent."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if not parameter.any():
            parameter.data.normal_(std=0.1, generator=generator)


@pytest.fixture
def example() -> Example:
    return Example()


@pytest.fixture
def fresh() -> Animator:
    torch.manual_seed(0)
    return Animator.from_preset("tiny").eval()


@pytest.fixture
def animator(fresh) -> Animator:
    awaken(fresh)
    return fresh


@pytest.fixture
def plain() -> Animator:
    """The paper's design at the tiny size: keys and identity guider off, zero starts."""
    config = PRESETS["tiny"]()
    guiders = {
        name: {**settings, "init": "zero"}
        for name, settings in config.guiders.items()
        if name != "identity"
    }
    torch.manual_seed(0)
    return Animator.from_preset(
        replace(config, unet={**config.unet, "key_channels": 0}, guiders=guiders, start="zero")
    ).eval()
