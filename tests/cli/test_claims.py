from __future__ import annotations

import json
from dataclasses import replace

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
    arguments += ["--steps", "1", "--json", str(tmp_path / "claims.json")]
    assert run(arguments) == 0
    assert "| without flow, depth_order, reference_pose |" in capsys.readouterr().out
    found = json.loads((tmp_path / "claims.json").read_text())
    assert len(found["flow"]["true flow"]["shake"]) == 2
    assert set(found["order"]["full"]) >= {"occlusion", "identity"}


def test_a_model_without_the_guiders_is_refused(tmp_path, capsys):
    torch.manual_seed(0)
    config = PRESETS["tiny"]()
    guiders = {name: one for name, one in config.guiders.items() if name != "flow"}
    save_animator(Animator.from_preset(replace(config, guiders=guiders)), tmp_path / "model")
    assert run(["benchmark", "claims", "--model", str(tmp_path / "model")]) == 2
    assert "has no guider flow" in capsys.readouterr().err
