from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecast.geometry.framing import Framing, default_size

SIDES = st.integers(40, 200)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.floats(0.35, 0.65), st.floats(0.35, 0.65))
def test_keypoints_go_where_the_picture_goes(height, width, new_height, new_width, across, down):
    framing = Framing((height, width), (new_height, new_width))
    left, top, right, bottom = framing.box
    x = left + across * (right - left)
    y = top + down * (bottom - top)
    rows, columns = np.mgrid[:height, :width]
    blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 3.0**2))
    picture = np.repeat(blob[..., None], 3, axis=2).astype(np.uint8)
    framed = framing.image(picture)[..., 0].astype(float)
    assert framed.shape == (new_height, new_width)
    rows, columns = np.mgrid[:new_height, :new_width]
    found = np.array([(framed * columns).sum(), (framed * rows).sum()]) / framed.sum()
    expected = framing.keypoints(np.array([x, y, 0.7], np.float32))
    assert expected[2] == np.float32(0.7)
    spread = 9 * framing.scale
    if spread < min(expected[0], expected[1], new_width - expected[0], new_height - expected[1]):
        np.testing.assert_allclose(found, expected[:2], atol=0.15 + 0.05 * framing.scale)


@given(SIDES, SIDES, SIDES, SIDES)
def test_the_whole_target_is_covered_by_the_centre_of_the_source(h, w, new_h, new_w):
    framing = Framing((h, w), (new_h, new_w))
    left, top, right, bottom = framing.box
    assert (right - left) * framing.scale == pytest.approx(new_w)
    assert (bottom - top) * framing.scale == pytest.approx(new_h)
    assert abs(left + right - w) * framing.scale <= 2  # to a whole pixel of the target at a side
    assert abs(top + bottom - h) * framing.scale <= 2
    assert min(left, top) == pytest.approx(0, abs=1e-9)  # nothing more is cut than must be


@given(SIDES, SIDES, SIDES, SIDES, st.floats(1, 3), st.floats(0, 1), st.floats(0, 1))
def test_whole_pixels_are_cut_and_none_beyond_the_source(h, w, new_h, new_w, zoom, across, down):
    framing = Framing((h, w), (new_h, new_w), zoom, (across, down))
    assert all(offset == int(offset) <= 0 for offset in framing.offset)
    left, top, right, bottom = framing.box
    assert (right - left) * framing.scale == pytest.approx(new_w)
    assert (bottom - top) * framing.scale == pytest.approx(new_h)


def test_it_is_cut_as_a_picture_is_that_is_resized_and_then_cropped():
    # 1080x1920 to 256x448: 455 rows, of which (455 - 448) // 2 go at the top.
    assert Framing((1920, 1080), (448, 256)).offset == (0, -3)
    # 7.6 rows too many are eight for who resizes to whole pixels: four go, and they are there.
    assert Framing((1344, 625), (530, 250)).offset == (0, -4)
    # Half a row too many is none.
    assert Framing((257, 512), (128, 256)).offset == (0, 0)


def test_a_picture_that_is_only_cropped_keeps_its_pixels():
    picture = np.random.default_rng(0).integers(0, 255, (33, 20, 3)).astype(np.uint8)
    framed = Framing((33, 20), (30, 20)).image(picture)
    np.testing.assert_array_equal(framed, picture[1:31])


def test_points_outside_stay_and_absent_ones_stay_absent():
    framing = Framing((100, 200), (50, 50))
    points = np.array([[0, 50, 1], [0, 0, 0], [100, 50, 0.2]], np.float32)
    framed = framing.keypoints(points)
    np.testing.assert_allclose(framed, [[-25.25, 24.75, 1], [0, 0, 0], [24.75, 24.75, 0.2]])


def test_flow_vectors_scale_with_the_picture():
    flow = np.zeros((2, 40, 80), np.float32)
    flow[0], flow[1] = 8, -4
    framed = Framing((40, 80), (20, 20)).flow(flow)
    assert framed.shape == (2, 20, 20)
    np.testing.assert_allclose(framed[0], 4, rtol=1e-6)
    np.testing.assert_allclose(framed[1], -2, rtol=1e-6)


def test_the_same_size_changes_nothing():
    picture = np.random.default_rng(0).integers(0, 255, (30, 20, 3)).astype(np.uint8)
    framing = Framing((30, 20), (30, 20))
    np.testing.assert_array_equal(framing.image(picture), picture)
    points = np.array([[3.25, 4.5, 1]], np.float32)
    np.testing.assert_array_equal(framing.keypoints(points), points)


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(ValueError, match="sources of"):
        Framing((30, 20), (10, 10)).image(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match="no framing"):
        Framing((0, 20), (10, 10))


def test_the_default_size_is_the_pictures_shape_at_the_models_number_of_pixels():
    assert default_size((128, 128), (128, 128)) == (128, 128)
    assert default_size((896, 640), (896, 640)) == (896, 640)
    assert default_size((896, 640), (640, 896)) == (640, 896)
    for model in ((128, 128), (896, 640), (480, 854)):
        for picture in ((1920, 1080), (512, 512), (913, 622), (550, 1334), (192, 153)):
            size = default_size(model, picture)
            assert size[0] % 2 == size[1] % 2 == 0
            assert abs(size[0] * size[1] / (model[0] * model[1]) - 1) < 0.03
            # What is cut off is less than a pixel at each border.
            framing = Framing(picture, size)
            assert min(framing.offset) > -1
    # A strip of a picture still makes frames.
    assert min(default_size((128, 128), (40, 8000))) >= 16
