from __future__ import annotations

import json

import numpy as np
import pytest

from posecast import cli
from posecast.cli.evaluate import named_folders
from posecast.media.images import read_image
from posecast.media.video import write_video
from tests.metrics.test_folders import clip

FAST = ["--metrics", "l1,mae_255,psnr,ssim", "--size", "native", "--workers", "1", "--quiet"]


@pytest.fixture
def videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for side, seed in (("one", 1), ("two", 2), ("real", 3)):
        (tmp_path / side).mkdir()
        write_video(clip(3, seed=seed), tmp_path / side / "a", 25)
    return tmp_path


def test_one_method_to_json_as_the_contract_says(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--real", "real", *FAST]
    assert cli.run([*arguments, "--json", "scores.json", "--per-video", "scores.csv"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("| Method | SSIM↑ | PSNR↑ | L1↓ | MAE (0-255)↓ |\n")
    assert "\n| one |" in out
    scores = json.loads((videos / "scores.json").read_text())
    assert {"protocol", "size", "frames", "videos", "metrics", "weights", "skipped"} <= set(scores)
    assert (scores["protocol"], scores["size"]) == ("correct", None)
    expected = np.abs(clip(3, seed=1).astype(float) - clip(3, seed=3)).mean()
    assert scores["metrics"]["mae_255"] == pytest.approx(expected)
    assert (videos / "scores.csv").read_text().startswith("method,video,frames,l1,")
    assert cli.run([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == scores


def test_several_methods_are_ranked(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--generated", "truth=real", "--real", "real"]
    assert cli.run([*arguments, *FAST, "--format", "latex", "--json", "scores.json"]) == 0
    out = capsys.readouterr().out
    assert "truth & \\textbf{1.000} & \\textbf{inf}" in out
    scores = json.loads((videos / "scores.json").read_text())
    assert scores["methods"]["truth"]["metrics"]["psnr"] == "inf"
    assert scores["videos"] == 1


def test_the_field_protocol_beside_the_paper_at_the_default_size(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--protocol", "field"]
    assert cli.run([*arguments, "--metrics", "l1,psnr", "--paper-table", "3", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "| Ours (paper) | **26.95** | **0.830** | **31.86** |" in out
    assert "1 video, 3 frames at 512x512, protocol field." in out
    assert "do not compete" not in out


def test_networks_without_weights_are_named_and_the_rest_is_scored(videos, capsys):
    (videos / "empty").mkdir()
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--size", "native"]
    assert cli.run([*arguments, "--weights", "empty", "--json", "s.json", "--quiet"]) == 0
    assert "fvd: not scored: no weights of fvd in empty: i3d" in capsys.readouterr().out
    scores = json.loads((videos / "s.json").read_text())
    assert set(scores["skipped"]) == {"lpips", "fid", "fid_vid", "fvd"}
    assert set(scores["metrics"]) == {"l1", "mae_255", "psnr", "ssim"}


def test_methods_are_named_by_folder_or_by_the_user(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x=1").mkdir()
    found = named_folders(["a=b/c", "some/folder", "x=1"])
    assert {name: str(path) for name, path in found.items()} == {
        "a": "b/c",
        "folder": "some/folder",
        "x=1": "x=1",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--generated", "nowhere"], "nowhere: no such file or folder"),
        (["--generated", "one", "--generated", "a/one"], "a second method named 'one'"),
        (["--generated", "one", "--metrics", "l1,beauty"], "beauty; expected some of l1,"),
        (["--generated", "one", "--metrics", ","], "expected some of l1,"),
        (["--generated", "one", "--references", "two"], "--references needs --poses"),
        (["--generated", "one", "--json", "no/where.json"], "the folder no does not exist"),
        (["--generated", "one", "--per-video", "two"], "two: is a folder"),
        (["--generated", "one", "--poses", "one/a"], "holds no pose file of the video 'a'"),
        (["--generated", "one", "--size", "12"], "expected HEIGHTxWIDTH"),
        (["--generated", "one", "--weights", "none"], "none: no such file or folder"),
    ],
)
def test_mistakes_are_reported_in_one_line(videos, capsys, arguments, message):
    assert cli.run(["evaluate", "--real", "real", "--quiet", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert sorted(path.name for path in videos.iterdir()) == ["one", "real", "two"]


@pytest.mark.parametrize("metrics", ["fvd", "lpips,fid", "lpips,fid,fid_vid,fvd"])
def test_nothing_scored_is_no_success_and_says_how_to_get_weights(videos, capsys, metrics):
    (videos / "empty").mkdir()
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--metrics", metrics]
    arguments += ["--weights", "empty", "--json", "s.json", "--per-video", "s.csv"]
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert "none of the requested metrics could be scored" in line
    for name in metrics.split(","):
        assert f"{name}: no weights of {name} in empty" in line
    assert "--download" in line
    assert "--weights" in line
    assert not list(videos.glob("s.*"))


def test_too_few_frames_for_the_one_score_asked_for_are_no_success(videos, capsys, monkeypatch):
    from posecast.metrics import network_metrics

    found = network_metrics.NetworkMetrics()
    found.extractors["fid"] = network_metrics.FeatureNetwork(
        4, lambda frames: np.zeros((len(frames), 4), np.float32)
    )
    monkeypatch.setattr(network_metrics, "network_metrics", lambda *arguments: found)
    for side in ("short", "truth"):
        (videos / side).mkdir()
        write_video(clip(1), videos / side / "a", 25)
    arguments = ["evaluate", "--generated", "short", "--real", "truth", "--metrics", "fid"]
    assert cli.run([*arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "fid: a distance of distributions needs two frames" in error
    assert "--download" not in error


def test_what_lacks_weights_is_noted_beside_what_is_scored(videos, capsys):
    (videos / "empty").mkdir()
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--metrics", "psnr,fvd"]
    assert cli.run([*arguments, "--weights", "empty"]) == 0
    assert "note: fvd: no weights; --download" in capsys.readouterr().err


FEW = ["--metrics", "psnr,ssim", "--workers", "1", "--quiet"]


def test_table_8_is_one_command(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--standards", "8", *FEW]
    assert cli.run([*arguments, "--json", "scores.json", "--per-video", "scores.csv"]) == 0
    out = capsys.readouterr().out
    names = ["origin size, w/o center-crop", "256x256, w/o uninterrupted frames",
             "512x512, w/o uninterrupted frames", "512x512, w/ uninterrupted frames"]  # fmt: skip
    rows = [line for line in out.splitlines() if line.startswith("| ") and "Method" not in line]
    assert [row.split(" | ")[0] for row in rows] == [
        *(f"| DisCo+: {name} (paper)" for name in names),
        *(f"| one: {name}" for name in names),
    ]
    assert "30.75 | 0.668 | 29.03" in rows[0]
    assert "**" not in out  # standards do not compete
    scores = json.loads((videos / "scores.json").read_text())["standards"]
    assert [entry["size"] for entry in scores.values()] == [None, [256] * 2, [512] * 2, [512] * 2]
    ssim = [entry["metrics"]["ssim"] for entry in scores.values()]
    assert len({round(value, 6) for value in ssim}) == 3  # samples do not change it, sizes do
    assert (videos / "scores.csv").read_text().count("one: ") == 4


def test_table_7_is_one_command(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--standards", "7", *FEW]
    assert cli.run(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("| one: ") == 5
    for method in ("MRAA", "TPSMM", "DreamPose", "DisCo", "MagicAnimate", "MagicPose"):
        assert method in out


@pytest.mark.parametrize("more", [["--size", "64x64"], ["--paper-table", "1"], ["--poses", "one"]])
def test_standards_go_with_no_other(videos, capsys, more):
    arguments = ["evaluate", "--generated", "one", "--real", "real", "--standards", "8"]
    assert cli.run([*arguments, *more]) == 2
    assert more[0] in capsys.readouterr().err


def test_overlays_are_a_picture(videos, capsys):
    arguments = ["evaluate", "--generated", "one", "--generated", "two", "--real", "real", *FAST]
    assert cli.run([*arguments, "--overlays", "overlays.png"]) == 0
    assert read_image("overlays.png").shape == (18 + 512, 3 * 512, 3)
    assert cli.run([*arguments, "--overlays", "overlays.jpg"]) == 2
    assert "overlays.jpg" in capsys.readouterr().err
