"""NaN in a network's output is an error, never black frames."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from posecast.cli import run
from posecast.errors import InputError
from posecast.pipeline.finite import expect_finite


def test_values_that_are_not_finite() -> None:
    expect_finite(torch.ones(3), "frames")
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(InputError, match="frames came out as NaN or infinity"):
            expect_finite(torch.tensor([1.0, value]), "frames")
    with pytest.raises(InputError, match="float16 may have overflowed: try `dtype=float32`"):
        expect_finite(torch.tensor([torch.inf], dtype=torch.float16), "frames")


def test_a_model_of_spoilt_weights_makes_no_video(
    tmp_path: Path, cases: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import posecast

    packaged = Path(posecast.__file__).parent / "assets" / "models" / "embedded"
    shutil.copytree(packaged, tmp_path / "model")
    path = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    name = sorted(state)[5]
    state[name].view(-1)[0] = float("nan")
    save_file(state, path)
    arguments = ["animate", "--reference", str(cases / "ref.png"), "--poses"]
    arguments += [str(cases / "walk8.json"), "--reference-poses", str(cases / "ref.json")]
    out = tmp_path / "o.mp4"
    assert run([*arguments, "--model", str(tmp_path / "model"), "-o", str(out)]) == 2
    assert f"{path}: {name}: holds NaN or infinity" in capsys.readouterr().err
    assert not out.exists()


def test_frames_that_come_out_as_nan_are_not_written(
    tmp_path: Path,
    cases: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from posecast.models import Animator

    decode = Animator.decode
    monkeypatch.setattr(Animator, "decode", lambda self, latents: decode(self, latents) * torch.nan)
    arguments = ["animate", "--reference", str(cases / "ref.png"), "--poses"]
    arguments += [str(cases / "walk8.json"), "--reference-poses", str(cases / "ref.json")]
    out = tmp_path / "frames"
    arguments += ["--model", "embedded", "--max-frames", "2"]
    assert run([*arguments, "-o", str(out)]) == 2
    assert "came out as NaN or infinity" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
