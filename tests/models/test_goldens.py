"""Numbers of Moore-AnimateAnyone's own classes, reproduced from its files.

Two sets: `sampled` is in the repository (weights by their names, 256 values of each result), `full`
is in the reference material beside it (stored weights, whole results).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
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
from tests.models import peer_recipe

SAMPLED = Path(__file__).parents[1] / "goldens"
FULL = Path(__file__).parents[3] / "shared" / "goldens" / "animateanyone"


@dataclass(frozen=True)
class Truth:
    """A result of the peer's code, or the golden set's sample of it."""

    shape: tuple[int, ...]
    largest: float
    """Of all absolute values."""
    places: np.ndarray
    """Which of the values, row by row, are known."""
    values: np.ndarray

    @classmethod
    def of(cls, array: Tensor) -> Truth:
        """All of a result."""
        values = array.double().numpy().ravel()
        return cls(tuple(array.shape), np.abs(values).max(), np.arange(len(values)), values)

    def error(self, ours: Tensor) -> float:
        """The largest difference, relative to the largest value."""
        assert tuple(ours.shape) == self.shape
        found = ours.double().numpy().ravel()[self.places]
        return float(np.abs(found - self.values).max() / self.largest)

    def first(self) -> Truth:
        """The first row of a batch."""
        held = self.places < np.prod(self.shape[1:])
        shape = (1, *self.shape[1:])
        return Truth(shape, self.largest, self.places[held], self.values[held])


@dataclass(frozen=True)
class GoldenSet:
    """The peer's files in a folder, the inputs, and the results in both precisions."""

    folder: Path
    config: dict
    inputs: dict[str, Tensor]
    outputs: dict[str, Truth]
    outputs64: dict[str, Truth]


