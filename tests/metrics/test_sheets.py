"""Frames laid over each other: what stands still is sharp, what moves is blurred."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posecast.media.video import write_video
from posecast.metrics.folders import pair_videos
from posecast.metrics.sheets import HEADER_HEIGHT, overlaid_video, overlay, overlay_sheet


def walker(frames: int, still: bool = False) -> np.ndarray:
    """A white column that moves four pixels a frame over grey, a black line above it."""
    made = np.full((frames, 32, 64, 3), 100, np.uint8)
    made[:, 2] = 0
    for i, frame in enumerate(made):
        column = 0 if still else 4 * i
        frame[8:, column : column + 4] = 255
    return made


def test_each_frame_is_as_strong() -> None:
    laid = overlay(walker(6))
    assert (laid[2] == 0).all()
    assert (laid[10, :24] == round((255 + 5 * 100) / 6)).all()
    assert (laid[10, 24:] == 100).all()


def test_six_frames_from_the_first_to_the_last(tmp_path: Path) -> None:
    write_video(walker(11), tmp_path / "walk", 12)
    laid = overlaid_video(tmp_path / "walk", (32, 64))
    seen = np.flatnonzero(laid[10, :, 0] > 100) // 4
    assert sorted(set(seen.tolist())) == [0, 2, 4, 6, 8, 10]


def test_a_sheet_has_a_row_a_video_and_a_column_a_method(tmp_path: Path) -> None:
    for side in ("real", "frozen"):
        (tmp_path / side).mkdir()
    for name in ("one", "two"):
        write_video(walker(6), tmp_path / "real" / name, 12)
        write_video(walker(6, still=True), tmp_path / "frozen" / name, 12)
    pairs = pair_videos(tmp_path / "frozen", tmp_path / "real")
    sheet = overlay_sheet({"frozen": pairs, "again": pairs}, (32, 64))
    assert sheet.shape == (2 * (HEADER_HEIGHT + 32), 3 * 64, 3)
    row = sheet[HEADER_HEIGHT + 10]
    assert (row[4:8] == 126).all()  # the real one's second place
    assert (row[64:68] == 255).all()  # a column that stands stays white
    assert (row[68:128] == 100).all()
    second = sheet[HEADER_HEIGHT + 32 : 2 * HEADER_HEIGHT + 32]  # each row says what it is of
    assert (sheet[:HEADER_HEIGHT] < 128).any()
    assert (second != sheet[:HEADER_HEIGHT]).any()
