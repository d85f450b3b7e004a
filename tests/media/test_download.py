"""Published files are downloaded once, whole, and only if they are what was published."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.media.download import (
    PublishedFile,
    _alone,
    cache_folder,
    download,
    find_or_download,
    hub_url,
    sha256_of,
)

CONTENT = bytes(range(256)) * 9000  # more than two blocks
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site(BaseHTTPRequestHandler):
    """Serves CONTENT whole at /whole, the first `left` bytes at /cut, CONTENT for ever at /endless.

    /whole and /cut know ranges; /slow is whole, but waits; /moved sends on to another host's name.
    """

    asked: list[str]
    left: int
    starts: list[int]
    seen: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.seen.append(self.headers.get("Authorization"))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/whole")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path not in ("/whole", "/cut", "/endless", "/slow"):
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.starts.append(start)
        self.send_response(206 if start else 200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        if self.path == "/slow":
            time.sleep(0.3)
        stop = start + self.left if self.path == "/cut" else len(CONTENT)
        with suppress(OSError):  # the other side has had enough
            self.wfile.write(CONTENT[start:stop])
            while self.path == "/endless":
                self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    Site.asked, Site.starts, Site.seen, Site.left = [], [], [], len(CONTENT) // 2
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_downloaded_once(site: str) -> None:
    file = PublishedFile("net.onnx", f"{site}/whole", DIGEST, len(CONTENT))
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


def test_hub_urls_use_the_mirror_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert hub_url("a/b", "c.onnx", "1f") == "https://huggingface.co/a/b/resolve/1f/c.onnx"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_url("a/b", "c.onnx", "f00") == "https://mirror.example/a/b/resolve/f00/c.onnx"


@pytest.mark.parametrize("left", [1, 5000, len(CONTENT) - 1])
def test_a_break_loses_nothing_that_came(site: str, left: int) -> None:
    Site.left = left
    with pytest.raises(InputError) as error:
        find_or_download(PublishedFile("net.onnx", f"{site}/cut", DIGEST))
    assert f"{left} bytes are kept" in str(error.value)
    path = find_or_download(PublishedFile("net.onnx", f"{site}/whole", DIGEST))
    assert Site.starts == [0, left]
    assert path.read_bytes() == CONTENT
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("size", [len(CONTENT) - 7, 100, None])
def test_takes_no_byte_beyond_the_size(site: str, size: int | None, tmp_path: Path) -> None:
    file = PublishedFile("net.onnx", f"{site}/endless", DIGEST, size)
    with pytest.raises(InputError, match=r"more than the \d+ bytes"):
        download(file, tmp_path / "net.onnx", most=4_000_000)
    assert not list(tmp_path.iterdir())


def test_two_downloads_into_one_folder(site: str, tmp_path: Path) -> None:
    file = PublishedFile("net.onnx", f"{site}/slow", DIGEST, len(CONTENT))
    errors: list[BaseException] = []

    def fetch() -> None:
        try:
            download(file, tmp_path / "net.onnx")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert (tmp_path / "net.onnx").read_bytes() == CONTENT
    assert Site.asked == ["/slow"]


def test_an_unfinished_file_may_go_while_others_wait_for_it(tmp_path: Path) -> None:
    part, errors = tmp_path / "net.onnx.part", []

    def finish() -> None:
        try:
            for _ in range(500):
                with _alone(part):
                    part.unlink()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=finish, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert not errors
    assert not any(thread.is_alive() for thread in threads)


def test_a_cached_file_is_compared_once_a_version(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PublishedFile("net.onnx", f"{site}/whole", DIGEST, len(CONTENT))
    path = find_or_download(file)
    with monkeypatch.context() as patch:
        patch.setattr(PublishedFile, "difference", lambda *_: pytest.fail("compared again"))
        find_or_download(file)
    path.write_bytes(CONTENT[::-1])  # of the right size
    assert find_or_download(file).read_bytes() == CONTENT
    assert Site.asked == ["/whole", "/whole"]


def test_a_token_stays_with_its_host(site: str, tmp_path: Path) -> None:
    file = PublishedFile("net.onnx", f"{site}/moved", DIGEST)
    download(file, tmp_path / "net.onnx", {"Authorization": "Bearer secret"})
    assert Site.seen == ["Bearer secret", None]


def test_a_download_is_verified_by_its_git_blob_id(site: str, tmp_path: Path) -> None:
    # As `git hash-object` prints it.
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    path = tmp_path / "config.json"
    download(PublishedFile("config.json", f"{site}/whole", git_blob=blob), path)
    assert path.read_bytes() == CONTENT
    assert (
        PublishedFile("c", "u", git_blob="0" * 40).difference(path).startswith("has the git blob")
    )
    with pytest.raises(ValueError, match="whole sha256"):
        PublishedFile("net.onnx", "u", DIGEST[:8])
