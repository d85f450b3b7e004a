"""`posecast poses`, and plain footage for a plain picture, with two small networks."""

from __future__ import annotations

import json
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


def test_poses_writes_the_tracks_of_a_video(
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
    # The built-in estimator, which needs no download, sees no people in squares and dots.
    assert run([*line, "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert "finds nobody in the picture; joints can be given by hand" in error
    # The cache takes files of the published size only; these are small.
    monkeypatch.setattr(
        "posecast.casting.finding.pose_estimator", lambda *_: pose_estimator(weights, "cpu")
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
        "posecast.casting.finding.pose_estimator", lambda *_: pose_estimator(weights, "cpu")
    )
    line = ["conditions", "--reference", str(picture), "--poses", str(two_shots)]
    line += ["--size", "72x100", "-o", str(tmp_path / "maps.npz")]
    assert run(line) == 2  # the second shot's people are tracks of their own
    assert "each cut starts new ones" in capsys.readouterr().err
    assert run([*line, "--assign", "0:0,1:1"]) == 0
    assert "two.mp4: 2 shots (cuts at frame 8); tracks end at a cut" in capsys.readouterr().err


def walk(tmp_path: Path) -> Path:
    """Two people who walk, as OpenPose writes them: no canvas, no rate, a frame lost."""
    points = np.column_stack([np.linspace(20, 60, 18), np.linspace(10, 170, 18), np.ones(18)])
    folder = tmp_path / "walk"
    folder.mkdir()
    for index in (0, 1, 3, 4):
        people = [
            {"pose_keypoints_2d": (points + [x + 2 * index, 0, 0]).ravel().tolist()}
            for x in (0, 100)
        ]
        (folder / f"w_{index:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    return folder


def test_pose_files_become_other_pose_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = walk(tmp_path)
    line = ["poses", str(folder), "--poses-size", "200x240", "--fps", "10"]
    assert run([*line, "--fill-gaps", "0.2", "-o", str(tmp_path / "a.json")]) == 0
    said = capsys.readouterr()
    assert "note: " in said.err
    assert "no frame 2 between 0 and 4" in said.err
    assert "5 frames; tracks: 0 in 5, 1 in 5" in said.out
    clip = read_poses(tmp_path / "a.json")
    assert (clip.width, clip.height, clip.fps) == (240, 200, 10)
    np.testing.assert_allclose(np.diff(clip.keypoints[0, :, 0, 0]), 2, atol=1e-4)
    for out, extra in (
        ("b", []), ("c.json", ["--to", "comfyui"]), ("d.npy", []), ("e.mp4", []),
        ("f", ["--to", "video"]),
    ):  # fmt: skip
        made = tmp_path / out
        assert run(["poses", str(tmp_path / "a.json"), "-o", str(made), *extra]) == 0
        said = capsys.readouterr()
        if out in ("e.mp4", "f"):
            continue
        assert ("no place for the rate" in said.err) == (out != "e.mp4")
        np.testing.assert_array_equal(read_poses(made).keypoints[:, :, :18], clip.keypoints)
    drawn, fps = read_video(tmp_path / "e.mp4")
    assert (drawn.shape, fps) == ((5, 200, 240, 3), 10)
    assert len(list((tmp_path / "f").iterdir())) == 5
    assert run(["poses", str(folder), "--quiet", "-o", str(tmp_path / "g.json")]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_pose_files_are_fitted_to_a_picture_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, picture = walk(tmp_path), tmp_path / "pair.png"
    write_image(np.full((120, 160, 3), 200, np.uint8), picture)
    points = np.column_stack([np.linspace(10, 30, 18), np.linspace(5, 85, 18), np.ones(18)])
    people = [{"pose_keypoints_2d": (points + [x, 0, 0]).ravel().tolist()} for x in (0, 80)]
    keypoints = tmp_path / "pair.json"
    keypoints.write_text(json.dumps({"people": people, "width": 160, "height": 120}))
    out, preview = tmp_path / "onto.json", tmp_path / "onto.mp4"
    line = ["poses", str(folder), "-o", str(out), "--onto", str(picture)]
    line += ["--onto-poses", str(keypoints), "--poses-size", "200x240"]
    assert run([*line, "--preview", str(preview)]) == 0
    clip = read_poses(out)
    assert (clip.width, clip.height, clip.num_characters) == (160, 120, 2)
    heights = np.ptp(clip.keypoints[:, 0, :, 1], axis=1)
    np.testing.assert_allclose(heights, 80, atol=2)  # half as tall as the drivers
    frames, _ = read_video(preview)
    assert frames.shape == (5, 120, 160, 3)
    assert frames[0, 0, 159].min() > 150  # on the picture
    assert run([*line, "--assign", "0:1,1:0"]) == 0
    swapped = read_poses(out).keypoints
    assert swapped[0, 0, 1, 0] < 80 < swapped[1, 0, 1, 0]
    capsys.readouterr()
    for extra, said in (
        (["--assign", "7:0"], "track 7"),
        (["-o", str(folder)], "would overwrite an input"),
        (["--onto", str(tmp_path / "no.png")], "no such file"),
    ):
        assert run([*line, *extra]) == 2
        assert said in capsys.readouterr().err
    assert run(["poses", str(folder), "-o", str(out), "--onto-poses", str(keypoints)]) == 2
    assert "--onto PICTURE" in capsys.readouterr().err
