from __future__ import annotations

import json
from pathlib import Path

import pytest

from posecast import cli
from posecast.media import video_sites
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from tests.benches.test_published import Site, film, people
from tests.metrics.test_folders import clip


def test_download_reports_what_is_missing_and_goes_on_later(tmp_path, monkeypatch, capsys):
    site = Site(ycInNCB8rbA=160)
    monkeypatch.setattr(video_sites, "fetch_video", lambda *given, lines: site(*given))
    bench = tmp_path / "bench"
    arguments = ["benchmark", "multi-character", "download", str(bench)]
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert "1 of 20 clips, 50 frames; arXiv 2406.03035v4, table 6 says 20 clips, 3917" in out
    assert "ycInNCB8rbA_0: 50 frames at 10 a second" in err
    assert (
        "HpFDXGAo25c: missing, 3 of its clips: https://www.youtube.com/watch?v=HpFDXGAo25c: cannot"
        in err
    )
    assert err.endswith(
        "19 of 20 clips are missing; see the reasons there. Run the command again to try only "
        "these\n"
    )
    record = json.loads((bench / "clips.json").read_text())
    assert (len(record["clips"]), len(record["missing"])) == (1, 19)
    asked = len(site.asked)
    assert cli.run([*arguments, "--quiet"]) == 2
    assert len(site.asked) == 2 * asked - 1
    (tmp_path / "file").write_text("")
    assert cli.run([*arguments[:-1], str(tmp_path / "file")]) == 2


@pytest.fixture
def bench(tmp_path) -> Path:
    folder = tmp_path / "bench"
    for place in ("bench/real", "given", "ours"):
        (tmp_path / place).mkdir(parents=True)
    film(folder / "real" / "340.mkv", 3)
    write_poses(people(3, (0, 0)), tmp_path / "given" / "340.json")
    write_video(clip(3, (32, 48)), tmp_path / "ours" / "340", 25)
    return folder


@pytest.mark.parametrize(("name", "table"), [("tiktok", "1"), ("ted-talks", "2")])
def test_prepare_and_score_a_folder_of_videos(bench, name, table, capsys):
    assert cli.run(["benchmark", name, "prepare", str(bench), "--poses", f"{bench}/../given"]) == 0
    out, err = capsys.readouterr()
    assert "340: 3 frames, 2 characters" in out
    assert out.endswith("bench: clips prepared: 1; were ready: 0\n")
    assert ("tiktok has 10" in err) == (name == "tiktok")
    score = ["benchmark", name, "score", str(bench), "--generated", f"{bench}/../ours"]
    assert cli.run([*score, "--metrics", "psnr", "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert "1 video, 3 frames at 512x512, protocol field." in out
    assert f"table {table} of arXiv" in out
    assert "Char. PSNR" in out
    assert ("do not compare with the paper's" in err) == (name == "tiktok")


def test_score_without_poses_says_so(bench, capsys):
    score = ["benchmark", "multi-character", "score", str(bench), "--metrics", "l1"]
    assert cli.run([*score, "--generated", f"{bench}/../ours", "--protocol", "correct"]) == 0
    out, err = capsys.readouterr()
    assert "table 3 of arXiv" in out
    assert "Char. PSNR" not in out
    assert "340 is no clip of multi-character" in err
    assert "no character scores" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "nowhere"], "nowhere: no such file or folder"),
        (["prepare", "given"], "real: no such folder; expected the bench's videos there"),
        (["prepare", "bench", "--poses", "nowhere"], "nowhere: no such"),
        (["prepare", "bench", "--poses", "ours"], "clips that could not be prepared: 1; "),
        (["prepare", "bench", "--weights", "given"], "no such file; expected yolox_l.onnx"),
        (["score", "bench", "--generated", "given"], "340.json is neither"),
        (["score", "bench", "--generated", "bench"], "has no partner in bench/real"),
    ],
)
def test_mistakes_are_named_in_one_line(bench, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(bench.parent)
    assert cli.run(["benchmark", "tiktok", *arguments, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
