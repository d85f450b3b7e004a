"""The ranges of a run's settings, as types: what YAML may hold, read and checked by `reader`.

Sizes of things have an end too, far beyond use: a slip of the keyboard is then a line of text, and
not a machine without memory.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval, MultipleOf

from posecast.data.pace import MAX_STRIDE

Share = Annotated[float, Interval(ge=0, le=1)]
Decay = Annotated[float, Interval(ge=0, lt=1)]
"""Of running means: 1 would never learn."""
Weight = Annotated[float, Interval(ge=0, le=1000)]
Rate = Annotated[float, Interval(gt=0, le=10)]
Tiny = Annotated[float, Interval(gt=0, le=1)]
Large = Annotated[float, Interval(gt=0, le=1e6)]
Minutes = Annotated[float, Interval(gt=0, le=1e7)]
Power = Annotated[float, Interval(gt=0, le=10)]
Noise = Annotated[float, Interval(ge=0, le=10)]
Guidance = Annotated[float, Interval(ge=0, le=100)]

Side = Annotated[int, Interval(ge=16, le=8192), MultipleOf(8)]
"""Of samples, in pixels: latents are an eighth."""
Steps = Annotated[int, Interval(ge=1, le=10**9)]
Waiting = Annotated[int, Interval(ge=0, le=10**9)]
"""Steps that may be none."""
SamplingSteps = Annotated[int, Interval(ge=1, le=1000)]
Samples = Annotated[int, Interval(ge=1, le=4096)]
Frames = Annotated[int, Interval(ge=1, le=1024)]
Distance = Annotated[int, Interval(ge=0, le=10**6)]
Stride = Annotated[int, Interval(ge=1, le=MAX_STRIDE)]
FrameRate = Annotated[float, Interval(gt=0, le=1000)]
CropSide = Annotated[float, Interval(ge=0.1, le=1)]
"""Of a crop, as a share of the whole picture's."""
Accumulated = Annotated[int, Interval(ge=1, le=65536)]
Workers = Annotated[int, Interval(ge=0, le=256)]
Rank = Annotated[int, Interval(ge=1, le=4096)]
Kept = Annotated[int, Interval(ge=1, le=10**6)]
Clips = Annotated[int, Interval(ge=1, le=10_000)]
Seed = Annotated[int, Interval(ge=0, le=2**40)]
