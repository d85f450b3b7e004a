"""Read a picture as people see it (upright, on white, 8 bits a channel); write a picture."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from posecast.errors import InputError
from posecast.media.atomic import whole_file
from posecast.media.colour_profiles import in_srgb
from posecast.media.reading import check_regular, open_regular

MAX_PIXELS = 64_000_000
"""The largest picture that is decoded: the decoder's memory, and a bomb's, are bounded by it."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""What is read, told by content. (MPO, a JPEG with a second picture, is a JPEG to PIL.)"""

_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError),
    *(struct.error, zlib.error),
)
"""What PIL raises for spoilt files, beside the errors of its own."""

MAX_ASPECT = 32
"""Pictures more elongated than this are refused: no character can be seen in them."""

Rgb = UInt8[np.ndarray, "height width 3"]


def read_image(path: str | Path) -> Rgb:
    """Read a picture as RGB, `(height, width, 3)`.

    The camera's rotation (EXIF) is applied, transparency is laid over white, 16-bit and floating
    point channels are scaled to 8 bits, greyscale, palette and CMYK are converted, and colours of
    another profile (ICC) become sRGB. Of an animated picture the first frame is taken. The size is
    checked before anything is decoded.

    Raises:
        InputError: missing, a folder, empty, no picture, cut off, or over `MAX_PIXELS`.
    """
    path = Path(path)
    if check_regular(path, "a picture (PNG, JPEG, WebP, ...)").st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a picture")
    # PIL knows formats that are programs: it would hand an EPS to Ghostscript.
    with (
        decoding(path),
        open_regular(path) as file,
        Image.open(file, formats=FORMATS) as image,
    ):
        return pixels_of(image, path)


def pixels_of(image: Image.Image, name: str | Path = "the picture") -> Rgb:
    """The pixels of a picture that PIL has opened or made: the same as `read_image` of its file.

    `name` is what errors call it. Raises `InputError` as `read_image`.
    """
    with decoding(name):
        _check_size(name, image.size)
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))


@contextmanager
def decoding(name: str | Path) -> Iterator[None]:
    """Errors of PIL in the block, as those of bad input."""
    with warnings.catch_warnings():
        # Our own limit is lower than the one this warning is about.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        try:
            yield
        except UnidentifiedImageError:
            raise InputError(
                f"{name}: not a picture that can be read (PNG, JPEG, WebP, BMP, TIFF, GIF)"
            ) from None
        except Image.DecompressionBombError:
            raise InputError(
                f"{name}: picture too large; up to {MAX_PIXELS // 10**6} megapixels are read: "
                "scale it down first"
            ) from None
        except PermissionError:
            raise
        except _DAMAGED as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{name}: the picture is cut off or damaged ({reason})") from error


def _check_size(path: str | Path, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width}x{height} pixels; pictures up to {MAX_PIXELS // 10**6} megapixels "
            "are read: scale it down first"
        )
    if max(size) > MAX_ASPECT * min(size):
        raise InputError(
            f"{path}: {width}x{height} pixels; expected sides that differ by {MAX_ASPECT} times "
            "at most"
        )


def _to_rgb(image: Image.Image) -> Rgb:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_8_bits(np.asarray(image)))
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    colours = in_srgb(_without_alpha(image), profile).convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        colours = Image.alpha_composite(white, colours).convert("RGB")
    return np.array(colours)


def _without_alpha(image: Image.Image) -> Image.Image:
    """In a mode that a colour profile may be for."""
    return image if image.mode in ("RGB", "L", "CMYK", "LAB") else image.convert("RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """16-bit integers (32-bit modes hold them too) to 8 bits; floating point is 0..1 or 0..255."""
    if np.issubdtype(values.dtype, np.floating):
        values = np.nan_to_num(values.astype(np.float64))
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
    else:
        scale = 255.0 / 65535.0
    return np.clip(values * scale + 0.5, 0, 255).astype(np.uint8)


def write_image(image: Rgb, path: str | Path) -> None:
    """Write an RGB picture; the format follows the name (PNG where it says nothing else).

    Raises:
        InputError: the folder does not exist, or the name's ending is no picture format.
    """
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    formats = Image.registered_extensions()
    if suffix not in formats:
        raise InputError(f"{path}: {suffix} is not a picture format; use .png or .jpg")
    options = {"quality": 95, "subsampling": 0} if formats[suffix] == "JPEG" else {}
    with whole_file(path) as part:
        Image.fromarray(np.ascontiguousarray(image)).save(part, format=formats[suffix], **options)
