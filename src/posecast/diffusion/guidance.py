"""Classifier-free guidance: one network with and without its reference, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.objective import Latents
from posecast.diffusion.sampling import guide
from posecast.diffusion.shortcuts import NO_SHORTCUTS, Shortcuts
from posecast.models.attention import ReferenceFeatures
from posecast.models.unet import DeepFeatures


@dataclass(frozen=True)
class Conditions:
    """The conditions of a batch of windows."""

    appearance: Float[Tensor, "b t dim"]
    reference: ReferenceFeatures | None = None
    guidance: Float[Tensor, "b f d h w"] | None = None
    """Eq. 10: the sum of the guiders' features."""
    correspondence: Float[Tensor, "b f keys h w"] | None = None

    def told(self, conditional: bool) -> dict[str, Any]:
        """The network's arguments.

        The unconditional half gets the guiders only: no reference, and zeros for its appearance.
        """
        return {
            "appearance": self.appearance if conditional else torch.zeros_like(self.appearance),
            "reference": self.reference if conditional else None,
            "guidance": self.guidance,
            "correspondence": self.correspondence,
        }


@runtime_checkable
class Network(Protocol):
    """The network to be guided: an `Animator`."""

    @property
    def denoise(self) -> Callable[..., Latents]:
        """The prediction from latents, a timestep and `Conditions.told`."""
        ...

    @property
    def denoise_reusing(self) -> Callable[..., tuple[Latents, DeepFeatures]]:
        """The same from deep features (None: computed), which come first; also returns these."""
        ...


AfterWindows = Callable[[Latents, Latents, int, Sequence[range]], None]
"""Called with noisy latents, their prediction, timestep and windows."""
Deep = tuple[DeepFeatures, ...]
"""Deep features of each computed half of the guidance, the one with the reference first."""


@dataclass(frozen=True)
class GuidedDenoiser:
    """The network's prediction with its reference, extrapolated from that without.

    It keeps nothing between calls. Scale 1 leaves the unconditional half out. The halves run one
    after the other: together they would need twice the memory, and one of them would attend to
    masked tokens.
    """

    network: Network
    scale: float

    def __call__(
        self,
        conditions: Conditions,
        noisy: Latents,
        timestep: int,
        guided: bool = True,
        deep: Deep | None = None,
        makes_deep: bool = False,
    ) -> tuple[Latents, Deep]:
        """The prediction, on the device and in the precision of `noisy`, and its deep features.

        Args:
            conditions: those of the windows, stacked along the batch.
            noisy: their latents.
            timestep: of all of them.
            guided: False: this step leaves the unconditional half out.
            deep: a neighbouring step's features, to be used in place of new ones.
            makes_deep: whether the features are wanted; else there are none in the result.
        """
        inputs = noisy.to(conditions.appearance)
        predictions: list[Tensor] = []
        made: list[DeepFeatures] = []
        for conditional in (True, False) if guided and self.scale != 1 else (True,):
            told = conditions.told(conditional)
            if makes_deep or deep is not None:
                given = None if deep is None else deep[len(made)].to(inputs.device)
                prediction, features = self.network.denoise_reusing(given, inputs, timestep, **told)
                made.append(features)
            else:
                prediction = self.network.denoise(inputs, timestep, **told)
            # In the latents' precision, since guidance takes the difference of similar predictions.
            predictions.append(prediction.to(noisy))
        if len(predictions) == 1:
            return predictions[0], tuple(made)
        return guide(predictions[1], predictions[0], self.scale), tuple(made)


@dataclass
class WindowDenoiser:
    """The `Denoiser` of one run over `timesteps`: it gives each window its conditions.

    Where deep features are reused it keeps those of each window from step to step: on the device
    in a clip of one window, else on the CPU.
    """

    conditions: Callable[[Sequence[range]], Conditions]
    """Of some windows of one length, stacked along the batch."""
    guided: GuidedDenoiser
    timesteps: Sequence[int]
    num_frames: int
    """Of the clip."""
    shortcuts: Shortcuts = NO_SHORTCUTS
    after_windows: AfterWindows | None = None
    _deep: dict[range, Deep] = field(default_factory=dict)
    _made_in: int = -1
    """The step that made them."""

    def __call__(self, noisy: Latents, timestep: int, windows: Sequence[range]) -> Latents:
        """The guided prediction for some windows, which are stacked along the batch."""
        step, steps = self.timesteps.index(timestep), len(self.timesteps)
        makes = self.shortcuts.makes_deep(step, steps)
        prediction, made = self.guided(
            self.conditions(windows),
            noisy,
            timestep,
            guided=self.shortcuts.guides(step, steps),
            deep=None if makes else self._kept(windows),
            makes_deep=makes and self.shortcuts.reuse > 1,
        )
        if makes and made:
            self._keep(step, windows, made)
        if self.after_windows is not None:
            self.after_windows(noisy, prediction, timestep, windows)
        return prediction

    def _keep(self, step: int, windows: Sequence[range], made: Deep) -> None:
        if step != self._made_in:
            self._deep.clear()
            self._made_in = step
        if len(windows[0]) < self.num_frames:
            made = tuple(half.cpu() for half in made)
        parts = zip(*(half.chunk(len(windows)) for half in made), strict=True)
        self._deep.update(zip(windows, parts, strict=True))

    def _kept(self, windows: Sequence[range]) -> Deep:
        halves = zip(*(self._deep[frames] for frames in windows), strict=True)
        return tuple(torch.cat(half) for half in halves)
