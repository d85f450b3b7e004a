"""The nodes. Each one reads its inputs, calls Posecast and returns the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import numpy as np
import torch
from comfy_api.latest import ComfyExtension, io

from posecast.casting import PlanOptions
from posecast.casting.masks import masks_by_colours
from posecast.casting.pictures import draw_cast, overlay_tracks
from posecast.cutout import CutoutAnimator
from posecast.errors import InputError
from posecast.estimators.footage import track_frames
from posecast.estimators.pose import pose_estimator
from posecast.export import SYSTEMS, Scene, write_export
from posecast.export.animateanyone import drawn
from posecast.export.comfyui import pose_keypoints
from posecast.export.scail2 import BLACK, WHITE, coloured
from posecast.media.pose_formats.written import comfyui_frames
from posecast.pipeline.map_renderer import MapRenderer

from .cast import (
    OWN_SIZE,
    Cast,
    each_picture,
    frame_size,
    images_of,
    masks_of,
    people_of,
    smaller,
)

CATEGORY = "Posecast"
PoseKeypoint = io.Custom("POSE_KEYPOINT")
CastType = io.Custom("POSECAST_CAST")
_MORE = ("poses_2", "poses_3", "poses_4")


class EstimatePeople(io.ComfyNode):
    """Finds the tracks of people in pictures."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastEstimatePeople",
            display_name="Estimate People",
            category=CATEGORY,
            description="Finds and follows the people of a picture or of a video's frames, on the "
            "CPU, by networks that come with Posecast. Nothing is downloaded.",
            inputs=[
                io.Image.Input("images", tooltip="One picture, or the frames of a video."),
                io.Float.Input("fps", default=25.0, min=0.01, max=1000.0, step=0.01),
            ],
            outputs=[
                PoseKeypoint.Output(display_name="poses"),
                io.Image.Output(display_name="preview"),
            ],
        )

    @classmethod
    def execute(cls, images: torch.Tensor, fps: float) -> io.NodeOutput:
        bar = comfy.utils.ProgressBar(len(images))
        estimator = pose_estimator(name="builtin")
        people = track_frames(each_picture(images), estimator, "images", fps, on_frames=bar.update)
        preview = [smaller(p) for p in overlay_tracks(each_picture(images), people)]
        return io.NodeOutput(comfyui_frames(people), images_of(preview))


