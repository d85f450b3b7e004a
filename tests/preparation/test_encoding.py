"""Latents and image embeddings in a dataset: right, whole, and made again only where they lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.cli import run
from posecast.data import read_index
from posecast.data.read import read_embeddings, read_frames, read_latents
from posecast.errors import InputError
from posecast.geometry.framing import Framing
from posecast.models.animator import Animator
from posecast.models.fingerprint import made_by
from posecast.models.folder import load_animator, save_animator
from posecast.preparation import PrepareSettings, find_sources, prepare
from tests.preparation.conftest import contents

SIZE = (48, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an autoencoder whose latents differ from place to place."""
    torch.manual_seed(3)
    animator = Animator.from_preset("tiny")
    torch.nn.init.normal_(animator.vae.project.weight, std=0.3)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_animator(animator, folder)
    return folder


def made(raw: Path, out: Path, model: Path | None, **options: object) -> Path:
    settings = PrepareSettings(
        media="reencode", latents=model and str(model), size=model and SIZE, device="cpu"
    )
    prepare(find_sources([raw / "videos"], raw / "poses"), out, settings, **options)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def encoded(raw: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(raw, tmp_path_factory.mktemp("encoded") / "data", model)


@pytest.fixture(scope="module")
def plain(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(raw, tmp_path_factory.mktemp("plain") / "data", None)


def test_they_are_what_the_networks_say_of_the_frames(encoded: Path, model: Path):
    animator = load_animator(model)
    record = read_index(encoded)[1]
    assert record.latents == made_by(animator.vae, SIZE)
    assert record.embeddings == made_by(animator.image_encoder, SIZE)
    assert record.latents.startswith("48x64 sha256:")
    times = [16, 3]
    frames = read_frames(encoded, record, times)
    framed = np.stack([Framing((96, 128), SIZE).image(frame) for frame in frames])
    images = torch.from_numpy(framed).movedim(-1, 1).float() / 255
    with torch.no_grad():
        latents, embeddings = animator.encode(images), animator.embed(images)[:, 0]
    assert latents.std() > 0.3
    stored = torch.from_numpy(read_latents(encoded, record, times)).float()
    torch.testing.assert_close(stored, latents, rtol=1e-3, atol=1e-3)
    stored = torch.from_numpy(read_embeddings(encoded, record, times)).float()
    torch.testing.assert_close(stored, embeddings, rtol=1e-3, atol=1e-3)
    assert not np.allclose(stored[0], stored[1], atol=1e-3)


def test_a_pool_and_a_later_run_give_the_same_bytes(
    raw: Path, model: Path, plain: Path, encoded: Path, tmp_path: Path
):
    out = shutil.copytree(plain, tmp_path / "data")
    assert {record.latents for record in read_index(out)} == {None}
    made(raw, out, model, workers=2, resume=True)
    assert contents(out) == contents(encoded)


def test_an_unfinished_video_is_encoded_anew(raw: Path, model: Path, encoded: Path, tmp_path: Path):
    out = shutil.copytree(encoded, tmp_path / "data")
    folder = out / "videos" / "clip_1"
    entry = json.loads((folder / "video.json").read_text())
    for clip in entry["clips"]:
        clip["latents"] = clip["embeddings"] = None
    (folder / "video.json").write_text(json.dumps(entry))
    (folder / "clip-0000.latents.npy").write_bytes(b"half")
    untouched = out / "videos" / "clip_0" / "clip-0000.latents.npy"
    before = untouched.stat().st_mtime_ns
    made(raw, out, model, resume=True)
    assert contents(out) == contents(encoded)
    assert untouched.stat().st_mtime_ns == before


def test_a_missing_video_is_listed_and_the_run_goes_on(
    raw: Path, model: Path, plain: Path, tmp_path: Path
):
    out = shutil.copytree(plain, tmp_path / "data")
    (out / "videos" / "clip_1" / "video.mp4").unlink()
    summary_of = made(raw, out, model, resume=True)
    assert [bool(r.latents) for r in read_index(summary_of)] == [True, False, True]
    line = json.loads((out / "refused.jsonl").read_text())
    assert line["name"] == "clip_1"
    assert line["reason"].startswith("no latents: ")


def test_bad_wishes_are_one_line(
    raw: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["prepare", str(raw / "videos"), "-o", str(tmp_path / "data")]
    arguments += ["--poses", str(raw / "poses"), "--quiet", "--workers", "1"]
    assert run([*arguments, "--latents", str(model)]) == 2
    assert "--latents MODEL and --size HxW go together" in capsys.readouterr().err
    assert run([*arguments, "--latents", str(model), "--size", "50x64"]) == 2
    assert "expected multiples of 8" in capsys.readouterr().err
    assert run([*arguments, "--latents", "nothing", "--size", "48x64", "--resume"]) == 2
    assert "no model 'nothing'" in capsys.readouterr().err


def test_other_weights_have_another_mark():
    one, other = (Animator.from_preset("tiny").image_encoder for _ in range(2))
    assert made_by(one, SIZE) != made_by(other, SIZE)
    assert made_by(one, SIZE) != made_by(one, (64, 48))


def test_latents_need_model_and_size():
    with pytest.raises(InputError, match="both a model"):
        PrepareSettings(latents="embedded")
