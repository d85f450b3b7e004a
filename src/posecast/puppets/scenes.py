"""Backgrounds: textured rooms and landscapes, drawn once a scene."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from posecast.puppets.looks import Colour, contrasting, random_colour, shade

Picture = UInt8[np.ndarray, "height width 3"]


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    red, green, blue = (round(p + (q - p) * t) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _gradient(height: int, width: int, top: Colour, bottom: Colour) -> Picture:
    t = np.linspace(0, 1, height)[:, None, None]
    rows = np.asarray(top) * (1 - t) + np.asarray(bottom) * t
    return np.ascontiguousarray(np.broadcast_to(rows, (height, width, 3)).astype(np.uint8))


def _noise(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Smooth noise of -1..1 with about `cells` bumps a side."""
    grid = rng.uniform(-1, 1, size=(cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))


def _texture(rng: np.random.Generator, picture: Picture, strength: float) -> Picture:
    """Multiplies two octaves of noise onto a picture: something for optical flow to hold on to."""
    height, width = picture.shape[:2]
    noise = _noise(rng, height, width, 7) + 0.5 * _noise(rng, height, width, 18)
    scale = 1 + strength * noise[:, :, None]
    return np.clip(picture * scale, 0, 255).astype(np.uint8)


def _rectangle(
    picture: Picture, x0: float, y0: float, x1: float, y1: float, colour: Colour
) -> None:
    cv2.rectangle(picture, (round(x0), round(y0)), (round(x1), round(y1)), colour, -1)


def _wallpaper(rng: np.random.Generator, picture: Picture, horizon: int, colour: Colour) -> None:
    height, width = picture.shape[:2]
    accent = _mix(colour, random_colour(rng), float(rng.uniform(0.25, 0.7)))
    unit = height / rng.uniform(5, 11)
    kind = int(rng.integers(5))
    for i in range(int(width / unit) + 1):
        if kind == 0:
            _rectangle(picture, i * unit, 0, (i + 0.5) * unit, horizon, accent)
        for k in range(int(horizon / unit) + 1):
            x, y = (i + 0.5 * (k % 2)) * unit, k * unit
            if kind == 1:
                cv2.circle(picture, (round(x), round(y)), round(unit / 5), accent, -1, cv2.LINE_AA)
            elif kind == 2 and (i + k) % 2:
                _rectangle(picture, i * unit, y, (i + 1) * unit, min(y + unit, horizon), accent)
            elif kind == 3:
                _rectangle(picture, x + 1, y + 1, x + unit - 2, y + unit * 0.9, accent)


