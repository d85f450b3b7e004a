"""Posecast in ComfyUI: several characters of one picture, each moved by its own driver."""

from .nodes import PosecastExtension

__all__ = ["comfy_entrypoint"]


async def comfy_entrypoint() -> PosecastExtension:
    """The entry point that ComfyUI's loader calls."""
    return PosecastExtension()
