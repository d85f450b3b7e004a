"""The page in a browser, used as a newcomer would."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecast.media.images import write_image
from posecast.media.pose_output import write_poses_as
from posecast.media.poses import read_poses
from posecast.media.video import read_video, write_video
from posecast.types import PoseSequence
from tests.estimators.puppet_scenes import scene
from tests.studio.conftest import DEMO, PATIENCE, Served, drop

pytest.importorskip("uvicorn", reason="the studio's server is not installed")
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=PATIENCE * 1000)

PREVIEW = "[data-shown=preview].view"
Pages = Callable[..., Any]
FRAMES = 12
"""Frames of a project's clip."""


@pytest.fixture
def project(served: Served) -> str:
    return served.cast(FRAMES)


def people_of(served: Served, project: str) -> Any:
    return served.api("GET", f"/projects/{project}")["document"]["people"]


def saved(page: Any) -> None:
    """Wait until everything is saved."""
    expect(page.locator(".status")).to_have_text("Saved")


def previewed(page: Any) -> None:
    """Wait for a preview that is whole."""
    expect(page.locator(PREVIEW)).to_have_attribute("data-frames", str(FRAMES))


def dragged(page: Any, element: Any, dx: float, dy: float) -> None:
    """Drag an element by its middle."""
    box = element.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()


def test_a_dropped_video_plays(served: Served, pages: Pages, tmp_path: Path) -> None:
    poses = read_poses(DEMO / "poses.json")
    one = (poses.keypoints[:1, :FRAMES] * (4, 4, 1)).astype(np.float32)
    video = tmp_path / "skeleton.mp4"
    write_poses_as(PoseSequence(one, 512, 512, poses.fps, poses.joints), video, "video")
    empty = served.api("POST", "/projects")["id"]
    page = pages(empty)
    drop(page, ".start", DEMO / "reference.png", video)
    expect(page.locator(".driver-row .facts")).to_contain_text("1 track")
    expect(page.locator("[data-shown=picture] .busy")).to_have_count(0)
    drop(page, "[data-shown=picture] .space", DEMO / "reference.poses.json")
    expect(page.locator(".figure")).to_have_count(2)
    expect(page.locator(".project-name")).to_have_value("reference")
    previewed(page)
    moved = [person["moved_by"] for person in people_of(served, empty)]
    assert len([track for track in moved if track]) == 1  # the other stands still


def test_joints_are_dragged_hidden_and_all_of_it_undone(
    served: Served, pages: Pages, project: str
) -> None:
    page = pages(project)
    previewed(page)  # everything is in its place
    before = people_of(served, project)
    page.locator(".cast-row[data-person='1'] .face").click()
    wrist = page.locator(".figure.chosen .joint[data-joint='4']")
    dragged(page, wrist, 40, -30)
    saved(page)
    after = people_of(served, project)
    scale = _scale(page)
    moved = np.subtract(after[0]["joints"][4][:2], before[0]["joints"][4][:2])
    assert moved == pytest.approx((40 / scale, -30 / scale), abs=1.5 / scale)
    assert after[1] == before[1]
    wrist.focus()
    page.keyboard.press("h")
    expect(wrist).to_have_attribute("aria-label", re.compile("hidden"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("Control+z")
    saved(page)
    assert people_of(served, project) == before
    page.keyboard.press("Control+Shift+z")
    saved(page)
    assert people_of(served, project) == after


def _scale(page: Any) -> float:
    """Pixels of the screen a pixel of the picture."""
    return float(page.evaluate("document.querySelector('posecast-studio').picture.scale"))


def test_people_are_added_and_masks_drawn(served: Served, pages: Pages, project: str) -> None:
    page = pages(project)
    previewed(page)
    space = page.locator("[data-shown=picture] .space")
    page.get_by_role("button", name="Add person").click()
    space.click(position={"x": 60, "y": 260})
    expect(page.locator(".figure")).to_have_count(3)
    saved(page)
    state = served.api("GET", f"/projects/{project}")["document"]
    assert state["order"][0]["keys"][-1] == 3
    mask = state["mask"]
    page.get_by_role("button", name="Draw mask").click()
    box = space.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 250)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 300, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name="Undo: mask")).to_be_visible()
    saved(page)
    drawn = served.api("GET", f"/projects/{project}")["document"]["mask"]
    assert drawn != mask
    from posecast.studio.cast_files import read_keys

    keys = read_keys(served.home / project / "masks" / f"{drawn}.png")
    assert (keys == 3).sum() > 20


