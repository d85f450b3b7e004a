"""What worker processes do. Each function takes a `Reporter` and plain arguments."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from posecast.casting import AnimationPlan, PlanOptions
from posecast.casting.inputs import load_picture, load_reference_poses
from posecast.casting.masks import found_masks, masks_by_colours
from posecast.casting.order import by_sight
from posecast.cutout import CutoutAnimator
from posecast.cutout.animator import mends
from posecast.cutout.in_order import in_order
from posecast.cutout.moving import MovingPicture
from posecast.estimators.footage import (
    NobodyFound,
    about_cuts,
    is_picture,
    iter_frames,
    track_frames,
)
from posecast.estimators.pose import FollowingEstimator, PoseEstimator, pose_estimator
from posecast.geometry.drawing import draw_poses
from posecast.geometry.left_to_right import left_to_right
from posecast.geometry.skeleton import present
from posecast.geometry.tracking import track_people
from posecast.media.ahead import ahead
from posecast.media.atomic import whole_file
from posecast.media.images import read_image
from posecast.media.pose_formats.content import PlainFootage
from posecast.media.poses import read_poses, write_poses
from posecast.media.sound import has_sound
from posecast.media.video import read_header, read_info, write_video
from posecast.studio import clips
from posecast.studio.cast_files import USUAL_RATE, CastFiles, read_keys
from posecast.studio.worker import Reporter
from posecast.types import PoseSequence

MASK_SIDE = 1536
"""The longer side of masks that are worked on."""
DRIVER_SIDE = 360
"""The longer side of a driver's small pictures."""
EARLY = 48
"""Frames of a video after which its people can be tried, while the rest is looked through."""
NO_CANVAS = (1024, 1024)
"""Of pose files in shares of a canvas, while there is no picture."""
_BODY = 18
JOINTS = 134


@lru_cache(1)
def estimator() -> PoseEstimator:
    """What finds people, loaded once a process."""
    return pose_estimator()


def find_people(
    report: Reporter, picture: str, masks: str, poses: str | None = None
) -> dict[str, Any]:
    """The people of a picture: joints, an image of keys (1, 2, ...), and who seems to be in front.

    `poses` is a file that says where they are; without it they are looked for.
    """
    report.progress("finding people", 0, None)
    pixels = load_picture(picture)
    try:
        if poses is None:
            found = track_frames([pixels], estimator(), "the picture")
            people = load_reference_poses(found, pixels)
        else:
            people = load_reference_poses(poses, pixels)
    except NobodyFound:
        return {"people": [], "mask": None, "order": []}
    standing = people.keypoints[:, 0]
    if poses is None:
        standing = standing[list(left_to_right(standing))]
    report.progress("cutting them out", 0, None)
    if people.front_to_back is not None and poses is not None:
        order: Sequence[int] = people.front_to_back
    else:
        order, _ = by_sight(pixels, standing, None)
    soft = found_masks(pixels, standing, order)
    if soft is None:
        soft = masks_by_colours(pixels, standing, order)
    if people.front_to_back is None or poses is None:
        order, _ = by_sight(pixels, standing, soft)
    return {
        "people": [_joints(person) for person in standing],
        "mask": write_keys(_keys_of(soft, range(1, len(standing) + 1)), Path(masks)),
        "order": list(order),
    }


def _joints(person: np.ndarray) -> list[list[float]]:
    """x, y and confidence to a hundredth; what is absent at the end is left out."""
    count = max(24, int(np.flatnonzero(person[:, 2])[-1]) + 1) if person[:, 2].any() else 24
    return [[round(float(v), 2) for v in joint] for joint in person[:count]]


def _keys_of(soft: np.ndarray, keys: Iterable[int]) -> np.ndarray:
    """Soft masks as an image of keys, at the size at which masks are worked on."""
    size = clips.smaller((soft.shape[1], soft.shape[2]), MASK_SIDE)
    image = np.zeros(size, np.uint8)
    for mask, key in zip(soft, keys, strict=True):
        small = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)
        image[small >= 0.5] = key
    return image


