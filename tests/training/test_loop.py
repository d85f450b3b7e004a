"""The loop: resumed runs are equal bit for bit, files are whole, what goes wrong is said."""

from __future__ import annotations

import json
import os
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from posecast.errors import InputError
from posecast.training.checkpoints import STATE_FILE, checkpoints
from posecast.training.config import CheckpointSettings, TrainingConfig, ValidationSettings
from posecast.training.loop import train
from posecast.training.stages import make_task
from posecast.training.task import Loss, Process


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(output)[-1] / STATE_FILE)


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


class Interrupting:
    """A task that does something at one step: here, what a user or a bad batch would."""

    def __init__(self, task, at: int, act) -> None:
        self._task, self._at, self._act, self._calls = task, at, act, 0

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, module, batch, generator):
        self._calls += 1
        loss = self._task.loss(module, batch, generator)
        return self._act(loss) if self._calls == self._at else loss


def interrupt(loss: Loss) -> Loss:
    os.kill(os.getpid(), signal.SIGINT)
    return loss


def test_a_run_writes_a_model_curves_and_pictures(tiny_run: TrainingConfig):
    config = replace(tiny_run, steps=10, validation=ValidationSettings(every_steps=5, samples=1))
    model = train(config, make_task)
    assert (model / "vae" / "config.json").is_file()
    lines = [json.loads(line) for line in (config.output / "log.jsonl").read_text().splitlines()]
    assert {"step", "loss", "psnr", "learning_rate", "samples_per_second"} <= lines[1].keys()
    assert [line["step"] for line in lines if "validation/psnr" in line] == [5, 10]
    names = [path.name for path in (config.output / "validation").iterdir()]
    assert sorted(names) == ["step-00000005.png", "step-00000010.png"]
    assert not [p for p in config.output.rglob("*") if p.name.startswith(".")]


def test_a_killed_and_resumed_run_equals_an_unbroken_one(tiny_run: TrainingConfig, tmp_path: Path):
    unbroken = replace(
        tiny_run,
        output=tmp_path / "unbroken",
        # Validation must not touch the run either.
        validation=ValidationSettings(every_steps=2, samples=1),
    )
    train(unbroken, make_task)
    with pytest.raises(KeyboardInterrupt, match=r"step 3 is saved in .* continue with --resume"):
        train(tiny_run, lambda c, p: Interrupting(make_task(c, p), 3, interrupt))
    assert [folder.name for folder in checkpoints(tiny_run.output)] == ["step-00000003"]
    train(tiny_run, make_task, resume=True)
    assert_equal(weights(unbroken.output), weights(tiny_run.output))
    moments = [name for name in weights(tiny_run.output) if name.startswith("optimizer.exp_avg_sq")]
    assert moments


def test_a_half_written_checkpoint_is_not_resumed_from(tiny_run: TrainingConfig):
    config = replace(tiny_run, steps=4, checkpoint=CheckpointSettings(every_steps=2))
    train(config, make_task)
    torn = config.output / "checkpoints" / "step-00000009"
    torn.mkdir()
    (torn / STATE_FILE).write_bytes(b"half")
    assert [folder.name for folder in checkpoints(config.output)] == [
        "step-00000002",
        "step-00000004",
    ]
    train(replace(config, steps=5), make_task, resume=True)


def test_only_the_newest_checkpoints_are_kept(tiny_run: TrainingConfig):
    train(replace(tiny_run, checkpoint=CheckpointSettings(every_steps=1, keep=2)), make_task)
    assert [f.name for f in checkpoints(tiny_run.output)] == ["step-00000005", "step-00000006"]


def test_an_output_with_a_run_is_not_overwritten(tiny_run: TrainingConfig):
    train(replace(tiny_run, steps=1), make_task)
    with pytest.raises(InputError, match="holds checkpoints; continue with --resume"):
        train(tiny_run, make_task)


def test_another_models_checkpoint_is_refused(tiny_run: TrainingConfig):
    train(replace(tiny_run, steps=1), make_task)
    other = replace(tiny_run.model, overrides={"vae": {"latent_channels": 8}})
    with pytest.raises(InputError, match="is of another model"):
        train(replace(tiny_run, model=other), make_task, resume=True)


def test_a_run_stops_when_its_time_is_up(tiny_run: TrainingConfig):
    train(replace(tiny_run, max_minutes=1e-6), make_task)
    assert [folder.name for folder in checkpoints(tiny_run.output)] == ["step-00000001"]


def test_a_bad_step_is_skipped(tiny_run: TrainingConfig):
    def spoil(loss: Loss) -> Loss:
        return Loss(loss.total * float("nan"), loss.parts)

    train(tiny_run, lambda c, p: Interrupting(make_task(c, p), 2, spoil))
    assert all(value.isfinite().all() for value in weights(tiny_run.output).values())
    steps = [v for name, v in weights(tiny_run.output).items() if ".step/" in name]
    assert {int(step) for step in steps} == {5}


