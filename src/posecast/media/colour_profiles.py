"""Converts pictures with an embedded colour profile (ICC) to sRGB, the space of all arrays."""

from __future__ import annotations

import logging
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image

try:
    from PIL import ImageCms
except ImportError:  # Pillow was built without Little CMS
    ImageCms = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

MAX_PROFILE = 8 * 2**20
"""Largest profile in bytes; those of printing presses have up to three million."""

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""Pillow's modes to the names of their colour spaces in profiles."""
_SAME = 2
"""A profile that changes no colour by more than this (of 255) counts as sRGB and is ignored."""


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture's colours to sRGB: mode RGB, or `image` itself if nothing is to be done.

    `image` is RGB, L, CMYK or LAB with 8 bits per channel. A profile that is damaged or made for
    another colour space is ignored with a warning, as viewers do.
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
            image = image.convert("RGB")  # many programs attach a colour profile to grey pictures
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
    """The transform from a profile's colours to sRGB; None if they are sRGB already."""
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
    # Little CMS precomputes tables, which are too coarse for linear grey levels.
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
