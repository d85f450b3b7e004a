"""Masks of people: against drawn people, hand-checked outlines, and where people overlap."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from posecast.cli import run
from posecast.estimators.builtin.details import DetailNetworks
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.estimators.builtin.masks import PersonMasks, _contrast, region_of
from posecast.geometry.mask_sharing import to_ids
from posecast.media.id_images import read_ids
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.media.video import write_video
from tests.estimators.puppet_scenes import scene

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
OUTLINES = json.loads(Path(__file__).with_name("person_polygons.json").read_text())
SIZE = (288, 512)


@pytest.fixture(scope="module")
def masks_of() -> PersonMasks:
    return PersonMasks.load(device="cpu")


@pytest.fixture(scope="module")
def finder(masks_of: PersonMasks) -> BuiltinFinder:
    return BuiltinFinder(masks_of._networks, DetailNetworks("cpu", hands=False))


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


def drawn(people: list[tuple[float, float, float, float]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """A scene, and where each of its people is seen (later ones in front)."""
    frame, _ = scene(SIZE, people)
    empty, _ = scene(SIZE, [])
    seen = []
    for index, person in enumerate(people):
        mask = (np.abs(scene(SIZE, [person])[0].astype(int) - empty) > 20).any(axis=2)
        for other in people[index + 1 :]:
            mask &= ~(np.abs(scene(SIZE, [other])[0].astype(int) - empty) > 20).any(axis=2)
        seen.append(mask)
    return frame, seen


@pytest.mark.parametrize("degrees", [0, 100])
def test_the_mask_of_a_drawn_person_is_right(
    masks_of: PersonMasks, finder: BuiltinFinder, degrees: float
) -> None:
    frame, (truth,) = drawn([(256, 144, 230, degrees)])
    people = finder(frame[None])[0]
    (mask,) = masks_of(frame, people)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert overlap(mask > 0.5, truth) > 0.9


def test_two_who_overlap_share_no_pixel(masks_of: PersonMasks, finder: BuiltinFinder) -> None:
    frame, truth = drawn([(210, 144, 220, 0), (300, 150, 230, 0)])
    people = finder(frame[None])[0]
    assert len(people) == 2
    people = people[np.argsort(people[:, 1, 0])]
    masks = masks_of(frame, people, front_to_back=(1, 0))
    assert masks.sum(axis=0).max() <= 1 + 1e-6
    ids = to_ids(masks)
    for index in range(2):
        assert overlap(ids == index + 1, truth[index]) > 0.8


def test_nobody_has_an_empty_mask(masks_of: PersonMasks) -> None:
    frame, _ = scene(SIZE, [])
    assert masks_of(frame, np.zeros((0, 134, 3), np.float32)).shape == (0, *SIZE)
    assert not masks_of(frame, np.zeros((2, 18, 3), np.float32)).any()


def test_regions_of_whole_and_half_bodies(finder: BuiltinFinder) -> None:
    """The region made of joints is about the network's own."""
    frame, _ = scene(SIZE, [(256, 144, 230, 0)])
    person = finder(frame[None])[0][0]
    (whole,) = region_of(person)
    assert np.linalg.norm(whole[:2] - (256, 138)) < 20
    assert whole[2] == pytest.approx(1.3 * 230, rel=0.2)
    assert abs(whole[3]) < 0.1
    half = person.copy()
    half[8:14] = half[18:24] = 0  # neither hips nor legs
    (upper,) = region_of(half)
    assert upper[1] > half[1, 1]
    assert upper[2] > 80


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not there")
@pytest.mark.parametrize("name", OUTLINES)
@pytest.mark.parametrize("joints", ["annotated", "found"])
def test_the_masks_of_photographs_are_plausible(
    masks_of: PersonMasks, finder: BuiltinFinder, name: str, joints: str
) -> None:
    picture = read_image(REAL / "images" / name)
    if joints == "found":
        people = finder(picture[None])[0]
    else:
        people = read_poses((REAL / "images" / name).with_suffix(".poses.json")).keypoints[:, 0]
    people = people[np.argsort(people[:, 1, 0])]
    masks = masks_of(picture, people)
    assert len(masks) == len(OUTLINES[name])
    for mask, outlines in zip(masks, OUTLINES[name], strict=True):
        truth = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(truth, [np.array(outline) for outline in outlines], 1)
        assert overlap(mask > 0.5, truth > 0) > 0.93


def test_masks_of_a_video_match_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, truths = zip(
        *(drawn([(150 + 6 * k, 144, 200, 0), (380, 150, 210, 0)]) for k in range(3)), strict=True
    )
    video, folder = tmp_path / "two.mp4", tmp_path / "masks"
    write_video(frames, video, 12)
    line = ["poses", str(video), "-o", str(tmp_path / "two.json"), "--device", "cpu"]
    line += ["--estimator", "builtin", "--masks", str(folder)]
    assert run(line) == 0
    assert "people found by the built-in estimator" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == [
        f"frame_{k:06d}.png" for k in range(3)
    ]
    for k, truth in enumerate(truths):
        ids = read_ids(folder / f"frame_{k:06d}.png")
        assert set(np.unique(ids)) == {0, 1, 2}
        for index in range(2):
            assert overlap(ids == index + 1, truth[index]) > 0.8
    assert run([*line, "--quiet"]) == 0  # over its own frames
    assert run([*line[:-1], str(video)]) == 2
    assert "is a file; expected the name of a folder" in capsys.readouterr().err
    (folder / "notes.txt").write_text("mine")
    assert run(line) == 2
    assert "holds other files (notes.txt)" in capsys.readouterr().err
    assert (folder / "notes.txt").exists()


def test_little_of_a_halo_is_left() -> None:
    """Edges that are not sharp: what is a fifth somebody's is nobody's, and four fifths are all."""
    mask = np.array([[0, 0.2, 0.3, 0.5, 0.7, 0.8, 1]], np.float32)
    contrast = _contrast(mask)
    np.testing.assert_array_equal(contrast[0, [0, 1, 5, 6]], [0, 0, 1, 1])
    assert 0 < contrast[0, 2] < 0.2
    assert 0.8 < contrast[0, 4] < 1
    assert contrast[0, 3] == pytest.approx(0.5)
