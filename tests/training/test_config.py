"""A run's YAML file: read strictly, every mistake named with its file and place."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from posecast.errors import InputError
from posecast.training.config import (
    OptimizerSettings,
    changed_keys,
    read_config,
    write_config,
)

GOOD = """
stage: images
output: runs/x
steps: 10
data: {stage: {size: [64, 64]}}
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def read(tmp_path: Path):
    def read_text(text: str):
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return read_config(path)

    return read_text


def test_nested_settings_are_read_and_others_are_defaults(read):
    config = read(GOOD + "optimizer: {learning_rate: 1e-4, betas: [0.9, 0.95]}\nwithout: [flow]\n")
    assert config.optimizer.learning_rate == 1e-4
    assert config.optimizer.betas == (0.9, 0.95)
    assert config.data.stage.size == (64, 64)
    assert config.without == ("flow",)
    assert config.output == Path("runs/x")
    assert config.frozen == ("vae", "image_encoder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 3\n", "run.yaml: stepz: unknown key; expected one of stage, output, steps"),
        ("optimizer: {lr: 1}\n", "run.yaml: optimizer.lr: unknown key; expected one of kind, "),
        ("ema: fast\n", "run.yaml: ema: expected a number, got 'fast'"),
        ("seed: 1.5\n", "run.yaml: seed: expected a whole number, got 1.5"),
        ("seed: true\n", "run.yaml: seed: expected a whole number, got True"),
        ("precision: fp8\n", "run.yaml: precision: expected one of no, bf16, fp16, got 'fp8'"),
        ("batch: [2, 4]\n", "run.yaml: batch: expected a mapping, got a list"),
        ("without: flow\n", "run.yaml: without: expected a list, got 'flow'"),
        ("without: [depth]\n", "no guider is called 'depth'; expected some of pose, flow"),
        ("optimizer: {betas: [0.9]}\n", "run.yaml: optimizer.betas: expected 2 entries, got 1"),
        ("max_minutes: []\n", "run.yaml: max_minutes: expected a number, got a list"),
        (
            "objective: {exchange_weight: 1}\n",
            "objective.exchange_weight: only the mender's training",
        ),
        ("objective: {order_weight: 1}\n", "objective.order_weight: only the mender's training"),
        ("shard: true\noptimizer: {kind: adamw8bit}\n", "shard: 8-bit moments cannot be divided"),
        ("shard: true\nprecision: fp16\n", "precision: fp16 is not for divided runs (shard)"),
    ],
)
def test_mistakes_are_named(read, text: str, message: str):
    with pytest.raises(InputError) as caught:
        read(GOOD + text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping of settings, got nothing"),
        ("[1, 2]", "expected a mapping of settings, got a list"),
        ("a: [1", "run.yaml: line 1: not readable as YAML"),
        ("stage: images\n", "missing output, steps, data"),
        (GOOD.replace("images", "video"), "stage: expected one of autoencoder, mender, images"),
        (
            GOOD.replace("{stage: {size: [64, 64]}}", "{}"),
            "data: expected one of stage, dataset, mixture and source",
        ),
        (
            GOOD.replace("{size: [64, 64]}", "{size: [4, 64]}"),
            "data.stage.size[0]: expected 16 to 4096, got 4",
        ),
        (GOOD.replace("steps: 10", "steps: 0"), "steps: expected 1 to 1000000000, got 0"),
        (GOOD.replace("images", "mender") + "shard: true", "the stage mender is too small for it"),
    ],
)
def test_other_contents_are_refused(read, text: str, message: str):
    with pytest.raises(InputError) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="is a folder"):
        read_config(tmp_path)


def test_what_is_written_reads_back_equal(read, tmp_path: Path):
    config = read(GOOD + "model: {overrides: {unet: {widths: [8, 8]}}, init: a/b}\n")
    write_config(config, tmp_path / "resolved.yaml")
    assert read_config(tmp_path / "resolved.yaml") == config


def test_changed_keys_are_named(read, tmp_path: Path):
    config, saved = read(GOOD), tmp_path / "saved.yaml"
    write_config(config, saved)
    assert changed_keys(saved, config) == []
    assert changed_keys(saved, replace(config, steps=11, seed=3)) == ["steps", "seed"]
    saved.write_text(saved.read_text().replace("seed: 0", "of_another_version: 1"))
    assert changed_keys(saved, config) == ["seed"]


def test_the_learning_rate_warms_up_stays_and_falls():
    settings = OptimizerSettings(learning_rate=1.0, warmup_steps=4, decay_from=0.5, final=0.1)
    rates = [settings.rate(step, 100) for step in range(100)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[50] == pytest.approx(1.0)
    assert rates[75] == pytest.approx(0.55)
    assert rates[99] == pytest.approx(0.1, abs=0.02)
    assert all(a >= b for a, b in itertools.pairwise(rates[4:]))


@pytest.mark.parametrize(
    "path",
    # The list of variants is no run itself; tests/cli/test_ablation.py reads it.
    sorted(p for p in (ROOT / "configs").glob("*/*.yaml") if "variants:" not in p.read_text()),
    ids=str,
)
def test_shipped_configs_are_valid(path: Path):
    read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "objective: {guider_drop: {flow: 2}}\n",
            "objective.guider_drop.flow: expected 0 to 1, got 2.0",
        ),
        (
            "objective: {guider_drop: {sound: 0.5}}\n",
            "objective.guider_drop: no guider is called 'sound'",
        ),
    ],
)
def test_shares_of_left_out_guiders_are_checked(read, text: str, message: str):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        read(GOOD + text)


