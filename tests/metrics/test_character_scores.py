"""Right answers known by construction: stage clips with one thing made wrong at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecast.benches.stage import BenchClip, bench_clips
from posecast.errors import InputError
from posecast.geometry.skeleton import LEFT_ANKLE, LEFT_KNEE
from posecast.media.id_images import write_id_frames
from posecast.media.images import write_image
from posecast.media.poses import write_poses
from posecast.media.video import write_video
from posecast.metrics.character_scores import NAMES, POSE_NAMES, score_characters
from posecast.metrics.evaluate import evaluate
from posecast.metrics.folders import FrameBatch, frame_batches, pair_videos
from posecast.metrics.limb_looks import NUM_LIMBS, limb_map, look_of, occlusion_agreement
from posecast.metrics.mask_files import VideoMasks
from posecast.metrics.settings import EvaluationSettings
from posecast.metrics.totals import FrameTotals
from posecast.metrics.video_cast import CastFolders, VideoCast, read_cast
from posecast.puppets import render
from posecast.types import PoseSequence

FRAMES = 4


@pytest.fixture(scope="module")
def clips() -> list[BenchClip]:
    """One clip of two characters and one of three, all of whose looks differ."""
    return list(bench_clips(2, (128, 128), FRAMES))


def folder(root: Path, clip: BenchClip) -> Path:
    """A stage clip as a user has it: frames, a pose file, the reference picture and its poses."""
    truth, reference = clip.truth, clip.reference
    for name in ("real", "poses", "references"):
        (root / name).mkdir()
    write_video(truth.frames, root / "real/clip", 12)
    write_poses(truth.poses, root / "poses/clip.json")
    write_image(reference.frames[0], root / "references/clip.png")
    write_poses(reference.poses, root / "references/clip.poses.json")
    return root


def cast_of(root: Path, masks: Path | None = None, **changes) -> VideoCast:
    folders = CastFolders(**{"poses": root / "poses", "references": root / "references", **changes})
    (pair,) = pair_videos(root / "real", root / "real")
    return read_cast(pair, folders, None, masks=masks and VideoMasks.of(masks, pair))


@pytest.fixture(scope="module", params=[0, 1], ids=["two", "three"])
def case(request, clips, tmp_path_factory) -> tuple[BenchClip, VideoCast]:
    clip = clips[request.param]
    return clip, cast_of(folder(tmp_path_factory.mktemp("case"), clip))


def score(case, generated: np.ndarray) -> dict[str, FrameTotals]:
    clip, cast = case
    return score_characters(FrameBatch(0, generated, clip.truth.frames, None), cast)


def exchanged(clip: BenchClip) -> np.ndarray:
    looks = tuple((j + 1) % clip.num_characters for j in range(clip.num_characters))
    return render(clip.plan.with_looks(looks)).frames


def test_the_truth_is_right_in_everything(case):
    scores = score(case, case[0].truth.frames)
    assert set(scores) == set(NAMES) - set(POSE_NAMES)
    assert scores["identity"].score == 1.0
    assert scores["occlusion"].score > 0.95
    assert scores["background_flow_ratio"].score == 1.0
    assert scores["character_psnr"].score == np.inf
    assert scores["character_ssim"].score == pytest.approx(1.0)
    # Something was judged: in every frame every character, and pixels where limbs cross.
    assert scores["identity"].counts.sum() == FRAMES * case[0].num_characters
    assert scores["occlusion"].counts.sum() > 20


def with_masks(root: Path, clip: BenchClip) -> VideoCast:
    (root / "masks").mkdir(exist_ok=True)
    write_id_frames(clip.truth.character_ids, root / "masks/clip")
    return cast_of(root, masks=root / "masks")


def test_with_masks_a_region_is_what_is_seen(clips, tmp_path):
    """What is wrong around somebody, within the dilation map, is not that character's then."""
    clip = clips[0]
    without = clip, cast_of(folder(tmp_path, clip))
    within = clip, with_masks(tmp_path, clip)
    truth, ids = clip.truth.frames, clip.truth.character_ids
    scores = score(within, truth)
    assert scores["identity"].score == 1.0
    assert scores["identity"].counts.sum() == FRAMES * clip.num_characters
    assert scores["character_psnr"].score == np.inf
    around = np.where((ids == 0)[..., None], 255 - truth, truth)
    assert score(without, around)["character_psnr"].score < 20
    assert score(within, around)["character_psnr"].score == np.inf
    people = np.where((ids > 0)[..., None], 255 - truth, truth)
    assert score(within, people)["character_psnr"].score < 20
    # Nobody's pixels are background.
    moved = np.where((ids == 0)[..., None], truth, np.roll(truth, 3, axis=2))
    still = score(within, moved)["background_flow"].score
    assert still == pytest.approx(score(within, truth)["background_flow"].score, abs=0.2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda ids: ids[:2], "clip: masks of 2 frames, but the video has 4"),
        (lambda ids: ids[:, :100], r"frame_00000\d.png: 100x128, but the real video has 128x128"),
        (
            lambda ids: np.where(ids > 0, 3 - ids, 0).astype(np.uint8),
            r"frame_00000\d.png: id [12] is where the poses have character [01]; expected id",
        ),
        (lambda ids: ids + 7, r"frame_00000\d.png: id 9, but there are 2 characters"),
    ],
)
def test_masks_that_do_not_fit_are_named(clips, tmp_path, change, said):
    clip = clips[0]
    folder(tmp_path, clip)
    (tmp_path / "masks").mkdir()
    write_id_frames(change(clip.truth.character_ids), tmp_path / "masks/clip")
    with pytest.raises(InputError, match=said):
        score((clip, cast_of(tmp_path, masks=tmp_path / "masks")), clip.truth.frames)


