from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from posecast.cli import run
from posecast.models.animator import Animator
from posecast.models.folder import save_animator
from posecast.models.presets import PRESETS


def test_the_claims_of_a_model_are_scored(tmp_path, capsys):
    torch.manual_seed(0)
    config = PRESETS["tiny"]()
    unet = {**config.unet, "cells": 2, "key_channels": 4 * config.unet["widths"][0]}
    guiders = {name: {**one, "strides": [2, 2, 1]} for name, one in config.guiders.items()}
    config = replace(
        config,
        unet=unet,
        guiders=guiders,
        keyed_by=("pose", "identity", "body", "place"),
    )
    save_animator(Animator.from_preset(config), tmp_path / "model")
    arguments = ["benchmark", "claims", "--model", str(tmp_path / "model"), "--clips", "2"]
    arguments += ["--steps", "1", "--size", "48x64", "--frames", "4"]
    arguments += ["--json", str(tmp_path / "claims.json")]
    assert run(arguments) == 0
    assert "| without flow, depth_order, reference_pose |" in capsys.readouterr().out
    found = json.loads((tmp_path / "claims.json").read_text())
    assert len(found["flow"]["true flow"]["shake"]) == 2
    assert set(found["order"]["full"]) >= {"occlusion", "identity"}


def _without(folder: Path, *names: str) -> str:
    torch.manual_seed(0)
    config = PRESETS["tiny"]()
    guiders = {name: one for name, one in config.guiders.items() if name not in names}
    save_animator(Animator.from_preset(replace(config, guiders=guiders)), folder)
    return str(folder)


def test_a_model_is_asked_about_the_guiders_that_it_has(tmp_path, capsys):
    model = _without(tmp_path / "model", "depth_order", "reference_pose")
    arguments = ["benchmark", "claims", "--model", model, "--clips", "2", "--steps", "1"]
    assert run([*arguments, "--size", "48x64", "--frames", "4", "--shake", "0.08"]) == 0
    out = capsys.readouterr().out
    assert "| without flow |" in out
    assert "| row | shake | change | follows |" in out


def test_a_model_that_never_had_the_guider_is_scored_too(tmp_path, capsys):
    model = _without(tmp_path / "model", "depth_order", "reference_pose")
    pair = _without(tmp_path / "pair", "flow", "depth_order", "reference_pose")
    arguments = ["benchmark", "claims", "--clips", "2", "--steps", "1", "--size", "48x64"]
    arguments += ["--frames", "4", "--model"]
    assert run([*arguments, model, "--retrained", pair]) == 0
    assert "| trained without flow |" in capsys.readouterr().out
    assert run([*arguments, model, "--retrained", model]) == 2
    assert "expected a model without one of them" in capsys.readouterr().err
    index = Path(pair) / "model_index.json"
    before = index.read_text()
    assert run([*arguments, model, "--retrained", pair, "--json", str(index)]) == 2
    assert index.read_text() == before


def test_a_model_without_both_guiders_is_refused(tmp_path, capsys):
    model = _without(tmp_path / "model", "flow", "depth_order")
    assert run(["benchmark", "claims", "--model", model]) == 2
    assert "has no guider for flow or depth order" in capsys.readouterr().err
