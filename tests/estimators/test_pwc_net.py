"""PWC-Net computes what its publishers' own code computes, from each one's own names."""

from __future__ import annotations

import json
import pickletools
from pathlib import Path

import numpy as np
import pytest
import torch

from posecast.errors import InputError
from posecast.estimators.flow import FlowEstimator, flow_estimator
from posecast.estimators.pwc_net import PWCNetFlow, cost_volume, warped
from tests.estimators.pwc_net_cases import frames, pictures, weights

GOLDENS = Path(__file__).with_name("goldens")
NAMES = json.loads((GOLDENS / "pwc_net_names.json").read_text())


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "pwc_net.npz") as file:
        return dict(file)


def write(path: Path, kind: str = "sniklaus", **changes: torch.Tensor | None) -> Path:
    """A publisher's file with random weights; None leaves one out."""
    state = {**weights(kind, NAMES[kind]), **changes}
    torch.save({name: value for name, value in state.items() if value is not None}, path)
    return path


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 1  # pixels: not nothing
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=5e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("kind", ["sniklaus", "nvidia", "mmflow"])
def test_it_computes_what_its_publishers_code_does(kind: str, tmp_path: Path, truth) -> None:
    network = PWCNetFlow.load(write(tmp_path / "weights.pth", kind), "cpu")._network
    with torch.no_grad():
        close(network(*pictures())[0].numpy(), truth[kind])


def test_frames_of_any_size_are_stretched_as_the_publisher_does(tmp_path: Path, truth) -> None:
    estimator = flow_estimator("pwc-net", write(tmp_path / "weights.pth"), "cpu")
    assert isinstance(estimator, FlowEstimator)
    flow = estimator(*frames())
    assert (flow.shape, flow.dtype) == ((2, 100, 150), np.float32)
    close(flow[:, ::4, ::5], truth["frames"])


def test_costs_are_of_places_row_by_row() -> None:
    """One bright place: the cost of the offset to it is its product, all others are 0."""
    first, second = torch.zeros(1, 3, 12, 14), torch.zeros(1, 3, 12, 14)
    first[0, :, 5, 6] = torch.tensor([1.0, 2.0, 3.0])
    second[0, :, 3, 9] = torch.tensor([2.0, 0.0, 1.0])
    costs = cost_volume(first, second)
    assert costs.shape == (1, 81, 12, 14)
    assert costs[0, (-2 + 4) * 9 + (3 + 4), 5, 6] == pytest.approx(5 / 3)
    assert (costs != 0).sum() == 1


def test_features_from_outside_are_absent() -> None:
    features = torch.arange(12.0).reshape(1, 1, 3, 4) + 1
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0] = 1.0
    moved = warped(features, flow, 0.999)[0, 0]
    torch.testing.assert_close(moved[:, :3], features[0, 0, :, 1:])
    assert (moved[:, 3] == 0).all()
    flow[:, 0] = 0.5  # the last column is half outside
    assert (warped(features, flow, 0.999)[0, 0, :, 3] == 0).all()


def test_a_checkpoint_of_the_oldest_kind_is_read(tmp_path: Path) -> None:
    """As NVIDIA's file was written: by Python 2, before torch wrote archives."""
    state = weights("nvidia", NAMES["nvidia"])
    old = tmp_path / "pwc_net.pth.tar"
    torch.save({"state_dict": state}, old, _use_new_zipfile_serialization=False)
    old.write_bytes(_as_python_2_wrote(old.read_bytes()))
    estimator = flow_estimator("pwc-net", old, "cpu")
    expected = flow_estimator("pwc-net", write(tmp_path / "new.pth", "nvidia"), "cpu")
    np.testing.assert_array_equal(estimator(*frames(64, 64)), expected(*frames(64, 64)))


def _as_python_2_wrote(content: bytes) -> bytes:
    """The texts of the five pickles that a file begins with as byte strings."""
    changed, start = b"", 0
    for _ in range(5):
        opcodes = list(pickletools.genops(content[start:]))
        end = start + opcodes[-1][2] + 1
        for (opcode, argument, place), following in zip(opcodes, [*opcodes[1:], None], strict=True):
            stop = end if following is None else start + following[2]
            piece = content[start + place : stop]
            if opcode.name == "BINUNICODE" and len(argument) < 256:
                piece = b"U" + bytes([len(argument)]) + argument.encode()
            changed += piece
        start = end
    return changed + content[start:]


def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "weights.pth"
    cases = {
        "moduleTwo.moduleUpflow.bias: is missing": {"moduleTwo.moduleUpflow.bias": None},
        "other: is no weight of PWC-Net": {"other": torch.ones(1)},
        r"moduleSix.moduleSix.0.bias: has the shape \(3,\); expected \(2,\)": {
            "moduleSix.moduleSix.0.bias": torch.ones(3)
        },
        "does not hold PWC-Net": {"moduleExtractor.moduleOne.0.weight": None},
    }
    for message, changes in cases.items():
        with pytest.raises(InputError, match=message):
            flow_estimator("pwc-net", write(path, **changes))
    with pytest.raises(InputError, match=r"no such file; expected the weights of PWC-Net"):
        flow_estimator("pwc-net", tmp_path / "none.pth")
    monkeypatch.setenv("POSECAST_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"pwc_net.pth.tar is not there .* get it from https"):
        flow_estimator("pwc-net")
