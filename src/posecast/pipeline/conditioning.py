"""All that the denoiser is told about a clip: the reference once, the guiders window by window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posecast.geometry.identity import CODE_NORM
from posecast.models import Animator
from posecast.models.attention import ReferenceFeatures
from posecast.pipeline.plan import AnimationPlan, Size
from posecast.types import ConditionMaps

LATENT_STRIDE = 8
"""Pixels a latent; frames of other sizes are made with a margin that is cut off again."""

CACHE_BYTES = 2 * 2**30
"""Guidance of all windows is kept up to this; beyond, it is made anew in every step."""


@dataclass(frozen=True)
class WindowConditions:
    """What the guiders say about some consecutive frames."""

    guidance: Float[Tensor, "b f d h w"] | None
    correspondence: Float[Tensor, "b f keys h w"] | None

    @property
    def nbytes(self) -> int:
        """Memory of both."""
        tensors = (self.guidance, self.correspondence)
        return sum(t.numel() * t.element_size() for t in tensors if t is not None)


@dataclass
class Conditioning:
    """A clip's conditions. Maps exist for one window at a time, whatever the clip's length."""

    animator: Animator
    plan: AnimationPlan
    off: frozenset[str]
    """Guiders left out (and `reference`, the ReferenceNet)."""
    codes: Float[np.ndarray, "characters dims"] | None
    """Identity codes, where the model has that guider."""
    device: torch.device
    dtype: torch.dtype
    cache_bytes: int = CACHE_BYTES
    appearance: Float[Tensor, "1 t dim"] = field(init=False)
    reference: ReferenceFeatures | None = field(init=False)
    _cache: dict[tuple[int, int], WindowConditions] = field(init=False, default_factory=dict)
    _cached: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        height, width = self.plan.size
        self.canvas: Size = (_up(height), _up(width))
        picture = self._to_device(self.plan.picture.transpose(2, 0, 1)[None] / np.float32(255))
        self.appearance = self.animator.embed(picture)
        self.reference = None
        if "reference" not in self.off:
            self.reference = self._reference(picture)

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(1, frames, c, h, w)."""
        height, width = self.canvas
        channels = self.animator.unet.config.in_channels
        frames = self.plan.num_frames
        return (1, frames, channels, height // LATENT_STRIDE, width // LATENT_STRIDE)

    def window(self, start: int, stop: int) -> WindowConditions:
        """The conditions of frames `start` to `stop`."""
        if (start, stop) in self._cache:
            return self._cache[start, stop]
        maps = self._tensors(self.plan.maps(start, stop, self.canvas, self.codes))
        conditions = WindowConditions(
            self.animator.guidance(maps), self.animator.correspondence(maps)
        )
        if self._cached + conditions.nbytes <= self.cache_bytes:
            self._cache[start, stop] = conditions
            self._cached += conditions.nbytes
        return conditions

    def _reference(self, picture: Tensor) -> ReferenceFeatures:
        height, width = self.plan.size
        margin = (0, self.canvas[1] - width, 0, self.canvas[0] - height)
        padded = torch.nn.functional.pad(picture, margin, mode="replicate")
        maps = None
        if self.animator.keyed:
            own = self.plan.maps(0, 1, self.canvas, self.codes)
            named = {"pose": own.reference_pose, "identity": own.reference_identity}
            maps = {
                name: self._to_device(values[None])
                for name, values in named.items()
                if values is not None and self._uses(name)
            }
        latents = self.animator.encode(padded)
        features = self.animator.reference_features(latents, self.appearance, maps)
        return self.animator.prepare_reference(features)

    def _tensors(self, maps: ConditionMaps) -> dict[str, Tensor]:
        named = {
            "pose": maps.pose,
            "flow": maps.flow,
            "depth_order": maps.depth_order,
            "reference_pose": maps.reference_pose[None],
            "identity": maps.identity,
        }
        return {
            name: self._to_device(values[None])
            for name, values in named.items()
            if values is not None and self._uses(name)
        }

    def _uses(self, guider: str) -> bool:
        return guider in self.animator.config.guiders and guider not in self.off

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
