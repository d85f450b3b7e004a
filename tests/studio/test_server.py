"""The interface as any program could speak to it: who is let in, what is taken, what is made."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.studio.conftest import DEMO, SOURCE, Served

pytest.importorskip("uvicorn", reason="the studio's server is not installed")


@pytest.fixture(scope="module")
def project(served: Served) -> str:
    return served.cast()


@pytest.fixture(scope="module")
def short(served: Served) -> str:
    """A project whose clips are soon made."""
    return served.cast(8)


def test_the_address_is_this_machines_and_opens_with_its_token_alone(served: Served) -> None:
    status, _, headers = served.ask("GET", served.address.split(str(served.port))[1])
    assert status == 303
    assert headers["location"] == "/"
    cookie = headers["set-cookie"].split(";")[0]
    assert served.ask("GET", "/api/studio", Authorization="", Cookie=cookie)[0] == 200
    for other in ("", "Bearer wrong", "Basic " + served.token):
        assert served.ask("GET", "/api/studio", Authorization=other)[0] == 403
    assert served.ask("GET", "/?token=wrong", Authorization="")[2].get("set-cookie") is None
    assert stat.S_IMODE((served.home / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_sites_are_refused_even_with_the_token(
    served: Served, headers: dict[str, str]
) -> None:
    assert served.ask("GET", "/api/studio", **headers)[0] in (400, 403)
    assert served.ask("POST", "/api/projects", **headers)[0] in (400, 403)


def test_it_listens_on_this_machine_only(served: Served) -> None:
    import psutil

    ours = psutil.Process(served.process.pid).net_connections("tcp")
    assert {c.laddr.ip for c in ours if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_pages_may_load_and_send_nothing_elsewhere(served: Served) -> None:
    _, _, headers = served.ask("GET", "/")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "connect-src 'self'" in headers["content-security-policy"]
    for file in (SOURCE / "posecast" / "studio" / "page").iterdir():
        text = file.read_text()
        text = text.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert "http://" not in text, file
        assert "https://" not in text, file


def test_no_file_but_a_projects_own_is_given(served: Served, project: str) -> None:
    for path in (
        f"/api/projects/{project}/files/project.json",
        f"/api/projects/{project}/files/..%2F..%2Ftoken",
        f"/api/projects/{project}/masks/..%2Fproject",
        "/api/projects/..%2F..",
        "/api/projects/%2e%2e",
        "/static/..%2Fserver.py",
        "/static/../server.py",
    ):
        assert served.ask("GET", path)[0] in (404, 422), path
    assert served.ask("GET", f"/api/projects/{project}/files/cast.yaml")[0] == 200


@pytest.mark.parametrize("name", ["../../evil.png", "..\\evil.png", "/etc/evil.png", ".hidden"])
def test_names_of_files_lead_nowhere(served: Served, name: str) -> None:
    project = served.api("POST", "/projects")["id"]
    served.upload("PUT", f"/projects/{project}/picture", DEMO / "reference.png", name)
    kept = list((served.home / project / "inputs").iterdir())
    assert [path.parent.name for path in kept] == ["inputs"]
    assert not kept[0].name.startswith(".")
    served.api("POST", f"/projects/{project}/stop/picture")
    assert not list(served.home.parent.glob("evil*"))


def test_what_cannot_be_read_is_said_in_one_line_and_not_kept(served: Served) -> None:
    project = served.api("POST", "/projects")["id"]
    at = f"/api/projects/{project}"
    status, data, _ = served.ask("PUT", f"{at}/picture?name=holiday.png", b"no picture")
    assert status == 422
    assert "holiday.png" in json.loads(data)["error"]
    assert str(served.home) not in json.loads(data)["error"]
    assert served.ask("PUT", f"{at}/picture?name=empty.png", b"")[0] == 422
    assert list((served.home / project / "inputs").iterdir()) == []
    served.api("POST", f"/projects/{project}/drivers?name=broken.mp4", b"\0\0\0\x20ftypisom" * 9)
    state = served.until(project, lambda state: state["drivers"][0]["state"] != "finding")
    assert state["drivers"][0]["state"] == "failed"
    assert "broken.mp4" in state["drivers"][0]["message"]


def test_a_document_of_an_older_state_is_refused(served: Served, project: str) -> None:
    state = served.api("GET", f"/projects/{project}")
    path = f"/api/projects/{project}/document?base="
    status, _, _ = served.ask("PUT", f"{path}{state['revision'] - 1}", state["document"])
    assert status == 409
    wrong = {**state["document"], "mask": "abc"}
    assert served.ask("PUT", f"{path}{state['revision']}", wrong)[0] == 422
    assert served.ask("PUT", f"{path}{state['revision']}", state["document"])[0] == 200


def test_tracks_go_to_characters_from_left_to_right(served: Served, project: str) -> None:
    state = served.api("GET", f"/projects/{project}")
    people, driver = state["document"]["people"], state["drivers"][0]
    middle = [sum(j[0] for j in p["joints"] if j[2] >= 0.3) for p in people]
    tracks = [people[i]["moved_by"]["track"] for i in sorted((0, 1), key=lambda i: middle[i])]
    assert driver["places"][tracks[0]] < driver["places"][tracks[1]]


def test_a_preview_shows_every_frame_of_a_slow_clip(served: Served, project: str) -> None:
    header, *frames = served.preview(project)
    about = json.loads(header)
    assert about["frames"] == len(frames) == 48
    assert all(frame.startswith(b"\xff\xd8") for frame in frames)
    assert len(set(frames)) > 40


def test_the_cast_goes_to_other_systems(served: Served, project: str, tmp_path: Path) -> None:
    at = f"/api/projects/{project}/export?for="
    status, data, _ = served.ask("GET", at + "openpose")
    assert status == 200, data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    about = json.loads((tmp_path / "export.json").read_text())
    assert about["system"] == "openpose"
    assert about["frames"] == 48
    assert [c["note"] for c in about["characters"]] == ["Person 1", "Person 2"]
    assert served.ask("GET", at + "other")[0] == 422


def made(served: Served, project: str, model: str = "cutout", size: object = None) -> dict:
    order = {"model": model, "size": size, "settings": {"steps": 2, "seed": 3}}
    result = served.api("POST", f"/projects/{project}/results", order)["result"]
    state = served.until(
        project,
        lambda state: (
            next(r for r in state["results"] if r["id"] == result)["state"] in ("done", "failed")
        ),
    )
    found = next(r for r in state["results"] if r["id"] == result)
    assert found["state"] == "done", found["message"]
    return found


@pytest.mark.parametrize(
    ("model", "size"), [("cutout", [96, 96]), ("cutout", [264, 264]), ("embedded", [64, 64])]
)
def test_the_command_line_makes_the_same_video_byte_for_byte(
    served: Served, short: str, tmp_path: Path, model: str, size: list[int]
) -> None:
    result = made(served, short, model, size)
    folder, command = result["command"].split("\n")
    assert folder == f"cd {served.home / short}"
    words = command.split()
    assert words[:2] == ["posecast", "animate"]
    words[-1] = str(tmp_path / "video.mp4")
    subprocess.run(
        [sys.executable, "-m", *words],
        cwd=served.home / short,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SOURCE)},
        check=True,
        capture_output=True,
    )
    at = f"/api/projects/{short}/results/{result['id']}"
    status, data, headers = served.ask("GET", f"{at}/download?as=mp4")
    assert status == 200
    assert headers["content-disposition"].startswith("attachment")
    assert data == (tmp_path / "video.mp4").read_bytes()


def test_a_killed_server_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    served = Served(tmp_path / "home")
    try:
        project = served.cast(16)
        whole = made(served, project, "cutout", [288, 288])
        order = {"model": "cutout", "size": [288, 288], "settings": {}}
        result = served.api("POST", f"/projects/{project}/results", order)["result"]
        frames = served.home / project / "results" / result / "frames"
        while len(list(frames.glob("*.png"))) < 5:
            assert served.process.poll() is None
        token, before = served.token, served.api("GET", f"/projects/{project}")
        served.kill()
        served.start()
        assert served.token == token  # an open page goes on too
        after = served.api("GET", f"/projects/{project}")
        assert after["document"] == before["document"]
        assert after["results"][1]["state"] == "stopped"
        first = {path.name: path.stat().st_mtime_ns for path in frames.glob("*.png")}
        served.api("POST", f"/projects/{project}/results/{result}/go-on")
        served.until(project, lambda state: state["results"][1]["state"] == "done")
        kept = {path.name: path.stat().st_mtime_ns for path in frames.glob("*.png")}
        assert len(kept) == 16
        assert all(kept[name] == time for name, time in first.items())
        videos = [
            (served.home / project / "results" / name / "video.mp4").read_bytes()
            for name in (whole["id"], result)
        ]
        assert videos[0] == videos[1]
    finally:
        served.close()


def test_a_job_that_is_stopped_ends_and_can_be_asked_for_again(served: Served, short: str) -> None:
    project = short
    order = {"model": "cutout", "size": [1024, 1024], "settings": {}}
    result = served.api("POST", f"/projects/{project}/results", order)["result"]

    def state_of(state: dict) -> str:
        return next(r["state"] for r in state["results"] if r["id"] == result)

    served.until(project, lambda state: state_of(state) == "running")
    served.api("POST", f"/projects/{project}/stop/{result}")
    served.until(project, lambda state: state_of(state) == "stopped")
    served.api("DELETE", f"/projects/{project}/results/{result}")
    assert not (served.home / project / "results" / result).exists()
    assert served.preview(project)  # the workers go on


def test_a_deleted_project_is_gone_and_its_work_stops(served: Served) -> None:
    project = served.cast(8)
    order = {"model": "cutout", "size": [1024, 1024], "settings": {}}
    result = served.api("POST", f"/projects/{project}/results", order)["result"]
    served.until(project, lambda state: state["results"][0]["state"] == "running")
    served.api("DELETE", f"/projects/{project}")
    assert not (served.home / project).exists()
    assert served.ask("GET", f"/api/projects/{project}")[0] == 404
    assert served.ask("GET", f"/api/projects/{project}/results/{result}/clip")[0] == 404
    assert served.preview(served.cast(8))  # the workers go on


def test_two_studios_do_not_share_a_folder(served: Served) -> None:
    other = subprocess.run(
        [sys.executable, "-m", "posecast", "studio", "--no-browser", "--folder", served.home],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert other.returncode == 2
    assert f"process {served.process.pid}" in other.stderr
