"""Downloads, from a hub of our own: a small server with the routes that `huggingface_hub` asks."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.models.hub import LOCK, fetch_files, fetch_model
from posecast.models.model_files import FORMAT, is_hub_id
from posecast.models.public_files import ANIMATEANYONE, SD15, PublicFile

REPO = "owner/weights"
CONTENT = bytes(range(256)) * 400
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = PublicFile(REPO, "part/net.pth", sha256=DIGEST, size=len(CONTENT))
SHA = "0" * 39 + "1"


class Hub:
    """One repository; after `left` bytes every connection breaks, `wrong` sends other bytes."""

    def __init__(self) -> None:
        self.files = {"part/net.pth": CONTENT}
        self.left: int | None = None
        self.wrong = False
        self.starts: list[int] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            path = self.path.split("?")[0]
            if path.startswith(f"/api/models/{REPO}"):
                return self.send(200, json.dumps(self.info()).encode(), {}, body)
            name = path.removeprefix(f"/{REPO}/resolve/").partition("/")[2]
            if not path.startswith(f"/{REPO}/") or name not in hub.files:
                code = "EntryNotFound" if path.startswith(f"/{REPO}/") else "RepoNotFound"
                return self.send(404, b"", {"X-Error-Code": code}, body)
            content = hub.files[name]
            headers = {
                "X-Repo-Commit": SHA,
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "Accept-Ranges": "bytes",
            }
            start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
            if body:
                hub.starts.append(start)
            if hub.wrong:
                content = content[::-1]
            return self.send(206 if start else 200, content[start:], headers, body, cut=True)

        def info(self) -> dict:
            siblings = [
                {
                    "rfilename": name,
                    "size": len(content),
                    "blobId": "1",
                    "lfs": {
                        "size": len(content),
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "pointerSize": 1,
                    },
                }
                for name, content in hub.files.items()
            ]
            return {"id": REPO, "sha": SHA, "siblings": siblings}

        def send(self, status: int, content: bytes, headers: dict, body: bool, cut=False) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                if cut and hub.left is not None:
                    content = content[: hub.left]
                    hub.left -= len(content)
                self.wfile.write(content)

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    import huggingface_hub.constants as constants

    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # as it is for the other tests
    hub = Hub()
    yield hub
    hub.stop()


def refusal(action) -> str:
    with pytest.raises(InputError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_files_come_to_their_place_once(hub: Hub, tmp_path: Path) -> None:
    for _ in range(2):
        fetch_files((FILE,), tmp_path / "weights", hub.url)
    assert (tmp_path / "weights" / "part" / "net.pth").read_bytes() == CONTENT
    assert hub.starts == [0]


def test_a_broken_download_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.left = 50_000
    message = refusal(lambda: fetch_files((FILE,), tmp_path / "weights", hub.url))
    assert "50000 bytes are kept, and the next try goes on" in message
    assert not (tmp_path / "weights" / "part" / "net.pth").exists()
    hub.left = None
    fetch_files((FILE,), tmp_path / "weights", hub.url)
    assert hub.starts == [0, 50_000]
    assert (tmp_path / "weights" / "part" / "net.pth").read_bytes() == CONTENT


def test_another_content_is_refused_and_removed(hub: Hub, tmp_path: Path) -> None:
    hub.wrong = True
    path = tmp_path / "weights" / "part" / "net.pth"
    assert "sha256" in refusal(lambda: fetch_files((FILE,), tmp_path / "weights", hub.url))
    assert list(path.parent.iterdir()) == []
    hub.wrong = False
    fetch_files((FILE,), tmp_path / "weights", hub.url)
    assert path.read_bytes() == CONTENT
    path.write_bytes(b"my own")
    message = refusal(lambda: fetch_files((FILE,), tmp_path / "weights", hub.url))
    assert "is 6 bytes; expected" in message
    assert path.read_bytes() == b"my own"


def test_what_the_hub_does_not_have(hub: Hub, tmp_path: Path) -> None:
    hub.files = {}
    assert "HTTP Error 404" in refusal(lambda: fetch_files((FILE,), tmp_path, hub.url))
    assert "owner/none: no such model" in refusal(lambda: fetch_model("owner/none", hub.url))


def test_without_a_network_the_error_says_so(hub: Hub, tmp_path: Path) -> None:
    message = refusal(lambda: fetch_files((FILE,), tmp_path, "http://127.0.0.1:9"))
    assert "cannot be downloaded" in message
    message = refusal(lambda: fetch_model("owner/model", "http://127.0.0.1:9"))
    assert message.startswith("owner/model: cannot be fetched")


def test_other_repositories_hold_no_model(hub: Hub) -> None:
    hub.files = {"model_index.json": b'{"_class_name": "StableDiffusionPipeline"}'}
    assert "holds no model of posecast" in refusal(lambda: fetch_model(REPO, hub.url))
    hub.files = {"x.py": b"evil"}
    assert "has no model_index.json" in refusal(lambda: fetch_model(REPO, hub.url))


def test_a_model_is_locked_at_its_first_fetch(hub: Hub, capsys) -> None:
    index = json.dumps({"format": FORMAT}).encode()
    hub.files = {"model_index.json": index, "unet/config.json": b"{}", "unet/evil.py": b"evil"}
    folder = fetch_model(REPO, hub.url)
    assert "note: owner/weights is locked to 000000000000 in" in capsys.readouterr().err
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.name[0] != "."}
    assert files == {"model_index.json", "unet", "unet/config.json", LOCK}
    count = len(hub.starts)
    hub.files["unet/config.json"] = b'{"changed": true}'  # another revision: not taken
    assert fetch_model(REPO, hub.url) == folder
    assert len(hub.starts) == count
    (folder / "unet/config.json").write_bytes(b"[]")  # spoilt here: fetched again, and compared
    assert "more than the 2 bytes of the published file" in refusal(
        lambda: fetch_model(REPO, hub.url)
    )
    (folder / LOCK).write_text('{"format": "other"}')
    assert "is not a lock file of owner/weights" in refusal(lambda: fetch_model(REPO, hub.url))


def test_a_lock_names_no_place_outside(hub: Hub) -> None:
    hub.files = {"model_index.json": json.dumps({"format": FORMAT}).encode()}
    lock = fetch_model(REPO, hub.url) / LOCK
    content = json.loads(lock.read_text())
    content["files"]["../../evil.json"] = content["files"].pop("model_index.json")
    lock.write_text(json.dumps(content))
    assert "plain name" in refusal(lambda: fetch_model(REPO, hub.url))


def test_hub_ids_are_recognised() -> None:
    assert is_hub_id("owner/name-1.5")
    for other in ("embedded", "a/b/c", "/a/b", "../a", "a/", "a b/c"):
        assert not is_hub_id(other)
    for files in (ANIMATEANYONE, SD15):
        assert all(is_hub_id(file.repo) for file in files)
        for file in files:
            assert len(file.published().digest) in (40, 64)
            commit = len(file.revision) == 40
            assert commit or file.repo == "patrolli/AnimateAnyone"  # no public record states it
