"""The start in pixels: a network that has learnt nothing copies the picture, cell by cell."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from posecast.geometry.body_coordinates import STRIDE
from posecast.models.animator import Animator
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.copying import OUT, start_in_pixels
from posecast.models.presets import embedded

SIDE = 64


def smooth_pictures(count: int) -> Tensor:
    """Colours without noise, as pictures have: (count, 3, SIDE, SIDE) in 0..1."""
    coarse = F.interpolate(torch.rand(count, 3, 8, 8), size=SIDE, mode="nearest")
    return 0.7 * coarse + 0.3 * F.interpolate(torch.rand(count, 3, 3, 3), size=SIDE, mode="bicubic")


@pytest.fixture(scope="module")
def fresh() -> Animator:
    """The embedded preset before its first step, with an autoencoder of such pictures."""
    torch.manual_seed(0)
    animator = Animator.from_preset(replace(embedded(), motion=None)).eval()
    assert isinstance(animator.vae, PatchAutoencoder)
    animator.vae.start_at_principal_components(2 * smooth_pictures(64) - 1)
    start_in_pixels(animator)
    return animator


def blank_maps() -> dict[str, Tensor]:
    side = SIDE // STRIDE
    return {
        "pose": torch.zeros(1, 3, SIDE, SIDE),
        "identity": torch.zeros(1, 8, SIDE, SIDE),
        "body": torch.zeros(1, 3, side, side),
    }


def person(maps: dict[str, Tensor], column: int, code: Tensor) -> None:
    """Write a body of 8x4 cells into maps, with its code, at a column of cells."""
    rows, columns = (
        slice(4 * at // STRIDE, 4 * to // STRIDE) for at, to in ((4, 12), (column, column + 4))
    )
    there = maps["body"][0, :, rows, columns]
    y, x = torch.meshgrid(
        torch.linspace(0.1, 0.9, there.shape[1]),
        torch.linspace(0.4, 0.6, there.shape[2]),
        indexing="ij",
    )
    there[:] = torch.stack([x, y, torch.ones_like(x)])
    pixels = slice(4 * column, 4 * column + 16)
    maps["identity"][0, :, 16:48, pixels] = code[:, None, None]


def prediction(animator: Animator, picture: Tensor, target: dict, reference: dict) -> Tensor:
    """What is made of pure noise in one step: (3, SIDE, SIDE)."""
    latents = animator.encode(picture)
    noise = torch.randn(1, 1, *latents.shape[1:], generator=torch.Generator().manual_seed(1))
    frames = {name: x[:, None] for name, x in target.items()}
    made = animator(noise, 999, latents, picture, frames, reference)
    return animator.decode(made[0])[0]


@torch.no_grad()
def test_equal_cells_are_equal_features_in_every_quarter_of_a_latent(fresh) -> None:
    cell = torch.rand(1, 3, 4, 4)
    features = []
    for row in range(2):
        for column in range(2):
            picture = torch.full((1, 3, 8, 8), 0.5)
            picture[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = cell
            kept = fresh.vae.project.weight.flatten(1)
            # As the autoencoder can draw it: what its latents leave out is lost before.
            latents = fresh.encode(picture)
            drawn = (latents[0, :, 0, 0] @ torch.linalg.pinv(kept).T).view(3, 8, 8)
            made = fresh.reference_net.conv_in(latents)[0, :, row, column]
            features.append((made, drawn[:, 4 * row :, 4 * column :][:, :4, :4]))
    for made, drawn in features[1:]:
        change = (made - features[0][0]).norm() / made.norm()
        assert change <= 2 * (drawn - features[0][1]).norm() / drawn.norm() + 1e-3
    assert torch.equal(features[0][0][0::4], -features[0][0][1::4])
    assert not features[0][0][2::4].any()


@torch.no_grad()
def test_the_last_convolution_undoes_the_first(fresh) -> None:
    latents = fresh.encode(smooth_pictures(2))
    drawn = fresh.unet.conv_out(fresh.reference_net.conv_in(latents)) / OUT / 2
    assert (drawn - latents).square().mean() < 0.05 * latents.square().mean()


@torch.no_grad()
def test_codes_of_place_and_body_have_one_length(fresh) -> None:
    """Else attention would prefer the places with the longest keys."""
    maps = blank_maps()
    maps["body"][:, :2] = torch.rand(1, 2, SIDE // STRIDE, SIDE // STRIDE)
    maps["body"][:, 2] = 1
    keys = fresh.correspondence({name: x[:, None] for name, x in maps.items()})[0, 0]
    width = fresh.unet.config.widths[0]
    for number, name in enumerate(fresh.config.keyed_by):
        if name in ("body", "place"):
            lengths = keys[number * width : (number + 1) * width].norm(dim=0)
            torch.testing.assert_close(lengths, torch.full_like(lengths, width**0.5))


@torch.no_grad()
def test_before_training_nobody_means_a_copy(fresh) -> None:
    picture = smooth_pictures(1)
    made = prediction(fresh, picture, blank_maps(), blank_maps())
    seen = picture[0].flatten(1)
    correlation = torch.corrcoef(torch.stack([made.flatten(), seen.flatten()]))[0, 1]
    assert correlation > 0.9


@torch.no_grad()
def test_before_training_people_are_found_by_code_and_body(fresh) -> None:
    """Two people change places, red and blue: each is drawn where its code is now."""
    codes = 0.7 * 8**0.5 * F.normalize(torch.randn(2, 8), dim=1)
    picture = torch.full((1, 3, SIDE, SIDE), 0.5)
    reference, target = blank_maps(), blank_maps()
    for index, (before, after) in enumerate(((1, 9), (9, 1))):
        person(reference, before, codes[index])
        person(target, after, codes[index])
        picture[:, 2 * index, 16:48, 4 * before : 4 * before + 16] = 1.0
        picture[:, 2 - 2 * index, 16:48, 4 * before : 4 * before + 16] = 0.0
    made = prediction(fresh, picture, target, reference)
    for index, after in enumerate((9, 1)):
        own = made[:, 20:44, 4 * after + 4 : 4 * after + 12].mean(dim=(1, 2))
        assert own[2 * index] > own[2 - 2 * index] + 0.3
    swapped = prediction(fresh, picture, reference, reference)
    own = swapped[:, 20:44, 8:16].mean(dim=(1, 2))
    assert own[0] > own[2] + 0.3
