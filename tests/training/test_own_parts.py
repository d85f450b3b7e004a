"""A condition and a source from a package of one's own: the code of a page of the docs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from accelerate.state import AcceleratorState, GradientState

from posecast import cli
from posecast.geometry import conditions
from posecast.models.folder import load_animator
from tests.casting.conftest import dancers, scene

__all__ = ["scene"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "design" / "new-condition.md"
IMPORTS = "import numpy as np\nfrom posecast.data.samples import Sample, SourceRequest\n"


def blocks(language: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's package, installed as far as Python knows."""
    site = tmp_path / "site"
    metadata = site / "own_parts-1.dist-info"
    metadata.mkdir(parents=True)
    hands, squares = blocks("python")
    (site / "own_parts.py").write_text(f"{hands}\n{IMPORTS}\n{squares}")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts\nVersion: 1\n")
    points = [re.sub(r"project\.entry-points\.", "", text) for text in blocks("toml")]
    (metadata / "entry_points.txt").write_text("\n".join(points).replace('"', ""))
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(conditions, "_TABLE", dict(conditions._TABLE))
    conditions._load_plugins.cache_clear()
    yield
    sys.modules.pop("own_parts", None)
    conditions._load_plugins.cache_clear()
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def config(tmp_path: Path) -> Path:
    """The page's settings, of a run of one step."""
    settings = {
        "stage": "images",
        "output": str(tmp_path / "run"),
        "steps": 1,
        "batch": {"references": 1, "frames": 2},
        "objective": {"guider_drop": {"hands": 0.3}},
        "checkpoint": {"every_steps": 100},
        "validation": {"every_steps": 100, "samples": 1, "sampling_steps": 2},
    }
    for text in blocks("yaml"):
        settings |= yaml.safe_load(text)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_condition_of_the_page_is_short() -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 20


@pytest.mark.usefixtures("installed")
def test_a_fifth_guider_is_drawn_trained_left_out_and_animated(
    tmp_path: Path, scene: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = config(tmp_path)
    assert cli.run(["train", str(run), "--dry-run"]) == 0
    assert cli.run(["train", str(run)]) == 0
    model = tmp_path / "run" / "model"
    assert load_animator(model).config.guiders["hands"]["in_channels"] == 1
    inputs = ["--reference", scene["picture"], "--reference-poses", scene["people"]]
    inputs += ["--poses", scene["dance"]]
    maps = tmp_path / "maps.npz"
    shown = ["--size", "64x64", "-o", maps, "--preview", tmp_path / "maps.gif"]
    assert cli.run([str(word) for word in ["conditions", *inputs, *shown]]) == 0
    with np.load(maps) as file:
        assert file["hands"].shape == (6, 1, 64, 64)
        assert 0.002 < file["hands"].mean() < 0.2
        wrist = dancers().keypoints[0, 3, 4]
        assert file["hands"][3, 0, round(wrist[1]), round(wrist[0])] == 1
    made = ["--model", model, "--steps", "1", "--max-frames", "2", "--quiet"]
    for number, more in enumerate(([], ["--without", "hands"])):
        out = tmp_path / f"out{number}.gif"
        assert cli.run([str(word) for word in ["animate", *inputs, *made, *more, "-o", out]]) == 0
    capsys.readouterr()
    assert cli.run([str(w) for w in ["animate", *inputs, *made, "--without", "x", "-o", out]]) == 2
    assert "identity, hands, reference" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_a_source_that_nobody_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = config(tmp_path)
    run.write_text(run.read_text().replace("source: squares", "source: circles"))
    assert cli.run(["train", str(run)]) == 2
    assert "no source 'circles' is installed" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_an_entry_point_that_is_no_condition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site" / "own_parts.py").write_text("hands = 3\n")
    assert cli.run(["train", str(config(tmp_path))]) == 2
    assert "entry point posecast.conditions: own_parts:hands: expected a Condition, got int" in (
        capsys.readouterr().err
    )
