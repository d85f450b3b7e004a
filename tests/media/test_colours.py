"""Whatever a file's colours are, arrays are sRGB; a PIL picture is the same pixels as its file."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from posecast.casting.inputs import load_picture
from posecast.media.images import pixels_of, read_image
from posecast.media.standard_colours import BT2020, DISPLAY_P3, HLG, PQ, standard_colours
from posecast.media.video import iterate_timed, read_video, write_video

PATCHES = np.array([[40, 40, 40], [120, 120, 120], [150, 60, 50], [60, 130, 70], [50, 60, 140]])
# Linear sRGB to BT.2020 and to Display P3 (BT.2087, and the standard's primaries).
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def linear(srgb: np.ndarray) -> np.ndarray:
    x = srgb / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def pq(light: np.ndarray) -> np.ndarray:
    """The signal of light in units of 203 nits (BT.2100's inverse EOTF)."""
    y = (light * 203 / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(light: np.ndarray) -> np.ndarray:
    """The signal of light in units of 203 nits on a display of 1000 (BT.2100)."""
    shown = light * 203 / 1000
    luminance = shown @ np.array([0.2627, 0.6780, 0.0593])
    scene = shown * np.maximum(luminance, 1e-9)[..., None] ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    high = a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def gamma(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


SIGNALS = [
    (BT2020, PQ, TO_BT2020, pq),
    (BT2020, HLG, TO_BT2020, hlg),
    (DISPLAY_P3, 1, TO_P3, gamma),
]


@pytest.mark.parametrize(("primaries", "transfer", "matrix", "curve"), SIGNALS)
def test_colours_below_paper_white_keep_their_value(primaries, transfer, matrix, curve) -> None:
    signal = curve(linear(PATCHES) @ matrix.T)
    frame = (signal * 65535).round().astype(np.uint16)[None]
    shown = standard_colours(frame, primaries, transfer)[0]
    assert np.abs(shown.astype(int) - PATCHES).max() <= 2


def test_highlights_are_compressed_in_order_and_keep_their_hue() -> None:
    light = np.array([0.2, 0.7, 1.0, 2.0, 4.0, 1000 / 203])
    grey = (pq(light) * 65535).round().astype(np.uint16)
    shown = standard_colours(np.repeat(grey[None, :, None], 3, axis=2), BT2020, PQ)[0, :, 0]
    assert (np.diff(shown.astype(int)) > 0).all()
    assert shown[-1] == 255
    assert 225 < shown[2] < 250
    orange = (pq(np.array([[3.0, 1.5, 0.75]]) @ TO_BT2020.T) * 65535).round().astype(np.uint16)
    red, green, blue = linear(standard_colours(orange[None], BT2020, PQ)[0, 0].astype(float))
    assert red / green == pytest.approx(2, rel=0.05)
    assert green / blue == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(("primaries", "transfer", "matrix", "curve"), SIGNALS[:2])
def test_an_hdr_video_is_read_as_srgb_and_says_so(
    tmp_path: Path, primaries, transfer, matrix, curve
) -> None:
    signal = curve(linear(PATCHES) @ matrix.T)
    deep = (signal * 65535).round().astype(np.uint16)
    picture = np.ascontiguousarray(np.repeat(np.repeat(deep[None], 32, 1), 64, 0))
    with av.open(str(tmp_path / "hdr.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], 64, "yuv420p10le"
        stream.options = {"crf": "4"}
        context = stream.codec_context
        context.color_primaries, context.color_trc = primaries, transfer
        context.colorspace, context.color_range = 9, 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            coded = frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)
            file.mux(stream.encode(coded))
        file.mux(stream.encode(None))
    frames, _ = read_video(tmp_path / "hdr.mp4")
    shown = frames[0, 32, 16::32]
    assert np.abs(shown.astype(int) - PATCHES).max() <= 6
    assert any(
        "dynamic range" in line for line in next(iterate_timed(tmp_path / "hdr.mp4")).changes
    )


def icc(kind: str) -> bytes:
    """A profile of Pillow's own: sRGB, or Lab that nothing here is made of."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def grey_profile(power: float) -> bytes:
    """A grey profile of a plain power curve, by ICC.1:2001-04."""
    curve = (
        b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(power * 256).to_bytes(2, "big") + b"\0\0"
    )
    white = b"XYZ \0\0\0\0" + b"".join(
        round(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249)
    )
    text = b"desc\0\0\0\0" + (5).to_bytes(4, "big") + b"grey\0" + bytes(78)
    right = b"text\0\0\0\0none\0\0\0\0"
    parts = {b"desc": text, b"cprt": right, b"wtpt": white, b"kTRC": curve}
    at, table, body = 128 + 4 + 12 * len(parts), len(parts).to_bytes(4, "big"), b""
    for name, data in parts.items():
        data += bytes(-len(data) % 4)
        table += name + (at + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = bytearray(128)
    head[0:4] = (at + len(body)).to_bytes(4, "big")
    head[8:12], head[12:16], head[16:20] = b"\x02\x10\0\0", b"mntr", b"GRAY"
    head[20:24], head[36:40], head[68:80] = b"XYZ ", b"acsp", white[8:20]
    return bytes(head) + table + body


def test_a_profile_of_other_colours_becomes_srgb(cases: Path) -> None:
    """By the primaries of the two standards; the sample's profile has the plain curve 2.2."""
    pixels = read_image(cases / "p3.png").reshape(-1, 3)
    for stored in ((255, 60, 60), (60, 60, 255), (224, 172, 138)):
        light = np.linalg.solve(TO_P3, (np.array(stored) / 255) ** 2.2)
        expected = (gamma(np.clip(light, 0, 1)) * 255).round()
        assert np.abs(pixels - expected).max(axis=1).min() <= 3, stored


def test_grey_pictures_of_8_and_16_bits_follow_their_profile(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = (gamma((levels / 255) ** 1.0) * 255).round()
    profile = grey_profile(1.0)  # linear light
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=profile)
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "b.png", icc_profile=profile)
    for name in ("a.png", "b.png"):
        shown = read_image(tmp_path / name)
        assert np.abs(shown - expected[..., None]).max() <= 2, name


def test_a_profile_leaves_transparency_alone_and_reaches_palettes(
    cases: Path, tmp_path: Path
) -> None:
    with Image.open(cases / "p3.png") as sample:
        p3 = sample.info["icc_profile"]
    rgba = np.full((8, 8, 4), (60, 60, 255, 255), np.uint8)
    rgba[:4, :, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png", icc_profile=p3)
    shown = read_image(tmp_path / "a.png")
    assert shown[0, 0].tolist() == [255] * 3
    plain = Image.fromarray(np.ascontiguousarray(rgba[4:, :, :3]))
    plain.save(tmp_path / "b.png", icc_profile=p3)
    assert np.array_equal(shown[4:], read_image(tmp_path / "b.png"))
    assert not np.array_equal(shown[4:], rgba[4:, :, :3])
    palette = plain.quantize(4)
    palette.save(tmp_path / "c.png", icc_profile=p3)
    assert np.array_equal(read_image(tmp_path / "c.png"), read_image(tmp_path / "b.png"))


def test_an_srgb_profile_changes_no_pixel_and_a_broken_one_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for name, profile in {
        "srgb.png": icc("sRGB"),
        "lab.png": icc("LAB"),
        "short.png": icc("sRGB")[:200],
        "noise.png": b"I am no profile" * 30,
        "empty.png": b"",
    }.items():
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            Image.fromarray(noise).save(tmp_path / name, icc_profile=profile)
            assert np.array_equal(read_image(tmp_path / name), noise), name
        assert ("left out" in caplog.text) == (name not in ("srgb.png", "empty.png")), name


def odd_pictures() -> dict[str, tuple[Image.Image, dict[str, object]]]:
    rng = np.random.default_rng(1)
    rgba = Image.fromarray(rng.integers(0, 256, (20, 30, 4), np.uint8))
    rgb = rgba.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = rgb.quantize(16)
    return {
        "rgba.png": (rgba, {}),
        "la.png": (rgba.convert("LA"), {}),
        "exif.jpg": (rgb, {"exif": exif}),
        "exif.webp": (rgb, {"exif": exif, "lossless": True}),
        "palette.png": (palette, {"transparency": 3}),
        "palette.gif": (palette, {"transparency": 3}),
        "grey16.png": (Image.fromarray(rng.integers(0, 65536, (20, 30), np.uint16)), {}),
        "float.tif": (Image.fromarray(rng.random((20, 30), np.float32)), {}),
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "bits.png": (rgb.convert("1"), {}),
        "lab.tif": (ImageCms.applyTransform(
            rgb, ImageCms.buildTransform(
                ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")), {}),
        "grey_profile.png": (rgb.convert("L"), {"icc_profile": grey_profile(1.8)}),
    }  # fmt: skip


@pytest.mark.parametrize("name", odd_pictures())
def test_a_pil_picture_is_the_same_pixels_as_its_file(tmp_path: Path, name: str) -> None:
    picture, options = odd_pictures()[name]
    picture.save(tmp_path / name, **options)
    read = read_image(tmp_path / name)
    with Image.open(tmp_path / name) as opened:
        assert np.array_equal(load_picture(opened), read)
    with Image.open(io.BytesIO((tmp_path / name).read_bytes())) as again:
        again.load()
        assert np.array_equal(pixels_of(again), read)
    if name == "lab.tif":
        assert np.abs(read.astype(int) - odd_pictures()["exif.jpg"][0]).mean() < 12


def test_the_sample_pictures_are_the_same_both_ways(cases: Path) -> None:
    for name in ("rgba.png", "exif6.png", "p3.png"):
        path = cases / name
        with Image.open(path) as opened:
            assert np.array_equal(load_picture(opened), read_image(path))


def test_a_video_comes_back_in_its_own_colours(tmp_path: Path) -> None:
    """Not darker, and without blocks of 2x2 pixels of one colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 4, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    clip = np.repeat(picture.astype(np.uint8)[None], 2, axis=0)
    write_video(clip, tmp_path / "a.mp4", 10)
    error = read_video(tmp_path / "a.mp4")[0].astype(float) - clip
    assert abs(error.mean()) < 0.3
    assert np.sqrt((error**2).mean()) < 2
