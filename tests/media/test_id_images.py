"""Images of ids: written and read again, and those of other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.errors import InputError
from posecast.media.id_images import read_ids, write_id_frames, write_ids


def test_written_ids_read_back(tmp_path: Path) -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(8, 32)
    write_ids(ids, tmp_path / "ids.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)
    with Image.open(tmp_path / "ids.png") as image:
        shown = np.array(image.convert("RGB"))
    assert not shown[0, 0].any()
    assert len(np.unique(shown[0, :9], axis=0)) == 9


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_black_and_white_is_one_character(tmp_path: Path, mode: str) -> None:
    mask = np.zeros((6, 9), bool)
    mask[2:4, 3:] = True
    Image.fromarray(mask).convert(mode).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "mask.png"), mask)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("blurred", [False, True])
def test_a_black_and_white_mask_may_be_soft(tmp_path: Path, mode: str, blurred: bool) -> None:
    levels = np.zeros((20, 20), np.uint8)
    levels[4:16, 4:16] = 255
    levels[3, 4:16] = np.arange(60, 180, 10)
    if blurred:  # as many networks make them: less white than grey
        levels[4:15, 4:16] = np.arange(60, 192).reshape(11, 12)
    Image.fromarray(levels).convert(mode).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "mask.png"), levels > 127)


def test_grey_ids_keep_an_outline_of_255(tmp_path: Path) -> None:
    ids = np.zeros((20, 20), np.uint8)
    ids[2:12, 2:12], ids[12:18, 8:18] = 1, 2
    ids[1, 2:12] = 255
    Image.fromarray(ids).save(tmp_path / "ids.png")
    np.testing.assert_array_equal(read_ids(tmp_path / "ids.png"), ids)


def test_colours_are_numbered_from_left_to_right(tmp_path: Path) -> None:
    colours = np.zeros((4, 9, 3), np.uint8)
    colours[0, 5:] = (10, 0, 0)
    colours[2:, 1:3] = (0, 200, 30)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    ids = read_ids(tmp_path / "colours.png")
    assert ids[0].tolist() == [0] * 5 + [2] * 4
    assert ids[3].tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0]


def test_a_photograph_is_no_image_of_ids(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=r"photo\.png: \d+ colours; expected one colour a char"):
        read_ids(tmp_path / "photo.png")
    with pytest.raises(InputError, match="no such file"):
        read_ids(tmp_path / "none.png")


def test_frames_replace_frames_alone(tmp_path: Path) -> None:
    ids = np.zeros((4, 4), np.uint8)
    assert write_id_frames([ids, ids], tmp_path / "masks") == 2
    assert write_id_frames([ids], tmp_path / "masks") == 1
    assert [p.name for p in (tmp_path / "masks").iterdir()] == ["frame_000000.png"]
    (tmp_path / "masks" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(notes.txt\)"):
        write_id_frames([ids], tmp_path / "masks")
    assert (tmp_path / "masks" / "notes.txt").read_text() == "mine"