def test_stretched_frames_have_stretched_poses_and_masks(clips, tmp_path):
    """A wide video made square without cropping: everybody is still where the poses say."""
    clip = clips[0]
    root = folder(tmp_path, clip)
    truth, ids, poses = clip.truth.frames, clip.truth.character_ids, clip.truth.poses
    side, left = truth.shape[1], 24
    margins = ((0, 0), (0, 0), (left, left))
    shifted = poses.keypoints.copy()
    shifted[..., 0] += np.where(shifted[..., 2] > 0, left, 0)
    wide = PoseSequence(shifted, side + 2 * left, side)
    write_video(np.pad(truth, (*margins, (0, 0))), root / "real/clip", 12)
    write_poses(wide, root / "poses/clip.json")
    (root / "masks").mkdir()
    write_id_frames(np.pad(ids, margins), root / "masks/clip")
    (pair,) = pair_videos(root / "real", root / "real")
    (batch,) = frame_batches(pair, (side, side), FRAMES, crop=False)
    settings = {"size": (side, side), "crop": False}
    cast = read_cast(pair, CastFolders(root / "poses", root / "references"), **settings)
    squeezed = (shifted[..., 0] + 0.5) * side / wide.width - 0.5
    np.testing.assert_allclose(
        cast.keypoints[..., :2],
        np.where(shifted[..., 2:] > 0, np.stack([squeezed, shifted[..., 1]], -1), 0),
        atol=1e-4,
    )
    assert score_characters(batch, cast)["identity"].score == 1.0
    cropped = read_cast(pair, CastFolders(root / "poses", root / "references"), (side, side))
    assert score_characters(batch, cropped)["identity"].score < 0.9
    masks = VideoMasks.of(root / "masks", pair, crop=False)
    columns = np.flatnonzero((masks.ids(0, (side, side)) > 0).any(axis=0))
    people = np.flatnonzero((ids[0] > 0).any(axis=0))
    expected = (people[[0, -1]] + left) * side / wide.width
    np.testing.assert_allclose(columns[[0, -1]], expected, atol=1)


