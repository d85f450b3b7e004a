"""AnimateAnyone's files to a model folder: exact in any configuration, and wary of any file."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from posecast.errors import InputError
from posecast.models.animator import Animator
from posecast.models.conversion.animateanyone import convert_animateanyone
from posecast.models.conversion.configs import animateanyone_config
from posecast.models.conversion.parts import empty_animator, public_shapes, shapes
from posecast.models.folder import load_animator, save_animator
from posecast.models.position import frame_positions
from posecast.models.presets import sd15
from posecast.weights import read_tensors
from tests.models.peer_cases import CASES, TIMESTEP, case, inputs, weight

TRUTH = Path(__file__).with_name("peer_cases.safetensors")
SMALL = case()


def write_weights(folder: Path, config: dict) -> Path:
    """The files of a configuration, as AnimateAnyone's training would save them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    animator = empty_animator(animateanyone_config(config, folder), folder)
    whole = {
        name: frame_positions(*shape[1:])[None] if name.endswith(".pe") else weight(name, shape)
        for name, shape in public_shapes(animator.unet, animator.max_window or 0).items()
    }
    motion = {name: value for name, value in whole.items() if ".motion_modules." in name}
    torch.save({k: v for k, v in whole.items() if k not in motion}, folder / "denoising_unet.pth")
    torch.save(motion, folder / "motion_module.pth")
    for name, part in (
        ("reference_unet", animator.reference_net),
        ("pose_guider", animator.guiders.get_submodule("pose")),
    ):
        state = {key: weight(key, shape) for key, shape in shapes(part).items()}
        torch.save(state, folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture
def weights(small: Path, tmp_path: Path) -> Path:
    """The small files, to be spoilt."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for file in small.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def refusal(weights: Path) -> str:
    model = weights.parent / "model"
    with pytest.raises(InputError) as caught:
        convert_animateanyone(weights, model)
    assert not model.exists()
    assert not [p for p in weights.parent.iterdir() if p.name.endswith(".part")]
    return str(caught.value)


def change(weights: Path, name: str, edit) -> dict[str, Tensor]:
    path = weights / f"{name}.pth"
    state = torch.load(path, weights_only=True)
    edit(state)
    torch.save(state, path)
    return state


def relative(ours: Tensor, truth: Tensor) -> float:
    assert ours.shape == truth.shape
    return ((ours.double() - truth.double()).abs().max() / truth.double().abs().max()).item()


@torch.no_grad()
def results(animator: Animator, config: dict, dtype: torch.dtype) -> dict[str, Tensor]:
    given = {name: value.to(dtype) for name, value in inputs(config).items()}
    embedding, noise = given["image_embeds"], given["noise"].transpose(1, 2)
    guidance = animator.guidance({"pose": given["poses"].transpose(1, 2)})
    reference = animator.reference_features(given["ref_latents"], embedding)
    halves = [
        animator.denoise(noise, TIMESTEP, appearance=appearance, reference=seen, guidance=guidance)
        for appearance, seen in ((torch.zeros_like(embedding), None), (embedding, reference))
    ]
    return {
        "guider": guidance[:, :1].transpose(1, 2),
        "pair": torch.cat(halves).transpose(1, 2),
    }


def exactness(key: str, config: dict) -> float:
    """How near float64 comes to the truth.

    The truth's guider is stored in float32. Its tables of positions were made in float32, by sines
    whose last bit depends on the processor: with one and the same table the pair is at 3e-15, on
    another processor at 4.4e-7.
    """
    if key == "guider":
        return 1e-7
    kwargs = config["denoising_unet_additional_kwargs"]
    motion = kwargs["motion_module_kwargs"]
    with_table = kwargs["use_motion_module"] and motion["temporal_position_encoding"]
    return 1e-6 if with_table else 1e-12


@pytest.mark.parametrize("name", CASES)
def test_any_configuration_is_the_peers_computation(name: str, tmp_path: Path) -> None:
    weights = write_weights(tmp_path / "weights", CASES[name])
    convert_animateanyone(weights, tmp_path / "model")
    truth = {k.removeprefix(f"{name}."): v for k, v in load_file(TRUTH).items() if name in k}
    assert set(truth) == {"guider", "pair"}
    for dtype in (torch.float32, torch.float64):
        animator = load_animator(tmp_path / "model", dtype)
        ours = results(animator, CASES[name], dtype)
        for key, value in truth.items():
            limit = 5e-6 if dtype == torch.float32 else exactness(key, CASES[name])
            assert relative(ours[key], value) < limit, (key, dtype)


def test_what_a_config_leaves_out_is_stable_diffusion(tmp_path: Path) -> None:
    config, preset = animateanyone_config({}, tmp_path), sd15()
    ours, theirs = (empty_animator(c, tmp_path) for c in (config, preset))
    for part in ("unet", "reference_net", "guiders"):
        assert shapes(getattr(ours, part)) == shapes(getattr(theirs, part))
    assert config.scheduler == preset.scheduler
    assert (config.size, config.window) == (preset.size, preset.window)


@torch.no_grad()
def test_other_guiders_are_there_and_silent(small: Path, tmp_path: Path) -> None:
    convert_animateanyone(small, tmp_path / "model")
    animator = load_animator(tmp_path / "model")
    for name in ("flow", "depth_order", "reference_pose"):
        channels = animator.config.guiders[name]["in_channels"]
        assert not animator.guidance({name: torch.rand(1, 2, channels, 40, 24)}).any()
        assert animator.guiders.get_submodule(name).conv_in.weight.any()
    assert animator.guidance({"pose": torch.rand(1, 2, 3, 40, 24)}).any()
    with pytest.raises(InputError, match="this model has no vae: convert the weights again"):
        animator.encode(torch.rand(1, 3, 40, 24))
    with pytest.raises(InputError, match="no image_encoder"):
        animator.embed(torch.rand(1, 3, 40, 24))
    save_animator(animator, tmp_path / "again")
    assert load_animator(tmp_path / "again").vae is None


def test_dtype_is_the_files_or_the_one_asked_for(small: Path, tmp_path: Path) -> None:
    for dtype in (None, torch.float16):
        convert_animateanyone(small, tmp_path / "model", dtype)
        stored = load_file(tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors")
        assert {v.dtype for v in stored.values()} == {dtype or torch.float32}


@torch.no_grad()
def test_motion_weights_beside_the_unets_win(weights: Path, tmp_path: Path) -> None:
    name = "mid_block.motion_modules.0.temporal_transformer.proj_out.bias"
    change(weights, "denoising_unet", lambda state: state.update({name: torch.full((32,), 7.0)}))
    convert_animateanyone(weights, tmp_path / "model")
    animator = load_animator(tmp_path / "model")
    assert (animator.unet.mid_block.motion_modules[0].proj_out.bias == 7).all()
    other = animator.unet.up_blocks[0].motion_modules[0].proj_out.bias
    assert torch.equal(other, weight("up_blocks.0." + name[10:], (32,)))


def test_wrapped_and_prefixed_names_are_converted(
    weights: Path, small: Path, tmp_path: Path
) -> None:
    path = weights / "motion_module.pth"
    state = torch.load(path, weights_only=True)
    wrapped = {f"module.{name}": value.half() for name, value in state.items()}
    torch.save(
        {"epoch": 3, "state_dict": wrapped}, path, _use_new_zipfile_serialization=False
    )  # also the older format
    convert_animateanyone(weights, tmp_path / "wrapped")
    convert_animateanyone(small, tmp_path / "plain")
    name = "unet/diffusion_pytorch_model.safetensors"
    ours, plain = (load_file(tmp_path / model / name) for model in ("wrapped", "plain"))
    assert set(ours) == set(plain)
    for key, value in plain.items():
        expected = value.half() if "motion" in key else value
        assert torch.equal(ours[key], expected), key


def test_all_that_does_not_fit_is_listed(weights: Path) -> None:
    def spoil(state: dict[str, Tensor]) -> None:
        del state["conv_in.bias"]
        state["controlnet.weight"] = torch.zeros(1)
        state["conv_out.bias"] = torch.zeros(5)

    change(weights, "denoising_unet", spoil)
    message = refusal(weights)
    assert message == (
        f"{weights}/denoising_unet.pth: 1 weight is missing: conv_in.bias; 1 weight is unknown to "
        "a model of this config: controlnet.weight; 1 weight is of another shape: conv_out.bias is "
        "5, expected 4"
    )


def test_a_long_list_is_cut(weights: Path) -> None:
    change(weights, "reference_unet", lambda state: state.clear())
    message = refusal(weights)
    assert "reference_unet.pth: " in message
    assert " more" in message
    assert len(message) < 2000


@pytest.mark.parametrize(("positions", "version"), [(24, "v1"), (32, "v3")])
def test_other_animatediffs_are_refused_by_name(weights, positions, version) -> None:
    def older(state: dict[str, Tensor]) -> None:
        for name in [n for n in state if n.startswith("mid_block")]:
            del state[name]
        for name in [n for n in state if n.endswith(".pe")]:
            state[name] = state[name][:, :positions].clone()

    change(weights, "motion_module", older)
    assert f"AnimateDiff {version}'s" in refusal(weights)


def test_tables_that_are_no_sines(weights: Path) -> None:
    name = next(
        iter(k for k in torch.load(weights / "motion_module.pth") if k.endswith("encoder.pe"))
    )
    change(weights, "motion_module", lambda state: state[name].add_(0.1))
    assert f"{name}: is not AnimateDiff's table" in refusal(weights)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def test_code_in_public_weights_is_not_run(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(weights)
    path = weights / "pose_guider.pth"
    torch.save({"conv_in.weight": Evil()}, path)
    assert "holds more than tensors" in refusal(weights)
    path.write_bytes(pickle.dumps(Evil()))
    assert "pose_guider.pth" in refusal(weights)
    assert "\n" not in refusal(weights)
    assert not (weights / "executed").exists()


def test_broken_weight_files_are_named(weights: Path) -> None:
    path = weights / "pose_guider.pth"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"<html>404</html>", whole[:2000]):
        path.write_bytes(content)
        assert "pose_guider.pth: " in refusal(weights)
    torch.save([torch.zeros(3)], path)
    assert "holds a list" in refusal(weights)
    torch.save({"conv_in.weight": 3}, path)
    assert "conv_in.weight: is a int; expected a tensor" in refusal(weights)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10_000_000)
    assert "compressed" in refusal(weights)
    path.unlink()
    assert refusal(weights).endswith("pose_guider.pth: is missing")


def test_safetensors_are_converted_too(weights: Path, tmp_path: Path) -> None:
    path = weights / "pose_guider.pth"
    save_file(read_tensors(path), path.with_suffix(".safetensors"))
    path.unlink()
    convert_animateanyone(weights, tmp_path / "model")


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("reference_unet", "act_fn", "gelu"),
        ("denoising_unet", "new_field", 1),
        ("denoising_unet", "norm_num_groups", 7),
        ("denoising_unet", "attention_head_dim", 5),
        ("reference_unet", "layers_per_block", 2),
        ("denoising_unet", "block_out_channels", [32, -1, 64, 32]),
        ("denoising_unet", "up_block_types", ["CrossAttnUpBlock3D"] * 4),
        ("denoising_unet_additional_kwargs", "use_inflated_groupnorm", False),
        ("denoising_unet_additional_kwargs", "motion_module_type", "Other"),
        ("pose_guider", "conditioning_embedding_channels", 64),
        ("noise_scheduler_kwargs", "gamma", 1),
    ],
)
def test_configs_that_we_cannot_follow(weights: Path, section: str, field: str, value) -> None:
    config = json.loads((weights / "config.json").read_text())
    config[section][field] = value
    (weights / "config.json").write_text(json.dumps(config))
    assert f"config.json: {section}.{field}" in refusal(weights)


def test_an_existing_folder_is_kept(small: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"1")
    with pytest.raises(InputError, match="not a model folder"):
        convert_animateanyone(small, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]
