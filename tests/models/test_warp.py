"""Our extension: the warped reference, added to the prediction of the clean sample."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from posecast.models.animator import Animator
from posecast.models.presets import PRESETS


@torch.no_grad()
def test_a_fresh_model_predicts_the_warped_reference_first_of_all(fresh, example) -> None:
    warped = fresh.warped(example.warp)
    for parameter in fresh.unet.conv_out.parameters():
        parameter.zero_()
    prediction = example.predict(fresh, warp=True)
    torch.testing.assert_close(prediction, warped[:, :, :-4])


@torch.no_grad()
def test_warped_are_latents_and_the_known_share_of_quarters(fresh, example) -> None:
    warped = fresh.warped(example.warp)
    rgb, known = example.warp[1, 2, :3], example.warp[1, 2, 3]
    torch.testing.assert_close(warped[1, 2, :-4], fresh.encode(rgb[None])[0])
    cell = known[8:16, 24:32]
    quarters = [cell[:4, :4], cell[:4, 4:], cell[4:, :4], cell[4:, 4:]]
    expected = torch.stack([quarter.mean() for quarter in quarters])
    torch.testing.assert_close(warped[1, 2, -4:, 1, 3], expected)


@torch.no_grad()
def test_it_changes_the_result_only_where_it_is_given(animator, example) -> None:
    without = example.predict(animator)
    assert not torch.allclose(example.predict(animator, warp=True), without)
    zero = torch.zeros_like(animator.warped(example.warp))
    appearance = animator.embed(example.images)
    args = {"appearance": appearance, "guidance": animator.guidance(example.maps)}
    silent = animator.denoise(example.noisy, 3, **args, warped=zero)
    plain = animator.denoise(example.noisy, 3, **args)
    # A zero map still passes the first convolution's bias.
    animator.unet.warp_in.bias.zero_()
    torch.testing.assert_close(animator.denoise(example.noisy, 3, **args, warped=zero), plain)
    assert silent.shape == plain.shape


def test_other_predictions_are_refused() -> None:
    config = PRESETS["tiny"]()
    scheduler = {**config.scheduler, "prediction_type": "v_prediction"}
    with pytest.raises(ValueError, match=r"unet.warp needs scheduler.prediction_type: sample"):
        Animator(replace(config, scheduler=scheduler))


def test_off_has_no_parameters(plain: Animator) -> None:
    assert not plain.warps
    assert not [name for name, _ in plain.named_parameters() if "warp" in name]


def test_a_sample_that_drops_its_reference_drops_the_warped_one(animator, example) -> None:
    """Training's unconditional half is inference's: no pixel of the reference comes through."""
    dropped = torch.tensor([True, False])

    def predict(warp: torch.Tensor) -> torch.Tensor:
        return animator(
            example.noisy, 3, example.latents, example.images, example.maps,
            example.reference_maps, dropped, animator.warped(warp),
        )  # fmt: skip

    one, other = predict(example.warp), predict(1 - example.warp)
    torch.testing.assert_close(one[0], other[0])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(one[1], other[1])
