"""The forecast counts what a real step does, and the verb tells it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from posecast.cli.train import train
from posecast.puppets import PuppetSettings
from posecast.training import dry_run
from posecast.training.config import (
    BatchShape,
    ObjectiveSettings,
    OptimizerSettings,
    TrainingConfig,
    write_config,
)
from posecast.training.dry_run import Forecast, LiveBytes, drop_gradients
from posecast.training.forecast_text import LAUNCH, describe
from posecast.training.sharding import trained_parts
from posecast.training.stages import build_animator, make_task
from posecast.training.task import Process


@pytest.fixture
def run(tiny_run: TrainingConfig) -> TrainingConfig:
    return replace(
        tiny_run,
        stage="clips",
        frozen=("vae",),
        batch=BatchShape(references=2, frames=2),
        objective=ObjectiveSettings(reference_drop=0.0),
    )


_make = dry_run.forecast
_made: list[tuple[TrainingConfig, int, Forecast]] = []


def forecast(config: TrainingConfig, processes: int = 1) -> Forecast:
    """The forecast, made once for all tests that ask for the same (seconds each)."""
    config = replace(config, output=Path("run"))  # each test has its own; nothing is written
    for known, count, found in _made:
        if (known, count) == (config, processes):
            return found
    _made.append((config, processes, _make(config, processes)))
    return _made[-1][-1]


def test_live_bytes_counts_storages_once_and_forgets_them() -> None:
    with LiveBytes() as live:
        a = torch.zeros(100)
        view = a.view(10, 10)
        assert live.now == 400
        b = a + 1
        assert (live.now, live.peak) == (800, 800)
        del a, b
        assert live.now == 400
        del view
        assert live.now == 0
    assert live.peak == 800


def test_a_forecast_is_what_a_step_takes(run: TrainingConfig) -> None:
    expected = forecast(run)
    task = make_task(run, Process(torch.device("cpu")))
    task.set_training(True)
    parameters = list(task.module.parameters())
    trained = [p for p in parameters if p.requires_grad]
    assert expected.parameters == sum(p.numel() for p in parameters)
    assert expected.trainable == sum(p.numel() for p in trained)
    assert expected.average == 4 * expected.trainable
    assert expected.optimizer == 8 * expected.trainable
    batch = task.batches[0]
    with FlopCounterMode(display=False) as flops, LiveBytes(parameters) as live:
        for tensor in (batch.reference, batch.frames, batch.character_mask, *batch.maps.values()):
            live.add(tensor)
        task.loss(task.module, batch, torch.Generator().manual_seed(0)).total.backward()
    assert expected.flops == flops.get_total_flops()
    assert expected.step == pytest.approx(live.peak, rel=0.02)


def test_gradients_that_stay_are_counted_beside_the_step(run: TrainingConfig) -> None:
    expected = forecast(replace(run, batch=replace(run.batch, accumulate=2)))
    assert expected.gradients == 4 * expected.trainable
    task = make_task(run, Process(torch.device("cpu")))
    task.set_training(True)

    def step() -> None:
        batch = task.batches[0]
        for tensor in (batch.reference, batch.frames, batch.character_mask, *batch.maps.values()):
            live.add(tensor)
        task.loss(task.module, batch, torch.Generator().manual_seed(0)).total.backward()

    with LiveBytes(task.module.parameters()) as live:
        step()
        kept = live.now
        step()
    assert kept >= expected.gradients
    assert expected.gradients + expected.step == pytest.approx(live.peak, rel=0.05)


def test_gradients_go_one_by_one_or_with_the_last_of_their_part() -> None:
    size = 4 * 64 * 64
    peaks = []
    for whole_parts in (None, True, False):
        parts = [nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(3))) for _ in "ab"]
        module = nn.Sequential(*parts)
        if whole_parts is not None:
            drop_gradients(module, whole_parts)
        with LiveBytes(module.parameters()) as live:
            module(torch.zeros(1, 64)).sum().backward()
        peaks.append(live.peak // size)
        assert (module[0][0].weight.grad is None) == (whole_parts is not None)
    assert peaks == [6, 3, 1]


def test_processes_divide_what_trains(run: TrainingConfig) -> None:
    together, divided = forecast(run, 4), forecast(replace(run, shard=True), 4)
    assert together.gradients == 4 * together.trainable
    assert divided.gradients == divided.average == divided.trainable
    assert divided.optimizer == 2 * divided.trainable
    assert divided.flops == together.flops
    animator = build_animator(run, load=False)
    parts = [sum(4 * p.numel() for p in m.parameters()) for m in trained_parts(animator).values()]
    assert divided.weights == together.weights - sum(parts) + sum(parts) // 4 + max(parts)
    assert divided.memory < together.memory
    assert forecast(replace(run, shard=True)) == forecast(run)


@pytest.mark.slow
def test_what_saves_memory_saves_it_in_the_forecast(run: TrainingConfig) -> None:
    # Large enough for what layers make to outweigh the gradients.
    stage = PuppetSettings(size=(64, 64), frames=4, supersample=1)
    run = replace(
        run, data=replace(run.data, stage=stage), batch=BatchShape(references=4, frames=4)
    )
    plain = forecast(run)
    saving = forecast(
        replace(run, gradient_checkpointing=True, optimizer=OptimizerSettings(kind="adamw8bit"))
    )
    assert saving.step < 0.8 * plain.step
    assert saving.flops > plain.flops  # what is not kept is computed twice
    assert saving.optimizer == pytest.approx(plain.optimizer / 4, rel=0.3)
    assert saving.weights == plain.weights


def test_the_small_stages_have_a_forecast_too(tiny_run: TrainingConfig) -> None:
    for config in (tiny_run, replace(tiny_run, stage="mender")):
        expected = forecast(config)
        task = make_task(config, Process(torch.device("cpu")))
        task.set_training(True)
        parameters = list(task.module.parameters())
        assert expected.parameters == sum(p.numel() for p in parameters)
        with FlopCounterMode(display=False) as flops:
            loss = task.loss(task.module, task.batches[0], torch.Generator().manual_seed(0))
            loss.total.backward()
        assert expected.flops == flops.get_total_flops()
        assert expected.step > 0


def test_no_step_is_faster_than_its_operators(run: TrainingConfig) -> None:
    found = forecast(run)
    assert 500 < found.operators < 50_000
    twice = forecast(replace(run, batch=replace(run.batch, accumulate=2)))
    assert twice.operators == 2 * found.operators
    text = describe(found, run, 0)
    seconds = LAUNCH * found.operators
    assert f"yes, {seconds:.2g} s a step, {seconds * run.steps / 60:.3g} minutes" in text
    slow = describe(replace(found, flops=10**15), replace(run, steps=60_000), 0)
    assert "80 GB (H100)       yes, 2.5 s a step, 42.1 hours" in slow
    fast = describe(replace(found, flops=10**12), replace(run, steps=1000), 0)
    h100 = next(line for line in fast.splitlines() if "H100" in line)
    assert "minutes" in h100


def test_operators_that_do_nothing_do_not_count() -> None:
    with LiveBytes() as live:
        a = torch.zeros(100)
        a.view(10, 10).t()
        a.add_(1)
    assert live.operators == 2


def test_the_verb_needs_neither_data_nor_weights(run: TrainingConfig, tmp_path: Path) -> None:
    data = replace(run.data, stage=None, dataset=tmp_path / "no-such-dataset", size=(32, 48))
    other = replace(run.validation, dataset=tmp_path / "none-either")
    write_config(replace(run, data=data, validation=other), tmp_path / "run.yaml")
    result = CliRunner().invoke(train, [str(tmp_path / "run.yaml"), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "of them trained" in result.output
    assert "24 GB (RTX 4090)" in result.output
    assert not run.output.exists()


def test_the_verb_counts_one_of_many_processes(
    run: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "forecast", forecast)
    path = tmp_path / "run.yaml"
    write_config(replace(run, shard=True), path)
    result = CliRunner().invoke(train, [str(path), "--dry-run", "--processes", "4"])
    assert result.exit_code == 0, result.output
    assert "memory of one of 4 processes, which divide what trains:" in result.output
    result = CliRunner().invoke(train, [str(path), "--dry-run"])
    assert (
        "memory of one process (shard divides nothing in one: say --processes N)" in result.output
    )
    result = CliRunner().invoke(train, [str(path), "--processes", "4"])
    assert result.exit_code == 2
    assert "--processes belongs to --dry-run" in result.output
    assert not run.output.exists()


MEASURE = """
import sys, psutil, torch
from posecast.training.config import read_config
from posecast.training.dry_run import forecast
from posecast.training.ema import WeightAverage
from posecast.training.forecast_text import describe
from posecast.training.optimizer import make_optimizer
from posecast.training.stages import make_task
from posecast.training.task import Process
torch.set_num_threads(1)
config = read_config(sys.argv[1])
before = psutil.Process().memory_info().rss
if sys.argv[2] == "forecast":
    print(before + forecast(config).memory)
else:
    task = make_task(config, Process(torch.device("cpu")))
    trained = [p for p in task.module.parameters() if p.requires_grad]
    optimizer, average = make_optimizer(config.optimizer, trained), WeightAverage(task.module, 0.9)
    task.set_training(True)
    for step in range(2):
        task.loss(task.module, task.batches[step], torch.Generator()).total.backward()
        optimizer.step()
        average.update(step)
        optimizer.zero_grad()
    # Not getrusage's maximum: that begins with what the calling process held.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    print(int(status["VmHWM"].split()[0]) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux only")
def test_the_embedded_models_forecast_is_near_what_is_measured(tmp_path: Path) -> None:
    script, config = tmp_path / "measure.py", Path("configs/embedded/images.yaml")
    script.write_text(MEASURE)
    line = "  autoencoder: runs/embedded/autoencoder/model/vae\n"
    assert line in config.read_text()
    text = config.read_text().replace(line, "")
    (tmp_path / "images.yaml").write_text(text)

    def figure(kind: str) -> int:
        command = [sys.executable, str(script), str(tmp_path / "images.yaml"), kind]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    assert figure("forecast") == pytest.approx(figure("measured"), rel=0.15)
