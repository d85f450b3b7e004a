"""The built-in networks give what the published ones give (scripts/convert_people.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from posecast.errors import InputError
from posecast.estimators.builtin.detector import cell_centres
from posecast.estimators.builtin.landmarks import SIZES, LandmarkNetwork
from posecast.estimators.builtin.weights import (
    KIND,
    load_detector,
    load_face,
    load_hand,
    load_hand_region,
    load_landmarks,
    shipped,
)

GOLDENS = Path(__file__).with_name("goldens") / "people_networks.npz"
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(GOLDENS) as stored:
        return dict(stored)


def check(ours: torch.Tensor, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours.numpy() - theirs).max() < TOLERANCE * np.abs(theirs).max()


def batch(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("kind", ["noise", "puppet"])
def test_the_detector_matches_the_original(goldens: dict[str, np.ndarray], kind: str) -> None:
    network = load_detector()
    with torch.inference_mode():
        boxes, scores = network(batch(goldens[f"detector_{kind}_input"]) / 127.5 - 1)
    check(boxes[0, ::16], goldens[f"detector_{kind}_boxes"])
    check(scores[0], goldens[f"detector_{kind}_scores"])


@pytest.mark.parametrize("kind", ["noise", "puppet"])
def test_the_landmark_network_matches_the_original(
    goldens: dict[str, np.ndarray], kind: str
) -> None:
    network = load_landmarks()
    with torch.inference_mode():
        found = network(batch(goldens[f"full_{kind}_input"]) / 255)
        without = network(batch(goldens[f"full_{kind}_input"]) / 255, with_mask=False)
    assert found.mask is not None
    check(found.points[0], goldens[f"full_{kind}_points"])
    check(found.presence.sigmoid(), goldens[f"full_{kind}_presence"])
    check(found.mask[0, ::8, ::8], goldens[f"full_{kind}_mask"])
    check(found.heat[0, ::6, ::8, ::8], goldens[f"full_{kind}_heat"])
    assert without.mask is None
    assert torch.equal(without.points, found.points)


@pytest.mark.parametrize("kind", ["noise", "hand"])
def test_the_hand_networks_match_the_originals(goldens: dict[str, np.ndarray], kind: str) -> None:
    crop = batch(goldens[f"hand_{kind}_input"]) / 255
    with torch.inference_mode():
        found = load_hand()(crop)
        region = load_hand_region()(torch.nn.functional.pad(crop, (16, 16, 16, 16)))
    check(found.points[0], goldens[f"hand_{kind}_points"])
    check(found.presence.sigmoid(), goldens[f"hand_{kind}_presence"])
    check(found.right.sigmoid(), goldens[f"hand_{kind}_right"])
    check(region[0], goldens[f"hand_{kind}_region"])


@pytest.mark.parametrize("kind", ["noise", "face"])
def test_the_face_network_matches_the_original(goldens: dict[str, np.ndarray], kind: str) -> None:
    with torch.inference_mode():
        found = load_face()(batch(goldens[f"face_{kind}_input"]) / 255)
    check(found.points[0, ::8], goldens[f"face_{kind}_points"])
    check(found.presence, goldens[f"face_{kind}_presence"])


def test_the_drawn_puppet_counts_as_a_person(goldens: dict[str, np.ndarray]) -> None:
    assert goldens["detector_puppet_scores"].max() > 0  # a logit: more likely than not
    assert goldens["full_puppet_presence"] > 0.9
    assert goldens["hand_hand_presence"] > 0.5 > goldens["hand_noise_presence"]
    assert goldens["face_face_presence"] > 0 > goldens["face_noise_presence"]


def test_the_detector_takes_any_size() -> None:
    """A picture beside another gives the same boxes, moved, but where the two meet."""
    network = load_detector()
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (16, 32, 3)).repeat(16, axis=0).repeat(16, axis=1)
    left = np.zeros((256, 512, 3)) - 1
    left[:, :256] = blocks[:, :256] / 127.5 - 1
    right = np.roll(left, 256, axis=1)
    with torch.inference_mode():
        values = [network(batch(picture))[1][0].numpy() for picture in (left, right)]
    centres = cell_centres(256, 512)
    assert len(centres) == len(values[0])
    for x, y in ((100, 100), (68, 132)):  # cells of the finest grid, far from every border
        here = np.flatnonzero((centres == (x, y)).all(axis=1))
        there = np.flatnonzero((centres == (x + 256, y)).all(axis=1))
        # Beyond the borders is nothing, which is not quite what black pixels are.
        np.testing.assert_allclose(values[0][here], values[1][there], rtol=0.05)


def test_the_larger_network_is_taken_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = LandmarkNetwork(SIZES["landmarks-heavy"])
    state = {name: values.half() for name, values in network.state_dict().items()}
    save_file(state, tmp_path / "heavy.safetensors", metadata={KIND: "landmarks-heavy"})
    loaded = load_landmarks(tmp_path / "heavy.safetensors")
    with torch.inference_mode():
        assert loaded(torch.zeros(1, 3, 256, 256)).points.shape == (1, 39, 5)


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    network = LandmarkNetwork(SIZES["landmarks-full"])
    state = {name: values.half() for name, values in network.state_dict().items()}
    first = next(iter(state))
    cases = (
        (state, "detector", "holds 'detector'; expected one of landmarks-full"),
        (state, None, "holds None"),
        (dict(list(state.items())[1:]), "landmarks-full", f"has no {first}"),
        ({**state, "more": state[first].clone()}, "landmarks-full", "has more, which"),
        ({**state, first: state[first][:1]}, "landmarks-full", f"{first} is 1x.*; expected 24x"),
    )
    for number, (tensors, kind, said) in enumerate(cases):
        path = tmp_path / f"{number}.safetensors"
        save_file(tensors, path, metadata={KIND: kind} if kind else None)
        with pytest.raises(InputError, match=said):
            load_landmarks(path)
    (tmp_path / "text.safetensors").write_text("{}")
    with pytest.raises(InputError, match=r"expected what scripts/convert_people\.py writes"):
        load_landmarks(tmp_path / "text.safetensors")
    with pytest.raises(InputError, match="no such file"):
        load_landmarks(tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="holds 'landmarks-full'; expected 'detector'"):
        load_detector(shipped("landmarks_full"))


def test_the_shipped_files_come_with_their_licence() -> None:
    folder = shipped("detector").parent
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
    notice = (folder / "NOTICE").read_text(encoding="utf-8")
    assert "MediaPipe" in notice
    assert all(path.name in notice for path in folder.glob("*.safetensors"))
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 19e6
