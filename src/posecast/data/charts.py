"""Bar charts as pictures, with what is there: no plotting library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

OWN, PAPER, INK, GRID = "#2f6db3", "#e39a3b", "#222222", "#dddddd"
OWN_MARK = "#0c2c52"
"""Of dashed lines that cross bars of our own colour."""
_SIZE, _SCALE = (760, 340), 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 44, 56
_WIDEST = 90


@dataclass(frozen=True)
class Series:
    """One colour of bars."""

    name: str
    values: Sequence[float]
    colour: str


def bar_chart(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    axis: str,
    write: Callable[[float], str] = "{:g}".format,
    marks: Sequence[tuple[float, str, str]] = (),
) -> UInt8[np.ndarray, "height width 3"]:
    """Groups of bars, a label under each; `marks` are dashed lines at a place, with text, coloured.

    A place is counted in bars: 0 is the left edge of the first group, 1 that of the second.
    """
    image = Image.new("RGB", (_SIZE[0] * _SCALE, _SIZE[1] * _SCALE), "white")
    pen = _Pen(ImageDraw.Draw(image))
    width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
    top = _round_up(max((max(s.values, default=0) for s in series), default=0) or 1)
    if all(isinstance(value, int) for one in series for value in one.values):
        top = 4 * np.ceil(top / 4)  # things are counted in whole numbers, at each quarter too
    for k in range(5):
        y = _TOP + height * (1 - k / 4)
        pen.line((_LEFT, y), (_LEFT + width, y), GRID)
        pen.text((_LEFT - 6, y), write(top * k / 4), "rm", 11)
    step = width / max(1, len(labels))
    bar = min(step * 0.8 / max(1, len(series)), _WIDEST)
    for k, label in enumerate(labels):
        for j, one in enumerate(series):
            x = _LEFT + step * (k + 0.5) + bar * (j - len(series) / 2)
            y = _TOP + height * (1 - one.values[k] / top)
            pen.box((x, y), (x + bar - 1, _TOP + height), one.colour)
        pen.text((_LEFT + step * (k + 0.5), _TOP + height + 6), label, "ma", 11)
    for place, _, colour in marks:
        x = _LEFT + step * place
        for y in range(_TOP, _TOP + height, 8):
            pen.line((x, y), (x, y + 4), colour)
    named = [mark for mark in marks if mark[1]]
    for row, (place, text, colour) in enumerate(named):
        x, y = _LEFT + step * place + 4, _TOP + 4 + 14 * row
        pen.box((x - 2, y - 1), (x + pen.width(text, 11) + 2, y + 13), "white")
        pen.text((x, y), text, "la", 11, colour)
    pen.text((_LEFT, 10), title, "la", 15)
    pen.text((_LEFT + width / 2, _SIZE[1] - 10), axis, "mb", 12)
    x = _SIZE[0] - _RIGHT
    for one in reversed(series if len(series) > 1 else []):
        x -= pen.width(one.name, 12)
        pen.text((x, 12), one.name, "la", 12)
        pen.box((x - 16, 14), (x - 6, 24), one.colour)
        x -= 32
    return np.array(image)


class _Pen:
    """Draws in points; the picture has twice as many pixels."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def line(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None:
        self._draw.line([_pixels(a), _pixels(b)], fill=colour, width=_SCALE)

    def box(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None:
        (x0, y0), (x1, y1) = _pixels(a), _pixels(b)
        if y1 > y0:
            self._draw.rectangle([x0, y0, max(x0, x1), y1], fill=colour)

    def text(
        self, at: tuple[float, float], text: str, anchor: str, size: int, colour: str = INK
    ) -> None:
        self._draw.text(_pixels(at), text, fill=colour, font=_font(size), anchor=anchor)

    def width(self, text: str, size: int) -> float:
        return self._draw.textlength(text, font=_font(size)) / _SCALE


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)


def _pixels(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * _SCALE), round(point[1] * _SCALE)


def _round_up(value: float) -> float:
    """The next value of which a quarter is a plain number."""
    unit = 10.0 ** np.floor(np.log10(value))
    return float(next(m * unit for m in (1, 2, 4, 8, 10) if m * unit >= value * 0.999))
