from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from tests.models.conftest import Example

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, Animator]:
    torch.manual_seed(0)
    animator = Animator.from_preset("tiny").eval()
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_animator(animator, folder)
    return folder, animator


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    import shutil

    return Path(shutil.copytree(saved[0], tmp_path / "model"))


def refusal(folder: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        load_animator(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@torch.no_grad()
def test_save_and_load_give_the_same_bits(saved) -> None:
    folder, animator = saved
    loaded = load_animator(folder)
    assert not loaded.training
    ours, theirs = animator.state_dict(), loaded.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    frozen = {k: p.requires_grad for k, p in animator.named_parameters()}
    assert frozen == {k: p.requires_grad for k, p in loaded.named_parameters()}
    assert loaded.config.size == animator.config.size
    assert loaded.config.window == animator.config.window
    assert loaded.config.shared_noise == animator.config.shared_noise
    example = Example(batch=1, frames=2)
    assert torch.equal(example.predict(loaded), example.predict(animator))
    images = loaded.decode(example.latents)
    assert torch.equal(images, animator.decode(example.latents))


def test_a_saved_model_has_diffusers_layout(saved) -> None:
    folder, _ = saved
    parts = {"unet", "reference_net", "guiders", "vae", "image_encoder", "scheduler"}
    assert {p.name for p in folder.iterdir()} == parts | {"model_index.json"}
    index = json.loads((folder / "model_index.json").read_text())
    assert index["unet"] == ["posecast", "UNet"]
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_float16_halves_the_file_and_loads_as_float32(saved, tmp_path) -> None:
    folder, animator = saved
    save_animator(animator, tmp_path / "half", torch.float16)
    half = tmp_path / "half" / UNET
    assert half.stat().st_size < 0.65 * (folder / UNET).stat().st_size
    assert load_file(half)["conv_in.weight"].dtype == torch.float16
    loaded = load_animator(tmp_path / "half")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(
        loaded.unet.conv_in.weight, animator.unet.conv_in.weight, rtol=1e-3, atol=1e-3
    )
    assert load_animator(folder, torch.bfloat16).unet.dtype == torch.bfloat16


def test_an_older_folder_is_replaced_and_nothing_else(saved, tmp_path) -> None:
    _, animator = saved
    place = tmp_path / "model"
    save_animator(animator, place)
    changed = place / "vae" / "config.json"
    changed.write_text("older")
    save_animator(animator, place)
    assert changed.read_text() != "older"
    (place / "lora.safetensors").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(lora.safetensors\)"):
        save_animator(animator, place)
    assert (place / "lora.safetensors").read_text() == "mine"
    other = tmp_path / "holiday"
    other.mkdir()
    (other / "photo.jpg").write_bytes(b"1")
    with pytest.raises(InputError, match="not a model folder"):
        save_animator(animator, other)
    assert [p.name for p in other.iterdir()] == ["photo.jpg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["holiday", "model"]


def test_a_missing_model_is_named(tmp_path) -> None:
    assert "no model 'nosuch'" in refusal("nosuch")
    assert "model_index.json: is missing" in refusal(tmp_path)
    file = tmp_path / "file"
    file.write_text("x")
    assert "expected a model folder" in refusal(file)


@pytest.mark.parametrize(
    "path",
    [
        "model_index.json",
        "unet/config.json",
        "reference_net/diffusion_pytorch_model.safetensors",
        "image_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
    ],
)
def test_missing_and_truncated_files_are_named(folder, path) -> None:
    whole = (folder / path).read_bytes()
    (folder / path).write_bytes(whole[: len(whole) // 2])
    assert path in refusal(folder)
    (folder / path).unlink()
    assert f"{path}: is missing" in refusal(folder)


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_unknown_classes_and_settings(folder) -> None:
    index = folder / "model_index.json"
    change(index, unet=["os", "system"])
    assert "unet: class 'system'; expected UNet" in refusal(folder)
    change(index, unet=["posecast", "UNet"], window=0)
    assert "window" in refusal(folder)
    change(index, window=4, size="big")
    assert "size" in refusal(folder)
    change(index, size=[64, 64], format="posecast/model/9")
    assert "posecast/model/9" in refusal(folder)
    change(index, format="posecast/model/1")
    change(folder / "unet" / "config.json", auto_map={"UNet": "evil.py"})
    assert "unet/config.json: auto_map: unknown setting" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("num_steps", 2.5, "a whole number, 1..1000"),
        ("num_steps", 0, "a whole number, 1..1000"),
        ("guidance_scale", "strong", "0..100"),
        ("guidance_scale", True, "0..100"),
        ("shared_noise", 1.5, "0..1"),
    ],
)
def test_numbers_of_an_index_are_within_their_range(folder, name, value, expected) -> None:
    change(folder / "model_index.json", **{name: value})
    assert f"model_index.json: {name}: found {value!r}; expected {expected}" in refusal(folder)


def test_impossible_settings_are_refused(folder) -> None:
    change(folder / "unet" / "config.json", norm_groups=7)
    assert str(folder) in refusal(folder)
    change(folder / "unet" / "config.json", norm_groups="four")
    assert str(folder) in refusal(folder)


def test_reference_net_of_another_shape(folder) -> None:
    change(folder / "reference_net" / "config.json", layers_per_block=2)
    assert "reference_net/config.json: layers_per_block" in refusal(folder)


def test_unknown_missing_and_misshaped_keys(folder) -> None:
    path = folder / UNET
    state = load_file(path)
    save_file({**state, "extra.weight": torch.zeros(1)}, path)
    assert f"{UNET}: extra.weight: unknown key" in refusal(folder)
    save_file({k: v for k, v in state.items() if k != "conv_in.bias"}, path)
    assert f"{UNET}: conv_in.bias: missing" in refusal(folder)
    save_file({**state, "conv_in.bias": torch.zeros(3)}, path)
    message = refusal(folder)
    assert "conv_in.bias: shape (3,); expected (16,)" in message


def test_a_pickle_is_not_opened(folder, tmp_path) -> None:
    import pickle

    mark = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (mark,))

    (folder / UNET).write_bytes(pickle.dumps(Evil()))
    assert UNET in refusal(folder)
    assert not mark.exists()
