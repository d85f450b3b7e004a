"""What a run states of itself beside its curves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posecast.training.config import TrainingConfig, config_text
from posecast.training.logs import RunLog, settings_of


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
