"""The background's motion out of a flow that is wrong at people and on plain walls."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posecast.data.statistics import FrameStatistics
from posecast.estimators.flow import flow_estimator, motion_since
from posecast.geometry.background import background_cells
from posecast.geometry.cells import cell_means
from posecast.geometry.dilation import dilation_maps
from posecast.puppets import PuppetSettings, render_clip

SIZE = (192, 256)


def textured(height: int = 96, width: int = 128) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1)


def zoom(height: int = 96, width: int = 128) -> np.ndarray:
    x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
    return np.stack([0.03 * x + 1, 0.03 * y]).astype(np.float32)


@pytest.mark.parametrize("light", ["still", "changing"])
@pytest.mark.parametrize("seed", range(5))
def test_background_flow_mean_is_the_truths_within_a_tenth_of_a_pixel(seed: int, light: str):
    """From rendered frames by DIS, beside moving people, before textured backgrounds."""
    settings = PuppetSettings(
        SIZE, 5, characters=(0, 1), camera="moving", light=light, supersample=1
    )
    clip = render_clip(seed, settings)
    dis = flow_estimator("dis")
    found, raw, truth = [], [], []
    for i in range(1, 5):
        masks = dilation_maps(clip.poses.keypoints[:, i], SIZE)
        motion = motion_since(dis, clip.frames[i], clip.frames[i - 1])
        cells = background_cells(motion, clip.frames[i], masks.max(axis=0))
        fields = (cells, motion, clip.background_flow[i])
        for values, field in zip((found, raw, truth), fields, strict=True):
            values.append(FrameStatistics.of(masks, field).background_motion)
    assert abs(np.mean(found) - np.mean(truth)) < 0.1
    assert np.mean(truth) > 0.3


def test_a_person_and_plain_parts_take_the_cameras_motion():
    picture, flow = textured(), zoom()
    truth = cell_means(flow).astype(np.float32)
    union = np.zeros((96, 128), np.uint8)
    union[20:90, 60:90] = 1
    wrong = flow.copy()
    wrong[:, 16:92, 56:94] = 20  # the person's own motion, and what is near them
    wrong[:, 40:70, :40] += np.random.default_rng(1).normal(0, 4, (2, 30, 40))
    picture[36:74, :44] = 128
    found = background_cells(wrong, picture, union).astype(np.float32)
    error = np.abs(found - truth)
    assert error.max() < 0.75  # of 20, and 4 at random
    assert error.mean() < 0.05


def test_what_moves_by_itself_keeps_its_motion():
    """A tram in the background: textured, so it is believed against the camera."""
    flow = np.zeros((2, 96, 128), np.float32)
    flow[0, 24:56, 24:88] = 3
    found = background_cells(flow, textured(), np.zeros((96, 128), np.uint8)).astype(np.float32)
    assert abs(found[0, 4:6, 4:10] - 3).max() < 0.5
    assert np.abs(found[:, 9:]).max() < 0.2


def test_a_far_sky_is_not_moved_as_the_ground():
    """An affine motion of the ground alone, continued to the top, would be 6 pixels there."""
    picture = np.full((96, 128, 3), 200, np.uint8)
    picture[72:] = textured()[72:]
    flow = np.zeros((2, 96, 128), np.float32)
    flow[1] = (np.arange(96)[:, None] - 66) / 10
    flow[:, :72] = 0
    found = background_cells(flow, picture, np.zeros((96, 128), np.uint8)).astype(np.float32)
    assert np.abs(found[:, :6]).max() < 2.5
    assert abs(found[1, 10, 8] - 1.75) < 0.4


def test_without_background_there_is_no_motion():
    flow = np.ones((2, 17, 33), np.float32)
    nothing = background_cells(flow, textured(17, 33), np.ones((17, 33), np.uint8))
    assert nothing.shape == (2, 3, 5)
    assert not nothing.any()
    plain = np.full((17, 33, 3), 90, np.uint8)
    assert np.abs(background_cells(flow, plain, np.zeros((17, 33), np.uint8)) - 1).max() < 0.01
