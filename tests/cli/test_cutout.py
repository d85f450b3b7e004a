from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from posecast.benches import stage as stage_bench
from posecast.cli import run
from posecast.media.images import write_image
from posecast.media.video import read_video
from tests.cli.test_animate import arguments, frames_of


def animate(scene: dict[str, Path], *more: str | Path) -> int:
    return run(["animate", *arguments(scene, *more)])


def test_it_is_what_animate_does_by_itself(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert animate(scene, "-o", tmp_path / "a.mp4") == 0
    assert "a.mp4: 6 frames of 64x64, 12 a second" in capsys.readouterr().out
    video, fps = read_video(tmp_path / "a.mp4")
    assert video.shape == (6, 64, 64, 3)  # the picture's own size
    assert fps == 12
    frames = {}
    for name, more in {
        "plain": (),
        "named": ("--model", "cutout", "--quiet"),
        "other-way": ("--assign", "0:1,1:0"),
        "smaller": ("--size", "40x32", "--max-frames", "2"),
        "unmended": ("--no-mend",),
    }.items():
        assert animate(scene, "-o", tmp_path / name, *more) == 0
        frames[name] = frames_of(tmp_path / name)
    np.testing.assert_array_equal(frames["plain"], frames["named"])
    assert (frames["plain"] != frames["other-way"]).any()
    assert (frames["plain"] != frames["unmended"]).any()
    assert frames["smaller"].shape == (2, 40, 32, 3)


def test_large_pictures_keep_their_size_and_need_no_diffusion(
    scene: dict[str, Path], tmp_path: Path
) -> None:
    with Image.open(scene["picture"]) as picture:
        large = np.asarray(picture.resize((301, 301)))
    write_image(large, tmp_path / "large.png")
    write_image(np.full_like(large, 255), tmp_path / "mask.png")
    more = ("-o", tmp_path / "frames", "--max-frames", "2", "--mask", tmp_path / "mask.png")
    line = ["animate", *arguments(scene, *more)]
    line[line.index("--reference") + 1] = str(tmp_path / "large.png")
    code = (
        "import sys\n"
        "from posecast.cli import run\n"
        f"assert run({line}) == 0\n"
        "print([name for name in ('diffusers', 'transformers') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert frames_of(tmp_path / "frames").shape == (2, 301, 301, 3)


@pytest.mark.parametrize(
    "given",
    [
        ["--steps", "4"], ["--guidance", "1"], ["--seed", "0"], ["--window", "4"],
        ["--stride", "2"], ["--without", "flow"], ["--fast"], ["--device", "cpu"],
        ["--dtype", "float32"], ["--memory", "low"], ["--steps", "4", "--fast"],
    ],
)  # fmt: skip
def test_what_it_has_no_use_for_is_refused_by_name(
    scene: dict[str, Path], tmp_path: Path, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    named = ", ".join(word for word in given if word.startswith("--"))
    for model in ([], ["--model", "cutout"]):
        assert animate(scene, "-o", tmp_path / "a.mp4", *model, *given) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"posecast: error: {named}: not with --model cutout")
        assert "--model embedded" in line
    assert not (tmp_path / "a.mp4").exists()


def test_people_alone_and_over_another_picture(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--max-frames", "2", "--quiet")
    assert animate(scene, "-o", tmp_path / "frames", "--transparent", *few) == 0
    with Image.open(tmp_path / "frames" / "frame_000000.png") as image:
        alpha = np.asarray(image)[..., 3]
    assert alpha.max() == 255
    assert alpha.min() == 0
    for name, pixels in (("a.mov", "yuva444p"), ("a.webm", "yuv")):
        assert animate(scene, "-o", tmp_path / name, "--transparent", *few) == 0
        with av.open(str(tmp_path / name)) as video:
            stream = video.streams.video[0]
            assert stream.codec_context.pix_fmt.startswith(pixels)
            assert name.endswith("mov") or stream.metadata["alpha_mode"] == "1"
            assert (stream.width, stream.height) == (64, 64)
    assert animate(scene, "-o", tmp_path / "a.mp4", "--transparent") == 2
    assert "a.mp4: cannot store transparency; expected a .mov" in capsys.readouterr().err
    write_image(np.full((30, 40, 3), (0, 0, 255), np.uint8), tmp_path / "blue.png")
    ground = ("--background", tmp_path / "blue.png")
    assert animate(scene, "-o", tmp_path / "blue", *ground, *few) == 0
    blue = (frames_of(tmp_path / "blue")[0] == (0, 0, 255)).all(axis=-1)
    np.testing.assert_array_equal(blue[alpha == 0], True)
    assert not blue[alpha == 255].any()
    assert animate(scene, "-o", tmp_path / "b.webm", *ground, "--transparent") == 2
    assert "--background and --transparent" in capsys.readouterr().err
    missing = ("--background", tmp_path / "none.png")
    assert animate(scene, "-o", tmp_path / "b.mp4", *missing) == 2
    assert "none.png: no such file" in capsys.readouterr().err
    assert animate(scene, "-o", tmp_path / "b.mp4", "--model", "embedded", *ground) == 2
    assert "--background: only with --model cutout" in capsys.readouterr().err


def test_the_networks_do_not_mend(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in ("--mend", "--no-mend"):
        assert animate(scene, "-o", tmp_path / "a.mp4", "--model", "embedded", flag) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "--mend: only with --model cutout, found --model embedded" in line


def test_the_stage_bench_scores_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = stage_bench.bench_clips
    monkeypatch.setattr(stage_bench, "bench_clips", lambda count, bench: clips(count, (96, 96), 2))
    assert run(["benchmark", "stage", "--model", "cutout", "--clips", "1", "--quiet"]) == 0
    rows = {
        cells[0]: [float(cell) for cell in cells[1:]]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| ") and len(cells := [c.strip() for c in line.split("|")[1:-1]]) == 6
        if cells[0] != "stage-bench/1"
    }
    assert rows["model"][0] > rows["without its mender"][0] > rows["reference held still"][0]
    assert rows["model"][1] > 0.8
    assert run(["benchmark", "stage", "--model", "cutout", "--steps", "3", "--long", "9"]) == 2
    assert "--steps, --long: not with --model cutout" in capsys.readouterr().err
