from __future__ import annotations

import torch

from posecast.models import Animator
from tests.casting.conftest import scene

__all__ = ["scene"]


def tiny_animator() -> Animator:
    """A tiny model all of whose parts matter: fresh ones have outputs that start at zero."""
    torch.manual_seed(0)
    animator = Animator.from_preset("tiny")
    with torch.no_grad():
        for parameter in animator.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return animator
