"""Who is seen at each pixel of the picture, as a file or an array says it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posecast.casting.masks import _covers, found_masks, given_masks
from posecast.casting.options import PlanOptions
from posecast.casting.pictures import tinted
from posecast.casting.plan import AnimationPlan, plan_animation
from posecast.cli import run
from posecast.cutout.mending import MendedPicture
from posecast.cutout.warp_layers import WarpLayers
from posecast.errors import InputError
from posecast.estimators.builtin.finder import BuiltinFinder
from posecast.geometry.skeleton import present
from posecast.media.id_images import write_ids
from posecast.media.images import read_image
from tests.casting.conftest import person
from tests.estimators.puppet_scenes import scene as people_scene


def planned(scene: dict[str, Path], **options: object) -> AnimationPlan:
    options = {"reference_poses": scene["people"], "size": (64, 64), **options}
    return plan_animation(scene["picture"], scene["dance"], **options)  # type: ignore[arg-type]


@pytest.fixture
def ids(scene: dict[str, Path]) -> np.ndarray:
    """The left half is character 0, the right half character 1, but for a border."""
    height, width = read_image(scene["picture"]).shape[:2]
    ids = np.zeros((height, width), np.uint8)
    ids[2:-2, 2 : width // 2] = 1
    ids[2:-2, width // 2 : -2] = 2
    return ids


def test_masks_are_read_from_an_image_of_ids(
    scene: dict[str, Path], ids: np.ndarray, tmp_path: Path
) -> None:
    assert planned(scene).masks is None
    write_ids(ids, tmp_path / "ids.png")
    plan = planned(scene, mask=tmp_path / "ids.png")
    assert plan.masks is not None
    assert plan.masks.shape == (2, 64, 64)
    assert plan.masks[0, 32, 8] == plan.masks[1, 32, 55] == 1
    assert plan.masks[0, 32, 55] == plan.masks[1, 32, 8] == plan.masks.sum(axis=0)[0, 0] == 0
    same = planned(scene, masks=np.stack([ids == 1, ids == 2]).astype(np.float32))
    np.testing.assert_array_equal(same.masks, plan.masks)
    # Another size of the same shape will do.
    small = Image.fromarray(ids).resize((ids.shape[1] // 2, ids.shape[0] // 2), 0)
    small.save(tmp_path / "small.png")
    near = planned(scene, mask=tmp_path / "small.png").masks
    assert near is not None
    assert np.abs(near - plan.masks).mean() < 0.1


def test_black_and_white_says_who_is_foreground(
    scene: dict[str, Path], ids: np.ndarray, tmp_path: Path
) -> None:
    """Each pixel is shared out to whose bones are near."""
    Image.fromarray(((ids > 0) * 255).astype(np.uint8)).save(tmp_path / "all.png")
    plan = planned(scene, mask=tmp_path / "all.png", size=None)
    assert plan.masks is not None
    np.testing.assert_allclose(plan.masks.sum(axis=0), ids > 0, atol=0.01)
    for mask, keypoints in zip(plan.masks, plan.reference_keypoints, strict=True):
        columns, rows = np.rint(keypoints[present(keypoints), :2]).astype(int).T
        shown = (ids > 0)[rows, columns]
        assert (mask[rows, columns] > 0.5)[shown].mean() > 0.9


def test_masks_decide_what_is_carried(
    scene: dict[str, Path], ids: np.ndarray, tmp_path: Path
) -> None:
    write_ids(ids, tmp_path / "whole.png")
    ids[:32] = 0
    write_ids(ids, tmp_path / "lower.png")
    whole, lower = (planned(scene, mask=tmp_path / f"{name}.png") for name in ("whole", "lower"))

    def body(plan: AnimationPlan) -> np.ndarray:
        layers = MendedPicture.of(plan).layers(plan.keypoints[:, 0], plan.ranks[0])
        return layers[WarpLayers.BODY] > 0

    assert body(whole)[:28].sum() > 200
    assert body(lower)[:28].sum() < 0.2 * body(whole)[:28].sum()
    assert body(lower)[36:].sum() > 0.8 * body(whole)[36:].sum()


def test_masks_that_do_not_fit(
    scene: dict[str, Path], ids: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        "holds the id 3; expected 0 for nobody and 1 to 2": np.where(ids == 2, 3, ids),
        "is empty": np.zeros_like(ids),
        "expected the picture's shape": ids[: len(ids) // 2],
    }
    for number, (said, image) in enumerate(cases.items()):
        path = tmp_path / f"{number}.png"
        write_ids(image, path)
        with pytest.raises(InputError, match=said):
            planned(scene, mask=path)
    with pytest.raises(InputError, match="expected one of them"):
        planned(scene, mask=path, masks=np.zeros((2, *ids.shape), np.float32))
    with pytest.raises(InputError, match="expected one mask of the picture's"):
        planned(scene, masks=np.zeros((1, *ids.shape), np.float32))
    line = ["conditions", "--reference", str(scene["picture"]), "--poses", str(scene["dance"])]
    line += ["--reference-poses", str(scene["people"]), "--size", "64x64"]
    line += ["-o", str(tmp_path / "maps.npz")]
    assert run([*line, "--mask", str(tmp_path / "none.png")]) == 2
    assert "none.png: no such file" in capsys.readouterr().err
    assert run([*line, "--mask", str(tmp_path / "0.png")]) == 2
    assert "0.png: holds the id 3" in capsys.readouterr().err


@pytest.mark.parametrize(("height", "fits"), [(397, True), (395, False)])
def test_an_image_of_ids_may_be_rounded_by_a_hundredth(
    tmp_path: Path, height: int, fits: bool
) -> None:
    """Of its shape (`_SHAPE`): tools round sides to multiples."""
    write_ids(np.ones((height, 400), np.uint8), tmp_path / "ids.png")
    options = PlanOptions(mask=tmp_path / "ids.png")
    picture, somebody = np.zeros((200, 200, 3), np.uint8), person(20, 10, 80)[None]
    if fits:
        assert given_masks(options, picture, somebody) is not None
    else:
        with pytest.raises(InputError, match="expected the picture's shape"):
            given_masks(options, picture, somebody)


@pytest.mark.parametrize(("joints", "covered"), [(13, False), (14, True)])
def test_a_mask_contains_three_quarters_of_somebodys_joints(joints: int, covered: bool) -> None:
    """Of 18; hands and feet may stick out (`_COVERED`)."""
    somebody = person(20, 10, 80)
    mask = np.zeros((200, 200), bool)
    columns, rows = np.rint(somebody[:joints, :2]).astype(int).T
    mask[rows, columns] = True
    assert _covers(mask, somebody) == covered


def test_the_cast_picture_shows_masks(
    scene: dict[str, Path], ids: np.ndarray, tmp_path: Path
) -> None:
    write_ids(ids, tmp_path / "ids.png")
    line = ["cast", "--reference", str(scene["picture"]), "--poses", str(scene["dance"])]
    line += ["--reference-poses", str(scene["people"])]
    assert run([*line, "-o", str(tmp_path / "found.yaml")]) == 0
    line += ["--mask", str(tmp_path / "ids.png")]
    assert run([*line, "-o", str(tmp_path / "given.yaml")]) == 0
    found, given = (read_image(tmp_path / f"{name}.png") for name in ("found", "given"))
    assert found.shape == given.shape
    assert (found != given).any()
    picture = np.full((4, 6, 3), 200, np.uint8)
    masks = np.zeros((1, 4, 6), np.float32)
    masks[0, :, 3:] = 1
    shown = tinted(picture, masks)
    assert (shown[:, :3] == shown[0, 0, 0]).all()
    assert shown[0, 5, 0] > shown[0, 5, 2]  # the first character's colour is red


def test_masks_of_a_picture_are_found() -> None:
    frame, _ = people_scene((288, 512), [(150, 144, 220, 0), (360, 150, 230, 0)])
    (people,) = BuiltinFinder.load(device="cpu")(frame[None])
    masks = found_masks(frame, people, (0, 1))
    assert masks is not None
    assert masks.shape == (2, 288, 512)
    assert 0 <= masks.min() <= masks.sum(axis=0).max() <= 1 + 1e-5
    assert (masks > 0.5).mean(axis=(1, 2)).min() > 0.03


def test_masks_that_miss_the_joints_are_not_trusted(scene: dict[str, Path]) -> None:
    """In noise the network sees nobody, whatever the keypoints say."""
    plan = planned(scene)
    assert found_masks(plan.picture, plan.reference_keypoints, (0, 1)) is None
