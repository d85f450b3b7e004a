"""Pickles in pose files: walked, never run; what numpy writes comes out, whatever it was."""

from __future__ import annotations

import io
import pickle
import time
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.errors import InputError
from posecast.media import inert_pickle
from posecast.media.images import read_image
from posecast.media.pose_formats.numpy_pickle import read_npy, read_npz
from posecast.media.poses import read_poses

HERE = Path("x.npy")


def npy(value: Any, protocol: int = 4) -> bytes:
    """An object array of one value, as numpy saves it."""
    array = np.empty((), dtype=object)
    array[()] = value
    return header() + pickle.dumps(array, protocol)


def header() -> bytes:
    file = io.BytesIO()
    about = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, about)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", "<>")
def test_what_numpy_writes_comes_out(protocol: int, order: str) -> None:
    rng = np.random.default_rng(0)
    value = {
        "floats": rng.random((3, 4)).astype(order + "f8"),
        "half": rng.random((2, 2)).astype(order + "f2"),
        "columns": np.asfortranarray(rng.random((3, 5)).astype(order + "f4")),
        "whole": np.arange(-3, 3, dtype=order + "i4"),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 3), order + "f8"),
        "scalar": np.float32(2.5),
        "number": np.int64(7),
        "plain": [1, -2, 2.5, None, True, "text", ("a", 1), {"b": b""}],
        "inner": np.array([{"a": 1}, None], dtype=object),
    }
    found = read_npy(npy(value, protocol), HERE).item()
    for name in ("floats", "half", "columns", "whole", "flags", "none"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].dtype == value[name].dtype.newbyteorder("=")
    assert (found["scalar"], found["number"]) == (2.5, 7)
    assert found["plain"] == value["plain"]
    assert found["inner"].tolist() == [{"a": 1}, None]
    shared = {"a": value["floats"]}
    again = read_npy(npy([shared, shared], protocol), HERE).item()
    assert again[0] is again[1]


def cyclic() -> Any:
    inner: list[Any] = []
    inner += [inner, inner]
    return inner


class _Program:
    def __reduce__(self) -> Any:
        return print, ("ran",)


@pytest.mark.parametrize(
    "body",
    [
        pickle.dumps(_Program()),
        pickle.dumps(np.dtype([("a", "f8")])),
        pickle.dumps(np.array(["text"])),
        pickle.dumps(np.array([1 + 2j])),
        pickle.dumps(np.datetime64("2024-01-01")),
        pickle.dumps({(1, 2): 3}),
        pickle.dumps({2**61 - 1: 1}),
        pickle.dumps(OrderedDict(a=1)),
        pickle.dumps({1, 2}),
        b"\x80\x04" + b"(" * 50_000,
        b"\x80\x04]\x94h\x00a.",  # a list in itself
        b"\x80\x04)\x94" + b"h\x00h\x00\x86\x94" * 3 + b".",
        b"\x80\x04K\x01\x94" + b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(60)) + b".",
        b"\x80\x04" + b"]" * 100 + b"a" * 99 + b".",
        b"\x80\x04\x8a\xff" + b"\xff" * 255 + b".",
        b"\x80\x04cnumpy\ndtype\n\x8c\x02O8\x85R.",
        b"\x80\x04cnumpy\nndarray\n.",
        b"\x80\x04cnumpy\nndarray\n)R.",
        b"\x80\x04N.",
        b"\x80\x04h\x05.",
        b"\x80\x04.",
        b"\x80\x04(.",
        b"",
    ],
)
def test_hostile_pickles_are_refused_quickly(
    body: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inert_pickle, "MAX_STEPS", 40_000)  # 4 million take seconds
    start = time.monotonic()
    with pytest.raises(InputError):
        read_npy(header() + body, HERE)
    assert time.monotonic() - start < 20
    assert capfd.readouterr().out == ""


def array_state(shape: Any, code: str, data: Any, order: str = "<") -> bytes:
    """A pickle that rebuilds an array with any state, as `numpy._reconstruct` would take it."""

    class Kind:
        def __reduce__(self) -> Any:
            return np.dtype, (code, False, True), (3, order, None, None, None, -1, -1, 0)

    class Array:
        def __reduce__(self) -> Any:
            make = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
            return make, (np.ndarray, (0,), b"b"), (1, shape, Kind(), False, data)

    return header() + pickle.dumps(Array(), 4)


@pytest.mark.parametrize(
    ("shape", "code", "data"),
    [
        ((10,), "f8", b"12345678"),
        ((2**40,), "f8", b""),
        ((2**31, 2**31, 2**31), "f8", b""),
        ((-1,), "f8", b""),
        ((1,) * 40, "f8", b"12345678"),
        ((2.0,), "f8", bytes(16)),
        (5, "f8", bytes(40)),
        ((1,), "O8", b"12345678"),  # a pointer
        ((2,), "O8", [1]),
        ((1,), "f16", bytes(16)),
        ((1,), "V8", bytes(8)),
        ((1,), "S8", bytes(8)),
        ((1,), "f8", [1.0]),
    ],
)
def test_arrays_that_do_not_fit_their_bytes(shape: Any, code: str, data: Any) -> None:
    with pytest.raises(InputError):
        read_npy(array_state(shape, code, data), HERE)


def test_an_array_with_a_fitting_state_is_read() -> None:
    found = read_npy(array_state((2,), "f8", np.array([1.0, 2.0], ">f8").tobytes(), ">"), HERE)
    assert found.tolist() == [1.0, 2.0]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_a_file_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(npy({"bodies": {"candidate": np.ones((18, 2)), "subset": np.ones((1, 18))}}))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for content in (bytes(whole), bytes(whole[:cut])):
        with suppress(InputError):
            read_npy(content, HERE)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_opcodes_are_read_or_refused(body: bytes) -> None:
    with suppress(InputError):
        read_npy(header() + b"\x80\x04" + body, HERE)


def test_archives_that_unpack_to_more_than_they_state(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(50_000_000))
    data = file.getvalue()
    # The stated size, in the directory and in the entry itself, is a lie.
    data = data.replace((50_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    with pytest.raises(InputError, match="broken or cut"):
        read_npz(data, HERE)
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", packing) as archive:
            archive.writestr("a.npy", bytes(1000))
        with pytest.raises(InputError, match="broken or cut"):
            read_npz(file.getvalue(), HERE)


def test_the_kept_samples_are_refused(cases: Path) -> None:
    for path in sorted((cases / "security").glob("*.npy")):
        with pytest.raises(InputError, match="refused: its pickle asks for"):
            read_poses(path)
    with pytest.raises(InputError, match="not a picture that can be read"):
        read_image(cases / "security" / "ps.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "eps", ""])
def test_pictures_that_are_programs_or_documents(ending: str, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(InputError, match="not a picture"):
        read_image(path)
    for kind in ("PDF", "ICO", "TGA", "PPM", "SGI", "PCX", "JPEG2000", "ICNS"):
        try:
            Image.new("RGB", (16, 16)).save(path, format=kind)
        except (OSError, KeyError):
            continue  # this build of PIL does not write it
        with pytest.raises(InputError, match="not a picture"):
            read_image(path)
