from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from posecast.cli import run
from posecast.media.poses import write_poses
from posecast.media.sound import has_sound
from posecast.media.video import read_video
from posecast.models import Animator
from posecast.models.lora import write_lora
from posecast.pipeline import AnimationPipeline
from tests.casting.conftest import dancers
from tests.media.test_sound import heard, loudness, talking_video

pytestmark = pytest.mark.usefixtures("loaded_once")


def arguments(scene: dict[str, Path], *more: str | Path) -> list[str]:
    given = ["--reference", scene["picture"], "--poses", scene["dance"]]
    given += ["--reference-poses", scene["people"]]
    return [str(part) for part in [*given, *more]]


def animate(scene: dict[str, Path], tiny: Path, *more: str | Path) -> int:
    fast = ("--model", tiny, "--steps", "1", "--device", "cpu")
    return run(["animate", *arguments(scene, *fast, *more)])


def frames_of(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(p)) for p in sorted(folder.glob("*.png"))])


def test_animate_writes_a_video_and_reports_it(
    scene: dict[str, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert animate(scene, tiny, "-o", tmp_path / "a.mp4") == 0
    out, err = capsys.readouterr()
    assert "6 frames of 64x64, 12 a second" in out
    assert err == (
        "posecast: note: from front to back the characters are 0, 1, by the feet, which is a "
        "guess; nobody overlaps; --depth-order says otherwise\n"
    )
    video, fps = read_video(tmp_path / "a.mp4")
    assert video.shape == (6, 64, 64, 3)
    assert fps == 12
    # Another size, not one of the networks' own; another rate; fewer frames; a folder.
    more = ("--size", "60x100", "--fps", "7.5", "--max-frames", "3", "--quiet")
    assert animate(scene, tiny, "-o", tmp_path / "frames", *more) == 0
    assert frames_of(tmp_path / "frames").shape == (3, 60, 100, 3)
    assert animate(scene, tiny, "-o", tmp_path / "a.gif", *more) == 0
    assert capsys.readouterr() == ("", "")
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size) == (3, (100, 60))


def test_a_seed_is_a_clip(scene: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert animate(scene, tiny, "-o", tmp_path / name, "--seed", seed) == 0
    a, b, c = (frames_of(tmp_path / name) for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_options_reach_the_frames(scene: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    variants: dict[str, list[str]] = {
        "plain": [],
        "swapped": ["--assign", "0:1,1:0"],
        "guided": ["--guidance", "4"],
        "windows": ["--window", "2", "--stride", "1"],
        "without": ["--without", "flow,depth,reference-pose"],
        "nobody": ["--without", "reference"],
        "more-steps": ["--steps", "2"],
    }
    for name, options in variants.items():
        assert animate(scene, tiny, "-o", tmp_path / name, *options) == 0
    plain = frames_of(tmp_path / "plain")
    for name in list(variants)[1:]:
        assert not np.array_equal(frames_of(tmp_path / name), plain), name


def test_animate_follows_the_sheet_that_cast_writes(
    scene: dict[str, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sheets").mkdir()
    sheet = tmp_path / "sheets" / "cast.yaml"
    assert run(["cast", *arguments(scene, "-o", sheet)]) == 0
    assert sheet.with_suffix(".png").exists()
    # The sheet itself names the keypoints: --reference-poses is not needed any more.
    inputs = ["--reference", str(scene["picture"]), "--poses", str(scene["dance"])]
    common = ["animate", *inputs, "--model", str(tiny), "--steps", "1", "--device", "cpu"]
    assert run([*common, "--cast", str(sheet), "-o", str(tmp_path / "same")]) == 0
    assert animate(scene, tiny, "-o", tmp_path / "plain") == 0
    assert np.array_equal(frames_of(tmp_path / "same"), frames_of(tmp_path / "plain"))

    content = yaml.safe_load(sheet.read_text())
    drivers = [character["driver"] for character in content["characters"]]
    for character, driver in zip(content["characters"], reversed(drivers), strict=True):
        character["driver"] = driver
    content["depth_order"].reverse()
    sheet.write_text(yaml.safe_dump(content))
    assert run([*common, "--cast", str(sheet), "-o", str(tmp_path / "edited")]) == 0
    options = ("--assign", "0:1,1:0", "--depth-order", "1,0")
    assert animate(scene, tiny, "-o", tmp_path / "swapped", *options) == 0
    edited = frames_of(tmp_path / "edited")
    assert np.array_equal(edited, frames_of(tmp_path / "swapped"))
    assert not np.array_equal(edited, frames_of(tmp_path / "plain"))

    capsys.readouterr()
    sheet.write_text(sheet.read_text() + "colour: red\n")
    assert run([*common, "--cast", str(sheet), "-o", str(tmp_path / "bad")]) == 2
    assert "unknown key `colour`" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()


def test_conditions_writes_maps_and_a_preview(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--size", "48x40", "-o", tmp_path / "maps.npz", "--preview", tmp_path / "maps.mp4")
    assert run(["conditions", *arguments(scene, *more)]) == 0
    with np.load(tmp_path / "maps.npz") as maps:
        shapes = {name: maps[name].shape for name in maps}
    assert shapes == {
        "pose": (6, 3, 48, 40),
        "reference_pose": (3, 48, 40),
        "flow": (6, 3, 48, 40),
        "depth_order": (6, 1, 48, 40),
        "characters": (6, 2, 48, 40),
    }
    assert len(read_video(tmp_path / "maps.mp4")[0]) == 6


def test_bad_input_is_one_line_and_leaves_nothing(
    scene: dict[str, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_poses(dancers(4, (20,)), tmp_path / "solo.json")
    (tmp_path / "cut.json").write_text(scene["dance"].read_text()[:100])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "other.json").write_text(json.dumps({"hello": 1}))
    out = tmp_path / "out.mp4"
    cases: list[tuple[list[str | Path], str]] = [
        (["--reference", "no.png"], "no.png: no such file"),
        (["--reference", tmp_path], "is a folder; expected a picture"),
        (["--reference", tmp_path / "text.png"], "not a picture"),
        (["--poses", "no.json"], "no.json: no such file"),
        (["--poses", tmp_path / "cut.json"], "cut.json"),
        (["--poses", tmp_path / "other.json"], "other.json"),
        (["--poses", scene["picture"]], "picture.png"),
        (["--reference-poses", tmp_path / "solo.json"], "2 driving tracks for 1 character"),
        (["--reference-poses", tmp_path / "cut.json"], "cut.json"),
        (["--model", "nonsense"], "no model 'nonsense'"),
        (["--model", scene["picture"]], "expected a model folder"),
        (["--model", tmp_path / "sheets"], "no model"),
        (["--size", "8x8"], "sides from 16"),
        (["--window", "999"], "at most 32 frames together"),
        (["--window", "2", "--stride", "3"], "1 <= stride <= window"),
        (["--without", "hair"], "--without hair: expected some of pose, flow"),
        (["--assign", "a:b"], "--assign a:b: expected TRACK:CHARACTER"),
        (["--assign", "0:0,1:0"], "--assign: character 0 is moved by the tracks 0 and 1"),
        (["--start", "7"], "dance.json: --start 7 is past its end; it is 0.50 seconds long"),
        (["--duration", "0"], "'0': expected a number from 0.001"),
        (["--retarget-frame", "6"], "--retarget-frame 6: the clip has 6 frames"),
        (["--retarget-frame", "last"], "expected the number of a frame, from 0, or first"),
        (["--audio"], "--audio: none of the poses is a video with sound"),
        (["--depth-order", "0"], "--depth-order: the order 0 does not name each"),
        (["--device", "cuda:77"], "--device cuda:77: cannot be used here"),
        (["--device", "toaster"], "'toaster': expected cpu, cuda, cuda:1 or mps"),
        (["--memory", "much"], "--memory much: expected auto, low, high, or a size such as 8GB"),
        (["--smooth", "-1"], "'-1': expected a number from 0 to 10"),
        (["--cast", "no.yaml"], "no.yaml: no such file"),
        (["-o", tmp_path / "no" / "out.mp4"], "does not exist"),
        (["-o", tmp_path / "out.avi"], "ends in .mp4, .mov, .webm or .gif"),
        (["-o", tmp_path], "holds other files"),
    ]
    before = set(tmp_path.rglob("*"))
    for options, problem in cases:
        # Poses add up: a bad file beside the good one is as bad.
        assert animate(scene, tiny, "-o", out, *options) == 2, options
        text = capsys.readouterr().err
        assert problem in text, options
        assert text.startswith("posecast: error: "), options
        assert len(text.splitlines()) == 1, options
        assert set(tmp_path.rglob("*")) == before, options


def test_without_keypoints_the_way_is_shown(
    scene: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "no-weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    inputs = ["--reference", str(scene["picture"]), "--poses", str(scene["dance"])]
    for verb in (
        ["animate", "-o", str(tmp_path / "a.mp4")],
        ["cast", "-o", str(tmp_path / "c.yaml")],
    ):
        assert run([verb[0], *inputs, *verb[1:]]) == 2
        assert (
            "joints can be given by hand (docs/using.md): --reference-poses"
            in capsys.readouterr().err
        )


def test_a_model_folder_is_read(scene: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(tiny)
    line = ["--model", tmp_path / "model", "--max-frames", "1", "--guidance", "1"]
    assert animate(scene, tiny, "-o", tmp_path / "a", *line) == 0
    assert animate(scene, tiny, "-o", tmp_path / "b", *line[2:]) == 0
    assert np.array_equal(frames_of(tmp_path / "a"), frames_of(tmp_path / "b"))


def test_the_last_line_says_what_decides_the_bytes(
    scene: dict[str, Path], tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes as they were asked for: height first."""
    line = ("-o", tmp_path / "a", "--size", "64x48", "--max-frames", "1", "--seed", "3")
    assert animate(scene, tiny, *line) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'a'}: 1 frame of 64x48, 12 a second; seed 3, on the CPU with 1 thread\n"
    )


def test_ctrl_c_is_130_and_leaves_nothing(
    scene: dict[str, Path],
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the middle of a step, and after the first frames were written."""
    frames, denoise = AnimationPipeline.frames, Animator.denoise

    def while_writing(self: AnimationPipeline, *arguments: Any, **options: Any) -> Iterator[Any]:
        for frame in frames(self, *arguments, **options):
            yield frame
            signal.raise_signal(signal.SIGINT)

    def while_denoising(self: Animator, *arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return denoise(self, *arguments, **options)

    before = set(tmp_path.iterdir())
    # A shell that started the tests in its background has them ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for owner, name, moment in (
            (AnimationPipeline, "frames", while_writing),
            (Animator, "denoise", while_denoising),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(owner, name, moment)
                for out in ("a.mp4", "a.gif", "a"):
                    assert animate(scene, tiny, "-o", tmp_path / out) == 130
                    last = capsys.readouterr().err.splitlines()[-1]
                    assert last == "posecast: interrupted"
                    assert set(tmp_path.iterdir()) == before
    finally:
        signal.signal(signal.SIGINT, handler)


def test_the_drivers_sound_goes_into_the_video(
    scene: dict[str, Path],
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def estimate(frames: np.ndarray) -> list[np.ndarray]:
        people = dancers(1).keypoints[:, 0]
        return [np.pad(people, ((0, 0), (0, 116), (0, 0))) for _ in frames]

    monkeypatch.setattr("posecast.casting.finding.pose_estimator", lambda *_: estimate)
    video = talking_video(tmp_path / "talking.mp4", 2.0)
    inputs = ["--reference", scene["picture"], "--reference-poses", scene["people"]]
    common = [*inputs, "--poses", video, "--model", tiny, "--steps", "1", "--device", "cpu"]

    def made(name: str, *more: str) -> int:
        line = ["animate", *common, "-o", tmp_path / name, "--quiet", *more]
        return run([str(part) for part in line])

    part = ("--start", "0.5", "--duration", "0.5")
    assert made("a.mp4", *part) == 0
    samples, rate, _ = heard(tmp_path / "a.mp4")
    assert loudness(samples, rate, 0.25) > 0.2
    assert len(read_video(tmp_path / "a.mp4")[0]) == 5
    assert made("b.mp4", "--no-audio", *part) == 0
    assert not has_sound(tmp_path / "b.mp4")
    # Where the output holds no sound there is none, unless it is asked for.
    assert made("c", *part) == 0
    assert made("d.gif", "--audio", *part) == 2
    assert "d.gif: --audio needs an output format with sound" in capsys.readouterr().err


def test_low_rank_weights_are_added(scene, tiny: Path, tmp_path: Path, capsys) -> None:
    own, file = tmp_path / "own", tmp_path / "x.safetensors"
    shutil.copytree(tiny, own)
    unet = Animator.from_pretrained(own).unet
    name = next(name for name, _ in unet.named_modules() if name.endswith("attn1.to_v"))
    rows, columns = unet.get_submodule(name).weight.shape
    layers = {"A": torch.randn(2, columns), "B": 5 * torch.randn(rows, 2)}
    named = {f"unet.{name}.lora_{side}.weight": value for side, value in layers.items()}
    write_lora(file, named, 2, 2.0, {})
    more = ("--quiet", "--max-frames", "2")
    assert animate(scene, own, "-o", tmp_path / "without", *more) == 0
    assert animate(scene, own, "-o", tmp_path / "with", "--lora", file, *more) == 0
    assert (frames_of(tmp_path / "without") != frames_of(tmp_path / "with")).any()
    capsys.readouterr()
    assert run(["animate", *arguments(scene, "-o", tmp_path / "c.mp4", "--lora", file)]) == 2
    assert "--lora: not with --model cutout" in capsys.readouterr().err
    file.write_bytes(b"nothing")
    assert animate(scene, own, "-o", tmp_path / "d.mp4", "--lora", file) == 2
    assert "x.safetensors: is no file of weights" in capsys.readouterr().err
