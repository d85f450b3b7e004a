"""Published files are downloaded once, whole, and only if they are what was published."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.media.download import (
    PublishedFile,
    cache_folder,
    find_or_download,
    hub_url,
    sha256_of,
)

CONTENT = bytes(range(256)) * 9000  # more than two blocks
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site(BaseHTTPRequestHandler):
    """Serves CONTENT whole at /whole, and half of it, announced as whole, at /cut."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path not in ("/whole", "/cut"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[: len(CONTENT) // 2])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Site.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("digest", [DIGEST, DIGEST[:8]])
def test_downloads_once(site: str, digest: str) -> None:
    file = PublishedFile("net.onnx", f"{site}/whole", digest, len(CONTENT))
    path = find_or_download(file)
    assert path == cache_folder() / "weights" / "net.onnx"
    assert path.read_bytes() == CONTENT
    assert sha256_of(path) == DIGEST
    assert find_or_download(file) == path
    assert Site.asked == ["/whole"]


def test_fetches_again_what_was_cut(site: str) -> None:
    file = PublishedFile("net.onnx", f"{site}/whole", DIGEST, len(CONTENT))
    path = find_or_download(file)
    path.write_bytes(CONTENT[:-1])
    assert find_or_download(file).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("page", "digest", "said"),
    [
        ("whole", "0" * 64, "is not the published net.onnx"),
        ("cut", DIGEST, "cannot be downloaded (cut off after"),
        ("missing", DIGEST, "cannot be downloaded (HTTP Error 404"),
    ],
)
def test_keeps_nothing_of_a_bad_download(site: str, page: str, digest: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        find_or_download(PublishedFile("net.onnx", f"{site}/{page}", digest))
    assert said in str(error.value)
    assert site in str(error.value)
    assert not [p for p in cache_folder().rglob("*") if p.is_file()]


def test_says_what_to_put_where_without_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path))
    file = PublishedFile("net.onnx", "http://127.0.0.1:9/net.onnx", DIGEST)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set") as error:
        find_or_download(file)
    assert str(tmp_path / "weights" / "net.onnx") in str(error.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"refused.*get it from http://127"):
        find_or_download(file)


def test_takes_the_users_own_file(tmp_path: Path) -> None:
    file = PublishedFile("net.onnx", "http://127.0.0.1:9/net.onnx", DIGEST)
    with pytest.raises(InputError, match=r"net\.onnx: no such file"):
        find_or_download(file, tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"mine")
    assert find_or_download(file, tmp_path) == tmp_path / "net.onnx"


def test_hub_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hub_url("a/b", "c.onnx") == "https://huggingface.co/a/b/resolve/main/c.onnx"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_url("a/b", "c.onnx", "f00") == "https://mirror.example/a/b/resolve/f00/c.onnx"