def test_drivers_are_swapped_by_select_and_by_drag(
    served: Served, pages: Pages, project: str
) -> None:
    page = pages(project)
    before = [p["moved_by"]["track"] for p in people_of(served, project)]
    page.get_by_role("button", name="Swap drivers").click()
    saved(page)
    assert [p["moved_by"]["track"] for p in people_of(served, project)] == before[::-1]
    page.locator("[data-focus=moved-1]").select_option("")
    saved(page)
    assert people_of(served, project)[0]["moved_by"] is None
    page.locator(".chip").nth(1).drag_to(page.locator(".cast-row[data-person='1']"))
    saved(page)
    assert people_of(served, project)[0]["moved_by"]["track"] == 1


def test_the_order_changes_at_a_frame_and_the_sheet_says_so(
    served: Served, pages: Pages, project: str
) -> None:
    page = pages(project)
    previewed(page)
    page.get_by_label("Frame", exact=True).fill("6")
    page.keyboard.press("Enter")
    front = served.api("GET", f"/projects/{project}")["document"]["order"][0]["keys"]
    page.locator(f"[data-focus=lane-{front[0]}]").focus()
    page.keyboard.press("ArrowDown")
    mark = page.locator(".mark[data-frame='6']")
    expect(mark).to_be_visible()
    saved(page)
    order = served.api("GET", f"/projects/{project}")["document"]["order"]
    assert order == [
        {"from_frame": 0, "keys": front},
        {"from_frame": 6, "keys": front[::-1]},
    ]
    sheet = served.ask("GET", f"/api/projects/{project}/files/cast.yaml")[1].decode()
    ids = [key - 1 for key in front[::-1]]
    assert f"{{from_frame: 6, front_to_back: {ids}}}" in sheet
    mark.focus()
    page.keyboard.press("Delete")
    expect(mark).to_have_count(0)
    # And with a pointer: the ribbon of who is in front, dragged one lane down at its middle.
    box = page.locator(".lanes").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 3 * box["height"] / 4, steps=3)
    page.mouse.up()
    expect(page.locator(".mark")).to_have_count(1)
    saved(page)
    assert served.api("GET", f"/projects/{project}")["document"]["order"][1]["keys"] == front[::-1]


def test_a_video_is_made_shown_and_downloaded(
    served: Served, pages: Pages, project: str, tmp_path: Path
) -> None:
    page = pages(project)
    page.get_by_role("button", name="Make video").click()
    page.get_by_label("Size").select_option("other")
    for name in ("Height", "Width"):
        page.get_by_label(name).fill("264")
        page.keyboard.press("Tab")
    make, result = page.get_by_role("button", name=f"Make {FRAMES} frames"), page.locator(".result")
    make.click()
    expect(result).to_have_attribute("data-state", "done")
    expect(result).to_contain_text(f"{FRAMES} frames, 264x264")
    result.get_by_role("button", name="Show").click()
    expect(page.get_by_label("The preview").first).to_have_value(re.compile("video-"))
    page.get_by_label("Compare with the picture").check()
    expect(page.get_by_label("Before and after")).to_be_visible()
    for kind, name in (("MP4", "video.mp4"), ("GIF", "video.gif")):
        with page.expect_download() as download:
            result.get_by_role("link", name=kind, exact=True).click()
        download.value.save_as(tmp_path / name)
        frames, _ = read_video(tmp_path / name)
        assert frames.shape == (FRAMES, 264, 264, 3)
    expect(page.locator(".quiet", has_text="here.")).to_be_visible()  # how long the next one takes


def test_a_click_is_kept_while_its_panel_changes(pages: Pages, project: str) -> None:
    page = pages(project)
    previewed(page)
    page.get_by_role("button", name="Make video").click()
    page.get_by_role("button", name=f"Make {FRAMES} frames").hover()
    page.mouse.down()
    build = "const make = document.querySelector('posecast-studio').make; make.build();"
    page.evaluate(f"{build} make.form.querySelector('legend').textContent = 'old';")
    page.evaluate(build)
    expect(page.locator(".make-form legend")).to_have_text("old")  # as it was pressed
    page.mouse.up()
    expect(page.locator(".result")).to_be_visible()
    expect(page.locator(".make-form legend")).not_to_have_text("old")  # as it is by now


def test_a_run_is_stopped_and_gone_on_with(served: Served, pages: Pages) -> None:
    page = pages(served.cast())
    page.get_by_role("button", name="Make video").click()
    page.get_by_label("Size").select_option("other")
    for name in ("Height", "Width"):
        page.get_by_label(name).fill("1280")  # slow enough to be stopped in time
        page.keyboard.press("Tab")
    page.get_by_role("button", name="Make 48 frames").click()
    result = page.locator(".result")
    expect(result).to_contain_text(re.compile(r"Making frames: [1-9]"))
    page.reload()  # mid-way
    page.get_by_role("button", name="Make video").click()
    result.get_by_role("button", name="Stop").click()
    expect(result).to_have_attribute("data-state", "stopped")
    result.get_by_role("button", name="Go on").click()
    expect(result).to_contain_text(re.compile(r"Making frames: [1-9]"))
    result.get_by_role("button", name="Stop").click()
    expect(result).to_have_attribute("data-state", "stopped")


