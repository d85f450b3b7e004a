"""How a puppet looks: colours, clothes, hair, patterns. Independent of its build and motion."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

SKIN_TONES: tuple[Colour, ...] = (
    (250, 219, 195),
    (236, 196, 162),
    (214, 166, 128),
    (176, 124, 86),
    (132, 86, 58),
    (92, 60, 42),
)
HAIR_TONES: tuple[Colour, ...] = (
    (28, 22, 20),
    (66, 42, 26),
    (122, 74, 36),
    (196, 146, 70),
    (232, 204, 132),
    (172, 62, 30),
    (190, 190, 196),
)
PATTERNS = ("plain", "bands", "stripes", "checks", "dots", "block", "badge", "sash")
PATTERN_WEIGHTS = (0.26, 0.2, 0.12, 0.12, 0.08, 0.1, 0.07, 0.05)
HAIR_STYLES = ("short", "bob", "long", "bun", "tail", "afro", "spikes", "cap", "beanie")


@dataclass(frozen=True)
class Fabric:
    """A base colour, a second colour, and the pattern in which the second covers the first."""

    base: Colour
    second: Colour
    pattern: str
    count: int


@dataclass(frozen=True)
class Look:
    """A puppet's appearance: all that stays the same while it moves."""

    skin: Colour
    hair: Colour
    hair_style: str
    hat: Colour
    eyes: Colour
    top: Fabric
    sleeve: Fabric
    sleeve_length: float
    """0 sleeveless, 0.5 to the elbow, 1 to the wrist."""
    bottom: Fabric
    leg_length: float
    """Length of the trousers: 0.4 is shorts, 1 is to the ankle."""
    skirt: float
    """Length of the skirt in thigh lengths; 0 for none."""
    shoes: Colour
    belt: Colour | None
    glasses: bool
    scarf: Colour | None


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` times `factor`, clipped to 0..255."""
    red, green, blue = (min(255, max(0, round(c * factor))) for c in colour)
    return red, green, blue


def random_colour(rng: np.random.Generator) -> Colour:
    """A clothing colour: vivid, pastel, deep or grey."""
    kind = rng.choice(4, p=(0.5, 0.2, 0.18, 0.12))
    hue = rng.random()
    saturation, value = (
        (rng.uniform(0.65, 1.0), rng.uniform(0.65, 1.0)),
        (rng.uniform(0.2, 0.45), rng.uniform(0.85, 1.0)),
        (rng.uniform(0.5, 1.0), rng.uniform(0.25, 0.5)),
        (rng.uniform(0.0, 0.08), rng.uniform(0.1, 1.0)),
    )[kind]
    red, green, blue = colorsys.hsv_to_rgb(hue, float(saturation), float(value))
    return round(255 * red), round(255 * green), round(255 * blue)


def contrasting(rng: np.random.Generator, colour: Colour) -> Colour:
    """Another random colour, clearly different from `colour`."""
    best = random_colour(rng)
    for _ in range(6):
        if np.abs(np.subtract(best, colour)).sum() > 180:
            break
        best = random_colour(rng)
    return best


def random_fabric(rng: np.random.Generator) -> Fabric:
    """A fabric with a random pattern."""
    base = random_colour(rng)
    pattern = str(rng.choice(PATTERNS, p=PATTERN_WEIGHTS))
    return Fabric(base, contrasting(rng, base), pattern, int(rng.integers(2, 5)))


def _jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    return shade(colour, float(rng.uniform(1 - amount, 1 + amount)))


def random_look(rng: np.random.Generator) -> Look:
    """A random look; two draws are practically never alike."""
    top = random_fabric(rng)
    plain = Fabric(contrasting(rng, top.base), top.second, "plain", 1)
    sleeve = top if rng.random() < 0.7 else plain
    if sleeve.pattern in ("badge", "sash", "block"):
        sleeve = Fabric(sleeve.base, sleeve.second, "plain", 1)
    bottom = random_fabric(rng)
    if bottom.pattern in ("badge", "sash", "dots"):
        bottom = Fabric(bottom.base, bottom.second, "plain", 1)
    skirt = float(rng.uniform(0.7, 1.5)) if rng.random() < 0.28 else 0.0
    hair = HAIR_TONES[rng.integers(len(HAIR_TONES))] if rng.random() < 0.75 else random_colour(rng)
    return Look(
        skin=_jitter(rng, SKIN_TONES[rng.integers(len(SKIN_TONES))], 0.06),
        hair=_jitter(rng, hair, 0.12),
        hair_style=str(rng.choice(HAIR_STYLES)),
        hat=random_colour(rng),
        eyes=(24, 24, 30),
        top=top,
        sleeve=sleeve,
        sleeve_length=float(rng.choice((0.0, 0.5, 1.0), p=(0.15, 0.4, 0.45))),
        bottom=bottom,
        leg_length=float(rng.choice((0.4, 0.7, 1.0), p=(0.25, 0.1, 0.65))),
        skirt=skirt,
        shoes=random_colour(rng),
        belt=random_colour(rng) if rng.random() < 0.3 else None,
        glasses=bool(rng.random() < 0.15),
        scarf=random_colour(rng) if rng.random() < 0.12 else None,
    )
