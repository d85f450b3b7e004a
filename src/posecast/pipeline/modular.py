"""Posecast as blocks of diffusers' modular pipelines: one plans the cast, one makes the frames.

Between them the plan can be looked at, changed, or made by a block of your own. Imported by
name alone: diffusers says of this interface of its own that it may change.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from diffusers.modular_pipelines import (
    ComponentsManager,
    ComponentSpec,
    InputParam,
    ModularPipeline,
    ModularPipelineBlocks,
    OutputParam,
    PipelineState,
    SequentialPipelineBlocks,
)

from posecast.casting.options import PlanOptions
from posecast.casting.plan import AnimationPlan
from posecast.errors import InputError
from posecast.models import Animator
from posecast.models.folder import load_animator
from posecast.pipeline.animation import AnimationPipeline
from posecast.pipeline.options import SamplingOptions


class LoadableAnimator(Animator):
    """How diffusers loads the component `animator`; what it gets is an `Animator`."""

    @classmethod
    def from_pretrained(  # diffusers passes all of its loading fields
        cls,
        folder: str | Path,
        dtype: torch.dtype = torch.float32,
        subfolder: str | None = None,
        variant: str | None = None,
        revision: str | None = None,
    ) -> Animator:
        """A model folder of ours, a name in the package, or a hub id.

        Raises:
            InputError: no such model, its files are not as they should be, or a part of a folder, a
                variant or a revision is asked for, which our folders do not have.
        """
        for name, given in (("subfolder", subfolder), ("variant", variant), ("revision", revision)):
            if given:
                raise InputError(f"`{name}={given}`: a model folder is loaded whole, as it is")
        return load_animator(folder, dtype)


def _animation(components: ModularPipeline) -> AnimationPipeline:
    """Our pipeline of the loaded component, on the device and in the precision it has.

    Raises:
        InputError: nothing is loaded.
    """
    if components.animator is None:
        raise InputError("no model is loaded; call `load_components()` of the pipeline first")
    return AnimationPipeline(components.animator)


def _parameters(kind: type[PlanOptions] | type[SamplingOptions]) -> list[InputParam]:
    described = f"As `{kind.__module__}.{kind.__name__}` says"
    return [
        InputParam(field.name, type_hint=field.type, default=field.default, description=described)
        for field in fields(kind)
    ]


class PlanBlock(ModularPipelineBlocks):
    """Reads a picture and poses and decides who moves whom and who is in front."""

    @property
    def description(self) -> str:
        """What diffusers prints."""
        return "Casts the drivers: who moves whom, who is in front, at which size and rate."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        """The model, whose size is the default."""
        return [ComponentSpec("animator", LoadableAnimator)]

    @property
    def inputs(self) -> list[InputParam]:
        """Picture and poses, and the fields of `PlanOptions`."""
        return [
            InputParam("reference", required=True, description="Path, PIL image or uint8 array"),
            InputParam("poses", required=True, description="A path or a pose sequence, or several"),
            *_parameters(PlanOptions),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """What `FramesBlock` asks for."""
        return [OutputParam("plan", AnimationPlan, "The cast in pixels of the frames")]

    def __call__(
        self, components: ModularPipeline, state: PipelineState
    ) -> tuple[ModularPipeline, PipelineState]:
        """Plan.

        Raises:
            InputError: something cannot be read or does not fit together.
        """
        given = self.get_block_state(state).as_dict()
        reference, poses = given.pop("reference"), given.pop("poses")
        state.set("plan", _animation(components).plan(reference, poses, PlanOptions(**given)))
        return components, state


class FramesBlock(ModularPipelineBlocks):
    """Makes the frames of a plan."""

    @property
    def description(self) -> str:
        """What diffusers prints."""
        return "Denoises and decodes the frames of a plan."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        """The model."""
        return [ComponentSpec("animator", LoadableAnimator)]

    @property
    def inputs(self) -> list[InputParam]:
        """A plan, and the fields of `SamplingOptions`."""
        plan = InputParam("plan", AnimationPlan, required=True, description="Of `PlanBlock`")
        return [plan, *_parameters(SamplingOptions)]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """The clip; its rate is the plan's."""
        return [OutputParam("frames", np.ndarray, "uint8 (frames, height, width, 3), RGB")]

    def __call__(
        self, components: ModularPipeline, state: PipelineState
    ) -> tuple[ModularPipeline, PipelineState]:
        """Make all frames.

        Raises:
            InputError: as `AnimationPipeline.frames`.
        """
        given = self.get_block_state(state).as_dict()
        plan = given.pop("plan")
        animation = _animation(components)
        frames = animation.frames(plan, SamplingOptions(**given))
        state.set("frames", np.stack(list(frames)))
        animation.remove_all_hooks()  # those of little memory: the component stays as it was
        return components, state


class AnimationBlocks(SequentialPipelineBlocks):
    """All of it: `AnimationBlocks().init_pipeline(FOLDER)`, then `load_components()`."""

    block_names = ["plan", "frames"]  # noqa: RUF012  (diffusers' own interface)
    block_classes = [PlanBlock, FramesBlock]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._model = "embedded"

    @property
    def description(self) -> str:
        """What diffusers prints."""
        return "Animates every character of a picture, each by its own pose sequence."

    @property
    def expected_components(self) -> list[ComponentSpec]:
        """The model, and where it is."""
        return [
            ComponentSpec("animator", LoadableAnimator, pretrained_model_name_or_path=self._model)
        ]

    def init_pipeline(
        self,
        pretrained_model_name_or_path: str | Path | None = None,
        components_manager: ComponentsManager | None = None,
        collection: str | None = None,
    ) -> ModularPipeline:
        """A pipeline of a model folder, a hub id, or (None) the model in the package."""
        if pretrained_model_name_or_path is not None:
            self._model = str(pretrained_model_name_or_path)
        return super().init_pipeline(None, components_manager, collection)
