"""Every number of a run has a range, and all that a run reads is looked at before it begins."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from annotated_types import Interval

from posecast.cli import run
from posecast.errors import InputError
from posecast.training.ablation import Ablation, read_ablation
from posecast.training.config import ModelSettings, TrainingConfig, read_config
from posecast.training.paths import check_paths
from posecast.training.stages import build_animator

GOOD: dict[str, Any] = {
    "stage": "images",
    "output": "runs/x",
    "steps": 10,
    "data": {"stage": {"size": [64, 64]}},
}
ABSURD = [
    ".nan",
    ".inf",
    "-.inf",
    "-1",
    "-5",
    "1e300",
    "1000000000000000",
    "9" * 4000,
    "0x" + "f" * 9000,
]


def numbers(hint: Any, place: str = "") -> Iterator[tuple[str, Any, Interval | None]]:
    """Each number that a type holds: its place, int or float, and its range."""
    if get_origin(hint) is Annotated:
        kind, *limits = get_args(hint)
        yield place, kind, next((limit for limit in limits if isinstance(limit, Interval)), None)
    elif hint in (int, float):
        yield place, hint, None
    elif get_origin(hint) in (Union, types.UnionType):
        for choice in get_args(hint):
            yield from numbers(choice, place)
    elif get_origin(hint) is tuple:
        yield from numbers(get_args(hint)[0], f"{place}[0]")
    elif get_origin(hint) is dict:
        yield from numbers(get_args(hint)[1], f"{place}.NAME")
    elif dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        for field in dataclasses.fields(hint):
            yield from numbers(hints[field.name], f"{place}.{field.name}".lstrip("."))


# A mixture's scenes are lists of what is here already.
NUMBERS = [number for number in numbers(TrainingConfig) if not number[0].startswith("data.mixture")]


@pytest.mark.parametrize("kind", [TrainingConfig, Ablation])
def test_every_number_has_two_ends(kind: type) -> None:
    found = list(numbers(kind))
    assert len(found) >= (40 if kind is TrainingConfig else 6)
    for place, _, limit in found:
        assert limit is not None, place
        assert (limit.ge is None) != (limit.gt is None), place
        assert (limit.le is None) != (limit.lt is None), place


def config_with(place: str, value: str) -> str:
    """A config's text with one number in place; the dataset's where it is the dataset's."""
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    if place == "data.size[0]":
        content["data"] = {"dataset": "datasets/x"}
    *parents, last = place.removesuffix("[0]").split(".")
    inner = content
    for name in parents:
        inner = inner.setdefault(name, {})
    several = {"betas": 2, "size": 2, "crop": 2}.get(last, 1)
    inner[last] = ["VALUE"] * several if place.endswith("[0]") else "VALUE"
    return yaml.safe_dump(content).replace("VALUE", value)


@pytest.mark.parametrize(("place", "kind", "limit"), NUMBERS, ids=[n[0] for n in NUMBERS])
def test_absurd_numbers_are_refused_with_their_place(
    tmp_path: Path, place: str, kind: type, limit: Interval
) -> None:
    path = tmp_path / "run.yaml"
    ends = [limit.ge if limit.gt is None else limit.gt, limit.le if limit.lt is None else limit.lt]
    beyond = [str(ends[0] - 1), str(ends[1] * 2 + 1)]
    beyond += [str(limit.gt)] if limit.gt is not None else []
    beyond += [str(limit.lt)] if limit.lt is not None else []
    beyond += ["1.5"] if kind is int else []
    for value in [*ABSURD, *beyond]:
        path.write_text(config_with(place, value))
        with pytest.raises(InputError) as caught:
            read_config(path)
        assert str(caught.value).startswith(f"{path}: {place}: expected "), value
        assert len(str(caught.value)) < len(str(path)) + 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data": {"dataset": "d", "size": [100, 64]}}, "data.size[0]: expected a multiple of 8"),
        ({"data": {"stage": {"size": [64, 60]}}}, "data.stage.size: expected multiples of 8"),
        ({"batch": {"frames": 17}}, "batch.frames: 17, but a shot of data.stage has 16"),
        ({"output": ""}, "output: expected a path"),
        ({"data": {"dataset": " ", "size": [64, 64]}}, "data.dataset: expected a path"),
    ],
)
def test_settings_that_do_not_fit_together(tmp_path: Path, changes: Any, problem: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert problem in str(caught.value)


def test_no_clip_is_longer_than_the_motion_modules_see(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    longer = {"stage": "clips", "batch": {"frames": 33}, "model": {"preset": "tiny"}}
    path.write_text(yaml.safe_dump({**GOOD, **longer, "data": {"stage": {"frames": 40}}}))
    config = read_config(path)
    with pytest.raises(InputError, match=r"batch\.frames: 33; .* at most 32 frames together"):
        build_animator(config, load=False)
    images = dataclasses.replace(config, stage="images")
    build_animator(dataclasses.replace(images, model=ModelSettings("tiny")), load=False)


def test_all_that_is_missing_is_said_at_once_with_what_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    configs = tmp_path / "configs" / "mine"
    configs.mkdir(parents=True)
    before = {**GOOD, "stage": "autoencoder", "output": "runs/autoencoder"}
    (configs / "first.yaml").write_text(yaml.safe_dump(before))
    (configs / "broken.yaml").write_text("a: [")
    model = {"autoencoder": "runs/autoencoder/model/vae", "init": "models/public"}
    model["parts"] = {"unet": "weights/unet", "motion": "weights/motion"}
    (tmp_path / "weights" / "unet").mkdir(parents=True)
    data = {"dataset": "datasets/train", "size": [64, 64]}
    content = {**GOOD, "model": model, "data": data}
    (configs / "second.yaml").write_text(yaml.safe_dump(content))
    assert run(["train", "configs/mine/second.yaml"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    for part in (
        "data.dataset: datasets/train is not a folder (`posecast prepare VIDEOS -o datasets/train`",
        "model.autoencoder: runs/autoencoder/model/vae is not a folder (`posecast train "
        "configs/mine/first.yaml` makes it)",
        "model.init: models/public/unet is not a folder (`posecast fetch animateanyone -o",
        "model.parts.unet: weights/unet holds no safetensors weights (`posecast fetch sd15 -o",
        "model.parts.motion: weights/motion is not a folder (",
    ):
        assert part in line
    assert not (tmp_path / "runs").exists()


def test_an_output_below_a_file_is_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    (tmp_path / "file").touch()
    for output in ("file", "file/below/run"):
        path.write_text(yaml.safe_dump({**GOOD, "output": str(tmp_path / output)}))
        with pytest.raises(InputError, match=r"output: .*file is a file; expected a folder"):
            check_paths(read_config(path), path)
    path.write_text(yaml.safe_dump({**GOOD, "output": str(tmp_path / "new" / "run")}))
    check_paths(read_config(path), path)


def test_an_ablations_numbers_have_ranges_too(tmp_path: Path) -> None:
    path = tmp_path / "ablation.yaml"
    good = {"output": "o", "stages": ["a.yaml"], "variants": {"full": {"title": "Full"}}}
    for change, place in (
        ({"seeds": [1, -1]}, "seeds[1]"),
        ({"bench": {"guidance": float("nan")}}, "bench.guidance"),
        ({"bench": {"clips": 0}}, "bench.clips"),
        ({"bench": {"size": [0, 0]}}, "bench.size[0]"),
    ):
        path.write_text(yaml.safe_dump({**good, **change}))
        with pytest.raises(InputError) as caught:
            read_ablation(path)
        assert f"{path}: {place}: expected " in str(caught.value)
