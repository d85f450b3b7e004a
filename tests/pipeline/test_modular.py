from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.modular_pipelines import ModularPipeline, SequentialPipelineBlocks
from packaging.version import Version

from posecast.errors import InputError
from posecast.models.folder import save_animator
from posecast.pipeline import AnimationPipeline
from posecast.pipeline.modular import AnimationBlocks, FramesBlock, LoadableAnimator, PlanBlock
from tests.casting.conftest import dancers
from tests.pipeline.conftest import tiny_animator

pytestmark = pytest.mark.skipif(
    Version(diffusers.__version__) < Version("0.36"),
    reason="diffusers 0.35 says the blocks otherwise",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_animator(tiny_animator(), tmp_path / "tiny")
    return tmp_path / "tiny"


def loaded(folder: Path) -> ModularPipeline:
    pipe = AnimationBlocks().init_pipeline(folder)
    pipe.load_components()
    return pipe


def inputs(seed: int = 0) -> dict[str, Any]:
    return {
        "reference": np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8),
        "poses": dancers(2),
        "reference_poses": dancers(1),
        "num_steps": 1,
        "generator": torch.Generator().manual_seed(seed),
    }


def test_the_blocks_make_the_same_frames_as_our_pipeline(folder: Path) -> None:
    frames = loaded(folder)(**inputs(), output="frames")
    ours = AnimationPipeline.from_pretrained(folder)(**inputs()).frames
    np.testing.assert_array_equal(frames, ours)
    other = AnimationPipeline.from_pretrained(folder)(**inputs(1)).frames
    assert (frames != other).any()


def test_every_option_of_our_pipeline_is_an_input(folder: Path) -> None:
    state = loaded(folder)(**inputs(), size=(64, 32), without=("flow",), max_frames=1)
    assert state.get("frames").shape == (1, 64, 32, 3)
    assert state.get("plan").size == (64, 32)
    doc = AnimationBlocks().doc
    assert "depth_order" in doc
    assert "TODO" not in doc


def test_a_block_in_between_changes_the_plan(folder: Path) -> None:
    class Still(PlanBlock):
        def __call__(self, components: Any, state: Any) -> Any:
            components, state = super().__call__(components, state)
            state.get("plan").keypoints[:] = state.get("plan").keypoints[:, :1]
            return components, state

    blocks = AnimationBlocks()
    blocks.sub_blocks["plan"] = Still()
    pipe = blocks.init_pipeline(folder)
    pipe.load_components()
    keypoints = pipe(**inputs(), output="plan").keypoints
    assert (keypoints == keypoints[:, :1]).all()


def test_blocks_go_into_sequences_of_others(folder: Path) -> None:
    class Others(SequentialPipelineBlocks):
        block_names = ["cast", "make"]  # noqa: RUF012
        block_classes = [PlanBlock, FramesBlock]  # noqa: RUF012

    pipe = Others().init_pipeline()
    pipe.update_components(animator=loaded(folder).animator)
    assert pipe(**inputs(), output="frames").dtype == np.uint8


def test_precision_is_chosen_when_it_is_loaded_and_moved_as_modules_are(folder: Path) -> None:
    pipe = AnimationBlocks().init_pipeline(folder)
    pipe.load_components(dtype=torch.bfloat16)
    assert pipe.animator.unet.dtype == torch.bfloat16
    pipe.to(torch.float32)
    assert pipe.animator.unet.dtype == torch.float32


def test_without_a_model_it_says_what_to_do(folder: Path) -> None:
    pipe = AnimationBlocks().init_pipeline(folder)
    with pytest.raises(InputError, match=r"load_components\(\)"):
        pipe(**inputs())


@pytest.mark.parametrize("name", ["subfolder", "variant", "revision"])
def test_what_our_folders_do_not_have_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"`{name}=fp16`"):
        LoadableAnimator.from_pretrained(folder, **{name: "fp16"})
