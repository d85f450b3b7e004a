from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posecast import AnimationPipeline
from posecast.casting.result import AnimationResult
from posecast.errors import InputError
from posecast.models.presets import LATENT_CHANNELS
from posecast.pipeline.conditioning import Place, prepared, well_separated_codes
from posecast.pipeline.denoising import start_noise
from posecast.pipeline.switches import switched_off
from posecast.types import PoseSequence
from tests.casting.conftest import dancers
from tests.pipeline.conftest import tiny_animator


@pytest.fixture(scope="module")
def pipe() -> AnimationPipeline:
    return AnimationPipeline(tiny_animator())


def animated(
    pipe: AnimationPipeline,
    scene: dict[str, Path],
    poses: PoseSequence | None = None,
    seed: int = 0,
    **options: object,
) -> AnimationResult:
    options = {"num_steps": 2, "guidance_scale": 1.0, **options}
    return pipe(
        scene["picture"],
        poses or dancers(),
        reference_poses=scene["people"],
        generator=torch.Generator().manual_seed(seed),
        **options,  # type: ignore[arg-type]
    )


def test_frames_steps_and_seeds(pipe: AnimationPipeline, scene: dict[str, Path]) -> None:
    steps: list[tuple[int, int, tuple[int, ...]]] = []
    result = animated(
        pipe, scene, on_step=lambda step, total, x: steps.append((step, total, tuple(x.shape)))
    )
    assert result.frames.shape == (6, 64, 64, 3)
    assert result.frames.dtype == np.uint8
    assert result.fps == 12
    shape = (1, 6, LATENT_CHANNELS, 8, 8)
    assert steps == [(1, 2, shape), (2, 2, shape)]
    assert np.array_equal(result.frames, animated(pipe, scene).frames)
    assert not np.array_equal(result.frames, animated(pipe, scene, seed=1).frames)


def test_progress_counts_every_window(pipe: AnimationPipeline, scene: dict[str, Path]) -> None:
    seen: list[tuple[str, int, int]] = []
    animated(pipe, scene, window=4, stride=2, on_progress=lambda *unit: seen.append(unit))
    # Frames 0-3 and 2-5, twice; then 6 frames are decoded.
    assert seen == [("denoising", i, 4) for i in (1, 2, 3, 4)] + [("decoding", 6, 6)]


