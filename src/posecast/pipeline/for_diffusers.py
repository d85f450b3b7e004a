"""The `custom_pipeline` with which diffusers loads a Posecast model folder.

Its `__file__` is what is given there, with `trust_remote_code`, and it is all the code that is
trusted (docs/public-weights.md). A file of its own, since diffusers copies it, and with one
pipeline in it, since diffusers looks for that.
"""

from __future__ import annotations

from typing import Any

from posecast.models.folder import load_animator
from posecast.pipeline import animation


class PosecastPipeline(animation.AnimationPipeline):
    """`AnimationPipeline` as `DiffusionPipeline.from_pretrained` makes it: empty, then told where.

    The folder is read by our own reader (`models.folder`): safetensors and JSON, and no code.
    """

    def __init__(self) -> None:  # without parts: diffusers loads none then
        pass

    @classmethod
    def extract_init_dict(
        cls, config_dict: dict[str, Any], **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """What diffusers should load and pass: nothing, and it need not warn of that."""
        return {}, {}, {}

    def register_to_config(self, **settings: Any) -> None:
        """Note a setting; with `_name_or_path`, which diffusers tells last, load the model.

        Raises:
            InputError: no model of ours is there.
        """
        folder = settings.get("_name_or_path")
        if folder is not None and not hasattr(self, "animator"):
            super().__init__(load_animator(folder))
        super().register_to_config(**settings)
