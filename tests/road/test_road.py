"""The road of docs/training.md, walked: its lines are run as the page prints them.

Small files stand under the public names, and the shipped configs are run at the smallest size.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState, GradientState
from PIL import Image

from posecast.cli import run
from posecast.media.video import read_video, write_video
from posecast.models import public_files
from posecast.models.folder import load_animator
from posecast.training.config import ModelSettings
from posecast.training.reader import merged, read_yaml
from posecast.training.start import model_config
from tests.road.public_hub import ANIMATEANYONE_CONFIG, serving, write_hub

pytestmark = pytest.mark.timeout(900)  # of all lines together, on a machine that does much else

pytest.importorskip("peft", reason="posecast[train] is not installed")
pytest.importorskip("pyarrow", reason="posecast[prepare] is not installed")

ROOT = Path(__file__).parents[2]
FRAMES = 18
SMALL: dict[str, Any] = {
    "steps": 2,
    "precision": "no",
    "model": {"overrides": {"num_steps": 2}},
    "data": {"size": [64, 48], "workers": 0},
    "validation": {"every_steps": 2, "samples": 1, "sampling_steps": 1},
}
"""What every shipped config of the road is changed to; its start, stage and objective stay."""
BATCHES = {"images": {"references": 1, "frames": 1}, "clips": {"references": 1, "frames": 2}}


def commands(page: Path, heading: str) -> list[str]:
    """The lines of the shell blocks under a heading of a page."""
    section = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = [part for part in section if part.startswith(heading)]
    assert len(found) == 1, heading
    blocks = re.findall(r"^```sh\n(.*?)^```", found[0], re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]


ROAD = commands(ROOT / "docs" / "training.md", "The road")


def walk(line: str) -> int:
    """Run a line in this process: of a launcher's line, what each of its processes runs."""
    words = shlex.split(line)
    if words[:2] == ["mkdir", "-p"]:
        return subprocess.run(words, check=False).returncode
    assert words[0] in ("posecast", "accelerate"), line
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    return run(words[words.index("posecast") + 1 :])


def write_configs(folder: Path) -> None:
    """The configs that the road names, at the smallest size."""
    for line in ROAD:
        for name in re.findall(r"configs/\S+\.yaml", line):
            content = merged(read_yaml(ROOT / name), SMALL)
            content["batch"] = BATCHES[content["stage"]]
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(yaml.safe_dump(content))


def write_videos(folder: Path) -> None:
    """Two clips to learn from, another to be judged by, and that one's first frame."""
    clips = list(_clips(folder))
    for name in ("videos", "truth", "pictures"):
        (folder / name).mkdir()
    for number, frames in enumerate(clips[:2]):
        write_video(frames, folder / "videos" / f"{number}.mp4", 24)
    write_video(clips[2], folder / "truth" / "dance.mp4", 24)
    Image.fromarray(clips[2][0]).save(folder / "pictures" / "dance.png")


