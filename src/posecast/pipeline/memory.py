"""Plan how a clip is computed from the predicted and the free memory.

`predict_needs` and `plan_memory` are functions of numbers. What they rest on, and how far the
predictions were measured, is in docs/long-and-small.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from posecast.casting.options import Size
from posecast.errors import InputError
from posecast.models.presets import AnimatorConfig
from posecast.models.views import view_moves
from posecast.pipeline.conditioning import BLOCK, LATENT_STRIDE

GB = 10**9

ENOUGH_TOKENS = 16 * 112 * 80
"""Latent pixels per call: one window of 896x640 uses a GPU fully; more would save no time."""
ENOUGH_PIXELS = 4 * 896 * 640
"""Likewise when decoding."""
MOST_DECODED = 16

SPARE = 0.1
"""Part of the free memory that is reserved for work space of kernels and fragmentation."""

# Numbers alive at the peak of a pass, as counted by benchmarks/memory.py.
_TOKEN_WIDTHS = 8.0
"""Tensors of the first level's width around its feed-forward."""
_PIXEL_NUMBERS = {"AutoencoderKL": 768.0, "PatchAutoencoder": 15.4}
"""A pixel that is decoded; encoding takes less."""
_GUIDER_TENSORS = 4.0
"""Of a guider's first width."""
_TILE_PIXELS = 512 * 512
"""diffusers' tile of a Stable Diffusion VAE."""


@dataclass(frozen=True)
class MemoryNeeds:
    """Predicted bytes of the parts of a run."""

    weights: Mapping[str, int]
    """Of each network."""
    held: int
    """The reference's keys and values, there from the first step to the last."""
    reference_pass: int
    """Peak while the ReferenceNet runs."""
    window: int
    """Peak while one window is predicted, with its conditions."""
    frame: int
    """Peak while one frame is decoded (encoding the picture takes less)."""
    tile: int
    """Peak while one tile of a frame is decoded."""
    useful_windows: int
    """More windows at once would save no time (or there are no more)."""
    useful_frames: int


@dataclass(frozen=True)
class MemoryPlan:
    """How much is computed at once, and where networks wait. Only `tiled` changes pictures."""

    windows_at_once: int
    frames_at_once: int
    offload: bool
    """Networks wait on the CPU until they are needed."""
    tiled: bool
    """Frames are encoded and decoded by overlapping tiles: slight differences where they meet."""
    needed: int
    """Predicted bytes."""
    free: int
    """Free bytes for which it was made."""

    def __str__(self) -> str:
        """One line for the user."""
        where = "networks wait on the CPU until their turn" if self.offload else "all stays there"
        return (
            f"{gigabytes(self.needed)} needed of {gigabytes(self.free)} free: {where}; "
            f"{counted(self.windows_at_once, 'window')} and {counted(self.frames_at_once, 'frame')}"
            f" at once{', decoded by tiles' if self.tiled else ''}"
        )


