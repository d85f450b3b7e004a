from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from posecast.errors import InputError
from posecast.models.folder import save_animator
from posecast.pipeline import AnimationPipeline, for_diffusers
from tests.casting.conftest import dancers
from tests.pipeline.conftest import tiny_animator


def load(folder: Path) -> DiffusionPipeline:
    return DiffusionPipeline.from_pretrained(
        str(folder), custom_pipeline=for_diffusers.__file__, trust_remote_code=True
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where diffusers copies the file to, before it imports it."""
    from diffusers.utils import dynamic_modules_utils

    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    return tmp_path


def test_diffusers_loads_our_folders(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_animator(tiny_animator(), cache / "tiny")
    with caplog.at_level(logging.WARNING):
        pipe = load(cache / "tiny")
    assert not [r for r in caplog.records if "expected" in r.message]
    ours = AnimationPipeline.from_pretrained(cache / "tiny")
    assert set(pipe.components) == set(ours.components)
    for name, part in ours.components.items():
        if isinstance(part, torch.nn.Module):
            for key, value in part.state_dict().items():
                assert torch.equal(value, getattr(pipe, name).state_dict()[key])
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    reference = dancers(1)
    made = [
        p(
            picture, dancers(2), reference_poses=reference, num_steps=1,
            generator=torch.Generator().manual_seed(0),
        ).frames
        for p in (pipe, ours)
    ]  # fmt: skip
    np.testing.assert_array_equal(*made)


def test_a_folder_of_another_kind_is_refused_as_ever(cache: Path) -> None:
    save_animator(tiny_animator(), cache / "tiny")
    index = cache / "tiny" / "model_index.json"
    index.write_text(index.read_text().replace("posecast/model/1", "somebody/model/9"))
    with pytest.raises(InputError, match="posecast/model/1"):
        load(cache / "tiny")
