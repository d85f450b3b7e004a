"""What every test runs under: one thread, no network, shapes checked at every call."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything imports torch, OpenCV or a hub client, and inherited by every subprocess of a
# test. One thread: bits do not depend on the machine's cores, and small tensors run faster so.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

from tests.checking import install

install()  # before the first `import posecast`

import cv2  # noqa: E402
import pytest  # noqa: E402

cv2.setNumThreads(1)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def goldens() -> Path:
    """Numbers of other people's code, small enough for the repository (see its README)."""
    return ROOT / "tests" / "goldens"


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs of kinds that were read wrongly once."""
    return ROOT / "tests" / "cases"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of goldens and real footage beside the repository; the test skips without it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the reference material in ../{folder.name} (goldens, real footage)")
    return folder
