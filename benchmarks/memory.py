"""Predicted and counted memory of each pass, without allocating or computing anything.

The networks run on fake tensors, which have shapes but no contents, and the sizes of all live
tensors are summed after every operation. This excludes workspace inside kernels, the driver's
context and fragmentation.

    python -m benchmarks.memory                  # the paper's sizes
    python -m benchmarks.memory --sizes 512x512 --dtype float32
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from posecast.models import PRESETS, Animator, AnimatorConfig, ReferenceFeatures
from posecast.pipeline.conditioning import BLOCK
from posecast.pipeline.memory import MemoryNeeds, smallest_plan
from posecast.pipeline.placement import needs_of


class PeakMemory(TorchDispatchMode):
    """Peak bytes of all tensors created in the block."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in tensors_of((args, kwargs)):
            self._meet(tensor, new=False)
        result = function(*args, **kwargs)
        for tensor in tensors_of(result):
            self._meet(tensor, new=True)
        self.peak = max(self.peak, self.now)
        return result

    def _meet(self, tensor: Tensor, new: bool) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.alive:
            self.alive[key] = storage.nbytes() if new else 0
            self.now += self.alive[key]
            weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self.alive.pop(key)


def tensors_of(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def peak_of(work: Callable[[], object]) -> tuple[int, object]:
    """The peak bytes of a piece of work, including its result, and its result."""
    with torch.no_grad(), PeakMemory() as memory:
        result = work()
    return memory.peak, result


@dataclass(frozen=True)
class Counted:
    held: int
    reference_pass: int
    window: int
    frame: int


def count(animator: Animator, size: tuple[int, int], window: int) -> Counted:
    """The bytes of each pass of a clip of this size."""
    config, dtype = animator.config, animator.unet.dtype
    height, width = (-(-side // 8) for side in size)
    channels = animator.unet.config.in_channels
    picture = torch.zeros(1, 3, 8 * height, 8 * width, dtype=dtype)
    maps = {
        name: torch.zeros(1, BLOCK, g["in_channels"], 8 * height, 8 * width, dtype=dtype)
        for name, g in config.guiders.items()
    }
    maps_bytes = sum(x.numel() * x.element_size() for x in maps.values())
    with torch.no_grad():
        token = animator.embed(picture)
        latents = animator.encode_reference(picture)
    looking, reference = peak_of(
        lambda: animator.prepare_reference(animator.reference_features(latents, token))
    )
    reference = ReferenceFeatures({}, reference.correspondence, None, reference.keys_values)
    held = sum(x.numel() * x.element_size() for x in tree_leaves(dict(reference.keys_values)))
    guiding, (guidance, keys) = peak_of(
        lambda: (animator.guidance(maps), animator.correspondence(maps))
    )
    guidance, keys = (
        x if x is None else x[:, :1].repeat(1, window, 1, 1, 1) for x in (guidance, keys)
    )
    conditions = sum(x.numel() * x.element_size() for x in tensors_of([guidance, keys]))
    noisy = torch.zeros(1, window, channels, height, width, dtype=dtype)
    denoising, _ = peak_of(
        lambda: animator.denoise(
            noisy, 5, appearance=token, reference=reference, guidance=guidance, correspondence=keys
        )
    )
    decoding, _ = peak_of(lambda: animator.decode(latents[:1]))
    return Counted(
        held=held,
        reference_pass=looking,
        window=max(denoising, guiding + maps_bytes) + conditions,
        frame=decoding,
    )


def run(config: AnimatorConfig, size: tuple[int, int], dtype: torch.dtype, fake: bool = True):
    """(predicted, counted) for one model and size."""
    mode: AbstractContextManager = FakeTensorMode() if fake else nullcontext()
    # Fake weights do not support memory formats, which do not change sizes.
    layout = patch("posecast.models.animator.channels_last", lambda module: None)
    default = torch.get_default_dtype()
    with mode, layout if fake else nullcontext():
        torch.set_default_dtype(dtype)
        try:
            animator = Animator(config).eval().requires_grad_(False)
        finally:
            torch.set_default_dtype(default)
        needs = needs_of(animator, size, config.window, windows=1)
        return needs, count(animator, size, config.window)


def table(rows: list[tuple[str, MemoryNeeds, Counted]]) -> str:
    lines = ["| size | | predicted | counted |", "|---|---|---:|---:|"]
    for name, needs, counted in rows:
        for part in ("held", "reference_pass", "window", "frame"):
            predicted, found = (getattr(x, part) / 1e6 for x in (needs, counted))
            lines.append(f"| {name} | {part} | {predicted:.0f} MB | {found:.0f} MB |")
        weights = ", ".join(f"{k} {v / 1e6:.0f}" for k, v in needs.weights.items())
        lines.append(f"| {name} | weights (MB) | {weights} | |")
        whole = sum(needs.weights.values()) + needs.held
        whole += max(needs.window, needs.frame, needs.reference_pass)
        least = smallest_plan(needs)
        lines.append(f"| {name} | all there, one at once | {whole / 1e9:.2f} GB | |")
        lines.append(f"| {name} | offloaded{', tiled' if least.tiled else ''} | "
                     f"{least.needed / 1e9:.2f} GB | |")  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="sd15", choices=sorted(PRESETS))
    parser.add_argument("--sizes", nargs="+", default=["896x640", "480x854", "360x640"])
    parser.add_argument("--dtype", default="float16")
    options = parser.parse_args()
    rows = []
    for text in options.sizes:
        height, width = (int(side) for side in text.split("x"))
        config, dtype = PRESETS[options.preset](), getattr(torch, options.dtype)
        rows.append((text, *run(config, (height, width), dtype)))
    print(table(rows))


if __name__ == "__main__":
    main()