def test_masks_of_another_scale_fit(clips, tmp_path):
    clip = clips[0]
    folder(tmp_path, clip)
    (tmp_path / "masks").mkdir()
    write_id_frames(clip.truth.character_ids.repeat(2, 1).repeat(2, 2), tmp_path / "masks/clip")
    twice = cast_of(tmp_path, masks=tmp_path / "masks")
    np.testing.assert_array_equal(twice.masks.ids(1, (128, 128)), clip.truth.character_ids[1])


def test_exchanged_looks_are_nobodys_own(case):
    scores = score(case, exchanged(case[0]))
    assert scores["identity"].score == 0.0
    assert scores["character_psnr"].score < 15


def test_looks_at_random_score_what_chance_gives(case):
    clip = case[0]
    turns = [clip.truth.frames]
    for shift in range(1, clip.num_characters):
        looks = tuple((j + shift) % clip.num_characters for j in range(clip.num_characters))
        turns.append(render(clip.plan.with_looks(looks)).frames)
    # Every look once: 1 / J of them are right.
    shares = [score(case, frames)["identity"].score for frames in turns]
    assert np.mean(shares) == pytest.approx(1 / clip.num_characters)


def test_inverted_order_shows_in_occlusion_and_not_in_identity(case):
    scores = score(case, render(case[0].plan.with_order_inverted()).frames)
    assert scores["occlusion"].score < 0.35
    assert scores["identity"].score == 1.0


def test_noise_moves_neither_identity_nor_occlusion(case):
    rng = np.random.default_rng(0)
    truth = case[0].truth.frames
    noisy = np.clip(truth + rng.integers(-25, 26, truth.shape), 0, 255).astype(np.uint8)
    scores = score(case, noisy)
    assert scores["identity"].score == 1.0
    assert scores["occlusion"].score > 0.9
    assert 20 < scores["character_psnr"].score < 30