def test_many_bad_steps_end_the_run(tiny_run: TrainingConfig):
    class Diverged(Interrupting):
        def loss(self, module, batch, generator):
            loss = self._task.loss(module, batch, generator)
            return Loss(loss.total * float("inf"), loss.parts)

    with pytest.raises(RuntimeError, match="not finite for 10 steps in a row, the last of them"):
        train(replace(tiny_run, steps=20), lambda c, p: Diverged(make_task(c, p), 0, None))


def test_accumulated_batches_are_one_step(tiny_run: TrainingConfig, tmp_path: Path):
    config = replace(tiny_run, steps=2, batch=replace(tiny_run.batch, accumulate=3))
    calls = []

    def count(c, p):
        task = make_task(c, p)
        loss = task.loss
        task.loss = lambda *args: calls.append(1) or loss(*args)
        return task

    train(config, count)
    assert len(calls) == 6


def test_batches_travel_to_workers_and_are_the_same_there(tiny_run: TrainingConfig):
    batches = make_task(tiny_run, Process(torch.device("cpu"), rank=1, world=2)).batches
    travelled = pickle.loads(pickle.dumps(batches))
    assert torch.equal(travelled[3].images, batches[3].images)
    assert not torch.equal(batches[3].images, batches[4].images)
    first = replace(batches, rank=0)
    assert not torch.equal(first[3].images, batches[3].images)


@pytest.mark.slow
def test_a_run_with_workers_equals_one_without(tiny_run: TrainingConfig, tmp_path: Path):
    train(replace(tiny_run, steps=2), make_task)
    data = replace(tiny_run.data, workers=1)
    train(replace(tiny_run, steps=2, data=data, output=tmp_path / "workers"), make_task)
    assert_equal(weights(tiny_run.output), weights(tmp_path / "workers"))


def half_precision(run: TrainingConfig) -> TrainingConfig:
    return replace(run, precision="fp16", steps=8, output=run.output.with_name("half"))


class Spying:
    """A task that notes in what its loss is computed."""

    def __init__(self, task) -> None:
        self._task, self.kinds = task, set()

    def __getattr__(self, name):
        return getattr(self._task, name)

    def loss(self, module, batch, generator):
        enabled = torch.is_autocast_enabled("cpu")
        self.kinds.add(torch.get_autocast_dtype("cpu") if enabled else torch.float32)
        return self._task.loss(module, batch, generator)


def test_sixteen_bits_with_a_scaled_loss_learn_the_same(tiny_run: TrainingConfig):
    run, whole = half_precision(tiny_run), replace(tiny_run, steps=8)
    spies = []

    def make(config, process):
        spies.append(Spying(make_task(config, process)))
        return spies[-1]

    for config in (run, whole):
        train(config, make)
    assert [spy.kinds for spy in spies] == [{torch.float16}, {torch.float32}]
    ours, theirs = weights(run.output), weights(whole.output)
    for name, value in ours.items():
        if name.startswith("weights/"):
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, theirs[name], atol=4e-3, rtol=0.05)
    # The moments are of gradients as they are, not as they were scaled.
    moments = [name for name in ours if name.startswith("optimizer.exp_avg/")]
    assert max(float(ours[name].abs().max()) for name in moments) < 10


def test_a_scale_that_overflows_falls_and_resumes(tiny_run: TrainingConfig, monkeypatch):
    monkeypatch.setattr("posecast.training.precision.FIRST_SCALE", 2.0**30)
    run = replace(half_precision(tiny_run), steps=24)
    train(run, make_task)
    progress = json.loads((checkpoints(run.output)[-1] / "progress.json").read_text())
    assert progress["loss_scale"] < 2.0**29
    assert progress["scale_steps"] > 0
    # More steps than a run without a scale would give up after.
    broken = replace(run, output=run.output.with_name("broken"))
    train(replace(broken, max_minutes=1e-6), make_task)
    train(broken, make_task, resume=True)
    assert_equal(weights(run.output), weights(broken.output))
    assert json.loads((checkpoints(broken.output)[-1] / "progress.json").read_text()) == (
        progress | {"seconds": pytest.approx(progress["seconds"], abs=600)}
    )


@pytest.mark.parametrize(
    ("variable", "name"),
    [("ACCELERATE_USE_DEEPSPEED", "DeepSpeed"), ("ACCELERATE_USE_FSDP", "FSDP")],
)
def test_engines_that_divide_the_model_are_refused(tiny_run, monkeypatch, variable, name):
    monkeypatch.setenv(variable, "true")
    with pytest.raises(InputError, match=f"launches this training with {name}; .* shard: true"):
        train(tiny_run, make_task)
    assert not tiny_run.output.exists()
