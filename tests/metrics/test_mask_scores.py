from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posecast.cli import run
from posecast.errors import InputError
from posecast.media.id_images import write_id_frames
from posecast.media.video import read_video, write_video
from posecast.metrics.evaluate import evaluate
from posecast.metrics.folders import FrameBatch, pair_videos
from posecast.metrics.mask_files import MaskFolders
from posecast.metrics.mask_scores import score_masks
from posecast.metrics.network_metrics import NetworkMetrics
from posecast.metrics.settings import EvaluationSettings

FRAMES, SIZE = 6, (64, 96)
LOOKS = {"red": (210, 40, 40), "blue": (40, 60, 210), "grey": (120, 120, 120)}


def ids() -> np.ndarray:
    """Two who walk to the right, 16 pixels wide."""
    found = np.zeros((FRAMES, *SIZE), np.uint8)
    for i in range(FRAMES):
        found[i, 10:58, 8 + i : 24 + i] = 1
        found[i, 14:60, 56 + i : 72 + i] = 2
    return found


def shown(*looks: str, seed: int = 0) -> np.ndarray:
    """The two in these looks, on green, with noise."""
    frames = np.full((FRAMES, *SIZE, 3), (60, 140, 60), float)
    for j, look in enumerate(looks):
        frames[ids() == j + 1] = LOOKS[look]
    noise = np.random.default_rng(seed).normal(0, 8, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def scores(made: np.ndarray, real: np.ndarray) -> dict[str, float]:
    found = score_masks(FrameBatch(0, made, real, None), ids(), 2)
    return {name: totals.score for name, totals in found.items()}


def test_right_swapped_and_doubled_looks_are_told_apart() -> None:
    real = shown("red", "blue")
    right = scores(shown("red", "blue", seed=1), real)
    assert right["swap_rate"] == 0
    assert right["mask_identity"] == 1
    swapped = scores(shown("blue", "red", seed=1), real)
    assert swapped["swap_rate"] == 1
    assert swapped["mask_identity"] == 0
    doubled = scores(shown("red", "red", seed=1), real)
    assert doubled["mask_identity"] == 0.5
    assert right["mask_psnr"] > 25 > 12 > swapped["mask_psnr"]
    assert right["mask_ssim"] > swapped["mask_ssim"]


def test_whoever_looks_the_same_is_not_judged() -> None:
    real = shown("red", "red")
    assert np.isnan(scores(shown("red", "red", seed=1), real)["swap_rate"])
    alone = score_masks(FrameBatch(0, real, real, None), np.minimum(ids(), 1), 1)
    assert np.isnan(alone["swap_rate"].score)
    assert np.isfinite(alone["mask_ssim"].score)


def test_a_swap_in_some_frames_counts_in_these() -> None:
    made = shown("red", "blue", seed=1)
    made[4:] = shown("blue", "red", seed=1)[4:]
    assert scores(made, shown("red", "blue"))["swap_rate"] == pytest.approx(2 / 6)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for side, looks in (
        ("real", ("red", "blue")),
        ("ours", ("red", "blue")),
        ("worse", ("blue", "red")),
    ):
        (tmp_path / side).mkdir()
        write_video(shown(*looks, seed=3), tmp_path / side / "dance", 12)
    for side in ("masks", "found"):
        (tmp_path / side).mkdir()
        write_id_frames(ids(), tmp_path / side / "dance")
    return tmp_path


def test_folders_are_scored_with_their_masks_at_any_size(folders: Path) -> None:
    settings = EvaluationSettings(
        metrics=("psnr",), size=(32, 48), masks=MaskFolders(folders / "masks", folders / "found")
    )
    found = evaluate(pair_videos(folders / "worse", folders / "real"), settings).metrics
    assert found["swap_rate"] == 1
    assert found["idf1"] == found["hota"] == 1  # they stand where they should
    (folders / "masks" / "dance" / "frame_000005.png").unlink()
    with pytest.raises(InputError, match="masks of 5 frames, but the video has 6"):
        evaluate(pair_videos(folders / "ours", folders / "real"), settings)


def test_lpips_of_a_character_sees_that_character_alone(folders: Path) -> None:
    shapes = []

    def distance(ours: np.ndarray, theirs: np.ndarray, protocol: str) -> np.ndarray:
        shapes.append(ours.shape)
        return np.abs(ours.astype(float) - theirs).mean(axis=(1, 2, 3))

    networks = NetworkMetrics(lpips=distance)
    settings = EvaluationSettings(
        metrics=("lpips",), size=None, masks=MaskFolders(folders / "masks")
    )
    made = shown("red", "blue", seed=3)
    made[ids() == 0] = 255  # what is nobody's does not matter
    write_video(made, folders / "ours" / "dance", 12)
    found = evaluate(pair_videos(folders / "ours", folders / "real"), settings, networks).metrics
    assert found["lpips"] > 50
    assert found["mask_lpips"] == 0
    assert (1, 48, 32, 3) in shapes  # the box, and no less than the network needs


def test_the_command_writes_a_report_of_two_methods(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [
        "evaluate", "--generated", f"ours={folders / 'ours'}", "--generated",
        f"<b>worse</b>={folders / 'worse'}", "--real", str(folders / "real"), "--masks",
        str(folders / "masks"), "--metrics", "psnr", "--size", "native", "--quiet",
    ]  # fmt: skip
    report = folders / "report"
    assert run([*line, "--report", str(report), "--format", "leaderboard"]) == 0
    board = capsys.readouterr().out
    assert "| Protocol | Size | Videos | Frames | Weights (SHA-256) | Posecast |" in board
    row = next(text for text in board.splitlines() if text.startswith("| ours |"))
    assert "correct | native | 1 | 6 | none | 0." in row
    assert (report / "leaderboard.md").read_text().strip() == board.strip()
    page = (report / "report.html").read_text()
    assert "<b>worse</b>" not in page
    assert "&lt;b&gt;worse&lt;/b&gt;" in page
    values = json.loads((report / "scores.json").read_text())
    assert values["methods"]["ours"]["metrics"]["swap_rate"] == 0
    videos = list((report / "videos").iterdir())
    assert [video.name for video in videos] == ["000_dance.mp4"]
    assert f"src='videos/{videos[0].name}'" in page
    clip, _ = read_video(videos[0])
    assert clip.shape[0] == FRAMES
    assert clip.shape[2] >= 3 * 480
    assert run([*line, "--report", str(report)]) == 0  # an earlier one is replaced
    assert run([*line, "--generated-masks", str(folders / "found")]) == 2
    assert "--generated-masks belong to one method" in capsys.readouterr().err