@pytest.mark.parametrize("step", [1, 3])
def test_a_shifting_background_reports_the_shift(case, step):
    """A picture of texture that moves by whole pixels: the flow is the step."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (34, 34, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    moving = np.stack([np.roll(texture, step * i, axis=1)[:128, 4:132] for i in range(FRAMES)])
    scores = score(case, moving)
    assert scores["background_flow"].score == pytest.approx(step, rel=0.1)
    assert scores["background_flow"].counts.sum() == FRAMES - 1
    still = score(case, np.repeat(moving[:1], FRAMES, axis=0))
    assert still["background_flow"].score == pytest.approx(0.0, abs=1e-3)
    assert still["background_flow_ratio"].score == pytest.approx(0.0, abs=0.05)


def test_batches_make_no_difference(case):
    clip, cast = case
    whole = score(case, exchanged(clip))
    generated, real = exchanged(clip), clip.truth.frames
    before = (generated[1], real[1])
    first = score_characters(FrameBatch(0, generated[:2], real[:2], None), cast)
    second = score_characters(FrameBatch(2, generated[2:], real[2:], before), cast)
    for name, totals in whole.items():
        parts = np.concatenate([first[name].totals, second[name].totals])
        np.testing.assert_array_equal(parts, totals.totals, err_msg=name)


def test_looks_are_taken_from_the_real_video_without_references(clips, tmp_path):
    clip = clips[1]
    root = folder(tmp_path, clip)
    cast = cast_of(root, references=None)
    real = clip.truth.frames
    ours = score_characters(FrameBatch(0, exchanged(clip), real, None), cast)
    theirs = score_characters(FrameBatch(0, real, real, None), cast)
    assert (ours["identity"].score, theirs["identity"].score) == (0.0, 1.0)


def test_limbs_are_found_where_they_are():
    keypoints = np.zeros((18, 3), np.float32)
    keypoints[LEFT_KNEE], keypoints[LEFT_ANKLE] = (10, 10, 1), (10, 40, 1)
    limbs = limb_map(keypoints, (60, 30))
    assert set(np.unique(limbs[15:36, 10])) == {5}
    assert not limbs[:, 20:].any()
    frame = np.zeros((60, 30, 3), np.uint8)
    frame[:, :15] = (255, 51, 0)
    look = look_of(frame, limbs, np.ones((60, 30), bool))
    np.testing.assert_allclose(look[4], (1.0, 0.2, 0.0))
    assert np.isnan(np.delete(look, 4, axis=0)).all()
    assert np.isnan(look_of(frame, limbs, np.zeros((60, 30), bool))).all()


def test_a_crossing_that_the_real_frame_does_not_decide_is_not_judged():
    limbs = np.ones((2, 4, 4), np.uint8)
    looks = np.full((2, NUM_LIMBS, 3), np.nan)
    looks[0, 0], looks[1, 0] = (0, 0, 0), (1, 1, 1)
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 128, np.uint8)
    assert occlusion_agreement(black, grey, limbs, looks).judged == 0
    assert occlusion_agreement(black, black, limbs, looks).share == 1.0
    assert occlusion_agreement(255 - black, black, limbs, looks).share == 0.0
    looks[1, 0] = 0.05  # Not to be told apart.
    assert occlusion_agreement(black, black, limbs, looks).judged == 0


def test_estimated_poses_add_pck_and_oks(clips, tmp_path):
    root = folder(tmp_path, clips[0])
    (root / "estimated").mkdir()
    poses = clips[0].truth.poses
    shuffled = poses.keypoints[::-1].copy()
    shuffled[0, 1] = 0  # One of the two is not found in one frame.
    write_poses(poses.with_keypoints(shuffled), root / "estimated/clip.json")
    settings = EvaluationSettings(
        metrics=("l1",),
        cast=CastFolders(root / "poses", root / "references", root / "estimated"),
        size=(64, 64),
        workers=1,
    )
    scores = evaluate(pair_videos(root / "real", root / "real"), settings)
    assert set(scores.metrics) == {"l1", *NAMES}
    assert scores.metrics["oks"] == pytest.approx(1 - 1 / (2 * FRAMES), abs=1e-3)
    assert 0.8 < scores.metrics["pck"] < 1.0
    (video,) = scores.videos
    assert video.totals["oks"].curve[1] == pytest.approx(0.5, abs=1e-3)


def _spoiled(root: Path, poses: PoseSequence, how: str) -> str:
    if how == "no file":
        (root / "poses/clip.json").rename(root / "poses/other.json")
        return r"poses: holds no pose file of the video 'clip'; expected clip.json"
    if how == "two files":
        write_poses(poses, root / "poses/clip.poses.json")
        return r"clip.json and clip.poses.json are both a pose file"
    if how == "other length":
        write_poses(poses.with_keypoints(poses.keypoints[:, :2]), root / "poses/clip.json")
        return r"clip.json: poses of 2 frames, but the video has 4"
    if how == "other shape":
        write_poses(PoseSequence(poses.keypoints, 200, 128), root / "poses/clip.json")
        return r"clip.json: a canvas of 128x200, but the real video has 128x128"
    if how == "other people":
        alone = PoseSequence(poses.keypoints[:1], poses.width, poses.height)
        write_poses(alone, root / "references/clip.poses.json")
        return r"clip.poses.json: 1 character, but the video's poses have 2"
    (root / "references/clip.png").unlink()
    return r"references: holds no picture of the video 'clip'; expected clip.png"


@pytest.mark.parametrize(
    "how",
    ["no file", "two files", "other length", "other shape", "other people", "no picture"],
)
def test_cast_files_that_do_not_fit_are_named(clips, tmp_path, how):
    root = folder(tmp_path, clips[0])
    poses = clips[0].truth.poses
    message = _spoiled(root, poses, how)
    with pytest.raises(InputError, match=message):
        cast_of(root)