def test_guidance_one_leaves_the_unconditional_half_out(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    halves: list[bool] = []
    denoise = pipe.animator.denoise

    def counted(*arguments: object, **options: object) -> torch.Tensor:
        halves.append(options.get("reference") is not None)
        if not halves[-1]:
            assert not options["appearance"].any()  # type: ignore[attr-defined]
            assert options["guidance"] is not None
        return denoise(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pipe.animator, "denoise", counted)
    one = animated(pipe, scene, num_steps=1, window=6)
    assert halves == [True]
    halves.clear()
    more = animated(pipe, scene, num_steps=1, window=6, guidance_scale=1.5)
    assert halves == [True, False]
    assert not np.array_equal(one.frames, more.frames)


@pytest.mark.parametrize(
    "name", ["pose", "flow", "depth", "depth_order", "reference-pose", "identity", "reference"]
)
def test_without_each_part_the_clip_differs(
    pipe: AnimationPipeline, scene: dict[str, Path], name: str
) -> None:
    poses = dancers(2)
    assert not np.array_equal(
        animated(pipe, scene, poses, num_steps=1).frames,
        animated(pipe, scene, poses, num_steps=1, without=(name,)).frames,
    )


def test_names_that_can_be_left_out() -> None:
    assert switched_off(["depth", " Reference-Pose "]) == {"depth_order", "reference_pose"}
    for name in ("hair", ""):
        with pytest.raises(InputError, match="expected some of pose, flow, depth-order"):
            switched_off([name])


def test_the_order_and_the_drivers_matter(pipe: AnimationPipeline, scene: dict[str, Path]) -> None:
    close = dancers(2, (18, 26))
    plain = animated(pipe, scene, close, num_steps=1).frames
    for options in ({"depth_order": "1,0"}, {"assign": {0: 1, 1: 0}}):
        assert not np.array_equal(
            plain, animated(pipe, scene, close, num_steps=1, **options).frames
        )


def test_conditions_are_those_of_the_whole_clip(
    pipe: AnimationPipeline, scene: dict[str, Path]
) -> None:
    """A window's guidance is a slice of the clip's, whether it is kept or made anew."""
    plan = pipe.plan(scene["picture"], dancers(), reference_poses=scene["people"])
    place = Place(pipe.device, pipe.dtype)
    with torch.no_grad():
        kept = prepared(pipe.animator, plan, frozenset(), place, torch.Generator())
        fresh = replace(kept, host_bytes=0, _kept={}, _recent={})
        whole = kept.windows([range(0, 6)])
        part = kept.windows([range(2, 5)])
        again = fresh.windows([range(2, 5)])
        several = fresh.windows([range(0, 3), range(2, 5)])
    for name in ("guidance", "correspondence"):
        expected = getattr(whole, name)[:, 2:5]
        assert torch.equal(getattr(part, name), expected)
        assert torch.equal(getattr(again, name), expected)
        assert torch.equal(getattr(several, name)[1:], expected)
        assert torch.equal(getattr(several, name)[:1], getattr(whole, name)[:, 0:3])


def test_the_way_to_the_network_is_short(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five calls lie between asking for frames and the U-Net."""
    ways: list[list[str]] = []
    forward = pipe.animator.unet.forward

    def looked_at(*arguments: Any, **options: Any) -> torch.Tensor:
        ours = [frame for frame in inspect.stack(0) if "src/posecast" in frame.filename]
        ways.append([f"{Path(frame.filename).stem}.{frame.function}" for frame in ours])
        return forward(*arguments, **options)

    monkeypatch.setattr(pipe.animator.unet, "forward", looked_at)
    plan = pipe.plan(scene["picture"], dancers(2), reference_poses=scene["people"])
    pipe.frames(plan, num_steps=2)
    assert ways
    for way in ways:
        assert way == [
            "animator.denoise",
            "guidance.__call__",  # GuidedDenoiser
            "guidance.__call__",  # WindowDenoiser
            "sampling.sample",
            "animation.frames",
        ]


def test_guiders_look_once_at_each_block(
    pipe: AnimationPipeline, scene: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[str, int]] = []
    for name in pipe.animator.guiders.names:
        guider = pipe.animator.guiders.get_submodule(name)

        def counted(maps: torch.Tensor, name: str = name, of: Any = guider.forward) -> torch.Tensor:
            looks.append((name, len(maps)))
            return of(maps)

        monkeypatch.setattr(guider, "forward", counted)
    plan = pipe.plan(scene["picture"], dancers(10), reference_poses=scene["people"])
    pipe.frames(plan, num_steps=3, window=4, stride=2)
    blocks = [(name, 8) for name in ("depth_order", "flow", "identity", "pose")]
    blocks += [(name, 2) for name in ("depth_order", "flow", "identity", "pose")]
    reference = [("reference_pose", 1), ("identity", 1), ("pose", 1)]  # the last two for its keys
    assert looks == reference + blocks


def test_a_size_between_latents_is_cut_from_a_larger_one(
    pipe: AnimationPipeline, scene: dict[str, Path]
) -> None:
    frames = animated(pipe, scene, dancers(2), size=(60, 83), num_steps=1).frames
    assert frames.shape == (2, 60, 83, 3)


def test_defaults_are_the_models(pipe: AnimationPipeline, scene: dict[str, Path]) -> None:
    plan = pipe.plan(scene["picture"], dancers(), reference_poses=scene["people"])
    assert plan.size == (64, 64)
    with pytest.raises(InputError, match="at most 32 frames together"):
        animated(pipe, scene, window=33)
    with pytest.raises(InputError, match="1 <= stride <= window"):
        animated(pipe, scene, window=4, stride=5)
    with pytest.raises(InputError, match="expected 1 or more"):
        animated(pipe, scene, num_steps=0)
    with pytest.raises(InputError, match="expected 1 or more"):
        animated(pipe, scene, guidance_scale=float("nan"))


def test_frames_come_as_they_are_decoded(pipe: AnimationPipeline, scene: dict[str, Path]) -> None:
    poses = dancers(20)
    plan = pipe.plan(scene["picture"], poses, reference_poses=scene["people"])
    done: list[tuple[str, int, int]] = []
    frames = pipe.frames(
        plan, num_steps=1, guidance_scale=1.0, on_progress=lambda *unit: done.append(unit)
    )
    assert next(frames).shape == (64, 64, 3)
    assert ("decoding", 20, 20) not in done
    assert sum(1 for _ in frames) == 19


def test_half_precision_is_close(scene: dict[str, Path]) -> None:
    pipe = AnimationPipeline(tiny_animator())
    full = animated(pipe, scene, dancers(2), num_steps=1).frames
    assert pipe.to("cpu", torch.bfloat16).dtype == torch.bfloat16
    half = animated(pipe, scene, dancers(2), num_steps=1).frames
    difference = np.abs(half.astype(int) - full.astype(int)).mean()
    assert 0 < difference < 0.3 * full.std()


@pytest.mark.parametrize("characters", [1, 2, 5, 8, 11])
def test_identity_codes_are_well_apart(characters: int) -> None:
    codes = well_separated_codes(characters, 8, torch.Generator().manual_seed(0))
    assert codes.shape == (characters, 8)
    assert codes.dtype == np.float32
    lengths = np.linalg.norm(codes, axis=1)
    assert lengths == pytest.approx(0.7 * 8**0.5)
    likeness = (codes @ codes.T) / np.outer(lengths, lengths) - np.eye(characters)
    assert likeness.max() < (1e-5 if characters <= 8 else 0.75)
    other = well_separated_codes(characters, 8, torch.Generator().manual_seed(1))
    assert not np.allclose(codes, other)


def test_shared_noise_is_the_same_in_all_frames() -> None:
    generator = torch.Generator().manual_seed(0)
    shared = start_noise((1, 5, 4, 8, 8), 1.0, generator)
    assert torch.equal(shared[:, :1].expand_as(shared), shared)
    apart = start_noise((1, 5, 4, 8, 8), 0.0, generator)
    assert not torch.equal(apart[:, 0], apart[:, 1])
    for noise in (shared, apart):
        assert abs(noise.std().item() - 1) < 0.1


def test_a_pipeline_is_written_and_read(
    pipe: AnimationPipeline, scene: dict[str, Path], tmp_path: Path
) -> None:
    pipe.save_pretrained(tmp_path / "model")
    again = AnimationPipeline.from_pretrained(tmp_path / "model")
    poses = dancers(2)
    # Memory formats differ after loading: the same to rounding.
    written, read = (animated(p, scene, poses, num_steps=1).frames for p in (pipe, again))
    assert np.abs(written.astype(int) - read.astype(int)).max() <= 1
    with pytest.raises(InputError, match="no model"):
        AnimationPipeline.from_pretrained("nonsense")
