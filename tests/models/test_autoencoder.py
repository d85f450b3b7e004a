from __future__ import annotations

import pytest
import torch
from torch import Tensor

from posecast.models.autoencoder import PatchAutoencoder


@pytest.fixture
def autoencoder() -> PatchAutoencoder:
    torch.manual_seed(0)
    return PatchAutoencoder(latent_channels=16, decoder_widths=[16, 8], decoder_blocks=[1, 1])


@pytest.fixture
def images() -> Tensor:
    """Smooth pictures in [-1, 1]: 8x down leaves something to compress."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(8, 3, 6, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(48, 64), mode="bicubic").clamp(-1, 1)


def test_latents_have_an_eighth_of_the_size(autoencoder, images) -> None:
    reconstruction, latents = autoencoder(images)
    assert latents.shape == (8, 16, 6, 8)
    assert reconstruction.shape == images.shape


def test_the_encoder_does_not_train(autoencoder, images) -> None:
    before = autoencoder.train().encode(images)
    autoencoder(images)[0].square().mean().backward()
    optimizer = torch.optim.SGD(autoencoder.parameters(), lr=0.1)
    decoded = autoencoder.decode(before)
    optimizer.step()
    assert torch.equal(autoencoder.encode(images), before)
    assert not torch.equal(autoencoder.decode(before), decoded)


def test_noise_in_training_only_and_by_generator(autoencoder, images) -> None:
    state = {k: v.clone() for k, v in autoencoder.state_dict().items()}

    def run(seed: int, noise: float = 0.5) -> Tensor:
        autoencoder.load_state_dict(state)
        return autoencoder(images, noise, torch.Generator().manual_seed(seed))[0]

    autoencoder.train()
    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))
    assert torch.equal(run(0, noise=0.0), run(1, noise=0.0))
    autoencoder.eval()
    assert torch.equal(run(0), run(1))


def test_principal_components_are_the_best_linear_start(autoencoder, images) -> None:
    """Against numpy's own: the same error as keeping the 16 largest components of the patches."""
    autoencoder.start_at_principal_components(images, torch.Generator().manual_seed(0))
    autoencoder.eval()
    with torch.no_grad():
        latents = autoencoder.encode(images)
        error = (autoencoder.decode(latents) - images).square().mean().item()
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(16), atol=1e-2, rtol=0)
    patches = torch.nn.functional.unfold(images, 8, stride=8).transpose(1, 2).flatten(0, 1)
    patches = patches.double() - patches.double().mean(0)
    tail = torch.linalg.svdvals(patches)[16:].square().sum() / patches.numel()
    # The bias of the output is one number a channel, not a place: a little is lost there.
    assert tail.item() <= error + 1e-6
    assert error < 1.5 * tail.item() + 1e-3
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(16), atol=1e-5, rtol=0)
