"""What the pages tell people to type or expect is true of the code."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from posecast.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "comfyui").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
# What was said once stays said; these are no instructions.
HISTORY = {"CHANGELOG.md", "claims-log.md", "cutout-log.md", "gpu-log.md", "networks-log.md"}
INSTRUCTIONS = [page for page in PAGES if page.name not in HISTORY]
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py"))
)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The contents of a page's code blocks in one of the languages."""
    for found in re.finditer(
        r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M
    ):
        if found[1] in languages:
            yield found[2]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each `posecast` command in a page's shell blocks."""
    for block in blocks(page, "", "sh", "bash", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if "posecast" in line else []
            for start in ("-m posecast", "posecast"):
                named = start.split()
                for at in range(len(words)):
                    if words[at : at + len(named)] == named and _starts(words[:at], named):
                        yield words[at + len(named) :]


def _starts(before: list[str], named: list[str]) -> bool:
    """Whether a program's name may follow these words: nothing, a launcher, or settings."""
    return len(named) == 2 or all("=" in word for word in before)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that the words call, and its own words."""
    command: click.Command = getattr(importlib.import_module(f"posecast.cli.{words[0]}"), words[0])
    rest = words[1:]
    while isinstance(command, click.Group) and rest and rest[0] in command.commands:
        command = command.commands[rest[0]]
        rest = rest[1:]
    return command, rest


def unknown_options(words: list[str]) -> list[str]:
    """The options of a command line that the command does not have."""
    if words[0] not in VERBS:
        return [words[0]]
    command, rest = command_of(words)
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    known |= {"--help", "--debug"}
    said = [word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    return [word for word in said if word not in known]


@pytest.mark.parametrize("page", INSTRUCTIONS, ids=lambda page: page.name)
def test_commands_exist_with_the_options_that_pages_give(page: Path) -> None:
    for words in commands(page):
        if words and not words[0].startswith(("-", "[")):
            assert not unknown_options(words), " ".join(["posecast", *words])


def test_commands_are_read_from_pages() -> None:
    """The test above would pass on nothing."""
    found = [words for page in INSTRUCTIONS for words in commands(page)]
    assert len(found) > 60
    assert unknown_options(["animate", "--no-such-option", "1"]) == ["--no-such-option"]
    assert unknown_options(["dance"]) == ["dance"]


@pytest.mark.parametrize("page", INSTRUCTIONS, ids=lambda page: page.name)
def test_python_imports_of_pages_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("posecast"):
                module = importlib.import_module(node.module or "")
                missing = [
                    name.name
                    for name in node.names
                    if not hasattr(module, name.name)
                    and find_spec(f"{node.module}.{name.name}") is None
                ]
                assert not missing, f"{page.name}: {node.module} has no {missing}"


def test_notebook_calls_what_is_there() -> None:
    text = (ROOT / "examples" / "posecast.ipynb").read_text(encoding="utf-8")
    cells = ["".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    typed = [line[1:] for cell in cells for line in cell.splitlines() if line.startswith("!")]
    assert len(typed) >= 4
    for line in typed:
        assert not unknown_options(shlex.split(line)[1:]), line
    for cell in cells:
        ast.parse("\n".join(line for line in cell.splitlines() if line[:1] not in "!%"))


def fixed_words(message: str) -> list[str]:
    """The parts of a quoted message between what differs from case to case."""
    return [part.strip() for part in message.split("…") if part.strip()]


def said_messages() -> list[str]:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \|", text, re.M)


# Strings of the source that stand side by side over lines are one message.
JOINED = re.sub(r'"\s*\n\s*f?"', "", SOURCE)


@pytest.mark.parametrize("message", said_messages())
def test_messages_of_the_troubleshooting_page_exist(message: str) -> None:
    missing = [part for part in fixed_words(message) if part not in JOINED]
    assert not missing


def test_each_question_is_answered_with_a_link() -> None:
    text = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    questions = re.split(r"^### ", text, flags=re.M)[1:]
    assert len(questions) >= 15
    assert not [question.splitlines()[0] for question in questions if "](" not in question]


@pytest.mark.parametrize("first", ["README.md", "docs/README.md"])
def test_questions_are_answered_two_clicks_from_the_first_page(first: str) -> None:
    page = ROOT / first
    links = re.findall(r"\]\(([^)#]+\.md)[^)]*\)", page.read_text(encoding="utf-8"))
    reached = {(page.parent / link).resolve() for link in links}
    start = [f"start-{who}.md" for who in ("creators", "researchers", "developers")]
    for name in ("faq.md", "troubleshooting.md", *start):
        assert ROOT / "docs" / name in reached, f"{first} has no link to {name}"


def test_gallery_shows_what_its_commands_make() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"\(media/gallery/(\w+)\.webp\)", text)
    files = {path.stem: path for path in (ROOT / "docs" / "media" / "gallery").iterdir()}
    assert set(shown) == set(files)
    assert sum(path.stat().st_size for path in files.values()) < 1_500_000
    made = " ".join(" ".join(words) for words in commands(ROOT / "docs" / "gallery.md"))
    for name in shown:
        assert re.search(rf"out/gallery/{name}\b", made), name
