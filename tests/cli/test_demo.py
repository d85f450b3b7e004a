from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.cli import run
from posecast.media.video import read_video
from posecast.pipeline import AnimationPipeline


def test_demo_needs_no_arguments(
    loaded: AnimationPipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The bundled example and the verb; the embedded model's own frames are tested with it."""
    asked: list[str] = []

    def tiny(model: str, dtype: torch.dtype = torch.float32) -> AnimationPipeline:
        asked.append(model)
        return loaded

    monkeypatch.setattr(AnimationPipeline, "from_pretrained", tiny)
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--steps", "1"]) == 0
    frames, fps = read_video(tmp_path / "posecast-demo.mp4")
    assert asked == ["embedded"]
    height, width = frames.shape[1:3]
    assert len(frames) == 48
    assert width >= 5 * height * 0.8, "five panels in a row"
    networks, cutout = np.array_split(frames[24, 24:], 5, axis=1)[3:]  # below their labels
    assert np.abs(networks[:, 20:-20].astype(int) - cutout[:, 20:-20]).mean() > 5
    assert fps == 12
    out = capsys.readouterr().out
    assert "posecast-demo.mp4: 48 frames" in out
    assert "puppets" in out
    assert run(["demo", "-o", str(tmp_path / "no" / "a.mp4")]) == 2