def write_keys(keys: np.ndarray, folder: Path) -> str:
    """An image of keys as a file that is named by its content; returns the name."""
    name = hashlib.sha256(repr(keys.shape).encode() + keys.tobytes()).hexdigest()[:24]
    path = folder / f"{name}.png"
    if not path.exists():
        with whole_file(path) as part:
            Image.fromarray(keys).save(part, format="PNG")
    return name


def find_mask(
    report: Reporter, picture: str, masks: str, mask: str | None, people: list[Any], key: int
) -> dict[str, Any]:
    """The image of keys with one person's part found anew; `people` are (key, joints)."""
    report.progress("cutting out", 0, None)
    pixels = load_picture(picture)
    standing = np.zeros((len(people), 134, 3), np.float32)
    for row, (_, joints) in zip(standing, people, strict=True):
        row[: len(joints)] = joints
    standing[standing[..., 2] < 0.3] = 0
    soft = found_masks(pixels, standing)
    if soft is None:
        soft = masks_by_colours(pixels, standing)
    index = [number for number, _ in people].index(key)
    mine = _keys_of(soft[index : index + 1], [key])
    keys = np.zeros_like(mine) if mask is None else read_keys(Path(masks) / f"{mask}.png")
    keys[keys == key] = 0
    keys[(mine == key) & (keys == 0)] = key
    return {"mask": write_keys(keys, Path(masks))}


def read_driver(
    report: Reporter, path: str, poses: str, clip: str, canvas: tuple[int, int] | None
) -> dict[str, Any]:
    """The tracks of a driver of any kind, written as poses, and small pictures of it."""
    notes: list[str] = []
    report.progress("reading", 0, None)
    try:
        sequence = read_poses(path, normalised_size=canvas or NO_CANVAS, notes=notes)
    except PlainFootage:
        sequence = _followed(report, Path(path), Path(poses), Path(clip), notes)
        found = True
    else:
        found = False
        if sequence.fps is None:
            sequence = replace(sequence, fps=USUAL_RATE)
        _draw_clip(report, sequence, Path(clip))
    if sequence.fps is None:  # a still picture
        sequence = replace(sequence, fps=USUAL_RATE)
    write_poses(sequence, poses)
    return {**facts_of(sequence, Path(path), found), "message": "; ".join(notes)}


def facts_of(sequence: PoseSequence, path: Path, found: bool) -> dict[str, Any]:
    """What `projects.Driver` holds of a driver.

    Among it how much is seen of each track (joints, over all frames), and where: x as a share.
    """
    shown = np.asarray(present(sequence.keypoints[:, :, :_BODY]))
    joints = np.maximum(shown.sum(axis=(1, 2)), 1)
    middle = (sequence.keypoints[:, :, :_BODY, 0] * shown).sum(axis=(1, 2)) / joints
    return {
        "width": sequence.width,
        "height": sequence.height,
        "fps": sequence.fps,
        "frames": sequence.num_frames,
        "tracks": sequence.num_characters,
        "found": found,
        "sound": path.is_file() and has_sound(path),
        "seen": tuple(int(n) for n in shown.sum(axis=(1, 2))),
        "places": tuple(round(float(x), 3) for x in middle / sequence.width),
    }


