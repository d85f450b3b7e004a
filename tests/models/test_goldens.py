"""Numbers of Moore-AnimateAnyone's own classes, reproduced from its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file
from torch import Tensor

from posecast.diffusion.objective import NoiseSchedule
from posecast.diffusion.sampling import guide, sample
from posecast.models.attention import ReferenceFeatures
from posecast.models.conversion.animateanyone import convert_animateanyone
from posecast.models.folder import load_animator
from posecast.models.guider import Guider
from posecast.models.position import frame_positions
from posecast.models.presets import PRESETS
from posecast.models.unet import UNet

GOLDENS = Path(__file__).parents[3] / "shared" / "goldens" / "animateanyone"

pytestmark = pytest.mark.skipif(not GOLDENS.is_dir(), reason=f"no golden set at {GOLDENS}")


def load(name: str) -> dict[str, Tensor]:
    state = torch.load(GOLDENS / name, weights_only=True)
    return {key: value.float() for key, value in state.items()}


@pytest.fixture(scope="module")
def config() -> dict:
    return json.loads((GOLDENS / "config.json").read_text())


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[UNet, UNet, Guider]:
    """As a user gets them: converted into a model folder, and loaded from there."""
    model = tmp_path_factory.mktemp("golden") / "model"
    convert_animateanyone(GOLDENS, model)
    animator = load_animator(model)
    return animator.unet, animator.reference_net, animator.guiders.get_submodule("pose")


class Golden:
    """Inputs and the networks, in one precision."""

    def __init__(self, networks: tuple[UNet, UNet, Guider], dtype: torch.dtype) -> None:
        self.denoiser, self.reference_net, self.guider = torch.nn.ModuleList(networks).to(dtype)
        inputs = load_file(GOLDENS / "inputs.safetensors")
        self.latents = inputs["ref_latents"].to(dtype)
        self.embedding = inputs["image_embeds"].to(dtype)
        self.pose = (inputs["pose_images"].to(dtype) / 255).transpose(1, 2)
        self.noise = inputs["noise"].to(dtype).transpose(1, 2)

    def guidance(self) -> Tensor:
        return self.guider(self.pose.flatten(0, 1)).unflatten(0, self.pose.shape[:2])

    def reference(self, appearance: Tensor) -> ReferenceFeatures:
        latents = self.latents.expand(len(appearance), -1, -1, -1)
        return ReferenceFeatures(self.reference_net.reference_tokens(latents, appearance))

    def guided_pair(self, noisy: Tensor, t: int, guidance: Tensor | None) -> Tensor:
        """(uncond, cond) on one batch of two, as the peer orders it."""
        appearance = torch.cat([torch.zeros_like(self.embedding), self.embedding])
        reference = self.reference(appearance).without(torch.tensor([True, False]))
        twice = guidance if guidance is None else guidance.repeat(2, 1, 1, 1, 1)
        return self.denoiser(noisy.repeat(2, 1, 1, 1, 1), t, appearance, reference, twice)

    def loop(self, config: dict, on_step=None) -> Tensor:
        """Four guided DDIM steps of four frames, from the noise as it is."""
        schedule = NoiseSchedule.of(DDIMScheduler(**config["noise_scheduler_kwargs"]))
        guidance = self.guidance()[:, :4]

        def denoise(noisy: Tensor, timestep: int, windows: list[range]) -> Tensor:
            pair = self.guided_pair(noisy, timestep, guidance)
            return guide(*pair.split(1), config["guidance_scale"])

        steps = config["num_inference_steps"]
        return sample(denoise, self.noise[:, :4], schedule, steps, on_step=on_step)


@pytest.fixture
def golden(networks) -> Golden:
    return Golden(networks, torch.float32)


@pytest.fixture
def golden64(networks) -> Golden:
    yield Golden(networks, torch.float64)
    torch.nn.ModuleList(networks).float()


def relative(ours: Tensor, truth: Tensor) -> float:
    assert ours.shape == truth.shape
    return ((ours.double() - truth.double()).abs().max() / truth.abs().max().double()).item()


def frames_last(video: Tensor) -> Tensor:
    return video.transpose(1, 2)


@pytest.fixture(scope="module")
def outputs() -> dict[str, Tensor]:
    return load_file(GOLDENS / "outputs.safetensors")


@pytest.fixture(scope="module")
def outputs64() -> dict[str, Tensor]:
    return load_file(GOLDENS / "outputs_f64.safetensors")


def test_position_tables_are_the_stored_ones() -> None:
    tables = {k: v for k, v in load("motion_module.pth").items() if k.endswith(".pe")}
    assert tables
    for table in tables.values():
        torch.testing.assert_close(frame_positions(*table.shape[1:]), table[0], rtol=0, atol=1e-6)


def test_sd15_preset_has_the_peers_schedule(outputs) -> None:
    schedule = NoiseSchedule.of(DDIMScheduler(**PRESETS["sd15"]().scheduler))
    assert relative(schedule.alphas_cumprod, outputs["scheduler.alphas_cumprod"]) < 1e-6
    assert schedule.prediction_type == "v_prediction"


@torch.no_grad()
def test_guider(golden, outputs) -> None:
    assert relative(frames_last(golden.guidance()), outputs["pose_fea"]) < 5e-6


@torch.no_grad()
def test_reference_tokens(golden, outputs) -> None:
    appearance = torch.cat([torch.zeros_like(golden.embedding), golden.embedding])
    tokens = golden.reference(appearance).tokens
    expected = {k[5:]: v for k, v in outputs.items() if k.startswith("bank.")}
    assert set(tokens) == set(expected)
    for path, truth in expected.items():
        assert relative(tokens[path], truth) < 5e-6, path


@torch.no_grad()
def test_calls(golden, outputs) -> None:
    """With and without guidance of pose, four and five frames, first and last step."""
    names = [
        f"unet.{call}"
        for call in (
            "cfg.fp32bank.f4.t999.pose",
            "cfg.fp32bank.f5.t249.nopose",
            "nocfg.fp32bank.f4.t249.pose",
        )
    ]
    for name in names:
        _, halves, _, frames, step, pose = name.split(".")
        count, t = int(frames[1:]), int(step[1:])
        guidance = golden.guidance()[:, :count] if pose == "pose" else None
        noisy = golden.noise[:, :count]
        if halves == "cfg":
            ours = golden.guided_pair(noisy, t, guidance)
        else:
            reference = golden.reference(golden.embedding)
            ours = golden.denoiser(noisy, t, golden.embedding, reference, guidance)
        assert relative(frames_last(ours), outputs[name]) < 5e-6, name


@torch.no_grad()
def test_unconditional_half_is_no_reference(golden, outputs) -> None:
    name = next(k for k in outputs if k.startswith("unet.cfg.fp32bank.f4") and ".pose" in k)
    t = int(name.split(".")[4][1:])
    guidance = golden.guidance()[:, :4]
    zeros = torch.zeros_like(golden.embedding)
    ours = golden.denoiser(golden.noise[:, :4], t, zeros, None, guidance)
    assert relative(frames_last(ours), outputs[name][:1]) < 5e-6


@torch.no_grad()
def test_projected_once_is_the_same(golden) -> None:
    guidance, noisy = golden.guidance()[:, :2], golden.noise[:, :2]
    reference = golden.reference(golden.embedding)
    each_time = golden.denoiser(noisy, 500, golden.embedding, reference, guidance)
    once = golden.denoiser.project_reference(reference)
    assert torch.equal(golden.denoiser(noisy, 500, golden.embedding, once, guidance), each_time)


@torch.no_grad()
def test_double_precision(golden64, outputs64) -> None:
    guidance = golden64.guidance()
    assert relative(frames_last(guidance[:, :1]), outputs64["pose_fea"]) < 3e-7
    appearance = torch.cat([torch.zeros_like(golden64.embedding), golden64.embedding])
    path = "up_blocks.3.attentions.1.transformer_blocks.0"
    tokens = golden64.reference(appearance).tokens[path]
    assert relative(tokens, outputs64[f"bank.{path}"]) < 3e-7
    for pose in ("pose", "nopose"):
        ours = golden64.guided_pair(
            golden64.noise[:, :4], 249, guidance[:, :4] if pose == "pose" else None
        )
        assert relative(frames_last(ours), outputs64[f"unet.cfg.f4.t249.{pose}"]) < 3e-7


@torch.no_grad()
def test_loop(golden, outputs, config) -> None:
    states: list[Tensor] = []
    final = golden.loop(config, on_step=lambda step, total, latents: states.append(latents))
    for step, latents in enumerate(states):
        truth = outputs[f"loop.fp32bank.f4.step{step}.latents"]
        assert relative(frames_last(latents), truth) < 1e-5
    assert relative(frames_last(final), outputs["loop.fp32bank.f4.final"]) < 1e-5


@torch.no_grad()
def test_loop_in_double_precision(golden64, outputs64, config) -> None:
    assert relative(frames_last(golden64.loop(config)), outputs64["loop.f4.final"]) < 3e-7
