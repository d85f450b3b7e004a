"""Where weights are found, what a result records of them, and downloads that cannot go wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.metrics.networks import weights
from posecast.metrics.networks.weights import (
    PublishedFile,
    WeightsMissing,
    download,
    find_weights,
    folders,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.delenv("POSECAST_CACHE", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


def _file(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_folder_is_searched_for_published_names(tmp_path: Path):
    heads, backbone = _file(tmp_path / "vgg.pth", b"a"), _file(tmp_path / "vgg16-397923af.pth")
    found = find_weights("lpips", tmp_path)
    assert found.paths == (heads, backbone)
    assert found.file == "vgg.pth + vgg16-397923af.pth"
    assert found.sha256 == " + ".join(hashlib.sha256(c).hexdigest() for c in (b"a", b"weights"))


def test_of_alternatives_the_fields_file_comes_first(tmp_path: Path):
    second = _file(tmp_path / "rgb_imagenet.pt")
    assert find_weights("fvd", tmp_path).paths == (second,)
    first = _file(tmp_path / "i3d_pretrained_400.pt")
    assert find_weights("fvd", tmp_path).paths == (first,)


def test_a_file_may_have_any_name(tmp_path: Path):
    path = _file(tmp_path / "mine.pt")
    assert find_weights("fvd", path).paths == (path,)
    with pytest.raises(InputError, match=r"lpips needs a folder with vgg\.pth and vgg16"):
        find_weights("lpips", path)
    with pytest.raises(InputError, match="no such file or folder") as caught:
        find_weights("fvd", tmp_path / "typo")
    assert not isinstance(caught.value, WeightsMissing)


def test_without_a_place_the_caches_are_searched():
    ours, torch_hub = folders()
    path = _file(torch_hub / "weights-inception-2015-12-05-6726825d.pth")
    assert find_weights("fid").paths == (path,)
    path = _file(ours / "pt_inception-2015-12-05-6726825d.pth")
    assert find_weights("fid").paths == (path,)


def test_our_cache_is_the_one_of_all_downloads(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "ours"))
    path = _file(tmp_path / "ours" / "weights" / "rgb_imagenet.pt")
    assert find_weights("fvd").paths == (path,)


def test_what_is_missing_is_told_with_where_it_comes_from(tmp_path: Path):
    _file(tmp_path / "vgg.pth")
    with pytest.raises(WeightsMissing) as caught:
        find_weights("lpips", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"no weights of lpips in {tmp_path}: vgg16-397923af.pth (from http")
    assert "vgg.pth (" not in message
    with pytest.raises(WeightsMissing, match=r"i3d_pretrained_400\.pt .* or rgb_imagenet\.pt"):
        find_weights("fvd")


def _publish(monkeypatch, source: Path, sha256: str | None) -> None:
    file = PublishedFile("net.pth", "nowhere", sha256=sha256, url=source.as_uri())
    monkeypatch.setitem(weights.PUBLISHED, "fid", ((file,),))


def test_a_download_is_checked_and_kept(tmp_path: Path, monkeypatch):
    source = _file(tmp_path / "source")
    _publish(monkeypatch, source, hashlib.sha256(b"weights").hexdigest())
    found = download("fid")
    assert found.paths == (folders()[0] / "net.pth",)
    assert found.paths[0].read_bytes() == b"weights"

    source.unlink()
    assert download("fid").paths == found.paths  # What is there is not fetched again.


def test_other_bytes_are_not_kept(tmp_path: Path, monkeypatch):
    _publish(monkeypatch, _file(tmp_path / "source", b"other"), hashlib.sha256(b"w").hexdigest())
    with pytest.raises(InputError, match="not the published"):
        download("fid", tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


def test_a_host_that_does_not_answer_is_told(tmp_path: Path, monkeypatch):
    _publish(monkeypatch, tmp_path / "gone", "0" * 64)
    with pytest.raises(InputError, match="cannot be downloaded"):
        download("fid", tmp_path / "to")


def test_what_cannot_be_checked_is_not_downloaded(tmp_path: Path, monkeypatch):
    with pytest.raises(InputError, match=r"resnet-50-kinetics\.pth cannot be downloaded"):
        download("fid_vid", tmp_path / "to")
    _publish(monkeypatch, _file(tmp_path / "source"), None)
    with pytest.raises(InputError, match=r"net\.pth cannot be downloaded"):
        download("fid", tmp_path / "to")


def test_the_table_can_be_downloaded_where_it_says_so():
    files = [file for slots in weights.PUBLISHED.values() for slot in slots for file in slot]
    assert len({file.name for file in files}) == 6
    for file in files:
        assert (file.url is None) == (file.sha256 is None)
        if file.url is not None and file.sha256 is not None:
            assert file.url.startswith("https://")
            assert file.url.endswith(file.name)
            assert len(bytes.fromhex(file.sha256)) == 32
