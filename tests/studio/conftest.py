"""A studio as users start it, in a process of its own, and a browser that looks at it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from posecast.media.poses import read_poses, write_poses

SOURCE = Path(__file__).parents[2] / "src"
DEMO = SOURCE / "posecast" / "assets" / "demo"
PATIENCE = 180.0
"""Seconds: the machine may be busy with other tests."""


class Served:
    """`posecast studio --no-browser` in a process, spoken to as any program could."""

    def __init__(self, home: Path, *files: Path) -> None:
        self.home, self.port = home, 0
        self.start(*files)

    def start(self, *files: Path) -> None:
        """Start it, at the same port as before if it ran already."""
        port = ["--port", str(self.port)] if self.port else []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "posecast", "studio", "--no-browser", "--folder", self.home]
            + port
            + list(files),
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        match = re.match(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]+)", self.address)
        assert match, self.address
        self.port, self.token = int(match[1]), match[2]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        """End it as Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer. `headers` take the place of the usual ones."""
        usual = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}"}
        named = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in named.items():
                if value:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(data or b"")))
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The value of an answer that must be a good one."""
        status, data, _ = self.ask(method, f"/api{path}", body)
        assert status < 400, data
        return json.loads(data)

    def until(self, project: str, wanted: Any) -> Any:
        """The state of a project once it is as wanted."""
        end = time.monotonic() + PATIENCE
        while True:
            state = self.api("GET", f"/projects/{project}")
            if wanted(state):
                return state
            assert time.monotonic() < end, json.dumps(state)[:2000]
            time.sleep(0.2)

    def cast(self, frames: int | None = None) -> str:
        """A new project with the picture, the people and the poses of the bundled example.

        `frames` keeps the first frames of the poses alone.
        """
        project = self.api("POST", "/projects")["id"]
        at = f"/projects/{project}"
        self.upload("PUT", f"{at}/picture", DEMO / "reference.png")
        self.until(project, lambda state: state["picture"]["state"] != "finding")
        self.upload("PUT", f"{at}/people", DEMO / "reference.poses.json")
        self.until(project, lambda state: len(state["document"]["people"]) == 2)
        poses = DEMO / "poses.json"
        if frames is not None:
            whole = read_poses(poses)
            poses = self.home.parent / f"{self.home.name}-{frames}" / poses.name
            poses.parent.mkdir(exist_ok=True)
            write_poses(whole.with_keypoints(whole.keypoints[:, :frames]), poses)
        self.upload("POST", f"{at}/drivers", poses)
        self.until(project, lambda state: state["document"]["people"][0]["moved_by"])
        return str(project)

    def upload(self, method: str, path: str, file: Path, name: str | None = None) -> Any:
        """Send a file."""
        return self.api(method, f"{path}?name={quote(name or file.name)}", file.read_bytes())

    def preview(self, project: str) -> list[bytes]:
        """The header and the frames of a preview."""
        status, data, _ = self.ask("GET", f"/api/projects/{project}/preview")
        assert status == 200, data
        blocks = []
        while data:
            length = int.from_bytes(data[:4], "big")
            blocks.append(data[4 : 4 + length])
            data = data[4 + length :]
        return blocks


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One studio for a file of tests."""
    studio = Served(tmp_path_factory.mktemp("studio"))
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as tools:
        started = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def pages(browser: Any, served: Served) -> Iterator[Any]:
    """Opens pages of the studio; none may have had an error when the test ends.

    They do not play by themselves, as for people who ask for less motion, unless they are asked to:
    without a GPU, playing takes a core.
    """
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(PATIENCE * 1000)
    errors: list[str] = []

    def opened(project: str | None = None, plays: bool = False) -> Any:
        page = context.new_page()
        page.emulate_media(reduced_motion="no-preference" if plays else "reduce")
        page.on("pageerror", lambda error: errors.append(str(error)))
        address = served.address if project is None else f"{served.address}&project={project}"
        page.goto(address)
        return page

    yield opened
    context.close()
    assert not errors


def drop(page: Any, place: str, *files: Path) -> None:
    """Drop files onto a place of a page."""
    kinds = {".png": "image/png", ".mp4": "video/mp4", ".json": "application/json"}
    sent = [
        [base64.b64encode(f.read_bytes()).decode(), f.name, kinds.get(f.suffix, "")] for f in files
    ]
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [data, name, type] of files) {
                const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type }));
            }
            return transfer;
        }""",
        sent,
    )
    page.dispatch_event(place, "drop", {"dataTransfer": transfer})
