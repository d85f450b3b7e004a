"""What feeds the networks, with toy ones: every frame and every sample of 16 counts once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from posecast.media.video import write_video
from posecast.metrics import network_metrics
from posecast.metrics.evaluate import evaluate
from posecast.metrics.folders import pair_videos
from posecast.metrics.frechet import Moments, frechet_distance
from posecast.metrics.network_metrics import FeatureNetwork, NetworkMetrics
from posecast.metrics.settings import EvaluationSettings
from tests.metrics.test_folders import clip

SETTINGS = EvaluationSettings(metrics=("mae_255",), size=None, workers=1)


def frame_features(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=(1, 2)).astype(np.float32)


def prepare(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames[:, :4, :4]).permute(0, 3, 1, 2).float()


def clip_features(clips: torch.Tensor) -> np.ndarray:
    """First and last frame's brightness of a sample: tells which frames it holds."""
    assert clips.shape[1:] == (3, 16, 4, 4)
    return clips[:, :, [0, 15]].mean(dim=(1, 3, 4)).numpy()


@pytest.fixture
def toys() -> NetworkMetrics:
    return NetworkMetrics(
        lpips=lambda generated, real, protocol: np.abs(
            generated.astype(float) - real.astype(float)
        ).mean(axis=(1, 2, 3)),
        extractors={
            "fid": FeatureNetwork(3, frame_features),
            "fvd": FeatureNetwork(2, clip_features, prepare),
        },
        weights={name: {"file": f"{name}.pth", "sha256": "0"} for name in ("lpips", "fid", "fvd")},
        skipped={"fid_vid": "no weights"},
    )


@pytest.fixture
def folders(tmp_path):
    for side, seed in (("generated", 1), ("real", 2)):
        (tmp_path / side).mkdir()
        for name, frames in (("a", 37), ("b", 20), ("short", 9)):
            write_video(clip(frames, (12, 12), seed + frames), tmp_path / side / name, 25)
    return tmp_path / "generated", tmp_path / "real"


def _moments(videos: list[np.ndarray]) -> tuple[Moments, Moments]:
    frames, samples = Moments(3), Moments(2)
    for video in videos:
        frames.update(frame_features(video))
        prepared = prepare(video)
        for start in range(len(video) - 15):
            window = prepared[start : start + 16].permute(1, 0, 2, 3)[None]
            samples.update(clip_features(window))
    return frames, samples


def _expected(seed: int) -> list[np.ndarray]:
    return [clip(frames, (12, 12), seed + frames) for frames in (37, 20, 9)]


def test_every_frame_and_every_sample_counts_once(folders, toys):
    found = evaluate(pair_videos(*folders), SETTINGS, toys)
    ours, theirs = _moments(_expected(1)), _moments(_expected(2))
    assert ours[1].count == 22 + 5
    assert found.metrics["fid"] == pytest.approx(frechet_distance(ours[0], theirs[0]))
    assert found.metrics["fvd"] == pytest.approx(frechet_distance(ours[1], theirs[1]))
    # This toy's LPIPS is the mean error, frame by frame and video by video.
    assert found.metrics["lpips"] == pytest.approx(found.metrics["mae_255"])
    for video in found.videos:
        assert video.totals["lpips"].score == pytest.approx(video.totals["mae_255"].score)
    assert set(found.weights) == {"lpips", "fid", "fvd"}
    assert dict(found.skipped) == {"fid_vid": "no weights"}


def test_samples_do_not_cross_a_missing_frame(folders, toys):
    for folder in folders:
        (folder / "a" / "frame_000018.png").unlink()
    evaluate(pair_videos(*folders), SETTINGS, toys)
    # 18 frames before the gap and 18 after it: three samples each; and five of b.
    assert toys._real["fvd"].count == 3 + 3 + 5


def test_real_features_are_computed_once_for_all_methods(folders, toys):
    seen = []
    plain = toys.extractors["fid"]
    toys.extractors["fid"] = FeatureNetwork(
        3, lambda frames: seen.append(len(frames)) or plain.features(frames)
    )
    first = evaluate(pair_videos(*folders), SETTINGS, toys)
    assert sum(seen) == 2 * 66
    again = evaluate(pair_videos(*folders), SETTINGS, toys)
    assert sum(seen) == 3 * 66
    assert again.metrics == first.metrics


def test_the_fields_script_leaves_fewer_samples(tmp_path, toys):
    """Of 272 frames each of 16 threads has 17 first frames, and one sample."""
    for side, seed in (("generated", 1), ("real", 2)):
        (tmp_path / side).mkdir()
        write_video(clip(272, (12, 12), seed), tmp_path / side / "a", 25)
    pairs = pair_videos(tmp_path / "generated", tmp_path / "real")
    evaluate(pairs, replace(SETTINGS, uninterrupted=False), toys)
    assert toys._real["fvd"].count == 16
    assert toys._real["fid"].count == 272
    evaluate(pairs, SETTINGS, toys)  # the real ones' samples are not those of before
    assert toys._real["fvd"].count == 257


def test_too_few_samples_are_a_reason_not_a_number(folders, toys):
    pairs = [pair for pair in pair_videos(*folders) if pair.name == "short"]
    found = evaluate(pairs, SETTINGS, toys)
    assert "fvd" not in found.metrics
    assert "two samples of 16 frames or more, and there are 0" in found.skipped["fvd"]
    assert "fvd" not in found.weights
    assert "fid" in found.metrics


def test_metrics_without_weights_are_skipped_with_the_reason(tmp_path):
    metrics = network_metrics.network_metrics(EvaluationSettings(), tmp_path, "cpu")
    assert set(metrics.skipped) == {"lpips", "fid", "fid_vid", "fvd"}
    assert "vgg16" in metrics.skipped["lpips"]
    assert not metrics.any_loaded
    assert network_metrics.network_metrics(SETTINGS, tmp_path, "cpu") is None
