"""Speed, arithmetic and memory of denoising, beside a plain composition of diffusers' classes:
``python benchmarks/denoising.py --size 256x256 --frames 16``.

It measures a step (both halves of guidance), a whole window (`--steps` steps, from the projections
made once per video to the last latents) and the decoding of its frames. Weights are random, as
speed does not depend on them. The plain composition (`plain.py`) has the same weights and must give
the same numbers. The difference is printed; above 1e-4 (in float32) the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.measure import Measurement, machine, matmul_peak, measure
from benchmarks.plain import PlainUNet
from posecast.diffusion.guidance import Conditions, GuidedDenoiser, WindowDenoiser
from posecast.diffusion.objective import NoiseSchedule
from posecast.diffusion.sampling import ddim_timesteps, guide, sample
from posecast.diffusion.shortcuts import FAST, FAST_STEPS, NO_SHORTCUTS, Shortcuts
from posecast.models.attention import ReferenceFeatures
from posecast.models.memory_layout import channels_last
from posecast.models.presets import PRESETS, AnimatorConfig
from posecast.models.unet import UNet

TOLERANCE = 1e-4
"""Largest allowed difference in float32, relative to the largest value."""
DECODED_AT_ONCE = 16
Decode = Callable[[Tensor], Tensor]


@dataclass
class Inputs:
    """Random latents and conditions of one window."""

    noise: Tensor
    appearance: Tensor
    tokens: dict[str, Tensor]
    guidance: Tensor
    steps: int
    scale: float


class Ours:
    """Posecast's denoiser, as the pipeline runs it."""

    def __init__(self, unet: UNet, config: AnimatorConfig, inputs: Inputs) -> None:
        self.unet, self.inputs = unet, inputs
        self.schedule = NoiseSchedule.of(DDIMScheduler(**config.scheduler))
        self.reference: ReferenceFeatures | None = None

    def prepare(self) -> None:
        self.reference = self.unet.project_reference(ReferenceFeatures(self.inputs.tokens))

    def denoise(self, noisy: Tensor, timestep: int, **told: Any) -> Tensor:
        return self.unet(noisy, timestep, told["appearance"], told["reference"], told["guidance"])

    def denoise_reusing(
        self, deep: Tensor | None, noisy: Tensor, timestep: int, **told: Any
    ) -> tuple[Tensor, Tensor]:
        named = (told[name] for name in ("appearance", "reference", "guidance"))
        return self.unet(noisy, timestep, *named, deep=deep, return_deep=True)

    def conditions(self) -> Conditions:
        return Conditions(self.inputs.appearance, self.reference, self.inputs.guidance)

    def step(self) -> Tensor:
        denoiser = GuidedDenoiser(self, self.inputs.scale)
        return denoiser(self.conditions(), self.inputs.noise, 500)[0]

    def window(self, steps: int | None = None, shortcuts: Shortcuts = NO_SHORTCUTS) -> Tensor:
        self.prepare()
        steps = steps or self.inputs.steps
        conditions = self.conditions()
        denoise = WindowDenoiser(
            lambda windows: conditions, GuidedDenoiser(self, self.inputs.scale),
            ddim_timesteps(steps), self.inputs.noise.shape[1], shortcuts,
        )  # fmt: skip
        return sample(denoise, self.inputs.noise, self.schedule, steps, shortcuts=shortcuts)


class Plain:
    """The same by diffusers' classes and scheduler, both halves as one batch."""

    def __init__(self, unet: UNet, config: AnimatorConfig, inputs: Inputs) -> None:
        self.unet, self.inputs = PlainUNet(unet).eval(), inputs
        self.scheduler = DDIMScheduler(**config.scheduler)

    def step(self, noisy: Tensor | None = None, timestep: int = 500) -> Tensor:
        inputs = self.inputs
        noisy = inputs.noise if noisy is None else noisy
        halves = self.unet(
            noisy.expand(2, -1, -1, -1, -1),
            timestep,
            torch.cat([torch.zeros_like(inputs.appearance), inputs.appearance]),
            {path: tokens.expand(2, -1, -1) for path, tokens in inputs.tokens.items()},
            inputs.guidance.expand(2, -1, -1, -1, -1),
        )
        return guide(*halves.chunk(2), inputs.scale)

    def window(self) -> Tensor:
        self.scheduler.set_timesteps(self.inputs.steps)
        latents = self.inputs.noise
        for timestep in self.scheduler.timesteps.tolist():
            prediction = self.step(latents, timestep)
            latents = self.scheduler.step(prediction, timestep, latents).prev_sample
        return latents


def random_unet(config: AnimatorConfig, device: torch.device, dtype: torch.dtype) -> UNet:
    """A denoiser with random weights everywhere, created on the device without a second copy."""
    with torch.device("meta"):
        unet = UNet(**config.unet, motion=config.motion).to(dtype)
    unet = nn.Module.to_empty(unet, device=device).eval().requires_grad_(False)
    randomise(unet)
    channels_last(unet)
    return unet


def randomise(module: nn.Module) -> None:
    """Kaiming-like random weights, so that activations neither vanish nor explode."""
    for name, weight in module.named_parameters():
        if weight.ndim == 1:
            weight.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            weight.normal_(std=weight[0].numel() ** -0.5)