@pytest.fixture(scope="module", params=["sampled", "full"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GoldenSet:
    if request.param == "sampled":
        return sampled(tmp_path_factory.mktemp("peer"))
    if not FULL.is_dir():
        pytest.skip("needs the reference material in ../shared (goldens)")
    files = ("outputs.safetensors", "outputs_f64.safetensors")
    truths = ({k: Truth.of(v) for k, v in load_file(FULL / f).items()} for f in files)
    config = json.loads((FULL / "config.json").read_text())
    return GoldenSet(FULL, config, load_file(FULL / "inputs.safetensors"), *truths)


def sampled(folder: Path) -> GoldenSet:
    """The set of the repository; its weights are written into `folder` as the peer has them."""
    with gzip.open(SAMPLED / "animateanyone_small.json.gz") as file:
        made = json.load(file)
    (folder / "config.json").write_text(json.dumps(made["config"]))
    for name, shapes in made["shapes"].items():
        state = {key: peer_recipe.weights(f"{name}/{key}", s) for key, s in shapes.items()}
        torch.save(state, folder / f"{name}.pth")
    truths: dict[str, dict[str, Truth]] = {"outputs": {}, "outputs_f64": {}}
    with np.load(SAMPLED / "animateanyone.npz") as arrays:
        for key in arrays:
            precision, name, *about = key.split("/")
            if not about:
                shape = tuple(arrays[f"{key}/shape"].tolist())
                places = peer_recipe.places(name, int(np.prod(shape)))
                largest = float(arrays[f"{key}/largest"])
                truths[precision][name] = Truth(shape, largest, places, arrays[key])
    return GoldenSet(folder, made["config"], peer_recipe.inputs(), *truths.values())


@pytest.fixture(scope="module")
def config(peer: GoldenSet) -> dict:
    return peer.config


@pytest.fixture(scope="module")
def networks(
    peer: GoldenSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[UNet, UNet, Guider]:
    """As a user gets them: converted into a model folder, and loaded from there."""
    model = tmp_path_factory.mktemp("golden") / "model"
    convert_animateanyone(peer.folder, model)
    animator = load_animator(model)
    return animator.unet, animator.reference_net, animator.guiders.get_submodule("pose")


class Golden:
    """Inputs and the networks, in one precision."""

    def __init__(
        self,
        networks: tuple[UNet, UNet, Guider],
        inputs: dict[str, Tensor],
        dtype: torch.dtype,
    ) -> None:
        self.denoiser, self.reference_net, self.guider = torch.nn.ModuleList(networks).to(dtype)
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
def golden(networks, peer) -> Golden:
    return Golden(networks, peer.inputs, torch.float32)


@pytest.fixture
def golden64(networks, peer) -> Golden:
    yield Golden(networks, peer.inputs, torch.float64)
    torch.nn.ModuleList(networks).float()


def frames_last(video: Tensor) -> Tensor:
    return video.transpose(1, 2)


@pytest.fixture(scope="module")
def outputs(peer: GoldenSet) -> dict[str, Truth]:
    return peer.outputs


@pytest.fixture(scope="module")
def outputs64(peer: GoldenSet) -> dict[str, Truth]:
    return peer.outputs64


@pytest.mark.skipif(not FULL.is_dir(), reason="needs the reference material in ../shared (goldens)")
def test_position_tables_are_the_stored_ones() -> None:
    stored = torch.load(FULL / "motion_module.pth", weights_only=True)
    tables = {k: v.float() for k, v in stored.items() if k.endswith(".pe")}
    assert tables
    for table in tables.values():
        torch.testing.assert_close(frame_positions(*table.shape[1:]), table[0], rtol=0, atol=1e-6)


def test_sd15_preset_has_the_peers_schedule(outputs) -> None:
    schedule = NoiseSchedule.of(DDIMScheduler(**PRESETS["sd15"]().scheduler))
    assert outputs["scheduler.alphas_cumprod"].error(schedule.alphas_cumprod) < 1e-6
    assert schedule.prediction_type == "v_prediction"


@torch.no_grad()
def test_the_guider_matches_the_golden(golden, outputs) -> None:
    assert outputs["pose_fea"].error(frames_last(golden.guidance())) < 5e-6


@torch.no_grad()
def test_reference_tokens_match_the_golden(golden, outputs) -> None:
    appearance = torch.cat([torch.zeros_like(golden.embedding), golden.embedding])
    tokens = golden.reference(appearance).tokens
    expected = {k[5:]: v for k, v in outputs.items() if k.startswith("bank.")}
    assert set(tokens) == set(expected)
    for path, truth in expected.items():
        assert truth.error(tokens[path]) < 5e-6, path


@torch.no_grad()
def test_single_calls_match_the_goldens(golden, outputs) -> None:
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
        assert outputs[name].error(frames_last(ours)) < 5e-6, name


@torch.no_grad()
def test_unconditional_half_is_no_reference(golden, outputs) -> None:
    name = next(k for k in outputs if k.startswith("unet.cfg.fp32bank.f4") and ".pose" in k)
    t = int(name.split(".")[4][1:])
    guidance = golden.guidance()[:, :4]
    zeros = torch.zeros_like(golden.embedding)
    ours = golden.denoiser(golden.noise[:, :4], t, zeros, None, guidance)
    assert outputs[name].first().error(frames_last(ours)) < 5e-6


@torch.no_grad()
def test_projected_once_is_the_same(golden) -> None:
    guidance, noisy = golden.guidance()[:, :2], golden.noise[:, :2]
    reference = golden.reference(golden.embedding)
    each_time = golden.denoiser(noisy, 500, golden.embedding, reference, guidance)
    once = golden.denoiser.project_reference(reference)
    assert torch.equal(golden.denoiser(noisy, 500, golden.embedding, once, guidance), each_time)


@torch.no_grad()
def test_everything_matches_in_double_precision(golden64, outputs64) -> None:
    guidance = golden64.guidance()
    assert outputs64["pose_fea"].error(frames_last(guidance[:, :1])) < 3e-7
    appearance = torch.cat([torch.zeros_like(golden64.embedding), golden64.embedding])
    path = "up_blocks.3.attentions.1.transformer_blocks.0"
    tokens = golden64.reference(appearance).tokens[path]
    assert outputs64[f"bank.{path}"].error(tokens) < 3e-7
    for pose in ("pose", "nopose"):
        ours = golden64.guided_pair(
            golden64.noise[:, :4], 249, guidance[:, :4] if pose == "pose" else None
        )
        assert outputs64[f"unet.cfg.f4.t249.{pose}"].error(frames_last(ours)) < 3e-7


@torch.no_grad()
def test_the_guided_loop_matches_the_golden(golden, outputs, config) -> None:
    states: list[Tensor] = []
    final = golden.loop(config, on_step=lambda step, total, latents: states.append(latents))
    for step, latents in enumerate(states):
        truth = outputs[f"loop.fp32bank.f4.step{step}.latents"]
        assert truth.error(frames_last(latents)) < 1e-5
    assert outputs["loop.fp32bank.f4.final"].error(frames_last(final)) < 1e-5


@torch.no_grad()
def test_the_loop_matches_in_double_precision(golden64, outputs64, config) -> None:
    assert outputs64["loop.f4.final"].error(frames_last(golden64.loop(config))) < 3e-7
