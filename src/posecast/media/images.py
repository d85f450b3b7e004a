"""Reads a picture as it is shown (upright, over white, 8 bits per channel); writes pictures."""

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
"""Largest picture that is decoded, in pixels; limits memory, also for decompression bombs."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Formats that are read, recognised by content. PIL reads MPO (two JPEGs) as JPEG."""

_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError),
    *(struct.error, zlib.error),
)
"""Exceptions, besides its own, that PIL raises for damaged files."""

MAX_ASPECT = 32
"""Largest ratio of the sides; nobody can be recognised in longer pictures."""

Rgb = UInt8[np.ndarray, "height width 3"]


def read_image(path: str | Path) -> Rgb:
    """Read a picture as RGB, `(height, width, 3)`.

    The camera's rotation (EXIF) is applied, transparent pictures are composed over white, 16-bit
    and floating-point channels are scaled to 8 bits, greyscale, palette and CMYK are converted to
    RGB, and colours with another profile (ICC) to sRGB. An animated picture gives its first frame.
    The size is checked before decoding.

    Raises:
        InputError: the file is missing, a folder, empty, not a picture, cut off, or over
            `MAX_PIXELS`.
    """
    path = Path(path)
    if check_regular(path, "a picture (PNG, JPEG, WebP, ...)").st_size == 0:
        raise InputError(f"{path}: the file is empty; expected a picture")
    # Some formats that PIL knows are programs: it would pass an EPS to Ghostscript.
    with (
        decoding(path),
        open_regular(path) as file,
        Image.open(file, formats=FORMATS) as image,
    ):
        return pixels_of(image, path)


def pixels_of(image: Image.Image, name: str | Path = "the picture") -> Rgb:
    """The pixels of an open PIL image, the same as `read_image` of its file.

    Error messages call it `name`. Raises `InputError` as `read_image`.
    """
    with decoding(name):
        _check_size(name, image.size)
        image.load()
        return _to_rgb(ImageOps.exif_transpose(image))


@contextmanager
def decoding(name: str | Path) -> Iterator[None]:
    """Turn PIL's errors in the block into `InputError`."""
    with warnings.catch_warnings():
        # Our limit is lower than PIL's, about which it warns.
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
    """The picture over white, in a mode for which there are colour profiles."""
    return image if image.mode in ("RGB", "L", "CMYK", "LAB") else image.convert("RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Scale 16-bit integers (also stored in 32-bit modes) or floats of 0..1 or 0..255 to 8 bits."""
    if np.issubdtype(values.dtype, np.floating):
        values = np.nan_to_num(values.astype(np.float64))
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
    else:
        scale = 255.0 / 65535.0
    return np.clip(values * scale + 0.5, 0, 255).astype(np.uint8)


def write_image(image: Rgb, path: str | Path) -> None:
    """Write an RGB picture; the ending decides the format (PNG without one).

    Raises:
        InputError: the folder does not exist, or the ending is not that of a picture format.
    """
    path = Path(path)
    suffix = path.suffix.lower() or ".png"
    formats = Image.registered_extensions()
    if suffix not in formats:
        raise InputError(f"{path}: {suffix} is not a picture format; use .png or .jpg")
    options = {"quality": 95, "subsampling": 0} if formats[suffix] == "JPEG" else {}
    with whole_file(path) as part:
        Image.fromarray(np.ascontiguousarray(image)).save(part, format=formats[suffix], **options)
