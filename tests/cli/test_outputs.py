"""Every verb checks its outputs before it reads or loads anything."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from posecast.cli import run
from posecast.errors import counted
from posecast.media.images import write_image
from posecast.media.locks import sole_worker, sole_writer
from posecast.media.poses import write_poses
from posecast.models.model_files import check_model
from posecast.pipeline import AnimationPipeline
from posecast.training import stages
from tests.casting.conftest import dancers

BROKEN = "--reference {broken} --poses {broken} --reference-poses {broken}"
VERBS = {
    "animate": f"animate {BROKEN} -o {{out}}.mp4",
    "animate to gif": f"animate {BROKEN} -o {{out}}.gif",
    "animate to frames": f"animate {BROKEN} -o {{out}}",
    "demo": "demo -o {out}.mp4",
    "cast": f"cast {BROKEN} -o {{out}}.yaml",
    "the picture of a cast": f"cast {BROKEN} -o {{out}}.yaml",
    "conditions": f"conditions {BROKEN} --size 64x64 -o {{out}}.npz",
    "their preview": f"conditions {BROKEN} --size 64x64 -o {{fine}}.npz --preview {{out}}.mp4",
    "poses": "poses {broken} -o {out}.json",
    "preview": "poses {broken} -o {fine}.json --preview {out}.gif",
    "masks": "poses {broken} -o {fine}.json --masks {out}",
    "prepare": "prepare {broken} -o {out}",
    "report": "report {folder} -o {out}",
    "convert": "convert animateanyone --weights {folder} -o {out}",
    "convert sd15": "convert sd15 --weights {folder} -o {out}",
    "fetch": "fetch animateanyone -o {out}",
    "fetch sd15": "fetch sd15 -o {out}",
    "its downloads": "fetch sd15 -o {fine} --weights {out}",
    "evaluate": "evaluate --generated {folder} --real {folder} --json {out}.json",
    "by video": "evaluate --generated {folder} --real {folder} --per-video {out}.csv",
    "benchmark": "benchmark stage --json {out}.json",
    "claims": "benchmark claims --model embedded --json {out}.json",
    "contact sheet": "benchmark stage --contact-sheet {out}.png",
    "stage": "stage render -o {out}",
    "train": "train {config}",
    "ablation": "benchmark ablation {ablation}",
    "bench": "benchmark multi-character download {out}",
}
ENDINGS = {"the picture of a cast": ".png"}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    def loaded(*arguments: object, **options: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(AnimationPipeline, "from_pretrained", loaded)
    monkeypatch.setattr(stages, "make_task", loaded)
    out, inputs = tmp_path / "outputs" / "out", tmp_path / "inputs"
    for folder in (out.parent, inputs / "folder"):
        folder.mkdir(parents=True)
    for file in ("broken", "folder/broken"):
        (inputs / file).write_bytes(b"neither picture nor poses")
    stage = {"size": [32, 32], "frames": 4, "supersample": 1}
    config = {"stage": "autoencoder", "output": str(out), "steps": 1, "data": {"stage": stage}}
    config["model"] = {"preset": "tiny"}
    (inputs / "run.yaml").write_text(yaml.safe_dump(config))
    ablation = {"output": str(out), "stages": [str(inputs / "run.yaml")]}
    ablation["variants"] = {"full": {"title": "full"}}
    (inputs / "ablation.yaml").write_text(yaml.safe_dump(ablation))
    return {
        "out": str(out), "fine": str(out.parent / "fine"), "broken": str(inputs / "broken"),
        "folder": str(inputs / "folder"), "config": str(inputs / "run.yaml"),
        "ablation": str(inputs / "ablation.yaml"),
    }  # fmt: skip


def said(verb: str, places: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run([word.format(**places) for word in VERBS[verb].split()]) == 2
    text, line = capsys.readouterr()
    assert text == ""
    assert len(line.strip().splitlines()) == 1
    return line


def place_of(verb: str, places: dict[str, str]) -> Path:
    ending = next((w.partition("{out}")[2] for w in VERBS[verb].split() if "{out}" in w), "")
    return Path(places["out"] + ENDINGS.get(verb, ending))


@pytest.mark.parametrize("verb", VERBS)
def test_a_pipe_is_no_output(verb: str, places: dict[str, str], capsys) -> None:
    place = place_of(verb, places)
    os.mkfifo(place)
    assert f"{place}: is a pipe" in said(verb, places, capsys)
    assert list(place.parent.iterdir()) == [place]
    assert stat.S_ISFIFO(place.lstat().st_mode)


@pytest.mark.parametrize("verb", VERBS)
def test_two_processes_do_not_write_one_output(verb: str, places: dict[str, str], capsys) -> None:
    place = place_of(verb, places)
    works_in = verb in ("prepare", "stage", "train", "ablation", "bench")
    with (sole_worker if works_in else sole_writer)(place):
        line = said(verb, places, capsys)
    assert f"{place}: process {os.getpid()} is writing it" in line
    assert not list(place.parent.iterdir())


def test_an_output_that_is_an_input_is_refused(
    tmp_path: Path, places: dict[str, str], capsys
) -> None:
    """As `-o dance.mp4 --poses dance.mp4`: by name, by link, in a folder."""
    broken = Path(places["broken"])
    for name in ("a.mp4", "a.json", "a.npz", "a.yaml"):
        (tmp_path / name).hardlink_to(broken)
    for verb in (
        "animate --reference {broken} --poses {broken} -o {a}.mp4",
        "cast --reference {broken} --poses {broken} -o {a}.yaml",
        "conditions --reference {broken} --poses {broken} --size 64x64 -o {a}.npz",
        "conditions --reference {broken} --poses {broken} --size 64x64 -o {fine}.npz "
        "--preview {a}.mp4",
        "poses {broken} -o {a}.json",
        "poses {broken} -o {fine}.json --preview {a}.mp4",
        "evaluate --generated {broken} --real {folder} --json {a}.json",
    ):
        assert run([w.format(a=tmp_path / "a", **places) for w in verb.split()]) == 2
        assert "would overwrite an input" in capsys.readouterr().err
    assert run(["prepare", places["folder"], "-o", f"{places['folder']}/data"]) == 2
    assert "is inside the input folder" in capsys.readouterr().err
    assert broken.read_bytes() == b"neither picture nor poses"


def test_two_outputs_of_one_name(places: dict[str, str], capsys) -> None:
    line = ["evaluate", "--generated", places["folder"], "--real", places["folder"]]
    assert run([*line, "--json", "-", "--per-video", "/proc/self/fd/1"]) == 2
    assert "two outputs with the same name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "embedded", "--without", "flow,colour"], "--without colour: expected some of"),
        (["--without", ""], "expected a value"),
        (["--model", "nobody"], "no model 'nobody'"),
        (["--model", "{broken}"], "is a file; expected a model folder"),
        (["--model", "{folder}"], "model_index.json: is missing"),
        (["-o", ""], "expected a path"),
    ],
)
def test_impossible_wishes_load_nothing(
    options: list[str], message: str, places: dict[str, str], capsys
) -> None:
    line = VERBS["animate"].split() + options
    assert run([word.format(**places) for word in line]) == 2
    assert message in capsys.readouterr().err


def test_a_model_of_others_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ValueError, match="expected 'posecast/model/1'"):
        check_model(tmp_path)
    check_model("embedded")
    check_model("owner/name")


@pytest.mark.parametrize("other", ["lora.safetensors", "unet/adapter.safetensors"])
def test_a_model_folder_with_other_files_is_not_replaced(
    other: str, places: dict[str, str], tiny: Path, tmp_path: Path, capsys
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    (model / other).write_text("mine")
    assert run(["convert", "sd15", "--weights", places["folder"], "-o", str(model)]) == 2
    assert f"holds other files ({other})" in capsys.readouterr().err
    assert (model / other).read_text() == "mine"


@pytest.mark.parametrize("name", ["-", "/proc/self/fd/1"])
def test_text_goes_to_standard_output(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """A cast sheet, whose other lines go to standard error then."""
    monkeypatch.chdir(tmp_path)
    write_poses(dancers(), "dance.json")
    write_poses(dancers(1), "people.json")
    write_image(np.zeros((64, 64, 3), np.uint8), "picture.png")
    before = set(tmp_path.iterdir())
    line = "cast --reference picture.png --reference-poses people.json --poses dance.json -o"
    assert run([*line.split(), name]) == 0
    text, said = capfd.readouterr()
    sheet = yaml.safe_load(text)
    assert [c["keypoints"] for c in sheet["characters"]] == ["people.json", "people.json"]
    assert f"{name}: 2 characters" in said
    assert set(tmp_path.iterdir()) == before


def test_counted_nouns_agree_in_number() -> None:
    words = [counted(n, "frame") for n in (0, 1, 2)] + [counted(2, "process")]
    assert words == ["0 frames", "1 frame", "2 frames", "2 processes"]


def test_the_nearest_verb_is_said(capsys) -> None:
    for arguments, near in ((["animte"], "animate"), (["prepar", "x"], "prepare")):
        assert run(arguments) == 2
        assert f"Did you mean '{near}'?" in capsys.readouterr().err
    assert run(["xyz"]) == 2
    assert "Expected demo, animate, studio, cast," in capsys.readouterr().err


def _heeded() -> None:
    """Who runs the tests in the background, or under nohup, has these ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_verb_cleanly(number: int, tmp_path: Path) -> None:
    """In a process of its own, as supervisors do it: 130, one line, nothing left."""
    out = tmp_path / "clips"
    line = [sys.executable, "-m", "posecast", "stage", "render", "-o", str(out)]
    process = subprocess.Popen(
        [*line, "--clips", "400", "--size", "64x64", "--quiet"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        preexec_fn=_heeded,
    )  # fmt: skip
    while not list(out.glob("videos/[!.]*/video.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "posecast: interrupted: continue with --resume\n")
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]