def test_a_mixture_takes_the_stages_place(read):
    shares = "{mixture: [{share: 1, stage: {size: [32, 48]}}, {share: 2, stage: {size: [32, 48]}}]}"
    config = read(GOOD.replace("{stage: {size: [64, 64]}}", shares))
    assert config.data.sample_size == (32, 48)
    with pytest.raises(InputError, match="one size"):
        read(GOOD.replace("{stage: {size: [64, 64]}}", shares.replace("48]}}]", "32]}}]")))
    with pytest.raises(InputError, match="share: expected above 0"):
        read(GOOD.replace("{stage: {size: [64, 64]}}", shares.replace("share: 1", "share: 0")))


def base_and(read, tmp_path: Path, text: str, changes: tuple[str, ...] = ()):
    (tmp_path / "base.yaml").write_text(
        GOOD + "optimizer: {learning_rate: 1e-4, kind: adamw}\nmodel: {overrides: {unet: {a: 1}}}\n"
    )
    (tmp_path / "run.yaml").write_text(text)
    return read_config(tmp_path / "run.yaml", changes)


def test_a_config_extends_another(read, tmp_path: Path):
    config = base_and(
        read,
        tmp_path,
        "extends: base.yaml\nsteps: 20\noptimizer: {kind: adamw8bit}\n"
        "model: {overrides: {unet: {b: 2}}}\n",
    )
    assert (config.steps, config.stage, config.output) == (20, "images", Path("runs/x"))
    assert config.optimizer.kind == "adamw8bit"
    assert config.optimizer.learning_rate == 1e-4
    assert config.model.overrides == {"unet": {"a": 1, "b": 2}}
    write_config(config, tmp_path / "resolved.yaml")
    assert read_config(tmp_path / "resolved.yaml") == config


def test_a_mistake_is_named_where_it_is_made(read, tmp_path: Path):
    with pytest.raises(InputError, match=r"run\.yaml: optimizer\.kind: expected one of adam, "):
        base_and(read, tmp_path, "extends: base.yaml\noptimizer: {kind: sgd}\n")
    (tmp_path / "base.yaml").write_text(GOOD + "optimizer: {lr: 3}\n")
    with pytest.raises(InputError, match=r"base\.yaml: optimizer\.lr: unknown key; expected one"):
        read_config(tmp_path / "run.yaml")


def test_configs_that_cannot_be_extended(read, tmp_path: Path):
    for text, message in (
        ("extends: run.yaml\n", r"run\.yaml: extends: configs extend each other circularly"),
        ("extends: no.yaml\n", r"run\.yaml: extends: no\.yaml: no such file"),
        ("extends: 3\n", r"run\.yaml: extends: expected the path of a config, got 3"),
    ):
        with pytest.raises(InputError, match=message):
            base_and(read, tmp_path, text)


def test_the_command_line_changes_settings_of_every_type(read, tmp_path: Path):
    config = base_and(
        read,
        tmp_path,
        "extends: base.yaml\nema: 0.9\n",
        (
            "optimizer.learning_rate=3e-5",
            "optimizer.betas=[0.8,0.9]",
            "ema=null",
            "precision=no",
            "output=7",
            "without=[flow]",
            "lora.rank=4",
            "model.init=null",
            "model.overrides.unet.warp=no",
            "model.parts.vae=null/vae",
            "steps=11",
            "steps=12",
        ),
    )
    assert config.optimizer.learning_rate == 3e-5
    assert config.optimizer.betas == (0.8, 0.9)
    assert config.ema is None
    assert config.precision == "no"
    assert config.output == Path("7")
    assert config.without == ("flow",)
    assert config.lora is not None
    assert config.lora.rank == 4
    assert config.model.init is None
    assert config.model.overrides == {"unet": {"a": 1, "warp": False}}
    assert config.model.parts == {"vae": Path("null/vae")}
    assert config.steps == 12


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optimizer.lr=1", r"^command line: optimizer\.lr: unknown key; expected one of kind, "),
        ("stepz=1", r"^command line: stepz: unknown key; expected one of stage, output"),
        ("seed=1.5", r"^command line: seed: expected a whole number, got 1\.5"),
        ("seed.x=1", r"^command line: seed: expected a whole number, got a mapping"),
        ("ema=2", r"^command line: ema: expected 0 to below 1, got 2\.0"),
        ("precision=fp8", r"^command line: precision: expected one of no, .*got 'fp8'"),
        ("output=", r"^command line: output: expected a path, got ''"),
        ("steps", r"^command line: expected a setting as key=value or key\.key=value, got 'steps'"),
        ("=3", r"^command line: expected a setting as key=value"),
        ("data.size=[1", r"^command line: data\.size: line 1: not readable as YAML"),
    ],
)
def test_mistakes_on_the_command_line_are_named(read, tmp_path: Path, word: str, message: str):
    with pytest.raises(InputError, match=message):
        base_and(read, tmp_path, "extends: base.yaml\n", (word,))
