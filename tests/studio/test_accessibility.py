"""WCAG 2.2 AA by axe, in every state of the page, light and dark, on a laptop and on a phone."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.studio.conftest import PATIENCE, Served

pytest.importorskip("uvicorn", reason="the studio's server is not installed")
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import expect

expect.set_options(timeout=PATIENCE * 1000)

AXE = "axe-core@4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checker's source, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe comes from npm, which is not installed")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run([npm, "pack", AXE], cwd=folder, capture_output=True, timeout=120)
    archives = list(folder.glob("*.tgz"))
    if fetched.returncode or not archives:
        pytest.skip("axe comes from npm, which cannot be reached")
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.fixture(scope="module")
def project(served: Served) -> str:
    return served.cast()


def violations(page: Any, axe: str) -> list[str]:
    page.evaluate(f"{axe};0")
    found = page.evaluate("(rules) => axe.run({ runOnly: rules })", RULES)
    assert len(found["passes"]) > 15
    return [
        f"{v['id']}: {v['help']} {[node['target'] for node in v['nodes']]}"
        for v in found["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_on_a_laptop(
    browser: Any, served: Served, axe: str, project: str, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(f"{served.address}&project={project}")
    expect(page.locator(".figure")).to_have_count(2)
    page.get_by_role("button", name="Pause").click()
    assert violations(page, axe) == []
    page.get_by_role("button", name="Make video").click()
    page.locator(".face").first.click()
    page.locator(".joints summary").click()
    page.locator(".driver-name").click()
    assert violations(page, axe) == []
    page.get_by_role("button", name="Projects").click()
    assert violations(page, axe) == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_on_a_phone(
    browser: Any, served: Served, axe: str, project: str, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(f"{served.address}&project={project}")
    expect(page.locator(".figure")).to_have_count(2)
    for panel in ("Picture", "Cast", "Preview", "Make"):
        page.locator(".tabs").get_by_role("button", name=panel).click()
        assert violations(page, axe) == [], panel
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, panel
    context.close()


def test_the_empty_page_is_accessible(browser: Any, served: Served, axe: str) -> None:
    empty = served.api("POST", "/projects")["id"]
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{served.address}&project={empty}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert violations(page, axe) == []
    context.close()


def test_everything_is_reached_by_keyboard(browser: Any, served: Served, project: str) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.goto(f"{served.address}&project={project}")
    page.locator(".face").first.click()
    expect(page.locator(".figure.chosen")).to_have_count(1)
    reached = set()
    for _ in range(140):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => {
                    const at = document.activeElement;
                    return at.dataset.focus ?? at.getAttribute("aria-label") ?? at.tagName;
                }"""
            )
        )
    for wanted in (
        "moved-1", "swap", "fit-drivers", "tool-draw", "joint-1-4", "playhead", "lane-1", "compare",
    ):  # fmt: skip
        assert wanted in reached, sorted(reached)
    context.close()


def test_the_page_s_files_are_small() -> None:
    """No build step and no framework: all of it is read in a moment."""
    import posecast.studio

    folder = Path(posecast.studio.__file__).parent / "page"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 200_000
