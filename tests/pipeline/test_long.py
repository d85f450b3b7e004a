from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import accelerate.hooks
import numpy as np
import pytest
import torch

from benchmarks.memory import peak_of
from posecast import AnimationPipeline
from posecast.casting.plan import AnimationPlan
from posecast.errors import InputError
from posecast.models.presets import LATENT_CHANNELS
from posecast.pipeline import conditioning
from posecast.pipeline.memory import MemoryPlan
from posecast.pipeline.previews import fit_projection, previewed_frames, project
from tests.casting.conftest import dancers
from tests.pipeline.conftest import tiny_animator


@pytest.fixture(scope="module")
def pipe() -> AnimationPipeline:
    return AnimationPipeline(tiny_animator())


def plan_of(pipe: AnimationPipeline, scene: dict[str, Path], frames: int) -> AnimationPlan:
    return pipe.plan(scene["picture"], dancers(frames), reference_poses=scene["people"])


def frames_of(pipe: AnimationPipeline, plan: AnimationPlan, **options: Any) -> np.ndarray:
    options = {"num_steps": 2, "generator": torch.Generator().manual_seed(0), **options}
    return np.stack(list(pipe.frames(plan, **options)))


def memory_plan(windows: int, frames: int) -> MemoryPlan:
    return MemoryPlan(windows, frames, offload=False, tiled=False, needed=1, free=1)


def levels_apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_what_goes_at_once_changes_rounding_only(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(pipe, scene, 10)
    options = {"window": 4, "stride": 3, "guidance_scale": 1.5}
    plain = frames_of(pipe, plan, **options)
    assert np.array_equal(plain, frames_of(pipe, plan, **options))
    batched = frames_of(pipe, plan, memory=memory_plan(3, 5), **options)
    assert levels_apart(plain, batched) <= 1
    # Nothing kept on the CPU: conditions are made anew in every step.
    monkeypatch.setattr(conditioning, "HOST_BYTES", 0)
    assert np.array_equal(plain, frames_of(pipe, plan, **options))
    assert levels_apart(plain, frames_of(pipe, plan, **{**options, "guidance_scale": 3.0})) > 1


def test_windows_are_predicted_together(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    denoise = pipe.animator.denoise

    def counted(noisy: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        sizes.append(len(noisy))
        return denoise(noisy, *arguments, **options)

    monkeypatch.setattr(pipe.animator, "denoise", counted)
    done: list[int] = []
    frames_of(
        pipe, plan_of(pipe, scene, 12), num_steps=1, guidance_scale=1.0, window=4, stride=2,
        memory=memory_plan(3, 4), on_progress=lambda phase, n, total: done.append(n),
    )  # fmt: skip
    assert sizes == [3, 2]
    assert done == [3, 5, 4, 8, 12]


def test_memory_does_not_grow_but_by_the_latents(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tensors are counted; what grows are the noise and the latents, which are on the CPU."""
    monkeypatch.setattr(conditioning, "HOST_BYTES", 0)
    peaks = {}
    # From three blocks of conditions on: before, a part of a block is less than a whole one.
    for frames in (24, 32):
        plan = plan_of(pipe, scene, frames)

        def all_frames(plan: AnimationPlan = plan) -> None:
            options = {
                "num_steps": 1,
                "guidance_scale": 1.0,
                "memory": memory_plan(1, 4),
                "stride": 4,
            }
            for _ in pipe.frames(plan, generator=torch.Generator().manual_seed(0), **options):
                pass

        peaks[frames], _ = peak_of(all_frames)
    latent = 4 * LATENT_CHANNELS * 8 * 8  # bytes a frame
    assert 0 < peaks[32] - peaks[24] < 2.1 * latent * (32 - 24)


def test_networks_take_turns(scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' own offloading, the CPU playing the device: the frames are the same bits."""
    pipe = AnimationPipeline(tiny_animator())
    plan = plan_of(pipe, scene, 3)
    plain = frames_of(pipe, plan)
    names = {id(part): name for name, part in pipe.components.items()}
    woken: list[str] = []
    wake = accelerate.hooks.CpuOffload.pre_forward

    def recorded(self: Any, module: Any, *arguments: Any, **options: Any) -> Any:
        if not woken or woken[-1] != names[id(module)]:
            woken.append(names[id(module)])
        return wake(self, module, *arguments, **options)

    monkeypatch.setattr(accelerate.hooks.CpuOffload, "pre_forward", recorded)
    pipe.enable_model_cpu_offload(device="cpu")
    assert np.array_equal(frames_of(pipe, plan), plain)
    assert woken == ["image_encoder", "vae", "reference_net", "unet", "vae"]
    pipe.remove_all_hooks()
    woken.clear()
    assert np.array_equal(frames_of(pipe, plan), plain)
    assert woken == []
    with pytest.raises(NotImplementedError, match="enable_model_cpu_offload"):
        pipe.enable_sequential_cpu_offload()


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_too_little_memory_is_told_with_what_would_fit(
    scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    pipe = AnimationPipeline(tiny_animator())
    plan = plan_of(pipe, scene, 5)

    def fails(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(pipe.animator, "denoise", fails)
    needed = pipe.fit(plan, "low").needed
    with pytest.raises(
        InputError, match=r"out of memory on cpu .*`memory=low` needs about"
    ) as told:
        frames_of(pipe, plan, memory=MemoryPlan(1, 9, False, False, 2 * needed, 9 * needed))
    assert told.value.__cause__ is error
    with pytest.raises(InputError, match=r"`window=2` `memory=low`|`size=|even"):
        frames_of(pipe, plan, memory="low")
    error.args = ("something else",)
    if type(error) is RuntimeError:
        with pytest.raises(RuntimeError, match="something else"):
            frames_of(pipe, plan)


def test_a_linear_preview_finds_linear_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(5, 6, 7, generator=generator)
    colours = torch.einsum("cd,dhw->chw", torch.randn(3, 5, generator=generator) / 20, latents)
    picture = (colours + 0.5).repeat_interleave(8, 1).repeat_interleave(8, 2)
    shown = project(latents[None], fit_projection(latents, picture))[0] / 255
    assert np.abs(shown - picture[:, ::8, ::8].permute(1, 2, 0).numpy()).max() < 0.01
    assert previewed_frames(3) == [0, 1, 2]
    assert previewed_frames(100) == [0, 14, 28, 42, 57, 71, 85, 99]


def test_previews_resemble_the_clip() -> None:
    pipe = AnimationPipeline.from_pretrained("embedded")
    with as_file(files("posecast") / "assets" / "demo") as demo:
        plan = pipe.plan(
            demo / "reference.png", demo / "poses.json", cast=demo / "cast.yaml", max_frames=10
        )
    steps: list[tuple[int, int]] = []
    shown: list[np.ndarray] = []

    def on_preview(step: int, total: int, pictures: np.ndarray) -> None:
        steps.append((step, total))
        shown.append(pictures / 255)

    frames = (
        frames_of(
            pipe, plan, num_steps=2, guidance_scale=1.0, window=8, stride=2, on_preview=on_preview
        )
        / 255
    )
    assert steps == [(1, 2), (2, 2)]
    small = frames.reshape(10, 16, 8, 16, 8, 3).mean(axis=(2, 4))[previewed_frames(10)]
    errors = [((pictures - small) ** 2).mean() for pictures in shown]
    spread = ((small - small.mean(axis=(1, 2), keepdims=True)) ** 2).mean()
    assert errors[-1] < 0.1 * spread  # most of what there is to see
    assert errors[0] < 0.4 * spread
