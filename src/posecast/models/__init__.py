"""The networks of section 4.5, as one `Animator` with presets. Imported names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecast.models.animator import Animator
    from posecast.models.attention import ReferenceFeatures
    from posecast.models.autoencoder import PatchAutoencoder
    from posecast.models.presets import PRESETS, AnimatorConfig

__all__ = ["PRESETS", "Animator", "AnimatorConfig", "PatchAutoencoder", "ReferenceFeatures"]

_LAZY = {
    "Animator": "animator",
    "AnimatorConfig": "presets",
    "PRESETS": "presets",
    "PatchAutoencoder": "autoencoder",
    "ReferenceFeatures": "attention",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
