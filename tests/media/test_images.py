from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.errors import InputError
from posecast.media.images import read_image, write_image


def picture(height: int = 20, width: int = 30) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_a_written_picture_reads_back(tmp_path: Path) -> None:
    write_image(picture(), tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())
    smooth = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    write_image(smooth, tmp_path / "a.jpg")
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth).max() <= 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg", "a.png"]
    with pytest.raises(InputError, match="not a picture format"):
        write_image(smooth, tmp_path / "a.mp3")
    with pytest.raises(InputError, match="does not exist"):
        write_image(smooth, tmp_path / "missing" / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(picture())
    # How a camera held this way stores the scene: the inverse of what a viewer does.
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), picture())


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (255, 0, 0, 128)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert np.abs(pixels[0, 1].astype(int) - (255, 127, 127)).max() <= 1
    assert pixels[1].tolist() == [[255] * 3] * 2
    Image.fromarray(rgba).convert("LA").save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png")[1, 1].tolist() == [255] * 3
    palette = Image.fromarray(rgba[..., :3]).quantize(4)
    palette.save(tmp_path / "c.gif", transparency=palette.getpixel((1, 1)))
    assert read_image(tmp_path / "c.gif")[1, 1].tolist() == [255] * 3


def test_other_depths_and_colours_become_8_bit_rgb(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 16).astype(np.uint16).reshape(4, 4)
    expected = np.round(ramp / 257).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    Image.fromarray((ramp / 65535).astype(np.float32)).save(tmp_path / "b.tif")
    for name in ("a.png", "a.tif", "b.tif"):
        pixels = read_image(tmp_path / name)
        assert np.abs(pixels.astype(int) - expected[..., None]).max() <= 1, name
    grey = Image.fromarray(expected)
    grey.save(tmp_path / "grey.png")
    assert np.array_equal(read_image(tmp_path / "grey.png"), np.repeat(expected[..., None], 3, 2))
    grey.convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(read_image(tmp_path / "bits.png"))) <= {0, 255}
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert np.abs(read_image(tmp_path / "cmyk.jpg")[4, 4].astype(int) - (255, 0, 0)).max() < 6


def png_header(width: int, height: int) -> bytes:
    """The first bytes of a PNG that says how large it is and has nothing behind."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 0)
        + b"IDAT"
    )


def test_pictures_that_cannot_be_used(tmp_path: Path) -> None:
    write_image(picture(200, 300), tmp_path / "a.png")
    write_image(picture(200, 300), tmp_path / "a.jpg")
    png, jpg = (tmp_path / "a.png").read_bytes(), (tmp_path / "a.jpg").read_bytes()
    cases = {
        "empty.png": (b"", "the file is empty"),
        "text.png": (b"I am no picture", "not a picture"),
        "video.png": (b"\0\0\0\x20ftypisom" + b"\0" * 100, "not a picture"),
        "cut.png": (png[: len(png) // 2], "cut off or damaged"),
        "cut.jpg": (jpg[: len(jpg) // 2], "cut off or damaged"),
        "huge.png": (png_header(60000, 60000), "picture too large; up to 64 megapixels"),
        "large.png": (png_header(10000, 9000), "10000x9000 pixels; pictures up to 64"),
        "absurd.png": (png_header(2**31 - 1, 2**31 - 1), "picture too large"),
        "strip.png": (png_header(20000, 3), "sides that differ by 32 times"),
    }
    for name, (content, problem) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=problem) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "missing.png")


def test_real_pictures_are_read_at_their_size(shared: Path) -> None:
    for name, size in {
        "man_red_jacket.png": (913, 622),
        "football_trio.jpg": (641, 950),
        "anime_green_dress.png": (677, 451),
    }.items():
        assert read_image(shared / "real" / "images" / name).shape == (*size, 3)