def _followed(
    report: Reporter, path: Path, poses: Path, clip: Path, notes: list[str]
) -> PoseSequence:
    """The people of plain footage; its small pictures are kept on the way."""
    still = is_picture(path)
    rate = None if still else read_info(path).fps
    total = 1 if still else read_header(path).declared_frames or None
    step = clips.step_at(rate or USUAL_RATE)
    pictures: list[bytes] = []
    kept_size = (0, 0)
    done = 0

    def kept(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        nonlocal kept_size
        for index, frame in enumerate(frames):
            kept_size = (frame.shape[0], frame.shape[1])
            if index % step == 0:
                pictures.append(clips.picture(frame, DRIVER_SIDE))
            yield frame

    def tell(more: int) -> None:
        nonlocal done
        done += more
        report.progress("following people", done, total)

    def keep_pictures(frames: int) -> None:
        about = {"fps": rate or USUAL_RATE, "step": step, "frames": frames}
        clips.write_clip(clip, about, pictures)

    def begin(people: list[np.ndarray]) -> None:
        sequence = _early_tracks(people, kept_size, rate)
        keep_pictures(sequence.num_frames)
        write_poses(sequence, poses)
        report.send("early", facts_of(sequence, path, True))

    cuts: list[int] = []
    find = Early(estimator(), begin if (total or EARLY) >= 2 * EARLY else None)
    with closing(ahead(iter_frames(path))) as frames:
        sequence = track_frames(kept(frames), find, path.name, rate, tell, cuts.extend)
    if cuts:
        notes.append(about_cuts(path.name, cuts))
    keep_pictures(sequence.num_frames)
    return sequence


class Early:
    """An estimator that hands over, once, what it has found in the first `EARLY` frames."""

    def __init__(
        self, estimate: PoseEstimator, hand_over: Callable[[list[np.ndarray]], None] | None
    ) -> None:
        self._estimate, self._hand_over = estimate, hand_over
        self._people: list[np.ndarray] = []

    def following(self, fps: float | None = None) -> Early:
        """As `FollowingEstimator`."""
        inner = self._estimate
        if isinstance(inner, FollowingEstimator):
            inner = inner.following(fps)
        return Early(inner, self._hand_over)

    def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
        """As `PoseEstimator`."""
        found = self._estimate(frames)
        if self._hand_over is not None:
            self._people += found
            if len(self._people) >= EARLY and any(present(p).any() for p in self._people):
                hand_over, self._hand_over = self._hand_over, None
                hand_over(self._people)
        return found


def _early_tracks(
    people: list[np.ndarray], size: tuple[int, int], rate: float | None
) -> PoseSequence:
    """What is found so far, as tracks: those of the whole video begin with them."""
    ordered = [found[list(left_to_right(found))] for found in people]
    tracks = track_people(ordered, JOINTS, rate)
    return PoseSequence(tracks, size[1], size[0], rate or USUAL_RATE, "wholebody134")


def _draw_clip(report: Reporter, sequence: PoseSequence, clip: Path) -> None:
    """Small pictures of poses that no footage belongs to."""
    rate = sequence.fps or USUAL_RATE
    step = clips.step_at(rate)
    size = clips.smaller((sequence.height, sequence.width), DRIVER_SIDE)
    scale = np.array([size[1] / sequence.width, size[0] / sequence.height, 1], np.float32)

    def drawn() -> Iterator[bytes]:
        for index in range(0, sequence.num_frames, step):
            if index % 64 == 0:
                report.progress("drawing", index, sequence.num_frames)
            yield clips.picture(draw_poses(sequence.keypoints[:, index] * scale, size))

    about = {"fps": rate, "step": step, "frames": sequence.num_frames}
    clips.write_clip(clip, about, drawn())


@lru_cache(4)
def _pixels(path: str, stamp: int) -> np.ndarray:
    return read_image(path)


@lru_cache(16)
def _tracks(path: str, stamp: int) -> PoseSequence:
    return read_poses(path)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns


def small_plan(files: CastFiles, side: int) -> AnimationPlan:
    """The plan of some files at a small size; what it is read from is kept for the next one."""
    pixels = _pixels(str(files.picture), _stamp(files.picture))
    tracks = [_tracks(str(path), _stamp(path)) for path in files.poses]
    height, width = (2 * round(s / 2) for s in clips.smaller(pixels.shape[:2], side))
    options = PlanOptions(
        size=(max(16, height), max(16, width)), audio=False, **{**files.options(), "sound": None}
    )
    return CutoutAnimator().plan(pixels, tracks, options)


_moving: dict[str, MovingPicture] = {}


def moving_picture(plan: AnimationPlan) -> MovingPicture:
    """The cut-out of a plan's picture: made anew only when picture, people or masks change."""
    digest = hashlib.sha256(plan.picture.tobytes() + plan.reference_keypoints.tobytes())
    digest.update(plan.ranks_in_picture.tobytes())
    if plan.seen is not None:
        digest.update(plan.seen.tobytes())
    key = digest.hexdigest()
    if key not in _moving:
        _moving.clear()
        _moving[key] = MovingPicture.of(plan)
    return _moving[key]


def preview(report: Reporter, files: CastFiles, side: int, first: int) -> dict[str, Any]:
    """Small frames as fast as they come: a `header`, then a `frame` each, from `first` on round."""
    plan = small_plan(files, side)
    step = clips.step_at(plan.fps)
    shown = list(range(0, plan.num_frames, step))
    begin = min(first // step, len(shown) - 1)
    shown = shown[begin:] + shown[:begin]
    report.send("header", clips.header({**about_plan(plan, step), "from": begin}))
    moving = moving_picture(plan)
    began = time.perf_counter()
    frames = in_order(
        lambda i: clips.picture(moving.frame(plan.keypoints[:, shown[i]], plan.ranks[shown[i]])),
        len(shown),
    )
    with closing(frames):  # type: ignore[type-var]
        for data in frames:
            report.send("frame", clips.block(data))
    pixels = plan.size[0] * plan.size[1] * len(shown)
    return {"pixels": pixels, "seconds": time.perf_counter() - began}


def condition_maps(report: Reporter, files: CastFiles, side: int, first: int) -> dict[str, Any]:
    """As `preview`, of the maps that the paper's guiders would see."""
    from posecast.pipeline.map_pictures import preview_frames
    from posecast.pipeline.map_renderer import MapRenderer
    from posecast.pipeline.maps_file import PREVIEW_CHUNK

    plan = small_plan(files, side)
    report.send("header", clips.header(about_plan(plan, 1)))
    for frame in preview_frames(plan, MapRenderer(plan).chunks(PREVIEW_CHUNK, warp=True)):
        report.send("frame", clips.block(clips.picture(frame)))
    return {}


def about_plan(plan: AnimationPlan, step: int) -> dict[str, Any]:
    """What the page shows of a plan: its times, the fitted skeletons, and what is to be known."""
    shown = np.asarray(present(plan.keypoints[:, ::step, :_BODY]))
    points = np.rint(plan.keypoints[:, ::step, :_BODY, :2] * 4).astype(int)
    tracks = [
        [
            [int(v) if s else None for p, s in zip(frame, seen, strict=True) for v in p]
            for frame, seen in zip(track, there, strict=True)
        ]
        for track, there in zip(points, shown, strict=True)
    ]
    return {
        "fps": plan.fps,
        "step": step,
        "frames": plan.num_frames,
        "height": plan.size[0],
        "width": plan.size[1],
        "tracks": tracks,
        "notes": list(plan.notes),
    }


def driver_tracks(poses: str) -> dict[str, Any]:
    """A driver's bodies for the page: of each track and frame x and y in whole pixels, or null."""
    sequence = read_poses(poses)
    shown = np.asarray(present(sequence.keypoints[:, :, :_BODY]))
    points = np.rint(sequence.keypoints[:, :, :_BODY, :2]).astype(int)
    tracks = [
        [
            [int(v) if s else None for p, s in zip(frame, seen, strict=True) for v in p]
            if seen.any()
            else None
            for frame, seen in zip(track, there, strict=True)
        ]
        for track, there in zip(points, shown, strict=True)
    ]
    return {
        "width": sequence.width,
        "height": sequence.height,
        "fps": sequence.fps,
        "tracks": tracks,
    }


def make(
    report: Reporter,
    files: CastFiles,
    folder: str,
    model: str,
    size: tuple[int, int] | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """A video: its frames as they are made into `frames/`, then `video.mp4`, as `animate` does.

    Frames that an earlier try left are kept where each is made for itself.
    """
    place = Path(folder)
    (place / "frames").mkdir(exist_ok=True)
    report.progress("planning", 0, None)
    options = PlanOptions(size=size, **files.options())
    if model == "cutout":
        plan, frames, first = _moved(files, options, place)
    else:
        plan, frames, first = _denoised(report, files, options, model, settings)
    report.send("planned", (plan.num_frames, plan.size, plan.fps, plan.notes))
    began = time.perf_counter()
    report.progress("making", first, plan.num_frames)
    for index, frame in enumerate(frames, first):
        write_frame(frame, place / "frames" / f"frame_{index:06d}.png")
        report.progress("making", index + 1, plan.num_frames)
    spent = time.perf_counter() - began
    report.progress("writing the video", 0, None)
    write_video(kept_frames(place), place / "video.mp4", plan.fps, plan.sound)
    pixels = plan.size[0] * plan.size[1] * (plan.num_frames - first)
    return {"seconds": spent, "pixels": pixels}


def _moved(
    files: CastFiles, options: PlanOptions, place: Path
) -> tuple[AnimationPlan, Iterator[np.ndarray], int]:
    animator = CutoutAnimator.from_pretrained()
    plan = animator.plan(files.picture, list(files.poses), options)
    first = 0
    if not mends(plan):  # the mender's frames hang together
        while first < plan.num_frames and _is_whole(place / "frames" / f"frame_{first:06d}.png"):
            first += 1
    if first == plan.num_frames:
        return plan, iter(()), first
    rest = replace(
        plan,
        keypoints=plan.keypoints[:, first:],
        ranks=plan.ranks[first:],
        reference_ranks=plan.ranks_in_picture,
    )
    return plan, animator.frames(rest if first else plan), first


def _denoised(
    report: Reporter, files: CastFiles, options: PlanOptions, model: str, settings: dict[str, Any]
) -> tuple[AnimationPlan, Iterator[np.ndarray], int]:
    import torch

    from posecast.pipeline.animation import AnimationPipeline

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    report.progress("loading the model", 0, None)
    pipe = AnimationPipeline.from_pretrained(model, dtype)
    plan = pipe.plan(files.picture, list(files.poses), options)
    fitted = pipe.fit(plan, device=device)

    def on_progress(phase: str, done: int, total: int) -> None:
        report.progress(phase, done, total)

    frames = pipe.frames(
        plan,
        num_steps=settings.get("steps"),
        fast=bool(settings.get("fast")),
        generator=torch.Generator().manual_seed(settings.get("seed", 0)),
        memory=fitted,
        on_progress=on_progress,
    )
    return plan, frames, 0


def write_frame(frame: np.ndarray, path: Path) -> None:
    """A frame without loss, quickly; a kill leaves it whole or not there."""
    part = path.with_suffix(".part")
    _, data = cv2.imencode(
        ".png", np.ascontiguousarray(frame[..., ::-1]), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    part.write_bytes(bytes(data))
    part.replace(path)


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def kept_frames(place: Path) -> Iterator[np.ndarray]:
    """The frames of a result, in their order."""
    for path in sorted((place / "frames").glob("frame_*.png")):
        yield read_image(path)


def encode(report: Reporter, folder: str, out: str, fps: float, files: CastFiles) -> dict[str, Any]:
    """A made video in another form, by the ending of `out`."""
    from posecast.media.sound import Sound

    place = Path(folder)
    total = sum(1 for _ in (place / "frames").glob("frame_*.png"))
    sound = None if files.sound is None else Sound(files.sound, files.options()["sound_start"])

    def told() -> Iterator[np.ndarray]:
        for index, frame in enumerate(kept_frames(place)):
            report.progress("writing", index, total)
            yield frame

    write_video(told(), Path(out), fps, sound)
    return {}
