"""All that the denoiser is told about a clip: the reference once, the guiders window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posecast.casting.options import Size
from posecast.casting.plan import AnimationPlan
from posecast.geometry.identity import CODE_NORM
from posecast.models import Animator
from posecast.models.attention import ReferenceFeatures
from posecast.pipeline.map_renderer import MapRenderer
from posecast.pipeline.offload import awake
from posecast.pipeline.previews import Projection, fit_projection
from posecast.types import ConditionMaps

LATENT_STRIDE = 8
"""Pixels a latent; frames of other sizes are made with a margin that is cut off again."""

BLOCK = 8
"""Frames that are drawn and guided together: the same groups whatever the windows are."""

HOST_BYTES = 2 * 2**30
"""What the guiders say is kept on the CPU up to this; beyond, it is made anew in every step."""


@dataclass(frozen=True)
class WindowConditions:
    """What the guiders say about windows of consecutive frames."""

    guidance: Float[Tensor, "b f d h w"] | None
    correspondence: Float[Tensor, "b f keys h w"] | None

    @property
    def nbytes(self) -> int:
        """Memory of all."""
        return sum(t.numel() * t.element_size() for t in self._tensors() if t is not None)

    def to(self, device: torch.device | str) -> WindowConditions:
        """The same on a device."""
        return self._each(lambda t: t.to(device))

    def frames(self, start: int, stop: int) -> WindowConditions:
        """Those of some of the frames."""
        return self._each(lambda t: t[:, start:stop])

    def _each(self, change: Callable[[Tensor], Tensor]) -> WindowConditions:
        return WindowConditions(*(None if t is None else change(t) for t in self._tensors()))

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return self.guidance, self.correspondence


def joined(parts: Sequence[WindowConditions], dim: int) -> WindowConditions:
    """Several as one: along the windows (0) or the frames (1)."""
    if len(parts) == 1:
        return parts[0]
    each = zip(*(part._tensors() for part in parts), strict=True)
    return WindowConditions(*(torch.cat(t, dim) if t[0] is not None else None for t in each))


@dataclass
class Conditioning:
    """A clip's conditions. On the device there are those of a few windows, whatever its length."""

    animator: Animator
    renderer: MapRenderer
    off: frozenset[str]
    """What is left out of `SWITCHES`."""
    codes: Float[np.ndarray, "characters dims"] | None
    """Identity codes, where the model has that guider."""
    device: torch.device
    dtype: torch.dtype
    host_bytes: int = HOST_BYTES
    appearance: Float[Tensor, "1 t dim"] = field(init=False)
    reference: ReferenceFeatures | None = field(init=False)
    projection: Projection = field(init=False)
    """Latents to colours, for previews."""
    kept_bytes: int = field(init=False, default=0)
    """Of `host_bytes`, how many are used."""
    _kept: dict[int, WindowConditions] = field(init=False, default_factory=dict)
    """On the CPU, by the number of the block."""
    _recent: dict[int, WindowConditions] = field(init=False, default_factory=dict)
    """On the device: the blocks of the last window, which the next one shares."""

    @property
    def plan(self) -> AnimationPlan:
        """What is to be made."""
        return self.renderer.plan

    def __post_init__(self) -> None:
        height, width = self.plan.size
        self.canvas: Size = (_up(height), _up(width))
        picture = self._to_device(self.plan.picture.transpose(2, 0, 1)[None] / np.float32(255))
        self.appearance = self.animator.embed(picture)
        margin = (0, self.canvas[1] - width, 0, self.canvas[0] - height)
        padded = torch.nn.functional.pad(picture, margin, mode="replicate")
        awake(self.animator.vae)
        latents = self.animator.encode(padded)
        self.projection = fit_projection(latents[0], padded[0])
        self.reference = None
        if "reference" not in self.off:
            self.reference = self._reference(latents)

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(1, frames, c, h, w)."""
        height, width = self.canvas
        channels = self.animator.unet.config.in_channels
        frames = self.plan.num_frames
        return (1, frames, channels, height // LATENT_STRIDE, width // LATENT_STRIDE)

    def windows(self, windows: Sequence[range]) -> WindowConditions:
        """The conditions of some windows of one length, stacked along the batch."""
        return joined([self._window(frames) for frames in windows], 0)

    def _window(self, frames: range) -> WindowConditions:
        first, last = frames.start // BLOCK, (frames.stop - 1) // BLOCK
        self._recent = {number: self._block(number) for number in range(first, last + 1)}
        start = frames.start - first * BLOCK
        return joined(list(self._recent.values()), 1).frames(start, start + len(frames))

    def _block(self, number: int) -> WindowConditions:
        if number in self._recent:
            return self._recent[number]
        if number in self._kept:
            return self._kept[number].to(self.device)
        start = number * BLOCK
        stop = min(start + BLOCK, self.plan.num_frames)
        maps = self._tensors(self._maps(start, stop))
        block = WindowConditions(self.animator.guidance(maps), self.animator.correspondence(maps))
        if self.kept_bytes + block.nbytes <= self.host_bytes:
            self._kept[number] = block.to("cpu")
            self.kept_bytes += block.nbytes
        return block

    def _maps(self, start: int, stop: int) -> ConditionMaps:
        config = self.animator.config
        return self.renderer.maps(
            start,
            stop,
            self.canvas,
            self.codes,
            config.conditions,
            code_overlaps=config.code_overlaps,
            body=self._uses("body"),
            left_out=self.off,
        )

    def _reference(self, latents: Float[Tensor, "1 c h w"]) -> ReferenceFeatures:
        maps = None
        if self.animator.keyed:
            own = self._maps(0, 1)
            named = {
                "pose": own.reference_pose,
                "identity": own.reference_identity,
                "body": own.reference_body,
            }
            maps = {
                name: self._to_device(values[None])
                for name, values in named.items()
                if values is not None and self._uses(name)
            }
        awake(self.animator.reference_net)
        features = self.animator.reference_features(latents, self.appearance, maps)
        awake(self.animator.unet)
        # The denoiser reads keys and values alone: the tokens' memory is free again.
        return replace(self.animator.prepare_reference(features), tokens={})

    def _tensors(self, maps: ConditionMaps) -> dict[str, Tensor]:
        named = {
            "pose": maps.pose,
            "flow": maps.flow,
            "depth_order": maps.depth_order,
            "reference_pose": maps.reference_pose[None],
            "identity": maps.identity,
            "body": maps.body,
        }
        return {
            name: self._to_device(values[None])
            for name, values in named.items()
            if values is not None and self._uses(name)
        }

    def _uses(self, name: str) -> bool:
        if name == "body":
            return self.animator.keyed and name in self.animator.config.keyed_by
        return name in self.animator.config.guiders and name not in self.off

    def _to_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)


def well_separated_codes(
    characters: int, dims: int, generator: torch.Generator | None
) -> Float[np.ndarray, "characters dims"]:
    """Identity codes as in training (random, of the same length), but orthogonal where they can be.

    Of more characters than dimensions, the draw whose closest two are farthest apart, out of 64.
    """
    draws = torch.randn(64, characters, dims, generator=generator).double()
    if characters <= dims:
        # Rows of Q^T: orthonormal, in a random direction.
        best = torch.linalg.qr(draws[0].T).Q.T
    else:
        unit = torch.nn.functional.normalize(draws, dim=2)
        likeness = unit @ unit.transpose(1, 2) - 2 * torch.eye(characters)
        best = unit[likeness.amax(dim=(1, 2)).argmin()]
    return (CODE_NORM * dims**0.5 * best).float().numpy()


def _up(side: int) -> int:
    return -(-side // LATENT_STRIDE) * LATENT_STRIDE