def predict_needs(
    config: AnimatorConfig,
    weights: Mapping[str, int],
    size: Size,
    window: int,
    windows: int,
    itemsize: int,
) -> MemoryNeeds:
    """The needs of a clip of `size` (height, width) by `windows` windows of `window` frames.

    `weights` are the bytes of each network, `itemsize` those of one number of its activations.
    The denoiser's peak is in the gated feed-forward of its first level: its four hidden tensors,
    the tokens around it, and the skips that wait for the way up.
    """
    height, width = (-(-side // LATENT_STRIDE) for side in size)
    pixels = height * width * LATENT_STRIDE**2
    cells = height * width * config.unet.get("cells", 1) ** 2  # of the first level
    widths: Sequence[int] = config.unet.get("widths", (320, 640, 1280, 1280))
    layers = config.unet.get("layers_per_block", 2)
    ff_mult = config.unet.get("ff_mult", 4)
    attention: Sequence[bool] = config.unet.get("attention", (True, True, True, False))
    keyed = config.unet.get("key_channels", 0)
    guiders = list(config.guiders.values())
    areas = [1 / 4**level for level in range(len(widths))]
    skips = widths[0] + sum(
        area * wide * layers + (areas[i + 1] * wide if i + 1 < len(widths) else 0)
        for i, (area, wide) in enumerate(zip(areas, widths, strict=True))
    )
    # Keys and values: of each layer down, in the middle, and of one layer more a level up.
    held = 2 * areas[-1] * widths[-1] + sum(
        2 * area * wide * (2 * layers + 1)
        for area, wide, reads in zip(areas, widths, attention, strict=True)
        if reads
    )
    peak = skips + widths[0] * (4 * ff_mult + _TOKEN_WIDTHS) + 1.25 * keyed
    conditions = (widths[0] + keyed) * (1 + BLOCK / window)
    first = [g.get("widths", (16,))[0] / g.get("strides", (1,))[0] ** 2 for g in guiders]
    channels = sum(g["in_channels"] for g in guiders)
    guiding = BLOCK * pixels * (_GUIDER_TENSORS * max(first, default=0) + channels)
    frame = pixels * _PIXEL_NUMBERS[config.vae_class]
    # The decoded tiles (they overlap by a quarter) wait until all are put together.
    tile = min(frame, _TILE_PIXELS * _PIXEL_NUMBERS[config.vae_class] + 3 * 3 * pixels)
    tokens = window * cells
    read = cells * len(view_moves(config.half_cells))  # of the reference

    def in_bytes(numbers: float) -> int:
        return round(numbers * itemsize)

    return MemoryNeeds(
        weights=dict(weights),
        held=in_bytes(held * read),
        reference_pass=in_bytes((peak + held) * read),
        window=in_bytes(max(tokens * peak, guiding) + tokens * conditions),
        frame=in_bytes(frame),
        tile=in_bytes(tile),
        useful_windows=max(1, min(windows, ENOUGH_TOKENS // tokens)),
        useful_frames=max(1, min(MOST_DECODED, ENOUGH_PIXELS // pixels)),
    )


def plan_memory(needs: MemoryNeeds, free: int, can_offload: bool = True) -> MemoryPlan:
    """The fastest plan that fits into `free` bytes, or the one that needs least if none does.

    It first reduces the windows and frames per call, then lets networks wait on the CPU, and only
    then uses tiles, because that alone is seen in them.
    """
    plans = _plans(needs, free, can_offload)
    fitting = (plan for plan in plans if plan.needed <= (1 - SPARE) * free)
    return next(fitting, min(plans, key=lambda plan: plan.needed))


def smallest_plan(needs: MemoryNeeds, can_offload: bool = True) -> MemoryPlan:
    """The plan that needs the least memory."""
    return plan_memory(needs, 0, can_offload)


def fastest_plan(needs: MemoryNeeds) -> MemoryPlan:
    """The fastest plan, without a memory limit."""
    return _plans(needs, 0, can_offload=False)[0]


def _plans(needs: MemoryNeeds, free: int, can_offload: bool) -> list[MemoryPlan]:
    """All plans worth trying, the fastest first."""
    windows, frames = _halvings(needs.useful_windows), _halvings(needs.useful_frames)
    places = (False, True) if can_offload else (False,)
    choices = [(place, w, f, False) for place, w, f in product(places, windows, frames)]
    if needs.tile < needs.frame:
        choices.append((can_offload, 1, 1, True))
    return [
        MemoryPlan(w, f, place, tiled, _peak(needs, w, f, place, tiled), free)
        for place, w, f, tiled in choices
    ]


def _peak(needs: MemoryNeeds, windows: int, frames: int, offload: bool, tiled: bool) -> int:
    """The largest of a run's phases: before the first step, the steps, decoding."""
    phases = (
        (("image_encoder",), 0),
        (("reference_net", "unet"), needs.held + needs.reference_pass),
        (("unet",), needs.held + windows * needs.window),
        (("vae",), frames * (needs.tile if tiled else needs.frame)),
    )
    weights = needs.weights
    if not offload:
        return sum(weights.values()) + max(work for _, work in phases)
    resident = weights["guiders"]
    return resident + max(max(weights[name] for name in names) + work for names, work in phases)


def _halvings(count: int) -> list[int]:
    halves = [count]
    while halves[-1] > 1:
        halves.append(halves[-1] // 2)
    return halves


def what_fits(settings: Sequence[tuple[str, int]], limit: int) -> str:
    """The first of some settings (with the bytes they need) within `limit`, in words."""
    for setting, needed in settings:
        if needed <= limit:
            return f"{setting} needs about {gigabytes(needed)}"
    setting, needed = min(settings, key=lambda pair: pair[1])
    return f"even {setting} needs about {gigabytes(needed)}"


_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_memory(text: str) -> str | int:
    """`auto`, `low`, `high`, or a number of bytes such as `8GB`.

    Raises:
        InputError: anything else.
    """
    word = text.strip().lower()
    if word in ("auto", "low", "high"):
        return word
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmg]i?b|)", word)
    if match is None or (number := float(match[1]) * _UNITS[match[2]]) < 1:
        raise InputError(f"`memory={text}`: expected auto, low, high, or a size such as 8GB")
    return int(number)


def gigabytes(count: int) -> str:
    """Bytes as text for the user."""
    return f"{count / GB:.1f} GB" if count >= 0.95 * GB else f"{count / 10**6:.0f} MB"


def counted(count: int, noun: str) -> str:
    """`1 window`, `2 windows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
