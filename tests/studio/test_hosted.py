from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the studio's server is not installed")
from starlette.testclient import TestClient

from posecast.studio.hosted import COOKIE, LIMITS, Visitors, hosted_app
from posecast.studio.work import Limits

LARGE = b"x" * 2048


@pytest.fixture
def app(tmp_path: Path) -> object:
    limits = Limits(1024, LIMITS.models, LIMITS.pixels, shows_folders=False)
    return hosted_app(tmp_path / "demo", limits)


def visitor(app: object) -> TestClient:
    client = TestClient(app, base_url="http://demo.example")  # type: ignore[arg-type]
    assert client.get("/").status_code == 200
    return client


def test_visitors_see_nothing_of_each_other(app: object) -> None:
    ada, ben = visitor(app), visitor(app)
    project = ada.post("/api/projects").json()
    assert project["folder"] == project["id"]  # not where it is on the machine
    assert [p["id"] for p in ada.get("/api/studio").json()["projects"]] == [project["id"]]
    assert ben.get("/api/studio").json()["projects"] == []
    assert ben.get(f"/api/projects/{project['id']}").status_code == 404


def test_who_did_not_open_the_page_and_other_sites_are_refused(app: object) -> None:
    nobody = TestClient(app, base_url="http://demo.example")  # type: ignore[arg-type]
    assert nobody.get("/api/studio").status_code == 403
    nobody.cookies.set(COOKIE, "../../etc")
    assert nobody.get("/api/studio").status_code == 403
    ada = visitor(app)
    foreign = {"origin": "http://evil.example"}
    assert ada.post("/api/projects", headers=foreign).status_code == 403
    assert ada.post("/api/projects", headers={"origin": "http://demo.example"}).status_code == 201


def test_visitors_cannot_exceed_their_limits(app: object) -> None:
    ada = visitor(app)
    at = f"/api/projects/{ada.post('/api/projects').json()['id']}"
    assert ada.put(f"{at}/picture?name=a.png", content=LARGE).status_code == 422
    order = {"model": "embedded", "size": None, "settings": {}}
    assert "cutout" in ada.post(f"{at}/results", json=order).json()["error"]


def test_projects_go_when_nobody_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = hosted_app(tmp_path / "demo")
    ada = visitor(app)
    ada.post("/api/projects")
    assert len(list((tmp_path / "demo").glob("visitor-*"))) == 1
    monkeypatch.setattr("posecast.studio.hosted.KEPT", -1.0)
    visitor(app).get("/api/studio")
    left = [folder.name for folder in (tmp_path / "demo").glob("visitor-*")]
    assert f"visitor-{ada.cookies[COOKIE]}" not in left


def test_what_a_killed_server_left_goes(tmp_path: Path) -> None:
    (tmp_path / "demo" / "visitor-0" / "a").mkdir(parents=True)
    Visitors(tmp_path / "demo", LIMITS)
    assert not (tmp_path / "demo" / "visitor-0").exists()