def _clips(folder: Path) -> Iterator[np.ndarray]:
    """Three clips of people, a quarter of their size; of puppets where there are none."""
    real = ROOT.parent / "shared" / "real" / "videos"
    names = ("solo_dance_roof_rgb.mp4", "sign_linguistik.mp4", "pair_dance_night.mp4")
    if all((real / name).is_file() for name in names):
        for name in names:
            frames = read_video(real / name, FRAMES)[0]
            height, width = (side // 8 * 2 for side in frames.shape[1:3])
            yield np.stack([Image.fromarray(f).resize((width, height)) for f in frames])
        return
    rendered = folder / "rendered"
    line = f"stage render -o {rendered} --clips 3 --size 256x256 --frames {FRAMES} --quiet"
    assert run(line.split()) == 0
    for video in sorted((rendered / "videos").iterdir()):
        yield read_video(video / "video.mp4")[0]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which every line of the road was run."""
    folder, hub = tmp_path_factory.mktemp("road"), tmp_path_factory.mktemp("hub")
    write_configs(folder)
    write_videos(folder)
    sizes = folder / "models" / "animateanyone.download" / "config.json"
    sizes.parent.mkdir(parents=True)
    sizes.write_text(json.dumps(ANIMATEANYONE_CONFIG))
    with pytest.MonkeyPatch.context() as patch, serving(hub) as address:
        for name, files in write_hub(hub).items():
            patch.setattr(public_files, name, files)
        patch.setenv("HF_ENDPOINT", address)
        patch.setenv("HF_HUB_OFFLINE", "0")
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("POSECAST_CACHE", str(folder / "cache"))
        patch.setenv("TORCH_HOME", str(folder / "cache"))
        patch.chdir(folder)
        for line in ROAD:
            assert walk(line) == 0, line
        yield folder


def test_the_page_walks_the_whole_road() -> None:
    lines = [shlex.split(line) for line in ROAD]
    verbs = [words[words.index("posecast") + 1] for words in lines if "posecast" in words]
    whole = ["fetch", "prepare", "report", "train", "train", "animate"]
    assert verbs == [*whole, "fetch", "train", "animate", "evaluate"]


def test_both_clips_are_in_the_dataset(walked: Path) -> None:
    assert (walked / "datasets/train/refused.jsonl").read_text() == ""
    assert len(list((walked / "datasets/train/videos").iterdir())) == 2
    report = json.loads((walked / "datasets/train/report/report.json").read_text())
    assert (report["videos"], report["clips"]) == (2, 2)


RUNS = ("runs/paper/stage1", "runs/paper/stage2", "runs/single-gpu/lora")


@pytest.mark.parametrize("name", RUNS)
def test_every_stage_learns_validates_and_saves(walked: Path, name: str) -> None:
    log = [json.loads(line) for line in (walked / name / "log.jsonl").read_text().splitlines()]
    scores = [line for line in log if "validation/character_psnr_1_steps" in line]
    assert [line["step"] for line in scores] == [2]
    assert all(np.isfinite(value) for value in scores[0].values())
    (sheet,) = (walked / name / "validation").glob("step-*.png")
    with Image.open(sheet) as picture:
        assert picture.height == 64
    model = load_animator(walked / name / "model")
    assert (model.config.motion is None) == (name == RUNS[0])
    assert model.config.size == (48, 64)  # as it has learnt
    assert set(model.config.guiders) == {"pose", "flow", "depth_order", "reference_pose"}


def test_each_stage_goes_on_from_the_one_before(walked: Path) -> None:
    """From the public weights, which stage 1 moves a little, and stage 2 a little more."""
    start, *stages = (
        load_animator(walked / name)
        for name in ("models/sd15", "runs/paper/stage1/model", "runs/paper/stage2/model")
    )
    before = start.unet.state_dict()
    for stage in stages:
        after = stage.unet.state_dict()
        moved = [(after[key] - value).abs().max() for key, value in before.items() if key in after]
        assert 0 < max(moved) < 1e-3
        assert set(after) <= set(before)
        before = {**before, **after}
    assert torch.equal(stages[1].vae.state_dict()["encoder.conv_in.weight"],
                       start.vae.state_dict()["encoder.conv_in.weight"])  # fmt: skip


def test_a_config_may_say_the_size() -> None:
    assert model_config(ModelSettings(preset="tiny", overrides={"size": [32, 48]})).size == (32, 48)


def test_what_was_trained_animates_and_is_scored(walked: Path) -> None:
    for name in ("paper", "lora"):
        frames, rate = read_video(walked / "outputs" / name / "dance.mp4")
        assert (len(frames), rate) == (FRAMES, 24)
        assert np.prod(frames.shape[1:3]) == pytest.approx(64 * 48, rel=0.2)
    scores = json.loads((walked / "scores.json").read_text())
    assert scores["videos"] == 1
    assert scores["frames"] == FRAMES
    assert set(scores["methods"]) == {"paper", "lora"}
    for method in scores["methods"].values():
        assert all(np.isfinite(method["metrics"][name]) for name in ("l1", "psnr", "ssim"))