class CastPeople(io.ComfyNode):
    """Assigns drivers to the picture's characters."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastCast",
            display_name="Cast",
            category=CATEGORY,
            description="Says who of the picture follows which driver. Drivers are the people of "
            "`poses`, then of `poses_2` and so on, numbered through; they move the characters from "
            "left to right unless `assign` says otherwise.",
            inputs=[
                io.Image.Input("reference", tooltip="The picture."),
                PoseKeypoint.Input("poses"),
                io.Float.Input("fps", default=25.0, min=0.01, max=1000.0, step=0.01,
                               tooltip="Of the poses, and of the frames that are made."),
                io.String.Input("assign", default="",
                                tooltip="driver:character, ...; 0:1,1:0 swaps, 0:0,0:1 has one "
                                "driver move two; who is left out stands still."),
                io.Boolean.Input("fit", default=True,
                                 tooltip="Fit drivers to their characters: build, size, place."),
                io.Float.Input("smooth", default=0.0, min=0.0, max=10.0, step=0.01,
                               tooltip="Seconds; 0.05 is little, 0.2 much."),
                io.Int.Input("max_frames", default=0, min=0, max=10**6, tooltip="0: all."),
                io.Combo.Input("size_for", options=[OWN_SIZE, *SYSTEMS], default=OWN_SIZE,
                               tooltip="Whose sizes the frames have: the picture's own, or what "
                               "another system takes."),
                PoseKeypoint.Input("reference_poses", optional=True,
                                   tooltip="The picture's characters; else they are found."),
                io.Mask.Input("masks", optional=True,
                              tooltip="Who is seen where in the picture: one mask a character."),
                *(PoseKeypoint.Input(name, optional=True) for name in _MORE),
            ],
            outputs=[
                CastType.Output(display_name="cast"),
                io.Image.Output(display_name="picture"),
                io.String.Output(display_name="notes"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        reference: torch.Tensor,
        poses: Any,
        fps: float,
        assign: str,
        fit: bool,
        smooth: float,
        max_frames: int,
        size_for: str,
        reference_poses: Any = None,
        masks: torch.Tensor | None = None,
        **more: Any,
    ) -> io.NodeOutput:
        picture = next(each_picture(reference))
        shown = (picture.shape[0], picture.shape[1])
        named = {"poses": poses} | {n: more[n] for n in _MORE if more.get(n) is not None}
        drivers = tuple(people_of(value, name, fps) for name, value in named.items())
        options = PlanOptions(
            size=frame_size(size_for, shown),
            reference_poses=reference_poses and people_of(reference_poses, "reference_poses"),
            masks=None if masks is None else masks_of(masks, shown),
            assign=assign or None,
            retarget=fit,
            smooth=smooth,
            max_frames=max_frames or None,
        )
        cast = Cast.of(picture, drivers, options)
        return io.NodeOutput(cast, images_of(_drawn_cast(cast)), "\n".join(cast.plan.notes))


class DepthOrder(io.ComfyNode):
    """Sets who is in front."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastDepthOrder",
            display_name="Depth Order",
            category=CATEGORY,
            description="Says who is in front, by the characters' numbers.",
            inputs=[
                CastType.Input("cast"),
                io.String.Input("order", default="0,1",
                                tooltip="Front first: 1,0. To change it on the way, from frames "
                                "on: 0: 0,1; 24: 1,0"),
            ],
            outputs=[
                CastType.Output(display_name="cast_in_order"),
                io.Image.Output(display_name="picture"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, cast: Cast, order: str) -> io.NodeOutput:
        ordered = cast.ordered(order)
        return io.NodeOutput(ordered, images_of(_drawn_cast(ordered)))


class ConditionsAndMasks(io.ComfyNode):
    """Gives poses and masks of the cast to other nodes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastConditions",
            display_name="Conditions and Masks",
            category=CATEGORY,
            description="The cast's poses, masks and order for other systems' nodes: ControlNet, "
            "Wan-Animate, SCAIL-2. Whoever is in front hides the others in the masks.",
            inputs=[
                CastType.Input("cast"),
                io.Int.Input("character", default=-1, min=-1, max=254,
                             tooltip="Whose masks and skeleton; -1: everybody's."),
            ],
            outputs=[
                io.Image.Output(display_name="skeletons"),
                PoseKeypoint.Output(display_name="poses"),
                io.Mask.Output(display_name="masks"),
                io.Mask.Output(display_name="reference_mask"),
                io.Image.Output(display_name="depth_order"),
                io.Image.Output(display_name="scail2_masks"),
                io.Image.Output(display_name="scail2_reference_mask"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, cast: Cast, character: int) -> io.NodeOutput:
        if character >= cast.plan.num_characters:
            raise InputError(f"character {character}: there are {cast.plan.num_characters}, from 0")
        scene = Scene.of(cast.plan)
        shots = _watched(scene.shots(), cast.plan.num_frames)
        seen, reference = np.stack([shot.ids for shot in shots]), scene.reference_ids()
        shown = replace(scene, keypoints=_alone(scene.keypoints, character))
        levels = np.concatenate(
            [maps["depth_order"][:, 0] for maps in MapRenderer(cast.plan).chunks()]
        )
        return io.NodeOutput(
            images_of(np.stack(list(drawn(shown)))),
            pose_keypoints(shown),
            _mask(seen, character),
            _mask(reference[None], character),
            torch.from_numpy(levels)[..., None].repeat(1, 1, 1, 3),
            images_of(coloured(seen, BLACK)),
            images_of(coloured(reference, WHITE)),
        )


class Animate(io.ComfyNode):
    """Makes the clip."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastAnimate",
            display_name="Animate",
            category=CATEGORY,
            description="Makes the frames. `cutout` moves the picture's own pixels, without "
            "diffusion, on the CPU; else a model folder or `embedded`.",
            inputs=[
                CastType.Input("cast"),
                io.String.Input("model", default="cutout",
                                tooltip="cutout, embedded, or the path of a model folder."),
                io.Int.Input("seed", default=0, min=0, max=2**63 - 1,
                             tooltip="Of a model; the cut-out knows no chance."),
                io.Int.Input("steps", default=0, min=0, max=1000,
                             tooltip="Of a model; 0: its own."),
            ],
            outputs=[
                io.Image.Output(display_name="frames"),
                io.Float.Output(display_name="fps"),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, cast: Cast, model: str, seed: int, steps: int) -> io.NodeOutput:
        plan = cast.plan
        if model == "cutout":
            frames = CutoutAnimator().frames(plan)
        else:
            from posecast import AnimationPipeline

            pipe = AnimationPipeline.from_pretrained(model)
            plan = pipe.plan(cast.reference, cast.drivers, replace(cast.options, size=None))
            generator = torch.Generator().manual_seed(seed)
            frames = pipe.frames(plan, num_steps=steps or None, generator=generator)
        made = np.stack(list(_watched(frames, plan.num_frames)))
        return io.NodeOutput(images_of(made), float(plan.fps))


class Export(io.ComfyNode):
    """Writes a folder for another system."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PosecastExport",
            display_name="Export Cast",
            category=CATEGORY,
            description="Writes the cast as another system takes it into the output folder. Choose "
            "the same in `size_for` of Cast.",
            inputs=[
                CastType.Input("cast"),
                io.Combo.Input("system", options=list(SYSTEMS)),
                io.String.Input("folder_prefix", default="posecast/cast"),
            ],
            outputs=[io.String.Output(display_name="folder")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, cast: Cast, system: str, folder_prefix: str) -> io.NodeOutput:
        height, width = cast.plan.size
        parent, name, counter, *_ = folder_paths.get_save_image_path(
            folder_prefix, folder_paths.get_output_directory(), width, height
        )
        folder = Path(parent) / f"{name}_{counter:05}_{system}"
        bar = comfy.utils.ProgressBar(cast.plan.num_frames)
        scene = Scene.of(cast.plan)
        write_export(system, scene, folder, lambda _, done, total: bar.update_absolute(done, total))
        return io.NodeOutput(str(folder), ui={"text": [str(folder)]})


class PosecastExtension(ComfyExtension):
    """The nodes of the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [EstimatePeople, CastPeople, DepthOrder, ConditionsAndMasks, Animate, Export]


def _watched(items: Iterable[Any], total: int) -> Iterator[Any]:
    """Yield the items with ComfyUI's progress bar."""
    bar = comfy.utils.ProgressBar(total)
    for item in items:
        yield item
        bar.update(1)


def _drawn_cast(cast: Cast) -> np.ndarray:
    """The cast sheet's picture, with boxes around the joints at the plan's size."""
    plan, sheet = cast.plan, cast.plan.cast
    unboxed = tuple(replace(character, box=None) for character in sheet.characters)
    plan = replace(plan, cast=replace(sheet, characters=unboxed))
    masks = plan.masks
    if masks is None:
        order = plan.cast.depth_order[0].front_to_back
        masks = masks_by_colours(plan.picture, plan.reference_keypoints, order)
    return draw_cast(plan, masks)


def _alone(keypoints: np.ndarray, character: int) -> np.ndarray:
    """The tracks of one character, with all others absent; -1 for all."""
    if character < 0:
        return keypoints
    kept = np.zeros_like(keypoints)
    kept[character] = keypoints[character]
    return kept


def _mask(ids: np.ndarray, character: int) -> torch.Tensor:
    """ComfyUI's MASK of one character, or of everybody for -1."""
    return torch.from_numpy((ids > 0 if character < 0 else ids == character + 1).astype(np.float32))
