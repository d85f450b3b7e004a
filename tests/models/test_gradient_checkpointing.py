"""Layers computed anew in backward give the gradients of layers that were kept."""

from __future__ import annotations

import torch

from posecast.models import Animator


def gradients(animator: Animator) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    channels = animator.config.vae["latent_channels"]
    noisy = torch.randn(2, 3, channels, 4, 4, generator=generator)
    latents = torch.randn(2, channels, 4, 4, generator=generator)
    image = torch.rand(2, 3, 32, 32, generator=generator)
    maps = {"pose": torch.rand(2, 3, 3, 32, 32, generator=generator)}
    reference_maps = {"pose": maps["pose"][:, 0]}
    animator.zero_grad()
    animator(noisy, 500, latents, image, maps, reference_maps).square().mean().backward()
    return {n: p.grad.clone() for n, p in animator.named_parameters() if p.grad is not None}


def test_gradients_are_equal_through_both_nets() -> None:
    torch.manual_seed(0)
    animator = Animator.from_preset("tiny").train()
    with torch.no_grad():  # fresh output layers of zero would hide everything before them
        for parameter in animator.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    kept = gradients(animator)
    calls = 0

    def count(module, inputs):
        nonlocal calls
        calls += 1

    animator.unet.down_blocks[0].resnets[0].register_forward_pre_hook(count)
    animator.unet.enable_gradient_checkpointing()
    animator.reference_net.enable_gradient_checkpointing()
    anew = gradients(animator)
    assert calls == 2
    assert kept.keys() == anew.keys()
    assert any(name.startswith("reference_net") and g.any() for name, g in kept.items())
    for name in kept:
        torch.testing.assert_close(anew[name], kept[name], msg=name)
