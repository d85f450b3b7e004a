"""DPM-Solver++(2M) (arXiv 2211.01095, algorithm 2) as DDIM with an extrapolated picture.

With data prediction, one DDIM step holds the predicted picture fixed on its way; the second-order
step holds fixed what the last two predictions extrapolate to. So the whole solver is a weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from posecast.diffusion.objective import Latents


def extrapolation_weight(
    alphas_cumprod: Float[Tensor, " timesteps"], timesteps: Sequence[int], step: int
) -> float:
    """How far beyond the new picture to go, in differences of the last two: h / (2 h_before).

    h are the steps in half log-SNR. Zero (the first-order step) in the first step, where there is
    nothing before; in the second from zero SNR, whose h_before is infinite; and in the last, which
    ends on the picture itself and whose h is infinite.
    """
    if step == 0 or step == len(timesteps) - 1:
        return 0.0
    before, here, after = (
        _half_log_snr(float(alphas_cumprod[t])) for t in timesteps[step - 1 :][:3]
    )
    return (after - here) / (2 * (here - before))


def extrapolate(clean: Latents, before: Latents, weight: float) -> Latents:
    """The extrapolated picture, from the predictions of this step and the previous one."""
    return clean + weight * (clean - before)


def _half_log_snr(alpha: float) -> float:
    return -math.inf if alpha == 0 else 0.5 * math.log(alpha / (1 - alpha))
