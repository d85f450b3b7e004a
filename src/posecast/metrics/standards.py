"""The inference standards of appendix C.2, under which one method's videos get different scores.

A standard is the size that frames are brought to, how, and which samples of 16 frames there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from posecast.metrics.settings import EvaluationSettings


@dataclass(frozen=True)
class Standard:
    """One row of the paper's table 7 or 8."""

    name: str
    size: tuple[int, int] | None
    """(height, width); None: the real video's own."""
    crop: bool
    """Centre-cropped to that shape, or else stretched."""
    uninterrupted: bool
    """Whether every frame may start a sample, or those that DisCo's script leaves."""

    def of(self, settings: EvaluationSettings) -> EvaluationSettings:
        """The same settings under this standard."""
        return replace(settings, size=self.size, crop=self.crop, uninterrupted=self.uninterrupted)


STANDARDS = {
    "7": (
        Standard("384x384, stretched (MRAA, TPSMM)", (384, 384), False, True),
        Standard("640x512, stretched (DreamPose)", (640, 512), False, True),
        Standard("256x256, fewer samples (DisCo)", (256, 256), True, False),
        Standard("512x512 (MagicAnimate; unified)", (512, 512), True, True),
        Standard("512x512, stretched (MagicPose)", (512, 512), False, True),
    ),
    # Of the first row the paper states size and crop alone; it is DisCo's, and so are its samples.
    "8": (
        Standard("origin size, w/o center-crop", None, False, False),
        Standard("256x256, w/o uninterrupted frames", (256, 256), True, False),
        Standard("512x512, w/o uninterrupted frames", (512, 512), True, False),
        Standard("512x512, w/ uninterrupted frames", (512, 512), True, True),
    ),
}
"""By table. Table 7's methods that share a standard share a row; sizes are height x width."""
