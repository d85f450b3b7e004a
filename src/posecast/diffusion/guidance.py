"""Classifier-free guidance over windows, with the shortcuts that concern the network's work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from posecast.diffusion.objective import Latents
from posecast.diffusion.sampling import Denoiser, guide
from posecast.diffusion.shortcuts import NO_SHORTCUTS, Shortcuts


@runtime_checkable
class Half(Protocol):
    """One half of the guidance: the network's prediction with the reference, or without."""

    def __call__(
        self,
        noisy: Latents,
        timestep: int,
        windows: Sequence[range],
        conditional: bool,
        deep: Tensor | None,
    ) -> tuple[Latents, Tensor | None]:
        """The prediction for the stacked windows, and the deep features that it was made from.

        `deep` are a neighbouring step's, to be used instead of new ones; None: make them.
        """


def guided_denoiser(
    half: Half, timesteps: Sequence[int], scale: float, shortcuts: Shortcuts = NO_SHORTCUTS
) -> Denoiser:
    """The denoiser of one run over `timesteps`. Scale 1 leaves the unconditional half out.

    Between the steps it keeps the deep features that the next steps reuse, where `half` left them.
    """
    number = {timestep: step for step, timestep in enumerate(timesteps)}
    kept: dict[tuple[bool, range], Tensor] = {}
    made_in = -1

    def predict(
        conditional: bool, noisy: Latents, timestep: int, windows: Sequence[range]
    ) -> Latents:
        nonlocal made_in
        step, keys = number[timestep], [(conditional, frames) for frames in windows]
        makes = shortcuts.makes_deep(step, len(timesteps))
        reused = None if makes else torch.cat([kept[key] for key in keys])
        prediction, deep = half(noisy, timestep, windows, conditional, reused)
        if makes and shortcuts.reuse > 1 and deep is not None:
            if step != made_in:
                kept.clear()
                made_in = step
            kept.update(zip(keys, deep.chunk(len(keys)), strict=True))
        return prediction

    def denoise(noisy: Latents, timestep: int, windows: Sequence[range]) -> Latents:
        conditional = predict(True, noisy, timestep, windows)
        if scale == 1 or not shortcuts.guides(number[timestep], len(timesteps)):
            return conditional
        return guide(predict(False, noisy, timestep, windows), conditional, scale)

    return denoise
