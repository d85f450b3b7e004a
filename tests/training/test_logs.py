"""What a run states of itself beside its curves."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.training.boards import settings_of
from posecast.training.config import TrainingConfig, config_text
from posecast.training.logs import RunLog


def test_settings_by_their_dotted_keys(tiny_run: TrainingConfig):
    found = settings_of(replace(tiny_run, without=("flow",), ema=None))
    assert found["optimizer.learning_rate"] == 1e-3
    assert found["data.stage.size"] == "[32, 32]"
    assert found["batch.frames"] == 1
    assert found["shard"] is False
    assert (found["without"], found["ema"]) == ("['flow']", "None")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_has_settings_and_config(tiny_run: TrainingConfig):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(tiny_run)
    log.scalars(1, {"loss": 2.0})
    log.close()
    events = accumulator.EventAccumulator(str(tiny_run.output / "tensorboard"))
    events.Reload()
    (text,) = events.Tensors("config/text_summary")
    stated = text.tensor_proto.string_val[0].decode()
    assert [line[4:] for line in stated.splitlines()] == config_text(tiny_run).splitlines()
    plugins = events.summary_metadata["_hparams_/session_start_info"].plugin_data
    assert plugins.plugin_name == "hparams"
    assert b"optimizer.learning_rate" in plugins.content
    assert [point.value for point in events.Scalars("loss")] == [2.0]


class FakeTracker(types.ModuleType):
    """What trackio and wandb have in common."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, dict]] = []
        self.Image = lambda image: ("image", image.shape)

    def init(self, **given) -> None:
        self.calls.append(("init", given))

    def log(self, values: dict, step: int) -> None:
        self.calls.append(("log", {**values, "step": step}))

    def finish(self) -> None:
        self.calls.append(("finish", {}))


@pytest.mark.parametrize("kind", ["trackio", "wandb"])
def test_a_tracker_is_told_all_of_a_run(tiny_run: TrainingConfig, monkeypatch, kind: str):
    fake = FakeTracker(kind)
    monkeypatch.setitem(sys.modules, kind, fake)
    config = replace(tiny_run, logger=kind, seed=5)
    for _ in range(2):
        log = RunLog(config)
        log.scalars(3, {"loss": 2.0})
        log.picture(3, "validation", np.zeros((4, 6, 3), np.uint8))
        log.close()
    first, second = fake.calls[:4], fake.calls[4:]
    assert [name for name, _ in first] == ["init", "log", "log", "finish"]
    given = first[0][1]
    assert given["config"]["seed"] == 5
    assert given["name"].endswith("-run")
    assert given["resume"] == "allow"
    assert first[1][1] == {"loss": 2.0, "step": 3}
    assert first[2][1] == {"validation": ("image", (4, 6, 3)), "step": 3}
    # A resumed training goes on with the same run.
    assert second[0] == first[0]
    assert ("id" in given) == (kind == "wandb")


def test_a_tracker_that_is_not_there_or_does_not_start(tiny_run: TrainingConfig, monkeypatch):
    config = replace(tiny_run, logger="trackio")
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(InputError, match=r"^logger: trackio is not installed: pip install"):
        RunLog(config)
    fake = FakeTracker("trackio")
    fake.init = lambda **given: 1 / 0
    monkeypatch.setitem(sys.modules, "trackio", fake)
    with pytest.raises(InputError, match=r"^logger: trackio does not start: division by zero"):
        RunLog(config)


def test_no_tracker_is_imported_unless_asked_for(tiny_run: TrainingConfig, monkeypatch):
    fake = FakeTracker("wandb")
    monkeypatch.setitem(sys.modules, "wandb", fake)
    RunLog(tiny_run).close()
    assert fake.calls == []