def _floor(rng: np.random.Generator, picture: Picture, horizon: int, colour: Colour) -> None:
    height, width = picture.shape[:2]
    dark = shade(colour, 0.75)
    picture[horizon:] = _gradient(height - horizon, width, dark, colour)
    if rng.random() < 0.7:
        line = shade(colour, float(rng.choice((0.6, 1.25))))
        count = int(rng.integers(6, 14))
        for i in range(-count, 2 * count):
            top = (round(width * (0.5 + (i / count - 0.5) * 0.6)), horizon)
            bottom = (round(width * (0.5 + (i / count - 0.5) * 1.6)), height)
            cv2.line(picture, top, bottom, line, max(1, height // 160), cv2.LINE_AA)
    if rng.random() < 0.4:
        rug = random_colour(rng)
        centre = (round(width * rng.uniform(0.3, 0.7)), round((horizon + height) / 2))
        axes = (round(width * rng.uniform(0.15, 0.35)), round((height - horizon) * 0.3))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, rug, -1, cv2.LINE_AA)
        inner = (round(axes[0] * 0.7), round(axes[1] * 0.7))
        cv2.ellipse(picture, centre, inner, 0, 0, 360, contrasting(rng, rug), -1, cv2.LINE_AA)
    cv2.line(picture, (0, horizon), (width, horizon), shade(colour, 0.5), max(1, height // 90))


def _furnish(rng: np.random.Generator, picture: Picture, horizon: int) -> None:
    """Windows, pictures, lamps, plants and cupboards against the wall."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        colour = random_colour(rng)
        x, y = rng.uniform(0, width * 0.85), rng.uniform(0.03, 0.35) * height
        w, h = rng.uniform(0.1, 0.26) * height, rng.uniform(0.1, 0.24) * height
        kind = int(rng.integers(4))
        if kind == 0:  # a framed picture
            _rectangle(picture, x, y, x + w, y + h, shade(colour, 0.5))
            _rectangle(picture, x + w * 0.1, y + h * 0.1, x + w * 0.9, y + h * 0.9, colour)
            spot = (round(x + w * 0.5), round(y + h * 0.6))
            cv2.circle(picture, spot, round(min(w, h) * 0.22), contrasting(rng, colour), -1)
        elif kind == 1:  # a window
            sky = _gradient(round(h * 1.3), round(w * 1.2), (120, 180, 240), (225, 240, 250))
            top, left = round(y), round(x)
            sky = sky[: height - top, : width - left]
            picture[top : top + sky.shape[0], left : left + sky.shape[1]] = sky
            box = (left, top, sky.shape[1], sky.shape[0])
            cv2.rectangle(picture, box, (245, 245, 240), max(1, height // 60))
            middle = left + sky.shape[1] // 2
            cv2.line(picture, (middle, top), (middle, top + sky.shape[0]), (245, 245, 240), 2)
        elif kind == 2:  # a cupboard on the floor
            top = horizon - h * 1.5
            _rectangle(picture, x, top, x + w, horizon + height * 0.02, colour)
            for k in range(1, 3):
                line = round(top + k * h * 0.5)
                cv2.line(picture, (round(x), line), (round(x + w), line), shade(colour, 0.6), 2)
        else:  # a plant
            base = horizon + height * 0.03
            _rectangle(picture, x, base - h * 0.4, x + w * 0.5, base, colour)
            leaf = (40 + int(rng.integers(60)), 110 + int(rng.integers(90)), 50)
            for angle in rng.uniform(-70, 70, size=7):
                tip = np.array([np.sin(np.radians(angle)), -np.cos(np.radians(angle))]) * h * 0.5
                centre = (round(x + w * 0.25 + tip[0]), round(base - h * 0.4 + tip[1]))
                axes = (max(1, round(h * 0.09)), max(1, round(h * 0.4)))
                cv2.ellipse(picture, centre, axes, angle, 0, 360, leaf, -1, cv2.LINE_AA)


def _room(rng: np.random.Generator, height: int, width: int, texture: float) -> Picture:
    wall = random_colour(rng)
    picture = _gradient(height, width, shade(wall, 1.1), shade(wall, 0.85))
    horizon = round(height * rng.uniform(0.6, 0.8))
    _wallpaper(rng, picture, horizon, wall)
    _floor(rng, picture, horizon, contrasting(rng, wall))
    _furnish(rng, picture, horizon)
    return _texture(rng, picture, texture * float(rng.uniform(0.02, 0.06)))


def _ridge(rng: np.random.Generator, width: int, level: float, rough: float) -> np.ndarray:
    x = np.arange(width)
    line = level + rough * _noise(rng, 4, width, int(rng.integers(3, 9)))[1]
    return np.stack([x, line], axis=1)


def _landscape(rng: np.random.Generator, height: int, width: int, texture: float) -> Picture:
    skies = (((70, 130, 220), (200, 226, 246)), ((250, 170, 90), (250, 226, 170)),
             ((40, 40, 90), (150, 90, 130)), ((150, 170, 190), (220, 226, 232)))  # fmt: skip
    top, bottom = skies[int(rng.integers(len(skies)))]
    picture = _gradient(height, width, top, bottom)
    clouds = np.clip(_noise(rng, height, width, 6) + 0.5 * _noise(rng, height, width, 15), 0, 1)
    picture = (picture + (255 - picture) * (0.7 * clouds[:, :, None])).astype(np.uint8)
    ground = random_colour(rng) if rng.random() < 0.5 else (80, 150, 70)
    horizon = height * rng.uniform(0.5, 0.72)
    for layer in range(int(rng.integers(1, 4))):
        colour = _mix(random_colour(rng), bottom, 0.6 - 0.2 * layer)
        ridge = _ridge(rng, width, horizon - height * (0.2 - 0.07 * layer), height * 0.08)
        outline = np.concatenate([ridge, [[width, height], [0, height]]]).round().astype(np.int32)
        cv2.fillPoly(picture, [outline], colour, cv2.LINE_AA)
    if rng.random() < 0.45:  # a street of houses
        x = 0.0
        while x < width:
            w, h = rng.uniform(0.1, 0.25) * height, rng.uniform(0.15, 0.5) * height
            colour = random_colour(rng)
            _rectangle(picture, x, horizon - h, x + w, horizon, colour)
            pane = contrasting(rng, colour)
            for px in np.arange(x + w * 0.15, x + w * 0.8, w * 0.3):
                for py in np.arange(horizon - h * 0.9, horizon - h * 0.15, h * 0.28):
                    _rectangle(picture, px, py, px + w * 0.14, py + h * 0.14, pane)
            x += w + rng.choice((0, 0.1)) * height
    picture[round(horizon) :] = _gradient(
        height - round(horizon), width, shade(ground, 0.8), shade(ground, 1.05)
    )
    for _ in range(int(rng.integers(0, 5))):  # trees
        x, size = rng.uniform(0, width), rng.uniform(0.1, 0.22) * height
        crown = (
            30 + int(rng.integers(90)),
            90 + int(rng.integers(100)),
            30 + int(rng.integers(50)),
        )
        _rectangle(
            picture, x - size * 0.08, horizon - size, x + size * 0.08, horizon + 2, (90, 62, 40)
        )
        for _ in range(4):
            spot = np.array([x, horizon - size]) + rng.normal(size=2) * size * 0.3
            cv2.circle(picture, tuple(spot.round().astype(int).tolist()), round(size * 0.42),
                       shade(crown, float(rng.uniform(0.8, 1.2))), -1, cv2.LINE_AA)  # fmt: skip
    if rng.random() < 0.5:  # a path or a lake
        band = random_colour(rng)
        y = horizon + (height - horizon) * rng.uniform(0.2, 0.7)
        _rectangle(picture, 0, y, width, y + height * rng.uniform(0.04, 0.1), band)
    return _texture(rng, picture, texture * float(rng.uniform(0.03, 0.08)))


def paint_cloth(rng: np.random.Generator, height: int, width: int, patch: float) -> Picture:
    """Smooth random colours, `height` x `width` pixels, in patches about `patch` pixels wide."""
    rows, columns = (max(2, round(side / patch)) + 1 for side in (height, width))
    grid = rng.uniform(0, 255, size=(rows, columns, 3)).astype(np.float32)
    picture = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def paint_scene(rng: np.random.Generator, height: int, width: int, texture: float = 1.0) -> Picture:
    """A room or a landscape of `height` x `width` pixels; `texture` multiplies its texture."""
    paint = _room if rng.random() < 0.55 else _landscape
    return np.ascontiguousarray(paint(rng, height, width, texture))
