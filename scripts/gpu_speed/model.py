"""What is measured: the full-size model with random weights, and a narrow one to prove scripts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from gpu_narrow import narrow

from benchmarks.denoising import Inputs, paper_design, random_inputs, randomise
from posecast.models.animator import Animator
from posecast.models.presets import AnimatorConfig


@dataclass(frozen=True)
class Setup:
    """Model, sizes and place of a run."""

    config: AnimatorConfig
    size: tuple[int, int]
    """Height and width of the timed window."""
    frames: int
    steps: int
    matrix: int
    """Side of the matrices whose product is the card's ceiling."""
    device: torch.device
    dtype: torch.dtype
    sizes: Sequence[tuple[int, int, float]]
    """Heights and widths whose memory is measured, with the paper's gigabytes."""

    def inputs(self, animator: Animator) -> Inputs:
        """Random latents and conditions of one window."""
        arguments = argparse.Namespace(
            size=self.size, frames=self.frames, steps=self.steps, guidance=1.5
        )
        return random_inputs(self.config, animator.unet, arguments)


def setup(tiny: bool) -> Setup:
    """The paper's sizes on a CUDA GPU, or the narrow model on what there is."""
    if tiny:
        where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        sizes = ((128, 96, 24.0), (72, 51, 12.0))
        return Setup(narrow(), (128, 96), 4, 3, 256, where, torch.float32, sizes)
    sizes = ((896, 640, 24.0), (480, 854, 16.0), (360, 640, 12.0))
    where = torch.device("cuda")
    return Setup(paper_design("sd15"), (896, 640), 16, 50, 8192, where, torch.bfloat16, sizes)


@torch.no_grad()
def random_animator(setup: Setup) -> Animator:
    """A model whose every weight counts, made where it shall be: on a GPU that takes seconds."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(setup.dtype)
    try:
        with torch.device(setup.device):
            animator = Animator(setup.config)
    finally:
        torch.set_default_dtype(before)
    # Its table was made there too; it is read number by number, on the CPU and in float32.
    animator.scheduler = DDIMScheduler(**setup.config.scheduler)
    animator.eval().requires_grad_(False)
    randomise(animator)
    return animator
