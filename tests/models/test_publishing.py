from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from PIL import Image

from posecast.cli import run
from posecast.errors import InputError
from posecast.models.card import model_card
from posecast.models.folder import save_animator
from posecast.models.publishing import publish
from tests.pipeline.conftest import tiny_animator

REPO = "owner/dancers"


class Hub:
    """A repository that takes a commit as the hub does, with whole files in it."""

    def __init__(self, status: int = 200) -> None:
        self.files: dict[str, bytes] = {}
        self.made: dict[str, object] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.answer({"id": REPO, "sha": "1" * 40, "siblings": []})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if status != 200:
                    self.answer({"error": "no"}, status)
                elif self.path.endswith("/repos/create"):
                    hub.made = json.loads(body)
                    self.answer({"url": f"{hub.url}/{REPO}", "name": REPO, "id": REPO})
                elif "/preupload/" in self.path:
                    names = [file["path"] for file in json.loads(body)["files"]]
                    files = [
                        {"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names
                    ]
                    self.answer({"files": files})
                elif self.path.endswith("/validate-yaml"):
                    self.answer({"errors": [], "warnings": []})
                else:
                    for line in map(json.loads, body.splitlines()):
                        if line["key"] == "file":
                            content = base64.b64decode(line["value"]["content"])
                            hub.files[line["value"]["path"]] = content
                    self.answer({"commitUrl": f"{hub.url}/{REPO}/commit/1", "commitOid": "1" * 40})

            def answer(self, value: object, code: int = 200) -> None:
                content = json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_animator(tiny_animator(), folder)
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_test")


@pytest.fixture(params=[200])
def hub(
    online: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Hub]:
    from huggingface_hub import constants

    made = Hub(request.param)
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    yield made
    made.stop()


def front_matter(card: str) -> dict[str, object]:
    _, front, _ = card.split("---\n", 2)
    value = yaml.safe_load(front)
    assert isinstance(value, dict)
    return value


def test_a_card_says_what_the_model_is(model: Path, tmp_path: Path) -> None:
    card = model_card(model, REPO, "apache-2.0", ["a/two dancers.png"])
    front = front_matter(card)
    assert front["license"] == "apache-2.0"
    assert front["pipeline_tag"] == "image-to-video"
    assert front["library_name"] == "diffusers"
    assert "arxiv:2406.03035" in front["tags"]  # type: ignore[operator]
    assert front["widget"] == [{"text": "two dancers", "output": {"url": "images/two dancers.png"}}]
    assert "![two dancers](images/two%20dancers.png)" in card
    assert f"--model {REPO}" in card
    assert "unet 0." in card
    assert "widget" not in front_matter(model_card(model, REPO, "other"))


def test_names_of_pictures_do_not_break_the_card(model: Path) -> None:
    name = 'a: "b" # c.png'
    front = front_matter(model_card(model, REPO, "apache-2.0", [f"folder/{name}"]))
    assert front["widget"] == [{"text": name[:-4], "output": {"url": f"images/{name}"}}]


def test_a_folder_is_published_with_its_card_and_nothing_else(
    model: Path, tmp_path: Path, hub: Hub
) -> None:
    picture = tmp_path / "dancers.png"
    Image.new("RGB", (32, 32)).save(picture)
    where = publish(model, REPO, "apache-2.0", [picture], private=True)
    assert where.endswith("/commit/1")
    assert "private" in json.dumps(hub.made)  # its key has changed between versions
    assert hub.made["name"] == "dancers"
    assert "notes.txt" not in hub.files
    assert hub.files["images/dancers.png"] == picture.read_bytes()
    for name in ("model_index.json", "unet/config.json"):
        assert hub.files[name] == (model / name).read_bytes()
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert hub.files[weights] == (model / weights).read_bytes()
    assert front_matter(hub.files["README.md"].decode())["license"] == "apache-2.0"


@pytest.mark.parametrize("hub", [403], indirect=True)
def test_what_cannot_be_published_is_said_in_one_line(
    model: Path, tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="owner/name"):
        publish(model, "dancers", "other")
    with pytest.raises(InputError, match="has no model_index"):
        publish(tmp_path, REPO, "other")
    with pytest.raises(InputError, match=REPO):
        publish(model, REPO, "other")
    assert run(["publish", str(model), "dancers", "--licence", "mit"]) == 2
    assert "owner/name" in capsys.readouterr().err


def test_the_card_can_be_read_before(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", str(model), REPO, "--licence", "mit", "--card"]) == 0
    assert front_matter(capsys.readouterr().out)["license"] == "mit"
