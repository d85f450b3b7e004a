"""Files of random weights made to a key list: what public weights look like at full size."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import torch

KEYS = Path(__file__).parents[1] / "goldens" / "animateanyone_keys.json.gz"
FILES = ("denoising_unet", "reference_unet", "pose_guider", "motion_module")


def write_files(folder: Path) -> None:
    """The four checkpoints, float16, one after the other."""
    folder.mkdir(parents=True)
    keys = json.loads(gzip.decompress(KEYS.read_bytes()))
    for seed, name in enumerate(FILES):
        generator = torch.Generator().manual_seed(seed)
        shapes = keys[name]
        if name == "denoising_unet":  # as published: the motion modules lie in their own file
            shapes = {k: v for k, v in shapes.items() if ".motion_modules." not in k}
        torch.save(
            {k: random_weight(k, v, generator) for k, v in shapes.items()}, folder / f"{name}.pth"
        )


def random_weight(name: str, shape: list[int], generator: torch.Generator) -> torch.Tensor:
    """Values that keep activations near 1; position tables are theirs."""
    if name.endswith(".pe"):
        from posecast.models.position import frame_positions

        return frame_positions(*shape[1:])[None]
    if len(shape) == 1:
        return torch.full(shape, float("norm" in name and name.endswith("weight")))
    fan_in = torch.Size(shape[1:]).numel()
    return (torch.randn(shape, generator=generator) * (0.5 / fan_in**0.5)).half()
