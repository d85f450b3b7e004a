"""Weights are found under every name and read out of every wrapper that public files have."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from posecast.errors import InputError
from posecast.weights import find_weights, read_tensors, read_weights

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "conv.bias": torch.ones(2)}


def same(found: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(STATE)
    assert all(torch.equal(found[name], value) for name, value in STATE.items())


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "state_dict.",
        "_forward_module.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.module.",
    ],
)
def test_prefixes_of_wrappers_are_taken_off(prefix: str, tmp_path: Path) -> None:
    save_file({prefix + name: v for name, v in STATE.items()}, tmp_path / "w.safetensors")
    same(read_tensors(tmp_path / "w.safetensors"))


def test_what_was_compiled_inside_loses_its_prefix(tmp_path: Path) -> None:
    inner = {name.replace("conv.", "conv._orig_mod."): value for name, value in STATE.items()}
    save_file(inner, tmp_path / "w.safetensors")
    same(read_tensors(tmp_path / "w.safetensors"))
    save_file({**inner, "conv.bias": torch.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="holds weights twice"):
        read_tensors(tmp_path / "w.safetensors")


DEEPSPEED = {
    "module": OrderedDict((f"module.{name}", value) for name, value in STATE.items()),
    "buffer_names": [],
    "optimizer": None,
    "param_shapes": [OrderedDict((name, value.shape) for name, value in STATE.items())],
    "ds_config": {"train_batch_size": 8},
    "ds_version": "0.14.0",
    "global_steps": 10,
}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3, "optimizer": {"lr": 0.1}},
        {"model": STATE, "iteration": 7},
        {"model": {"state_dict": STATE}},
        {"model_state_dict": STATE},
        DEEPSPEED,
    ],
)
@pytest.mark.parametrize("suffix", ["pth", "ckpt", "bin", "pt"])
def test_checkpoints_are_opened_up_to_their_weights(content, suffix: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / f"mp_rank_00_model_states.{suffix}")
    same(read_weights(tmp_path, "diffusion_pytorch_model"))
    same(read_weights(tmp_path / f"mp_rank_00_model_states.{suffix}"))


@pytest.mark.parametrize(
    "names",
    [
        ["model.safetensors"],
        ["model.fp16.safetensors"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"],
        ["model-00001-of-00002.fp16.safetensors", "model-00002-of-00002.fp16.safetensors"],
        ["model-00001-of-00002.bin", "model-00002-of-00002.bin"],
    ],
)
def test_variants_and_shards_are_found(names: list[str], tmp_path: Path) -> None:
    parts = [STATE] if len(names) == 1 else [{k: v} for k, v in STATE.items()]
    for name, part in zip(names, parts, strict=True):
        save = torch.save if name.endswith("bin") else save_file
        save(part, tmp_path / name)
    (tmp_path / "config.json").write_text("{}")
    assert [path.name for path in find_weights(tmp_path, "model")] == names
    same(read_weights(tmp_path, "model"))


def test_a_lacking_shard_and_a_name_in_two_are_named(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "model-00002-of-00002.safetensors")
    with pytest.raises(InputError, match=r"shard 1 of 2 of model \(safetensors\) is missing"):
        read_weights(tmp_path, "model")
    save_file(STATE, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(InputError, match="is in another shard too"):
        read_weights(tmp_path, "model")


def test_the_whole_precision_and_the_safe_format_come_first(tmp_path: Path) -> None:
    order = [
        "model.safetensors",
        "model.bin",
        "model.fp16.safetensors",
        "model.fp16.bin",
        "model.non_ema.safetensors",
    ]
    for name in order:
        (tmp_path / name).write_bytes(b"x")
    for name in order:
        assert [path.name for path in find_weights(tmp_path, "other", "model")] == [name]
        (tmp_path / name).unlink()
    assert find_weights(tmp_path, "model") == ()


def test_folders_that_say_too_little_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no weights; expected model"):
        read_weights(tmp_path, "model")
    with pytest.raises(InputError, match="does not exist"):
        read_weights(tmp_path / "none", "model")
    for name in ("a", "b"):
        save_file(STATE, tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"several files of weights \(a, b\); name one"):
        read_weights(tmp_path, "model")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    (tmp_path / "model.safetensors").write_text(pointer)
    with pytest.raises(InputError, match="is a Git LFS pointer"):
        read_weights(tmp_path, "model")
