"""The conditions of a clip: the reference once, the guiders window by window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from posecast.casting.plan import AnimationPlan
from posecast.diffusion.guidance import Conditions
from posecast.geometry.conditions import compared_names, known_conditions
from posecast.geometry.identity import CODE_NORM
from posecast.models import Animator
from posecast.models.attention import ReferenceFeatures
from posecast.models.guider import total_of
from posecast.pipeline.map_renderer import MapRenderer
from posecast.pipeline.offload import awake
from posecast.pipeline.previews import Projection, fit_projection

LATENT_STRIDE = 8
"""Pixels per latent; frames of other sizes are generated with a margin, which is cropped."""

BLOCK = 8
"""Frames whose maps and guider features are computed together, for any windows."""

HOST_BYTES = 2 * 2**30
"""Guider features are kept on the CPU up to this many bytes; others are recomputed in every
step."""


@dataclass(frozen=True)
class GuiderFeatures:
    """Guider features of consecutive frames."""

    guidance: Float[Tensor, "b f d h w"] | None
    correspondence: Float[Tensor, "b f keys h w"] | None

    @property
    def nbytes(self) -> int:
        """Total memory, bytes."""
        return sum(t.numel() * t.element_size() for t in self._tensors() if t is not None)

    def to(self, device: torch.device | str) -> GuiderFeatures:
        """The same on a device."""
        return self._each(lambda t: t.to(device))

    def frames(self, start: int, stop: int) -> GuiderFeatures:
        """Those of some of the frames."""
        return self._each(lambda t: t[:, start:stop])

    def _each(self, change: Callable[[Tensor], Tensor]) -> GuiderFeatures:
        return GuiderFeatures(*(None if t is None else change(t) for t in self._tensors()))

    def _tensors(self) -> tuple[Tensor | None, ...]:
        return self.guidance, self.correspondence


def joined(parts: Sequence[GuiderFeatures], dim: int) -> GuiderFeatures:
    """Several as one: along the windows (0) or the frames (1)."""
    if len(parts) == 1:
        return parts[0]
    each = zip(*(part._tensors() for part in parts), strict=True)
    return GuiderFeatures(*(torch.cat(t, dim) if t[0] is not None else None for t in each))


@dataclass(frozen=True)
class Place:
    """Device and precision of the networks."""

    device: torch.device
    dtype: torch.dtype

    def tensor(self, values: np.ndarray) -> Tensor:
        """An array there."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)

    def tensors(self, maps: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Maps there, each as a batch of one."""
        return {name: self.tensor(values[None]) for name, values in maps.items()}


@dataclass
class Conditioning:
    """The conditions of a clip. Only those of a few windows are on the device, for clips of any
    length.

    `prepared` makes one and runs the networks on the reference.
    """

    animator: Animator
    renderer: MapRenderer
    off: frozenset[str]
    """The conditions that are left out (`switches`)."""
    place: Place
    appearance: Float[Tensor, "1 t dim"]
    reference: ReferenceFeatures | None
    still: Mapping[str, Float[Tensor, "1 1 d h w"]]
    """Guider features of the reference, the same for all frames."""
    projection: Projection
    """Latents to colours, for previews."""
    host_bytes: int
    """Guider features are kept on the CPU up to this many bytes; others are recomputed in every
    step."""
    kept_bytes: int = 0
    """Used part of `host_bytes`."""
    _kept: dict[int, GuiderFeatures] = field(default_factory=dict)
    """On the CPU, by the number of the block."""
    _recent: dict[int, GuiderFeatures] = field(default_factory=dict)
    """On the device: the blocks of the last window, which the next one shares."""

    @property
    def latent_shape(self) -> tuple[int, int, int, int, int]:
        """(1, frames, c, h, w)."""
        height, width = self.renderer.size
        channels = self.animator.unet.config.in_channels
        frames = self.renderer.plan.num_frames
        return (1, frames, channels, height // LATENT_STRIDE, width // LATENT_STRIDE)

    def windows(self, windows: Sequence[range]) -> Conditions:
        """The conditions of some windows of one length, stacked along the batch."""
        features = joined([self._window(frames) for frames in windows], 0)
        return Conditions(
            self.appearance.expand(len(windows), -1, -1),
            _for_each(self.reference, len(windows)),
            features.guidance,
            features.correspondence,
        )

    def _window(self, frames: range) -> GuiderFeatures:
        first, last = frames.start // BLOCK, (frames.stop - 1) // BLOCK
        self._recent = {number: self._block(number) for number in range(first, last + 1)}
        start = frames.start - first * BLOCK
        return joined(list(self._recent.values()), 1).frames(start, start + len(frames))

    def _block(self, number: int) -> GuiderFeatures:
        if number in self._recent:
            return self._recent[number]
        if number in self._kept:
            return self._kept[number].to(self.place.device)
        start = number * BLOCK
        stop = min(start + BLOCK, self.renderer.plan.num_frames)
        names = _names(self.animator, self.off, "frames")
        drawn = self.renderer.maps(start, stop, names)
        maps = self.place.tensors(drawn.maps)
        features = self.animator.features(maps)
        block = GuiderFeatures(
            total_of({**features, **self.still}),
            self.animator.correspondence(maps, features),
        )
        if self.kept_bytes + block.nbytes <= self.host_bytes:
            self._kept[number] = block.to("cpu")
            self.kept_bytes += block.nbytes
        return block


def prepared(
    animator: Animator,
    plan: AnimationPlan,
    off: frozenset[str],
    place: Place,
    generator: torch.Generator | None = None,
) -> Conditioning:
    """Run the image encoder, the VAE and the ReferenceNet on a plan's reference.

    `off` are the conditions left out; `generator` draws the identity codes.
    """
    config, codes = animator.config, None
    if "identity" in config.guiders and "identity" not in off:
        dims = config.guiders["identity"]["in_channels"]
        codes = well_separated_codes(plan.num_characters, dims, generator)
    height, width = plan.size
    canvas = (_up(height), _up(width))
    renderer = MapRenderer(plan, canvas, codes, config.conditions, config.code_overlaps, off)
    picture = place.tensor(plan.picture.transpose(2, 0, 1)[None] / np.float32(255))
    appearance = animator.embed(picture)
    margin = (0, canvas[1] - width, 0, canvas[0] - height)
    padded = torch.nn.functional.pad(picture, margin, mode="replicate")
    awake(animator.vae)
    latents = animator.encode_reference(padded)
    compared = sorted(set(config.conditions_read(off)) & set(compared_names()))
    maps = renderer.maps(0, 1, _names(animator, off, "reference"), compared)
    still = animator.features(place.tensors(maps.maps))
    reference = None
    if "reference" not in off:
        own = place.tensors(maps.reference) if animator.keyed else None
        awake(animator.reference_net)
        features = animator.reference_features(latents, appearance, own)
        awake(animator.unet)
        # The denoiser uses only keys and values, so the memory of the tokens is released.
        reference = replace(animator.prepare_reference(features), tokens={})
    projection = fit_projection(latents[0], padded[0])
    return Conditioning(
        animator, renderer, off, place, appearance, reference, still, projection, HOST_BYTES
    )


def _names(animator: Animator, off: frozenset[str], of: str) -> list[str]:
    """The conditions read that each frame has, or the reference."""
    table = known_conditions()
    return [name for name in animator.config.conditions_read(off) if table[name].of == of]


def _for_each(reference: ReferenceFeatures | None, windows: int) -> ReferenceFeatures | None:
    """The one reference for each window of a batch, without copies."""
    if reference is None or windows == 1 or reference.keys_values is None:
        return reference
    keys_values = {
        path: (key.expand(windows, -1, -1), value.expand(windows, -1, -1))
        for path, (key, value) in reference.keys_values.items()
    }
    return replace(reference, keys_values=keys_values)


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
