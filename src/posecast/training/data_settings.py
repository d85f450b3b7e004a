"""The source of a run's samples, and their augmentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from posecast.data.choosing import ClipChoice
from posecast.data.pace import Pace
from posecast.data.puppet_source import MovingCamera, ReferenceFrame
from posecast.puppets import PuppetSettings
from posecast.training import ranges


@dataclass(frozen=True)
class StageShare:
    """One kind of scenes in a mixture; `DataSettings` has the same settings for a single kind."""

    share: ranges.Large
    """Its weight among the mixture's."""
    stage: PuppetSettings
    misaligned: ranges.Share = 0.7
    moving: ranges.Share = 0.0
    camera: MovingCamera = "moving"
    reference: ReferenceFrame = "any"


@dataclass(frozen=True)
class DataSettings:
    """Where samples come from: rendered on the fly by the stage, or a dataset folder."""

    stage: PuppetSettings | None = None
    dataset: Path | None = None
    size: tuple[ranges.Side, ranges.Side] | None = None
    """Height and width of a dataset's samples: resized to cover, centre-cropped."""
    clips: ClipChoice = field(default_factory=ClipChoice)
    """The clips of a dataset that are used, and their frequencies."""
    misaligned: ranges.Share = 0.7
    """Probability that the reference comes from another shot of the same characters and place."""
    margin: ranges.Distance = 1
    """Frames between the reference and each target of a dataset, if the clip is long enough."""
    stride: ranges.Stride = 1
    """Clips take every n-th frame; flow is the motion since the previous sampled frame."""
    rate: ranges.FrameRate | None = None
    """Frames per second of clips, instead of a stride; slower clips use every frame."""
    flip: ranges.Share = 0.0
    """Probability that a sample is mirrored."""
    crop: tuple[ranges.CropSide, ranges.CropSide] | None = None
    """Smallest and largest side of a random crop of a dataset's pictures, as a share of the largest
    crop with the samples' aspect ratio. Null: the largest crop, in the centre."""
    moving: ranges.Share = 0.0
    """Share of the stage's scenes with the camera `camera`."""
    camera: MovingCamera = "moving"
    """Camera of these scenes: "moving" (also with changing light) or "shaking" (in constant
    light)."""
    reference: ReferenceFrame = "any"
    """Reference of the stage's clips: any frame of the shot, or the frame before the clip."""
    mixture: tuple[StageShare, ...] = ()
    """Several kinds of scenes of the stage with their shares of the samples, instead of `stage`."""
    source: str | None = None
    """A source of an installed package (docs/design/new-condition.md), instead of `dataset`."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of that source."""
    flow_from: Literal["previous", "reference"] = "previous"
    """Start of the stage's flow: the previous frame (as in the paper), or the reference."""
    workers: ranges.Workers = 0
    """Processes that prepare batches; with 0 the training process does it."""

    def __post_init__(self) -> None:
        given = (self.stage, self.dataset, self.mixture or None, self.source)
        if sum(one is not None for one in given) != 1:
            raise ValueError("expected one of stage, dataset, mixture and source")
        if len({(share.stage.size, share.stage.joints) for share in self.mixture}) > 1:
            raise ValueError("mixture: expected one size and one kind of joints for all of it")
        if (self.dataset is not None or self.source is not None) and self.size is None:
            raise ValueError("a dataset or source needs size: [height, width]")
        if self.options and self.source is None:
            raise ValueError("options: only a source has any")
        if self.dataset is not None and self.flow_from != "previous":
            raise ValueError("flow_from: a dataset knows the flow from the previous frame alone")
        if self.reference != "any" and self.stage is None:
            raise ValueError("reference: only the stage has it; a mixture has one for each share")
        if self.dataset is None and (self.crop is not None or self.clips != ClipChoice()):
            which = "clips" if self.crop is None else "crop"
            raise ValueError(f"{which}: belongs to a dataset; the stage renders what is asked for")
        if self.rate is not None and self.stride != 1:
            raise ValueError("expected stride or rate, not both")
        if self.crop is not None and self.crop[0] > self.crop[1]:
            raise ValueError(f"crop: expected the least side first, got {list(self.crop)}")

    @property
    def pace(self) -> Pace:
        """Frames of the clip between two frames of a sample."""
        return Pace(self.stride, self.rate)

    @property
    def sample_size(self) -> tuple[int, int] | None:
        """Height and width of the samples."""
        stages = [self.stage, *(share.stage for share in self.mixture)]
        return next((stage.size for stage in stages if stage is not None), self.size)
