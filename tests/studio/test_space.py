"""The hub's Space: its server as its container starts it, and a clip made by a visitor."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("uvicorn", reason="the studio's server is not installed")
from tests.studio.conftest import PATIENCE, SOURCE, Served

SPACE = SOURCE.parent / "examples" / "space"


class Visited(Served):
    """The Space in a process of its own, behind what a hub puts before it, for one visitor."""

    cookie = ""

    def start(self, *files: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = re.findall(r'"([^"]+)"', (SPACE / "Dockerfile").read_text().split("CMD ")[1])
        port = command.index("--port") + 1
        host = command.index("--host") + 1
        assert command[port] == "7860"
        command[host], command[port] = "127.0.0.1", str(self.port)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=SPACE,
            env={
                **os.environ,
                **{"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SOURCE), "SPACE_ID": "ada/posecast"},
                **{"POSECAST_DEMO_FOLDER": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.token = ""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                status, _, headers = self.ask("GET", "/", X_Forwarded_Proto="https")
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end
                assert self.process.poll() is None
                time.sleep(0.2)
        assert status == 200
        self.greeting = headers
        self.cookie = headers["set-cookie"].split(";")[0]

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        said = {"Host": "ada-posecast.hf.space", "Authorization": "", "Cookie": self.cookie}
        return super().ask(method, path, body, **{**said, **headers})


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    visited = Visited(tmp_path_factory.mktemp("space"))
    yield visited
    visited.close()
    assert visited.process.returncode != -signal.SIGKILL, "it did not end by itself"


def test_a_visitor_makes_a_clip(space: Visited) -> None:
    project = space.cast(8)
    order = {"model": "cutout", "size": [96, 96], "settings": {}}
    result = space.api("POST", f"/projects/{project}/results", order)["result"]
    state = space.until(project, lambda s: s["results"][0]["state"] in ("done", "failed"))
    assert state["results"][0]["state"] == "done", state["results"][0]["message"]
    at = f"/api/projects/{project}/results/{result}/download?as=mp4"
    status, video, _ = space.ask("GET", at)
    assert status == 200
    assert video[4:8] == b"ftyp"


def test_the_hub_alone_may_show_it_in_a_frame_and_its_cookie_is_sent_there(space: Visited) -> None:
    policy = space.greeting["content-security-policy"]
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")
    kinds = {part.strip() for part in space.greeting["set-cookie"].split(";")[1:]}
    assert {"HttpOnly", "SameSite=None", "Secure", "Partitioned"} <= kinds


def test_it_is_told_from_pages_of_other_sites_behind_a_proxy(space: Visited) -> None:
    ours = {"Host": "10.0.0.1:7860", "X_Forwarded_Host": "ada-posecast.hf.space"}
    for origin, status in (("ada-posecast.hf.space", 200), ("ben-posecast.hf.space", 403)):
        said = {**ours, "Origin": f"https://{origin}"}
        assert space.ask("GET", "/api/studio", **said)[0] == status


def test_its_card_says_what_the_hub_asks() -> None:
    """https://huggingface.co/docs/hub/spaces-config-reference"""
    front = yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "docker"
    assert str(front["app_port"]) in (SPACE / "Dockerfile").read_text().split("EXPOSE")[1]
    assert len(front["short_description"]) <= 60
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {front["colorFrom"], front["colorTo"]} <= colours
