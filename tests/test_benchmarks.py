"""The benchmarks' own claims: FLOPs at full size, and the same numbers as diffusers' classes."""

from __future__ import annotations

import ast
import importlib.util
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.measure import count_flops
from posecast.models.attention import ReferenceFeatures
from posecast.models.presets import PRESETS
from posecast.models.unet import UNet

ROOT = Path(__file__).resolve().parent.parent


OUTSIDE = [path for folder in ("benchmarks", "scripts") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_benchmarks_and_scripts_import_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("posecast"):
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                found = hasattr(module, name) or importlib.util.find_spec(f"{node.module}.{name}")
                assert found, f"{node.module} has no {name}"


@pytest.fixture(scope="module")
def unet() -> UNet:
    """Of full size, on the meta device: shapes are computed and nothing else."""
    with torch.device("meta"):
        return UNet(**PRESETS["sd15"]().unet, motion={}).eval()


def tflop_of_a_step(unet: UNet, height: int, width: int, reuse: bool = False) -> float:
    """Both halves of the guidance."""
    meta = {"device": "meta"}
    with torch.device("meta"), torch.no_grad():
        sizes = [(height // 8, width // 8)]
        for _ in range(3):
            sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        tokens = {
            path: torch.empty(1, sizes[level][0] * sizes[level][1], block.norm1.weight.numel())
            for path, block, level in unet.transformers()
        }
        reference = unet.project_reference(ReferenceFeatures(tokens))
        noisy, guidance = (torch.empty(1, 16, width, *sizes[0]) for width in (4, 320))
        inputs = (noisy, torch.tensor(500, **meta), torch.empty(1, 1, 768))
        deep = torch.empty(16, 320, *sizes[0]) if reuse else None
        with count_flops() as counter:
            unet(*inputs, reference, guidance, deep=deep)
            unet(*inputs, None, guidance, deep=deep)
    return counter.get_total_flops() / 1e12


@pytest.mark.parametrize(("size", "most"), [((256, 256), 8.05), ((896, 640), 95.5)])
def test_a_step_at_full_size_wastes_nothing(unet, size, most) -> None:
    """The usual way takes 8.87 and 119 TFLOP."""
    assert 0.9 * most < tflop_of_a_step(unet, *size) <= most


def test_reusing_deep_features_saves_most_of_the_work(unet) -> None:
    assert 0 < tflop_of_a_step(unet, 256, 256, reuse=True) < 0.1 * 8.05


@pytest.mark.filterwarnings("default")
def test_the_denoising_benchmark_fails_if_results_differ(tmp_path, monkeypatch, capsys) -> None:
    """It compares with the plain composition, and exits with 1 where the two differ."""
    figures = tmp_path / "figures.json"
    monkeypatch.setattr(
        sys, "argv",
        ["denoising.py", "--preset", "tiny", "--size", "64x48", "--frames", "4", "--steps", "2",
         "--fast", "--rounds", "1", "--json", str(figures), "--device", "cpu"],
    )  # fmt: skip
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "benchmarks" / "denoising.py"), run_name="__main__")
    assert done.value.code == 0
    found = json.loads(figures.read_text())
    assert found["difference"] < 1e-4
    step = found["rows"]["step"]
    assert step["ours"]["tflop"] < step["plain"]["tflop"]
    assert "speed-up" in capsys.readouterr().out
