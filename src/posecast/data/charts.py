"""Bar charts as pictures and as SVG, with what is there: no plotting library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import ClassVar, Protocol

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


@dataclass(frozen=True)
class BarChart:
    """Groups of bars, a label under each; `marks` are dashed lines at a place, with text, coloured.

    A place is counted in bars: 0 is the left edge of the first group, 1 that of the second.
    """

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    axis: str
    write: Callable[[float], str] = "{:g}".format
    """How a number at the axis is written."""
    marks: Sequence[tuple[float, str, str]] = ()

    def picture(self) -> UInt8[np.ndarray, "height width 3"]:
        """In pixels, twice as many as points."""
        pen = _PicturePen()
        self._draw(pen)
        return np.array(pen.image)

    def svg(self) -> str:
        """The same as SVG, to be used at any size."""
        pen = _VectorPen()
        self._draw(pen)
        return pen.text_of()

    def _draw(self, pen: _Pen) -> None:
        width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
        top = self._draw_grid(pen, width, height)
        step = width / max(1, len(self.labels))
        bar = min(step * 0.8 / max(1, len(self.series)), _WIDEST)
        for k, label in enumerate(self.labels):
            for j, one in enumerate(self.series):
                x = _LEFT + step * (k + 0.5) + bar * (j - len(self.series) / 2)
                y = _TOP + height * (1 - one.values[k] / top)
                pen.box((x, y), (x + bar - 1, _TOP + height), one.colour)
            pen.text((_LEFT + step * (k + 0.5), _TOP + height + 6), label, "ma", 11)
        self._draw_marks(pen, step, height)
        pen.text((_LEFT, 10), self.title, "la", 15)
        pen.text((_LEFT + width / 2, _SIZE[1] - 10), self.axis, "mb", 12)
        x = _SIZE[0] - _RIGHT
        for one in reversed(self.series if len(self.series) > 1 else []):
            x -= text_width(one.name, 12)
            pen.text((x, 12), one.name, "la", 12)
            pen.box((x - 16, 14), (x - 6, 24), one.colour)
            x -= 32

    def _draw_grid(self, pen: _Pen, width: float, height: float) -> float:
        """Lines at quarters, with their values; the value of the topmost."""
        top = _round_up(max((max(s.values, default=0) for s in self.series), default=0) or 1)
        if all(isinstance(value, int) for one in self.series for value in one.values):
            top = 4 * np.ceil(top / 4)  # things are counted in whole numbers, at each quarter too
        for k in range(5):
            y = _TOP + height * (1 - k / 4)
            pen.line((_LEFT, y), (_LEFT + width, y), GRID)
            pen.text((_LEFT - 6, y), self.write(top * k / 4), "rm", 11)
        return top

    def _draw_marks(self, pen: _Pen, step: float, height: int) -> None:
        for place, _, colour in self.marks:
            x = _LEFT + step * place
            for y in range(_TOP, _TOP + height, 8):
                pen.line((x, y), (x, y + 4), colour)
        named = [mark for mark in self.marks if mark[1]]
        for row, (place, text, colour) in enumerate(named):
            x, y = _LEFT + step * place + 4, _TOP + 4 + 14 * row
            pen.box((x - 2, y - 1), (x + text_width(text, 11) + 2, y + 13), "white")
            pen.text((x, y), text, "la", 11, colour)


class _Pen(Protocol):
    """Draws in points. An anchor is Pillow's: left, middle or right; ascender, middle or bottom."""

    def line(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None: ...

    def box(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None: ...

    def text(
        self, at: tuple[float, float], text: str, anchor: str, size: int, colour: str = INK
    ) -> None: ...


class _PicturePen:
    """Into a picture that has twice as many pixels."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (_SIZE[0] * _SCALE, _SIZE[1] * _SCALE), "white")
        self._draw = ImageDraw.Draw(self.image)

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


class _VectorPen:
    """Into SVG."""

    _ACROSS: ClassVar = {"l": "start", "m": "middle", "r": "end"}
    _DOWN: ClassVar = {"a": 0.8, "m": 0.35, "b": -0.2}
    """From the anchor to the baseline, in sizes of the letters."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def line(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None:
        ends = f'x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"'
        self._parts.append(f'<line {ends} stroke="{colour}"/>')

    def box(self, a: tuple[float, float], b: tuple[float, float], colour: str) -> None:
        width, height = max(0.5, b[0] - a[0]), b[1] - a[1]
        if height > 0:
            place = f'x="{a[0]:.1f}" y="{a[1]:.1f}" width="{width:.1f}" height="{height:.1f}"'
            self._parts.append(f'<rect {place} fill="{colour}"/>')

    def text(
        self, at: tuple[float, float], text: str, anchor: str, size: int, colour: str = INK
    ) -> None:
        y = at[1] + size * self._DOWN[anchor[1]]
        place = f'x="{at[0]:.1f}" y="{y:.1f}" text-anchor="{self._ACROSS[anchor[0]]}"'
        self._parts.append(
            f'<text {place} font-size="{size}" fill="{colour}">{escape(text)}</text>'
        )

    def text_of(self) -> str:
        width, height = _SIZE
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="system-ui, sans-serif">\n'
            f'<rect width="{width}" height="{height}" fill="white"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def text_width(text: str, size: int) -> float:
    """Of a text in points, as the picture has it."""
    return float(_font(size).getlength(text)) / _SCALE


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)


def _pixels(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0] * _SCALE), round(point[1] * _SCALE)


def _round_up(value: float) -> float:
    """The next value of which a quarter is a plain number."""
    unit = 10.0 ** np.floor(np.log10(value))
    return float(next(m * unit for m in (1, 2, 4, 8, 10) if m * unit >= value * 0.999))
