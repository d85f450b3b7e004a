from __future__ import annotations

from pathlib import Path

import pytest
import torch

from posecast.models.folder import save_animator
from posecast.pipeline import AnimationPipeline
from tests.casting.conftest import scene

__all__ = ["scene"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model with random weights."""
    from tests.pipeline.conftest import tiny_animator

    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_animator(tiny_animator(), folder)
    return folder


@pytest.fixture(scope="session")
def loaded(tiny: Path) -> AnimationPipeline:
    return AnimationPipeline.from_pretrained(tiny)


@pytest.fixture
def loaded_once(monkeypatch: pytest.MonkeyPatch, loaded: AnimationPipeline) -> None:
    """Every command of the test gets the same model, read once."""
    load = AnimationPipeline.from_pretrained

    def cached(model: str | Path, dtype: torch.dtype = torch.float32) -> AnimationPipeline:
        return loaded if Path(model).name == "tiny" else load(model, dtype)

    monkeypatch.setattr(AnimationPipeline, "from_pretrained", cached)
