"""Files of weights: read without running them, and refused with a line that says what works."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from posecast.errors import InputError
from posecast.metrics.networks import checkpoint
from posecast.metrics.networks.checkpoint import fill, inference, read_state


def _state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def _same(found: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(found[k], v) for k, v in _state().items()) and len(found) == 2


def test_the_forms_that_published_files_have(tmp_path: Path):
    path = tmp_path / "w.pth"
    torch.save(_state(), path)
    assert _same(read_state(path, "x"))
    torch.save(OrderedDict(_state()), path, _use_new_zipfile_serialization=False)
    assert _same(read_state(path, "x"))
    parallel = {f"module.{k}": v for k, v in _state().items()}
    torch.save({"arch": "resnet-50", "epoch": 65, "state_dict": parallel}, path)
    assert _same(read_state(path, "x"))
    save_file(_state(), tmp_path / "w.safetensors")
    assert _same(read_state(tmp_path / "w.safetensors", "x"))


class _Program:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_code_in_checkpoints_is_not_run(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pt"
    path.write_bytes(pickle.dumps({"weight": _Program()}))
    with pytest.raises(
        InputError, match=r"w\.pt: (holds more|is cut).* expected weights such as good\.pth"
    ):
        read_state(path, "good.pth")
    torch.save({"weight": _Program()}, path)
    with pytest.raises(InputError, match="nothing in it was run"):
        read_state(path, "good.pth")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("i3d/code/__torch__.py", "class I3D(Module): ...")
        archive.writestr("i3d/data.pkl", b"")
    with pytest.raises(InputError, match="TorchScript archive, which holds a program"):
        read_state(path, "good.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut off", b"\x80\x02}q\x00("])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_files_are_told_in_one_line(tmp_path: Path, name: str, content: bytes):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_state(tmp_path / name, "good.pth")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cut_off_and_other_content(tmp_path: Path, monkeypatch):
    path = tmp_path / "w.pth"
    with pytest.raises(InputError, match="no such file"):
        read_state(path, "good.pth")
    torch.save(_state(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"w\.pth: (is cut|is no file of weights)"):
        read_state(path, "good.pth")
    torch.save([1, 2], path)
    with pytest.raises(InputError, match="holds a list; expected named tensors"):
        read_state(path, "good.pth")
    torch.save(_state(), path)
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="up to 100 bytes"):
        read_state(path, "good.pth")


def test_an_archive_that_unpacks_to_more_is_refused(tmp_path: Path):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data/0", bytes(100_000))
    with pytest.raises(InputError, match="compressed archive"):
        read_state(path, "good.pth")


def test_a_network_is_filled_exactly_or_not_at_all():
    network = nn.Sequential(OrderedDict(linear=nn.Linear(3, 2), norm=nn.BatchNorm1d(2)))
    state = {k: v for k, v in network.state_dict().items() if "num_batches" not in k}
    fill(network, state | {"norm.running_mean": torch.tensor([4.0, 5.0])}, "w.pth", "good.pth")
    assert network.norm.running_mean.tolist() == [4.0, 5.0]
    assert not network.training
    assert not network.linear.weight.requires_grad
    with pytest.raises(InputError, match=r"w\.pth: has no 'linear\.bias'; expected good\.pth"):
        fill(network, {k: v for k, v in state.items() if k != "linear.bias"}, "w.pth", "good.pth")
    with pytest.raises(InputError, match=r"linear\.weight: has shape \(2, 4\), not \(2, 3\)"):
        fill(network, state | {"linear.weight": torch.ones(2, 4)}, "w.pth", "good.pth")
    with pytest.raises(InputError, match=r"has 'AuxLogits\.fc', which is not of this network"):
        fill(network, state | {"AuxLogits.fc": torch.ones(2)}, "w.pth", "good.pth")


def test_networks_run_without_gradients_and_without_tf32():
    before = torch.backends.cudnn.allow_tf32
    with inference():
        assert not torch.backends.cudnn.allow_tf32
        assert torch.is_inference_mode_enabled()
    assert torch.backends.cudnn.allow_tf32 == before
