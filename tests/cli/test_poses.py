"""`posecast poses`, and plain footage for a plain picture, with two small networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.cli import run
from posecast.estimators.pose import pose_estimator
from posecast.media.images import write_image
from posecast.media.poses import read_poses
from posecast.media.video import read_video, write_video
from tests.estimators.conftest import painted, weights
from tests.estimators.test_footage import FRAMES, SIZE, people_at, video

__all__ = ["video", "weights"]


def test_poses_of_a_video(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, preview = tmp_path / "walk.json", tmp_path / "preview.mp4"
    line = ["poses", str(video), "-o", str(out), "--weights", str(weights), "--device", "cpu"]
    assert run([*line, "--preview", str(preview)]) == 0
    assert f"{FRAMES} frames; tracks: 0 in {FRAMES}, 1 in {FRAMES}" in capsys.readouterr().out
    sequence = read_poses(out)
    assert sequence.keypoints.shape == (2, FRAMES, 134, 3)
    assert sequence.fps == 12.5
    frames, fps = read_video(preview)
    plain, _ = read_video(video)
    assert frames.shape == plain.shape
    assert fps == 12.5
    assert (np.abs(frames.astype(int) - plain) > 60).any(axis=(1, 2, 3)).all()
    assert run([*line, "--max-frames", "2", "--quiet"]) == 0
    assert read_poses(out).num_frames == 2
    assert not capsys.readouterr().out


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people before a white wall, then two who walk on as they did before a window."""
    rng = np.random.default_rng(0)
    frames = [painted(SIZE, people_at(i)) for i in range(16)]
    blinds = np.kron(rng.integers(60, 200, (18, 25)), np.ones((16, 16))).astype(np.uint8)
    for frame in frames[8:]:
        wall = (np.abs(frame.astype(int) - frame[0, 0]) <= 8).all(axis=2)
        frame[wall] = blinds[wall][:, None]
    path = tmp_path_factory.mktemp("shots") / "two.mp4"
    write_video(frames, path, 12)
    return path


def test_tracks_end_at_cuts_unless_told_to_go_on(
    two_shots: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "two.json"
    line = ["poses", str(two_shots), "-o", str(out), "--weights", str(weights), "--device", "cpu"]
    # Nothing is filled or averaged from shot to shot.
    assert run([*line, "--fill-gaps", "1", "--smooth", "0.1"]) == 0
    said = capsys.readouterr()
    assert "two.mp4: 2 shots (cuts at frame 8); tracks end at a cut" in said.err
    assert "tracks: 0 in 8, 1 in 8, 2 in 8, 3 in 8" in said.out
    seen = read_poses(out).keypoints.any(axis=(2, 3))
    assert seen[:2, :8].all()
    assert seen[2:, 8:].all()
    assert run([*line, "--across-cuts"]) == 0
    said = capsys.readouterr()
    assert "(cuts at frame 8); who is who across a cut is a guess" in said.err
    assert "tracks: 0 in 16, 1 in 16" in said.out


def test_nothing_is_left_where_poses_fail(
    video: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = tmp_path / "grey.png"
    write_image(np.full((60, 80, 3), 128, np.uint8), grey)
    out = tmp_path / "out.json"
    for source, extra, said in (
        (grey, [], "finds nobody in the picture"),
        (tmp_path / "none.mp4", [], "no such file"),
        (video, ["--weights", str(tmp_path)], "yolox_l.onnx: no such file"),
        (video, ["--device", "tpu"], "expected cpu, cuda, cuda:1 or mps"),
        (video, ["-o", str(tmp_path / "out.txt")], "ends in .json"),
        (video, ["--preview", str(video)], "would overwrite"),
    ):
        line = ["poses", str(source), "-o", str(out), "--weights", str(weights), *extra]
        assert run(line) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


def test_plain_footage_drives_a_plain_picture(
    video: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture, out = tmp_path / "pair.png", tmp_path / "maps.npz"
    write_image(painted(SIZE, people_at(0)), picture)
    line = ["conditions", "--reference", str(picture), "--poses", str(video), "--size", "72x100"]
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    assert run([*line, "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert "cannot be downloaded" in error
    assert "or give keypoints (--reference-poses" in error
    # The cache takes files of the published size only; these are small.
    monkeypatch.setattr(
        "posecast.casting.inputs.pose_estimator", lambda: pose_estimator(weights, "cpu")
    )
    assert run([*line, "-o", str(out)]) == 0
    maps = np.load(out)
    assert maps["characters"].shape == (FRAMES, 2, 72, 100)
    assert all(maps["characters"][i].any(axis=(1, 2)).all() for i in range(FRAMES))


def test_who_animates_with_footage_is_told_of_its_cuts(
    two_shots: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    picture = tmp_path / "pair.png"
    write_image(painted(SIZE, people_at(0)), picture)
    monkeypatch.setattr(
        "posecast.casting.inputs.pose_estimator", lambda: pose_estimator(weights, "cpu")
    )
    line = ["conditions", "--reference", str(picture), "--poses", str(two_shots)]
    line += ["--size", "72x100", "-o", str(tmp_path / "maps.npz")]
    assert run(line) == 2  # the second shot's people are tracks of their own
    assert "each cut starts new ones" in capsys.readouterr().err
    assert run([*line, "--assign", "0:0,1:1"]) == 0
    assert "two.mp4: 2 shots (cuts at frame 8); tracks end at a cut" in capsys.readouterr().err
