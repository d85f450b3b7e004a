from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from posecast.models.animator import Animator
from posecast.models.presets import LATENT_CHANNELS, PRESETS
from tests.models.conftest import SIZE, Example, awaken


@torch.no_grad()
def test_forward_is_the_public_methods(animator, example) -> None:
    ours = animator(
        example.noisy, 500, example.latents, example.images, example.maps, example.reference_maps
    )
    torch.testing.assert_close(ours, example.predict(animator))


@torch.no_grad()
def test_dropped_reference_is_no_reference(animator, example) -> None:
    dropped = torch.tensor([True, False])
    ours = animator(
        example.noisy, 500, example.latents, example.images, example.maps,
        example.reference_maps, dropped,
    )  # fmt: skip
    without = example.predict(animator, drop_reference=True)
    torch.testing.assert_close(ours[0], without[0])
    torch.testing.assert_close(ours[1], example.predict(animator)[1])
    assert (ours[0] - example.predict(animator)[0]).abs().max() > 0.01


@torch.no_grad()
def test_unseen_references_do_not_leak(animator, example) -> None:
    dropped = torch.tensor([True, False])
    args = (example.noisy, 500, example.latents, example.images, example.maps)
    before = animator(*args, example.reference_maps, dropped)
    for value in (example.latents, example.images, *example.reference_maps.values()):
        value[0] = value[0].flip(-1)
    after = animator(*args, example.reference_maps, dropped)
    assert torch.equal(before, after)


@torch.no_grad()
def test_each_frame_may_have_its_own_timestep(animator, example) -> None:
    """In a model of images, frames do not see each other."""
    for block in (*animator.unet.down_blocks, animator.unet.mid_block, *animator.unet.up_blocks):
        block.motion_modules = None
    steps = torch.tensor([[10, 500, 900], [3, 3, 3]])
    ours = example.predict(animator, timestep=steps)
    for t in (10, 500, 900):
        alone = example.predict(animator, timestep=torch.tensor([t, 3]))
        torch.testing.assert_close(ours[0][steps[0] == t], alone[0][steps[0] == t])
        torch.testing.assert_close(ours[1], alone[1])


@torch.no_grad()
def test_zero_guiders_change_nothing(plain, example) -> None:
    maps = {name: example.maps[name] for name in plain.guiders.names}
    assert torch.equal(
        example.predict(plain, maps=maps), example.predict(plain, maps={}, reference_maps={})
    )
    awaken(plain.guiders)
    assert not torch.equal(example.predict(plain, maps=maps), example.predict(plain, maps={}))


@torch.no_grad()
def test_fresh_motion_modules_make_a_clip_of_stills(plain, example) -> None:
    example.noisy[:] = example.noisy[:, :1]
    stills = example.predict(plain, maps={})
    torch.testing.assert_close(stills, stills[:, :1].expand_as(stills), rtol=1e-5, atol=1e-6)
    awaken(plain.unet)
    moving = example.predict(plain, maps={})
    assert (moving - moving[:, :1]).abs().max() > 1e-4


@torch.no_grad()
def test_add_motion_keeps_every_weight(example) -> None:
    torch.manual_seed(0)
    stills = Animator.from_preset(replace(PRESETS["tiny"](), motion=None)).eval()
    awaken(stills)
    assert stills.max_window is None
    before = example.predict(stills)
    stills.add_motion(PRESETS["tiny"]().motion)
    assert torch.equal(example.predict(stills.eval()), before)
    assert stills.max_window == 32
    assert any("motion_modules" in name for name, _ in stills.unet.named_parameters())


@torch.no_grad()
def test_more_frames_than_positions_are_refused(animator) -> None:
    example = Example(batch=1, frames=33)
    with pytest.raises(ValueError, match="33 frames"):
        example.predict(animator)


@torch.no_grad()
def test_reference_pose_is_broadcast_over_time(animator, example) -> None:
    one = animator.guidance({"reference_pose": example.maps["reference_pose"]})
    assert one.shape[1] == 1
    both = {name: example.maps[name] for name in ("pose", "reference_pose")}
    pose = animator.guidance({"pose": example.maps["pose"]})
    torch.testing.assert_close(animator.guidance(both), pose + one)
    assert animator.guidance({}) is None


def test_a_map_without_guider_is_named(plain, example) -> None:
    with pytest.raises(ValueError, match="no guider 'identity'"):
        plain.guidance({"identity": example.maps["identity"]})


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="no preset 'huge'"):
        Animator.from_preset("huge")


def test_every_trainable_parameter_gets_a_gradient(fresh, example) -> None:
    """What DDP needs, whether a batch drops references or not."""
    awaken(fresh)
    for dropped in (None, torch.tensor([True, True])):
        fresh.train().zero_grad()
        fresh(
            example.noisy, 500, example.latents, example.images, example.maps,
            example.reference_maps, dropped,
        ).square().mean().backward()  # fmt: skip
        missing = [k for k, p in fresh.named_parameters() if p.requires_grad and p.grad is None]
        assert missing == []
    idle = {k for k, p in fresh.named_parameters() if not p.requires_grad}
    assert any(k.startswith("vae.") for k in idle)
    assert not any(k.startswith(("guiders.", "image_encoder.")) for k in idle)


def test_the_vae_stays_frozen(fresh) -> None:
    fresh.train()
    assert not fresh.vae.training
    assert fresh.unet.training


@torch.no_grad()
def test_slices_make_no_difference(fresh) -> None:
    images = torch.rand(5, 3, SIZE, SIZE)
    latents = fresh.encode(images)
    torch.testing.assert_close(fresh.encode(images, slice_size=2), latents)
    decoded = fresh.decode(latents)
    torch.testing.assert_close(fresh.decode(latents, slice_size=2), decoded)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


@torch.no_grad()
@pytest.mark.parametrize("size", [(72, 120), (64, 40), (56, 88)])
def test_any_multiple_of_eight_works(animator, size) -> None:
    """Odd latent sizes too: the enlargement meets its skip."""
    height, width = size
    maps = {"pose": torch.rand(1, 2, 3, height, width), "identity": torch.rand(1, 2, 8, *size)}
    noisy = torch.randn(1, 2, LATENT_CHANNELS, height // 8, width // 8)
    latents, images = torch.randn_like(noisy[:, 0]), torch.rand(1, 3, *size)
    out = animator(noisy, 5, latents, images, maps, {k: v[:, 0] for k, v in maps.items()})
    assert out.shape == noisy.shape
    assert out.isfinite().all()


@torch.no_grad()
def test_features_pass_no_state(animator, example) -> None:
    """A validation between two steps changes neither."""
    before = example.predict(animator)
    Example(seed=7).predict(animator)
    assert torch.equal(example.predict(animator), before)


def test_one_clip_can_be_overfitted(fresh) -> None:
    torch.manual_seed(0)
    example = Example(batch=1, frames=2)
    target = torch.randn_like(example.noisy)
    trainable = [p for p in fresh.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2)
    losses = []
    for _ in range(15):
        prediction = fresh(
            example.noisy, 999, example.latents, example.images, example.maps,
            example.reference_maps,
        )  # fmt: skip
        loss = (prediction - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