def test_a_reload_loses_nothing(served: Served, pages: Pages, project: str) -> None:
    page = pages(project)
    name = page.locator("[data-focus=name-1]")
    name.fill("Ada")
    name.press("Tab")
    page.reload()  # at once: it may not be saved yet
    expect(name).to_have_value("Ada")
    saved(page)
    assert people_of(served, project)[0]["name"] == "Ada"
    page.get_by_role("button", name="Undo: name").click()
    saved(page)
    assert people_of(served, project)[0]["name"] == "Person 1"


def test_two_pages_keep_each_others_changes(served: Served, pages: Pages, project: str) -> None:
    first, second = pages(project), pages(project)
    first.get_by_role("button", name="Swap drivers").click()
    saved(first)
    swapped = people_of(served, project)[0]["moved_by"]["track"]
    value = re.compile(f":{swapped}$")
    expect(second.locator("[data-focus=moved-1]")).to_have_value(value)
    second.get_by_label("Fit drivers to characters").check()
    expect(first.get_by_label("Fit drivers to characters")).to_be_checked()
    state = served.api("GET", f"/projects/{project}")["document"]
    assert state["retarget"] is True
    assert state["people"][0]["moved_by"]["track"] == swapped


def test_a_broken_file_is_said_and_changes_nothing(
    served: Served, pages: Pages, project: str, tmp_path: Path
) -> None:
    page = pages(project)
    broken = tmp_path / "holiday.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    drop(page, "[data-shown=picture] .space", broken)
    expect(page.locator(".toast.error")).to_contain_text("holiday.png")
    video = tmp_path / "dance.mp4"
    video.write_bytes(b"\0\0\0\x20ftypisom" * 20)
    drop(page, "[data-drop=driver]", video)
    expect(page.locator(".wrong")).to_contain_text("dance.mp4")
    expect(page.locator(".figure")).to_have_count(2)
    assert len(people_of(served, project)) == 2


def test_a_page_without_the_token_shows_nothing(browser: Any, served: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    expect(page.get_by_role("alert")).to_contain_text("token")
    context.close()


def test_a_crash_of_the_server_loses_nothing(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(tmp_path / "home")
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    try:
        project = served.cast()
        page = context.new_page()
        page.goto(f"{served.address}&project={project}")
        expect(page.locator(".figure")).to_have_count(2)
        served.kill()
        page.get_by_role("button", name="Swap drivers").click()
        expect(page.locator(".status")).to_contain_text("does not answer")
        before = people_of_disk(served, project)
        served.start()
        saved(page)
        assert people_of_disk(served, project) == before[::-1]
    finally:
        context.close()
        served.close()


def people_of_disk(served: Served, project: str) -> list[Any]:
    """Who moves whom, as the project's file says."""
    tree = json.loads((served.home / project / "project.json").read_text())
    return [person["moved_by"] for person in tree["document"]["people"]]


def test_a_picture_and_a_plain_video_play_after_two_choices(
    served: Served, pages: Pages, tmp_path: Path
) -> None:
    picture, video = tmp_path / "pair.png", tmp_path / "dance.mp4"
    write_image(scene((512, 512), [(150, 260, 400, 0), (360, 260, 410, 0)])[0], picture)
    steps = ([(80 + i, 240, 330, 0), (200, 240, 340, 0)] for i in range(20))
    write_video([scene((480, 270), people)[0] for people in steps], video, 30)
    page = pages(served.api("POST", "/projects")["id"], plays=True)
    clicks = 0
    for label, file in (
        ("Choose a picture", picture),
        ("Add", video),
    ):
        with page.expect_file_chooser() as chosen:
            page.locator("label", has_text=label).locator("visible=true").first.click()
        chosen.value.set_files(file)
        clicks += 3  # on the control; on the file and on Open in the system's dialog
    began = time.monotonic()
    expect(page.locator(PREVIEW)).to_have_attribute("data-frames", "10")
    assert clicks <= 6
    assert time.monotonic() - began < PATIENCE
    expect(page.locator(".cast-row")).to_have_count(2)
    assert all(person["moved_by"] for person in people_of(served, page.url.split("project=")[1]))
    frame = page.get_by_label("Frame", exact=True)
    for _ in range(2):  # it goes on and on
        expect(frame).not_to_have_value(frame.input_value())


def test_a_page_with_less_motion_plays_when_it_is_asked_to(pages: Pages, project: str) -> None:
    page = pages(project)
    previewed(page)
    frame = page.get_by_label("Frame", exact=True)
    page.get_by_role("button", name="Play").click()
    expect(frame).not_to_have_value("0")
    page.get_by_role("button", name="Pause").click()
