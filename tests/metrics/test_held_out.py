"""Scores of a training's validation: of characters, and of the networks whose weights are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecast.data import PuppetSource
from posecast.data.samples import Sample
from posecast.metrics.held_out import HeldOutScores
from posecast.metrics.network_metrics import FeatureNetwork, NetworkMetrics
from posecast.puppets import PuppetSettings
from tests.metrics.test_network_metrics import clip_features, prepare


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    settings = PuppetSettings(size=(96, 96), frames=17, characters=(0.0, 1.0))
    source = PuppetSource(settings, 17, "clips", misaligned=0.0)
    return [source.sample(index) for index in range(2)]


def truth(samples: list[Sample]) -> np.ndarray:
    return np.stack([sample.frames for sample in samples])


def test_characters_are_scored_against_the_reference(samples):
    score = HeldOutScores(metrics=("characters",))
    perfect = score(truth(samples), samples)
    assert perfect["identity"] > 0.9
    assert perfect["character_ssim"] == pytest.approx(1.0)
    assert perfect["background_flow_ratio"] == pytest.approx(1.0)
    assert "character_psnr" not in perfect
    # The people exchanged: whoever is seen looks like the other one.
    swapped = [
        replace(
            sample,
            keypoints=sample.keypoints[::-1].copy(),
            reference_keypoints=sample.reference_keypoints,
        )
        for sample in samples
    ]
    assert score(truth(samples), swapped)["identity"] < 0.3
    still = np.repeat(truth(samples)[:, :1], 17, axis=1)
    assert score(still, samples)["character_ssim"] < 0.9


def test_frames_that_do_not_follow_each_other_have_no_flow(samples):
    found = HeldOutScores(metrics=("characters",), consecutive=False)(truth(samples), samples)
    assert "identity" in found
    assert not any(name.startswith("background_flow") for name in found)


def test_networks_score_where_their_weights_are(samples, tmp_path: Path):
    toys = NetworkMetrics(
        lpips=lambda a, b, protocol: np.abs(a.astype(float) - b).mean(axis=(1, 2, 3)),
        extractors={"fvd": FeatureNetwork(2, clip_features, prepare)},
    )
    score = HeldOutScores(metrics=("lpips", "fvd"))
    score.__dict__["networks"] = toys
    real = truth(samples)
    assert score(real, samples) == pytest.approx({"lpips": 0.0, "fvd": 0.0}, abs=1e-4)
    dark = real // 2
    found = score(dark, samples)
    assert found["lpips"] == pytest.approx(np.abs(dark.astype(float) - real).mean())
    assert found["fvd"] > 10
    source = PuppetSource(PuppetSettings(size=(32, 32), frames=15), 15, "clips")
    short = [source.sample(index) for index in range(2)]
    assert set(score(truth(short), short)) == {"lpips"}
    assert "fvd" not in score(real[:1], samples[:1])


def test_missing_weights_are_said(tmp_path: Path):
    score = HeldOutScores(weights=tmp_path)
    assert [line.split(":")[0] for line in score.notes] == [
        "validated without lpips",
        "validated without fvd",
    ]
    assert HeldOutScores(metrics=("characters",), weights=tmp_path).notes == []
