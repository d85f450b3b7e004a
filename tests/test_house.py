"""The house rules that a machine can hold us to."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import posecast

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "comfyui").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_version_is_said_once() -> None:
    versions = re.findall(r'^version = "(.+)"$', PYPROJECT, re.MULTILINE)
    assert versions == [posecast.__version__]


def test_help_names_every_verb_and_imports_click_alone() -> None:
    """That it comes at once follows."""
    code = (
        "import sys\n"
        "before = {name.split('.')[0] for name in sys.modules}\n"
        "from posecast.cli import VERBS, run\n"
        "assert run(['--help']) == 0\n"
        "after = {name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names - before\n"
        "assert after == {'click', 'posecast'}, after\n"
        "print('VERBS', *VERBS)\n"
    )
    shown, _, verbs = run_python(code).rpartition("VERBS ")
    assert len(verbs.split()) >= 5
    for verb in verbs.split():
        assert re.search(rf"^ +{verb} ", shown, re.MULTILINE), f"{verb} is not in posecast --help"


def test_av_is_imported_where_a_video_is_opened() -> None:
    """Training on rendered scenes, on PNG frames or on stored latents does without it."""
    code = (
        "import sys\n"
        "sys.modules['av'] = None\n"
        "import posecast.media.seeking, posecast.media.video\n"
        "import tempfile, numpy\n"
        "folder = tempfile.mkdtemp() + '/frames'\n"
        "posecast.media.video.write_video([numpy.zeros((8, 8, 3), numpy.uint8)], folder, 12)\n"
        "print('WRITTEN')\n"
    )
    assert run_python(code).strip() == "WRITTEN"


def headings(page: Path) -> set[str]:
    """The anchors GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.is_relative_to(ROOT) or not place.exists():
        return False
    return not anchor or place.suffix != ".md" or anchor in headings(place)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", t)]
    assert not [target for target in targets if not leads_somewhere(page, target)]


def test_readme_names_all_rooms() -> None:
    rooms = {path.parent.name for path in (ROOT / "src" / "posecast").glob("*/__init__.py")}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = sorted(room for room in rooms if f"(src/posecast/{room})" not in readme)
    assert rooms
    assert not missing


def test_licence_is_the_whole_apache_licence() -> None:
    text = " ".join((ROOT / "LICENSE").read_text(encoding="utf-8").split())
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"
    assert 'license = "Apache-2.0"' in PYPROJECT


def test_no_room_for_odds_and_ends() -> None:
    names = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def pins() -> dict[str, str]:
    """Package to its pinned version."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    matches = {line: re.fullmatch(r"([a-z0-9-]+)==([\w.]+)", line) for line in lines}
    other = [line for line, match in matches.items() if not match and not line.startswith("#")]
    assert not other, f"constraints.txt holds more than pins: {other}"
    return {match[1]: match[2] for match in matches.values() if match}


def test_constraints_pin_torch_and_everything_else_that_is_declared() -> None:
    found = pins()
    assert found["torch"] == "2.13.0"
    block = PYPROJECT[PYPROJECT.index("\ndependencies") : PYPROJECT.index("[project.scripts]")]
    declared = {name.lower() for name in re.findall(r'"([\w-]+)(?:[>=<][^"]*)?"', block)}
    assert {"torch", "diffusers", "pytest"} <= declared
    assert not declared - set(found)


def test_set_up_tells_old_pythons_what_is_needed() -> None:
    code = (
        "import runpy, sys\n"
        "sys.version_info = (3, 8, 10, 'final', 0)\n"
        f"runpy.run_path({str(ROOT / 'scripts' / 'run.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"Posecast needs Python 3\.11 or newer; this is 3\.8\. .+\n", done.stderr)


CUT_OUT_WORDS = re.compile(r"warp|mender|retouch", re.IGNORECASE)


def test_the_papers_system_holds_no_word_of_the_cut_out() -> None:
    """The cut-out engine lives in its own room; only its training is a task among the others."""
    rooms = ("models", "diffusion", "data", "pipeline")
    source = ROOT / "src" / "posecast"
    found = [path for room in rooms for path in (source / room).rglob("*.py")]
    found += [source / "types.py", source / "geometry" / "conditions.py"]
    found += [path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "cutout"]
    named = [path for path in found if CUT_OUT_WORDS.search(path.read_text(encoding="utf-8"))]
    assert named == []
    assert not (source / "assets" / "models" / "embedded" / "mender").exists()
    settings = [path for path in (source / "training").glob("*.py") if path.name != "mender.py"]
    assert not [path for path in settings if "warp" in path.read_text(encoding="utf-8").lower()]