def random_inputs(config: AnimatorConfig, unet: UNet, arguments: argparse.Namespace) -> Inputs:
    height, width = (side // 8 for side in arguments.size)
    place = {"device": unet.device, "dtype": unet.dtype}
    first, sizes = config.unet.get("widths", (320,))[0], [(height, width)]
    for _ in unet.config.widths[1:]:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    tokens = {
        path: torch.randn(1, sizes[level][0] * sizes[level][1], block.norm1.weight.numel(), **place)
        for path, block, level in unet.transformers()
    }
    frames, channels = arguments.frames, unet.config.in_channels
    return Inputs(
        noise=torch.randn(1, frames, channels, height, width, **place),
        appearance=torch.randn(1, 1, unet.config.cross_attention_dim, **place),
        tokens=tokens,
        guidance=torch.randn(1, frames, first, height, width, **place),
        steps=arguments.steps,
        scale=arguments.guidance,
    )


def paper_design(preset: str) -> AnimatorConfig:
    """The preset without our extensions, which the plain composition does not have."""
    config = PRESETS[preset]()
    return replace(config, unet={**config.unet, "key_channels": 0, "position_amplitude": 0.0})


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; figures by row and by contestant."""
    torch.manual_seed(0)
    device, dtype = torch.device(arguments.device), getattr(torch, arguments.dtype)
    config = paper_design(arguments.preset)
    unet = random_unet(config, device, dtype)
    inputs = random_inputs(config, unet, arguments)
    ours, plain = Ours(unet, config, inputs), Plain(unet, config, inputs)
    ours.prepare()
    if arguments.compile:
        unet.compile()
    peak, rounds = matmul_peak(device, dtype), arguments.rounds
    rows: dict[str, dict[str, Measurement]] = {}
    differences: list[float] = []

    def row(name: str, **work: Callable[[], Tensor]) -> None:
        found = rows[name] = {}
        for who, do in work.items():
            found[who] = measure(do, device, rounds)
            print(f"{name}, {who}: {found[who].seconds:.2f} s", file=sys.stderr)
        if "plain" in found:
            differences.append(relative(found["ours"].result, found["plain"].result))

    row("step", plain=plain.step, ours=ours.step)
    if arguments.steps:
        row(f"window, {arguments.steps} steps", plain=plain.window, ours=ours.window)
    if arguments.fast:
        row(f"window, --fast ({FAST_STEPS} steps)", ours=lambda: ours.window(FAST_STEPS, FAST))
    decoded = arguments.frames if arguments.decoded is None else arguments.decoded
    if decoded and (pair := decoders(config, device, dtype)) is not None:
        usual, in_slices = pair
        latents = inputs.noise[0, :decoded]
        row(f"decoding, {decoded} frames",
            plain=lambda: usual(latents), ours=lambda: in_slices(latents))  # fmt: skip
    return {
        "machine": machine(device),
        "torch": torch.__version__,
        "preset": arguments.preset,
        "size": list(arguments.size),
        "frames": arguments.frames,
        "dtype": arguments.dtype,
        "compiled": arguments.compile,
        "matmul_peak_tflops": peak,
        "difference": max(differences),
        "rows": {
            name: {who: found.figures(peak) for who, found in both.items()}
            for name, both in rows.items()
        },
    }


def decoders(
    config: AnimatorConfig, device: torch.device, dtype: torch.dtype
) -> tuple[Decode, Decode] | None:
    """Decoding frame by frame as usual, and ours in slices; None if the VAE is not diffusers'."""
    if config.vae_class != "AutoencoderKL":
        return None
    usual, ours = (
        AutoencoderKL(**config.vae).to(device, dtype).eval().requires_grad_(False) for _ in "ab"
    )
    ours.load_state_dict(usual.state_dict())
    channels_last(ours)

    def by(vae: AutoencoderKL, at_once: int) -> Decode:
        return lambda latents: torch.cat([vae.decode(x).sample for x in latents.split(at_once)])

    return by(usual, 1), by(ours, DECODED_AT_ONCE)


def relative(a: Tensor, b: Tensor) -> float:
    """The largest difference relative to the largest value."""
    return float((a.float() - b.float()).abs().max() / b.float().abs().max())


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown: one line per row and contestant."""
    lines = [
        "| | | TFLOP | s | TFLOP/s | of peak | peak GiB | speed-up |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, both in figures["rows"].items():
        for who, found in both.items():
            memory = "" if found["peak_gib"] is None else f"{found['peak_gib']:.1f}"
            faster = both["plain"]["seconds"] / found["seconds"] if "plain" in both else None
            lines.append(
                f"| {name} | {who} | {found['tflop']:.3f} | {found['seconds']:.2f} "
                f"| {found['tflops']:.3f} | {found['share_of_peak']:.0%} | {memory} "
                f"| {'' if faster is None else f'{faster:.2f}'} |"
            )
    return "\n".join(lines)


def size(text: str) -> tuple[int, int]:
    height, width = (int(side) for side in text.lower().split("x"))
    if height % 8 or width % 8:
        raise argparse.ArgumentTypeError(f"{text}: expected multiples of 8")
    return height, width


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="sd15")
    parser.add_argument("--size", type=size, default=(256, 256), metavar="HxW")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--steps", type=int, default=0, help="of a whole window (0: leave it out)")
    parser.add_argument("--fast", action="store_true", help="also a window with all shortcuts")
    parser.add_argument("--decoded", type=int, help="frames to decode (default: all; 0: none)")
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="ours through torch.compile")
    parser.add_argument("--rounds", type=int, default=2, help="the best one counts")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


@torch.no_grad()
def main() -> int:
    arguments = parse()
    figures = compare(arguments)
    height, width = figures["size"]
    print(
        f"{figures['machine']}; torch {figures['torch']}, {figures['dtype']}; "
        f"{figures['preset']}, {figures['frames']} frames of {height}x{width}; "
        f"matrix products at best {figures['matmul_peak_tflops']:.3f} TFLOP/s; "
        f"largest difference {figures['difference']:.1e} of the largest value"
    )
    print(table(figures))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return int(arguments.dtype == "float32" and not figures["difference"] <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
