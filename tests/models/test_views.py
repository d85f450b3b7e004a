"""The reference read at half cells: the same picture, on a second grid of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from posecast.geometry.body_coordinates import body_coordinates
from posecast.geometry.skeleton import LEFT_WRIST
from posecast.models.animator import Animator
from posecast.models.correspondence import body_codes
from posecast.models.position import place_positions
from posecast.models.presets import tiny
from posecast.models.views import view_moves, views
from tests.geometry.conftest import STANDING

SIDE = 64


@pytest.fixture
def half() -> Animator:
    torch.manual_seed(0)
    config = tiny()
    unet = {**config.unet, "cells": 2, "key_channels": 4 * config.unet["widths"][0]}
    strides = {"strides": [2, 2, 1]}
    guiders = {name: {**guider, **strides} for name, guider in config.guiders.items()}
    keys = ("pose", "identity", "body", "place")
    config = replace(config, unet=unet, guiders=guiders, keyed_by=keys, half_cells=True)
    return Animator.from_preset(config).eval()


def reference_maps() -> dict[str, torch.Tensor]:
    return {
        "pose": torch.rand(1, 3, SIDE, SIDE),
        "identity": torch.rand(1, 8, SIDE, SIDE),
        "body": torch.rand(1, 3, SIDE // 2, SIDE // 2),
    }


def test_the_second_view_is_the_picture_moved_by_half_a_cell() -> None:
    picture = torch.rand(2, 3, 16, 24)
    first, second = views(picture, view_moves(True), 4).unbind(1)
    assert torch.equal(first, picture)
    assert torch.equal(second[..., :-2, :-2], picture[..., 2:, 2:])
    assert torch.equal(second[..., -2:, :-2], picture[..., -1:, 2:].expand(-1, -1, 2, -1))
    assert torch.equal(views(picture, view_moves(False), 4)[:, 0], picture)


@pytest.mark.parametrize("cell", [4, 8])
def test_body_codes_are_those_of_the_middle_of_each_views_cells(cell) -> None:
    """A skeleton that is moved by half a cell has the codes of the second view."""
    person = np.ones((1, 18, 3), np.float32)
    person[0, :, :2] = 0.96 * STANDING
    body = torch.from_numpy(body_coordinates(person, (128, 96)))[None]
    rows, columns = 128 // cell, 96 // cell
    second = views(body, view_moves(True), cell // 2)[:, 1:]
    moved = person.copy()
    moved[..., :2] -= cell / 2
    expected = torch.from_numpy(body_coordinates(moved, (128, 96)))[None, None]
    codes = body_codes(second, 16, (rows, columns))
    wanted = body_codes(expected, 16, (rows, columns))
    # The far edges repeat what is last.
    torch.testing.assert_close(codes[..., :-1, :-1], wanted[..., :-1, :-1], atol=2e-4, rtol=0)
    x, y = (person[0, LEFT_WRIST, :2] // cell).astype(int)
    assert codes[0, 0, :, y, x].norm() > 0


def test_places_of_the_second_view_lie_between_the_firsts() -> None:
    between = place_positions(16, 16, 16, moved=(0.5, 0.5))
    middle = place_positions(64, 64, 16)
    torch.testing.assert_close(between[:, 3, 5], (middle[:, 15, 23] + middle[:, 16, 24]) / 2,
                               atol=0.02, rtol=0)  # fmt: skip
    assert not torch.allclose(between, place_positions(16, 16, 16), atol=0.1)


@torch.no_grad()
def test_every_layer_reads_the_tokens_of_both_views(half) -> None:
    picture, maps = torch.rand(1, 3, SIDE, SIDE), reference_maps()
    appearance = half.embed(picture)
    latents = half.encode_reference(picture)
    assert torch.equal(latents[:1], half.encode(picture))
    found = half.reference_features(latents, appearance, maps)
    alone = Animator(replace(half.config, half_cells=False)).eval()
    alone.load_state_dict(half.state_dict())
    for path, tokens in found.tokens.items():
        one = alone.reference_features(latents[:1], appearance, maps).tokens[path]
        assert tokens.shape[1] == 2 * one.shape[1]
        torch.testing.assert_close(tokens[:, : one.shape[1]], one)
    prepared = half.prepare_reference(found)
    assert prepared.keys_values is not None
    for path, (key, value) in prepared.keys_values.items():
        assert key.shape == value.shape == found.tokens[path].shape


@torch.no_grad()
def test_samples_of_a_batch_keep_their_own_views(half) -> None:
    pictures = torch.rand(2, 3, SIDE, SIDE)
    one, other = reference_maps(), reference_maps()
    both = {name: torch.cat([one[name], other[name]]) for name in one}
    together = half.prepare_reference(
        half.reference_features(half.encode_reference(pictures), half.embed(pictures), both)
    )
    for index, maps in enumerate((one, other)):
        picture = pictures[index : index + 1]
        alone = half.prepare_reference(
            half.reference_features(half.encode_reference(picture), half.embed(picture), maps)
        )
        for path, (key, value) in (alone.keys_values or {}).items():
            found_key, found_value = (together.keys_values or {})[path]
            torch.testing.assert_close(found_key[index : index + 1], key, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(found_value[index : index + 1], value, atol=1e-4, rtol=1e-4)


def test_a_model_folder_keeps_the_setting(half, tmp_path) -> None:
    half.save_pretrained(tmp_path / "model")
    assert Animator.from_pretrained(tmp_path / "model").config.half_cells
