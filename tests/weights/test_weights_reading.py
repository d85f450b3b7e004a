"""Weights from anywhere: tensors or one clear line, and nothing is run."""

from __future__ import annotations

import io
import pickle
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from posecast.errors import InputError
from posecast.media import inert_pickle
from posecast.weights import PYTORCH, SAFETENSORS, check_finite, read_tensors

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3, dtype=torch.int64)}


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_tensors(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def same(found: dict[str, torch.Tensor]) -> bool:
    return set(found) == set(STATE) and all(torch.equal(found[k], STATE[k]) for k in STATE)


def test_each_kind_by_its_content(tmp_path: Path) -> None:
    for name in ("w.bin", "w.pth"):  # the name says nothing
        save_file(STATE, tmp_path / name)
        assert same(read_tensors(tmp_path / name))
        torch.save({"state_dict": {f"module.{k}": v for k, v in STATE.items()}}, tmp_path / name)
        assert same(read_tensors(tmp_path / name))
        torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=False)
        assert same(read_tensors(tmp_path / name))
    assert PYTORCH in refusal(tmp_path / "w.pth", formats=(SAFETENSORS,))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_spoilt_weights_are_named(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    spoilt = torch.ones(1000, dtype=dtype)
    spoilt[777] = value
    path = tmp_path / "w.safetensors"
    save_file({"good": torch.ones(3), "net.conv.weight": spoilt}, path)
    assert refusal(path).startswith(f"{path}: net.conv.weight: holds NaN or infinity")
    torch.save({"net.conv.weight": spoilt}, tmp_path / "w.pth")
    assert "net.conv.weight: holds NaN or infinity" in refusal(tmp_path / "w.pth")


def test_small_floats_are_looked_at_too() -> None:
    tensor = torch.ones(4).to(torch.float8_e4m3fn)
    check_finite("w", {"a": tensor, "empty": torch.zeros(0)})
    tensor[1] = float("nan")
    with pytest.raises(InputError, match="w: a: holds NaN"):
        check_finite("w", {"a": tensor})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page in place of the file"),
        (b"not weights at all", "is no file of weights"),
        (b"PK\x03\x04 cut", "is cut or damaged"),
        (b"\x80\x02", "is cut or damaged"),
        (b"\x10\0\0\0\0\0\0\0{ broken", "is cut or damaged"),
    ],
)
def test_what_is_no_weights_is_told_apart(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    assert said in refusal(path)


def test_a_git_lfs_pointer_is_named(cases: Path) -> None:
    assert "Git LFS pointer" in refusal(cases / "w_lfs" / "pose_guider.pth")


class _Program:
    def __reduce__(self) -> Any:
        return print, ("ran",)


def _archive(path: Path, body: bytes, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"w/data.pkl": body, "w/version": b"3\n", **entries}.items():
            archive.writestr(name, content)
    return path


def doubling(keyed: bool) -> bytes:
    """A tuple that holds itself twice, 60 times over; hashed, where it is a key."""
    body = b"\x80\x02K\x01q\x00" + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60))
    return b"\x80\x02}" + body[2:] + b"K\x01s." if keyed else body + b"."


@pytest.mark.parametrize(
    "body",
    [
        pickle.dumps({"a": _Program()}, 2),
        doubling(True),
        doubling(False),
        pickle.dumps({"a": {(1, 2): 3}}, 2),
        b"\x80\x02ccollections\nOrderedDict\n](K\x01K\x02e\x85R.",
        b"\x80\x02" + b"(" * 50_000,
        b"",
    ],
)
def test_hostile_checkpoints_are_refused_quickly(
    body: bytes,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_STEPS", 40_000)  # 4 million take seconds
    start = time.monotonic()
    refusal(_archive(tmp_path / "w.pth", body))
    (tmp_path / "old.pth").write_bytes(body or b"\x80")
    refusal(tmp_path / "old.pth")
    assert time.monotonic() - start < 30
    assert capfd.readouterr().out == ""


def test_archives_with_unexpected_entries_are_refused(tmp_path: Path) -> None:
    good = io.BytesIO()
    torch.save(STATE, good)
    with zipfile.ZipFile(good) as archive:
        body = next(archive.read(n) for n in archive.namelist() if n.endswith("data.pkl"))
    assert "program" in refusal(_archive(tmp_path / "a.pt", body, **{"w/code/x.py": b""}))
    assert "expected one" in refusal(_archive(tmp_path / "b.pt", body, **{"v/data.pkl": body}))
    with zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", body)
    assert "compressed" in refusal(tmp_path / "c.pt")
    _archive(tmp_path / "d.pt", body)  # the storages are not there
    refusal(tmp_path / "d.pt")


def test_tensors_larger_than_their_file(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, path)
    assert "a: is larger than the file" in refusal(path)
    shared_storage = torch.zeros(1000)
    torch.save({f"a{i}": shared_storage for i in range(100)}, path)
    assert "is larger than the file" in refusal(path)
    torch.save({"a": torch.zeros(3).to_sparse()}, path)
    assert "not a plain tensor" in refusal(path) or "more than tensors" in refusal(path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_change_of_a_file_is_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "w"
    kind = data.draw(st.sampled_from(["zip", "old", "safetensors"]))
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(InputError):
        read_tensors(path)
