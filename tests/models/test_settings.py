"""No config of a model folder builds what never ends, and none chooses code."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.conversion.configs import animateanyone_config
from posecast.models.folder import CLASSES, load_animator, save_animator
from posecast.models.presets import PRESETS, AnimatorConfig
from posecast.models.settings import TABLES, check_settings
from posecast.models.settings_fit import check_config, check_fit
from posecast.training.config import ModelSettings
from posecast.training.stages import model_config

HOSTILE: list[Any] = [
    10**7, 3 * 10**8, 10**30, -1, 0, 1.5, 1e308, True, None, "text", "os.system", [], {}, [[]],
    ["DownBlock2D"] * 100, {"a": {}}, [10**7], [1] * 10_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "model"
    save_animator(Animator.from_preset("tiny"), folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "model")


def attempt(action: Callable[[], object]) -> str:
    """What an action is refused with; nothing where it is not."""
    try:
        action()
    except InputError as error:
        return str(error)
    return ""


def change(path: Path, name: str, value: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, name: value}))


def test_presets_are_within_the_table() -> None:
    for name, preset in PRESETS.items():
        check_config(name, preset())
        check_fit(name, preset())


def test_the_width_of_keys_is_the_first_width_for_each_feature() -> None:
    config = PRESETS["tiny"]()
    wider = replace(config, unet={**config.unet, "key_channels": 64})
    found = attempt(lambda: check_fit("config", wider))
    assert found.startswith("config: unet.key_channels: found 64; expected 48, ")
    assert found.endswith("pose, identity, place")


def in_pixels(**unet: Any) -> AnimatorConfig:
    """The tiny preset with a first level of 4x4 pixels a cell, and these settings."""
    tiny = PRESETS["tiny"]()
    own = {**tiny.unet, "cells": 2, "widths": [32, 48], "head_dim": 32, "key_channels": 96}
    own |= unet
    fine = {"strides": [2, 2, 1], "out_channels": 32}
    guiders = {name: {**guider, **fine} for name, guider in tiny.guiders.items()}
    return replace(tiny, start="pixels", unet=own, guiders=guiders)


def test_a_start_in_pixels_needs_cells_heads_and_groups_that_hold_them() -> None:
    check_fit("model.json", in_pixels())
    narrow = attempt(lambda: check_fit("model.json", in_pixels(head_dim=16)))
    assert "unet.head_dim: found 16; with start pixels expected at least 32" in narrow
    wide = in_pixels(widths=[160, 160], key_channels=480)
    guiders = {name: {**guider, "out_channels": 160} for name, guider in wide.guiders.items()}
    found = attempt(lambda: check_fit("model.json", replace(wide, guiders=guiders)))
    assert found.endswith("expected at least 40, a quarter of the first width")
    odd = attempt(lambda: check_fit("model.json", in_pixels(norm_groups=16)))
    assert "unet.norm_groups: found 16; with start pixels expected groups of 4 channels" in odd
    coarse = replace(PRESETS["tiny"](), start="pixels")
    assert "unet.cells 1" in attempt(lambda: check_fit("model.json", coarse))


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("image_encoder/config.json", "num_hidden_layers", 10**7),
        ("image_encoder/config.json", "attn_implementation", "kernels-community/flash-attn"),
        ("image_encoder/config.json", "auto_map", {"AutoModel": "evil.Model"}),
        ("image_encoder/config.json", "hidden_act", "torch.nn.Identity"),
        ("image_encoder/config.json", "image_size", 10**6),
        ("image_encoder/config.json", "patch_size", 0),
        ("scheduler/scheduler_config.json", "num_train_timesteps", 3 * 10**8),
        ("scheduler/scheduler_config.json", "beta_schedule", "os.system"),
        ("scheduler/scheduler_config.json", "trained_betas", [0.1] * 1000),
        ("scheduler/scheduler_config.json", "beta_start", 2.0),
        ("unet/config.json", "layers_per_block", 10**7),
        ("unet/config.json", "widths", [10**9, 10**9]),
        ("unet/config.json", "widths", 5),
        ("unet/config.json", "motion", {"layers": 10**8}),
        ("unet/config.json", "motion", [1]),
        ("unet/config.json", "norm_eps", "small"),
        ("guiders/config.json", "settings", {"evil": {}}),
        ("guiders/config.json", "settings", {"pose": {"widths": [1] * 10**5}}),
        ("vae/config.json", "decoder_blocks", [10**8, 1]),
        ("model_index.json", "unet", 5),
        ("model_index.json", "unet", ["posecast"]),
        ("model_index.json", "vae", ["diffusers", "StableDiffusionPipeline"]),
        ("model_index.json", "scheduler", ["os", "system"]),
        ("model_index.json", "window", 10**12),
        ("model_index.json", "size", [10**6, 10**6]),
        ("model_index.json", "auto_map", "evil.py"),
    ],
)
def test_hostile_settings_are_named(folder: Path, file: str, name: str, value: Any) -> None:
    change(folder / file, name, value)
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_animator(folder)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert message.startswith(f"{folder / file}: {name}")
    assert len(message) < 1000


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(TABLES)), st.data())
def test_no_value_of_any_kind_is_a_fault(kind: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TABLES[kind])))
    value = data.draw(st.sampled_from(HOSTILE))
    message = attempt(lambda: check_settings("x.json", kind, {name: value}))
    assert not message or message.startswith(f"x.json: {name}: found")


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_overrides_are_held_to_the_same_table(value: Any) -> None:
    for part in ("unet", "guiders", "vae", "image_encoder", "scheduler", "motion"):
        for overrides in ({part: value}, {part: {"widths": value}}, {part: {"evil": value}}):
            chosen = ModelSettings(preset="tiny", overrides=overrides)
            message = attempt(lambda chosen=chosen: model_config(chosen))
            assert not message or message.startswith("model.overrides: ")


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_public_configs_are_bounded(value: Any) -> None:
    places = (
        ("denoising_unet", ("block_out_channels", "layers_per_block", "down_block_types",
                            "attention_head_dim", "sample_size", "norm_eps", "act_fn")),
        ("pose_guider", ("block_out_channels",)),
        ("noise_scheduler_kwargs", ("num_train_timesteps", "beta_schedule", "trained_betas")),
        ("denoising_unet_additional_kwargs", ("motion_module_kwargs", "use_motion_module")),
    )  # fmt: skip
    for section, names in places:
        contents = [{section: value}, *({section: {name: value}} for name in names)]
        kwargs = {"motion_module_kwargs": {"num_transformer_block": value}}
        contents.append({"denoising_unet_additional_kwargs": kwargs})
        kinds = {"motion_module_kwargs": {"attention_block_types": value}}
        contents.append({"denoising_unet_additional_kwargs": kinds})
        for content in contents:
            start = time.monotonic()
            message = attempt(lambda c=content: animateanyone_config(c, Path("config.json")))
            assert not message or message.startswith("config.json: ")
            assert time.monotonic() - start < 2


def test_every_class_has_a_table() -> None:
    for kinds in CLASSES.values():
        assert all(kind in TABLES or kind == "Guiders" for kind in kinds)
