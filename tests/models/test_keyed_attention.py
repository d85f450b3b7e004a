"""Our extension: off it is exactly the paper's attention, on it carries who is who."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest
import torch

from posecast.models import initialisation as start
from posecast.models.animator import Animator
from posecast.models.attention import Context, ReferenceAttention
from posecast.models.presets import PRESETS
from posecast.models.unet import UNet


def without_keys(animator: Animator) -> Animator:
    """The same weights in a model that never had keyed attention."""
    config = animator.config
    plain = Animator(replace(config, unet={**config.unet, "key_channels": 0})).eval()
    state = {k: v for k, v in animator.state_dict().items() if "_keys." not in k}
    assert len(state) < len(animator.state_dict())
    plain.load_state_dict(state)
    return plain


@torch.no_grad()
def test_zero_u_is_the_papers_attention(animator, example) -> None:
    plain = without_keys(animator)
    for name, parameter in animator.unet.named_parameters():
        if "_keys." in name:
            parameter.zero_()
    appearance = animator.embed(example.images)
    maps, own = example.maps, example.reference_maps
    keyed = animator.reference_features(example.latents, appearance, own)
    assert keyed.correspondence is not None
    assert plain.correspondence(maps) is None
    for reference in (keyed, None):
        args = {"appearance": appearance, "guidance": animator.guidance(maps)}
        own = animator.correspondence(maps)
        ours = animator.denoise(example.noisy, 3, **args, reference=reference, correspondence=own)
        assert torch.equal(ours, plain.denoise(example.noisy, 3, **args, reference=reference))


def test_without_keys_there_are_no_key_parameters(plain) -> None:
    assert not [name for name, _ in plain.named_parameters() if "_keys" in name]
    assert not plain.keyed


@torch.no_grad()
def test_own_keys_do_not_change(animator) -> None:
    """Without reference tokens the extension must not act, whatever its features."""
    attention = ReferenceAttention(16, 2, key_channels=8)
    x, keys = torch.randn(2, 5, 16), torch.randn(2, 5, 8)
    context = Context(1, torch.zeros(2, 4), torch.zeros(2, 1, 4))
    assert torch.equal(attention(x, context, None, keys), attention(x, context, None, None))


@torch.no_grad()
def test_queries_and_reference_keys_gain_their_terms() -> None:
    """The formula by hand, one head."""
    torch.manual_seed(0)
    attention = ReferenceAttention(8, 1, key_channels=6)
    own, other = torch.randn(1, 5, 8), torch.randn(1, 7, 8)
    f_target, f_reference = torch.randn(1, 5, 6), torch.randn(1, 7, 6)
    context = Context(1, torch.zeros(1, 4), torch.zeros(1, 1, 4))
    ours = attention(own, context, attention.project(other, f_reference), f_target)
    query = attention.to_q(own) + attention.target_keys(f_target)
    key = torch.cat(
        [attention.to_k(own), attention.to_k(other) + attention.reference_keys(f_reference)], 1
    )
    value = torch.cat([attention.to_v(own), attention.to_v(other)], 1)
    weights = (query @ key.transpose(1, 2) / 8**0.5).softmax(-1)
    torch.testing.assert_close(ours, attention.to_out[0](weights @ value))


def test_a_warm_start_has_the_documented_weights() -> None:
    torch.manual_seed(0)
    animator = Animator.from_preset("embedded")
    attention = animator.unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1
    assert torch.equal(attention.to_q.weight, attention.to_k.weight)
    u = attention.target_keys.weight
    assert torch.equal(u, attention.reference_keys.weight)
    # Half of the heads by pose, identity and body, half by position; features come in that order.
    width, place = attention.to_q.in_features, animator.unet.config.widths[0]
    who = 3 * place
    rows = width // attention.heads * (attention.heads // 2)
    assert not u[:rows, who:].any()
    assert not u[rows:, :who].any()
    assert u[:rows, :who].std().item() == pytest.approx(start.IDENTITY_STD / who**0.5, rel=0.1)
    assert u[rows:, who:].std().item() == pytest.approx(start.POSITION_STD / place**0.5, rel=0.1)
    q = attention.to_q.weight * width**0.5 / start.QUERY_STD
    assert q[:rows].std().item() == pytest.approx(start.IDENTITY_SCALE, rel=0.1)
    assert q[rows:].std().item() == pytest.approx(start.POSITION_SCALE, rel=0.1)
    state = animator.unet.state_dict()
    for name, tensor in animator.reference_net.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    assert not state["down_blocks.0.resnets.0.conv2.weight"].any()
    # What a transformer does at first is attention alone, at half strength.
    projection = state["mid_block.attentions.0.proj_out.weight"].flatten(1)
    expected = start.ATTENTION_GAIN**2 * torch.eye(len(projection))
    torch.testing.assert_close(projection @ projection.T, expected, atol=1e-5, rtol=0)
    assert not state["mid_block.attentions.0.transformer_blocks.0.ff.net.2.weight"].any()
    assert state["down_blocks.0.resnets.0.conv1.weight"].any()


@torch.no_grad()
def test_swapped_codes_and_poses_reach_the_output(animator, example) -> None:
    before = example.predict(animator)
    for name in ("identity", "pose"):
        swapped = {**example.reference_maps, name: example.reference_maps[name].flip(-1)}
        after = example.predict(animator, reference_maps=swapped)
        assert (after - before).abs().max() > 1e-3, name


@torch.no_grad()
def test_reference_maps_enter_the_reference_net(animator, example) -> None:
    appearance = animator.embed(example.images)
    plain = animator.reference_features(example.latents, appearance)
    keyed = animator.reference_features(example.latents, appearance, example.reference_maps)
    path = animator.unet.attention_paths()[0]
    assert plain.correspondence is None
    assert not torch.equal(plain.tokens[path], keyed.tokens[path])


@torch.no_grad()
def test_queries_find_their_own_code_from_the_first_step() -> None:
    """A fresh embedded model: in the head by identity, a code looks at the same code."""
    torch.manual_seed(0)
    animator = Animator.from_preset("embedded")
    attention = animator.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1
    width = animator.config.unet["head_dim"]
    found = []
    for _ in range(8):
        codes = torch.nn.functional.normalize(torch.randn(2, 8), dim=1) * 0.7 * 8**0.5
        identity = codes.T[None, :, None].repeat_interleave(32, dim=3).repeat(1, 1, 64, 1)
        maps = {"identity": identity[:, None], "pose": torch.zeros(1, 1, 3, 64, 64)}
        swapped = {name: x.flip(-1) for name, x in maps.items()}
        f_target, f_reference = (
            animator.correspondence(x)[0, 0].flatten(1).T for x in (swapped, maps)
        )
        query = attention.target_keys(f_target)[:, :width]
        key = attention.reference_keys(f_reference)[:, :width]
        weights = (query @ key.T / width**0.5).softmax(-1).view(16, 16, 16, 16)
        # The code on the target's left (the edge aside) is the one on the reference's right.
        left = weights[:, 2:6]
        found.append((left[..., 8:].sum() / left.sum()).item())
    assert sum(found) / len(found) > 0.7


def test_diffusers_reads_the_denoiser_of_a_model_folder() -> None:
    """No setting has the name of a method of `dict`, as diffusers' frozen settings are one."""
    folder = resources.files("posecast") / "assets/models/embedded/unet"
    unet = UNet.from_pretrained(folder)
    assert unet.config.key_channels == 256
    assert "key_channels" in unet.config.keys()  # noqa: SIM118


@pytest.mark.parametrize("keyed_by", [("place",), ("pose", "identity"), ("pose", "place")])
def test_heads_start_on_the_parts_of_their_keys(keyed_by) -> None:
    torch.manual_seed(0)
    config = PRESETS["tiny"]()
    width = config.unet["widths"][0]
    unet = {**config.unet, "key_channels": len(keyed_by) * width}
    animator = Animator.from_preset(replace(config, unet=unet, keyed_by=keyed_by))
    keyed = [m for m in animator.unet.modules() if isinstance(m, ReferenceAttention)]
    who = width * sum(name != "place" for name in keyed_by)
    for attention in keyed:
        weight = attention.target_keys.weight
        half = len(weight) // attention.heads * (attention.heads // 2)
        assert weight.any(dim=1).all(), "every head begins by something"
        if 0 < who < weight.shape[1]:
            assert not weight[:half, who:].any()
            assert not weight[half:, :who].any()
