"""Pictures with a colour profile (ICC) of their own as sRGB, which is what all arrays hold."""

from __future__ import annotations

import logging
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

try:
    from PIL import ImageCms
except ImportError:  # a Pillow that was built without Little CMS
    ImageCms = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

MAX_PROFILE = 8 * 2**20
"""Bytes; profiles of printing presses have up to three million."""

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""Modes of Pillow, and what a profile calls the colours that it is for."""
_SAME = 2
"""Levels of 255: a profile that moves no colour by more than this is sRGB, and nothing is done."""


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture's colours as sRGB: mode RGB, or `image` itself where there is nothing to do.

    `image` is RGB, L, CMYK or LAB, 8 bits a channel. A profile that is damaged or for other colours
    than the picture's is left out of account, as viewers do, with a warning.
    """
    if image.mode == "LAB":
        profile = None  # LAB is absolute: its profile changes nothing
    elif not profile or image.mode not in _SPACES:
        return image
    if ImageCms is None:
        logger.warning("a colour profile is not applied: this Pillow has no Little CMS")
        return image
    try:
        if profile is not None and image.mode == "L" and profile[16:20] == b"RGB ":
            image = image.convert("RGB")  # grey levels, named in colours as many programs do
        transform = _transform(profile, image.mode)
        if transform is None:
            return image
        converted = transform.apply(image)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        logger.warning("a colour profile cannot be used and is left out: %s", error)
        return image
    return converted


@lru_cache(maxsize=8)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile's colours to sRGB; None where they are sRGB already."""
    srgb = ImageCms.createProfile("sRGB")
    if profile is None:
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        if len(profile) > MAX_PROFILE:
            raise ValueError(f"{len(profile)} bytes")
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            raise ValueError(f"it is for {source.profile.xcolor_space.strip()}, not {mode}")
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    # Little CMS tabulates what it can, too coarsely for grey levels of linear light.
    flags |= ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.HIGHRESPRECALC
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent, flags)
    if mode in ("RGB", "L") and _changes_nothing(transform, mode):
        return None
    return transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    if mode == "L":
        sample = np.arange(256, dtype=np.uint8)[None]
        plain = np.repeat(sample[..., None], 3, axis=2)
    else:
        sample = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
        plain = sample
    converted = np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(sample))))
    return bool(np.abs(converted.astype(int) - plain).max() <= _SAME)
