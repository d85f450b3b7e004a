"""Brings decoded frames to what a player shows: colours, square pixels, rotation, mirroring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import UInt8

from posecast.media.standard_colours import HDR, needs_conversion, standard_colours

if TYPE_CHECKING:
    import av

Frame = UInt8[np.ndarray, "height width 3"]

EXACT = 4 | 0x2000 | 0x40000
"""How FFmpeg's scaler converts colours: SWS_BICUBIC, SWS_FULL_CHR_H_INT, SWS_ACCURATE_RND. Its
default repeats each value of subsampled colours for four pixels, and is 1.2 levels too dark."""
_NEARLY_SQUARE = 0.01
"""Pixel aspects closer to 1 than this are ignored: they come from sides rounded to blocks."""
_MOST_STRETCHED = 8.0
"""Pixel aspects beyond this are errors in the file, and players ignore them too."""


@dataclass(frozen=True)
class Display:
    """How a video stream's frames are shown. Rotation is stored with each frame."""

    aspect: float
    """A pixel's width over its height."""
    primaries: int
    transfer: int
    """Numbers of ITU-T H.273."""

    @classmethod
    def of(cls, stream: av.VideoStream) -> Display:
        """Read it from the container, else from the encoded stream."""
        context = stream.codec_context
        ratio = stream.sample_aspect_ratio or getattr(context, "sample_aspect_ratio", None) or 1
        aspect = float(ratio)
        if not 1 / _MOST_STRETCHED <= aspect <= _MOST_STRETCHED or abs(aspect - 1) < _NEARLY_SQUARE:
            aspect = 1.0
        return cls(
            aspect,
            int(getattr(context, "color_primaries", 0) or 0),
            int(getattr(context, "color_trc", 0) or 0),
        )

    def squared_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width with square pixels: the side along which pixels are long grows."""
        if self.aspect >= 1:
            return height, max(1, round(width * self.aspect))
        return max(1, round(height / self.aspect)), width

    def rgb(self, frame: av.VideoFrame) -> Frame:
        """The frame as it is shown."""
        if needs_conversion(self.primaries, self.transfer):
            deep = frame.reformat(format="rgb48le", interpolation=EXACT).to_ndarray()
            image = standard_colours(deep, self.primaries, self.transfer)
        else:
            image = frame.reformat(format="rgb24", interpolation=EXACT).to_ndarray()
        if self.aspect != 1:
            height, width = self.squared_size(*image.shape[:2])
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(turned(image, _matrix(frame)))

    def changes(self, frame: av.VideoFrame) -> tuple[str, ...]:
        """The changes that `rgb` makes because the file asks for them, in words."""
        said = []
        if self.transfer in HDR:
            said.append(f"high dynamic range ({HDR[self.transfer]}) brought to sRGB")
        elif needs_conversion(self.primaries, self.transfer):
            said.append("colours of a wide gamut brought to sRGB")
        if self.aspect != 1:
            said.append(f"pixels made square (they are {self.aspect:.3g} times as wide as high)")
        matrix = _matrix(frame)
        if matrix is not None:
            a, b, c, d = matrix
            mirrored = a * d - b * c < 0
            upright = abs(a) + abs(d) >= abs(b) + abs(c) and d > 0
            said += ["mirrored as the file asks"] if mirrored else []
            said += [] if upright else ["turned upright as the file asks"]
        return tuple(said)


def turned(image: np.ndarray, matrix: tuple[int, int, int, int] | None) -> np.ndarray:
    """An image under a display matrix (a, b, c, d): x' = a x + c y, y' = b x + d y.

    Angles are rounded to quarter turns; phones and cameras write no others.
    """
    if matrix is None:
        return image
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        x, y = a, d
    else:
        image = image.swapaxes(0, 1)
        x, y = c, b
    return image[:: -1 if y < 0 else 1, :: -1 if x < 0 else 1]


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The linear part of a frame's display matrix; None if there is none or it is singular."""
    from av.sidedata import sidedata

    # Not `frame.side_data`: it makes a reference cycle with the frame. Frames would wait for the
    # garbage collector, which crashes in a forked process when it frees objects of decoder threads.
    container: Any = sidedata.SideDataContainer  # PyAV's stubs lack its constructor
    data = container(frame).get(sidedata.Type.DISPLAYMATRIX)
    if data is None or len(bytes(data)) < 36:
        return None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    identity = b == c == 0 and a > 0 and d > 0
    return None if identity or a * d == b * c else (a, b, c, d)
