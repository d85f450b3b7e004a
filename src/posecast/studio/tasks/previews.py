"""Preview tasks: small frames by the cut-out, or the condition maps."""

from __future__ import annotations

import hashlib
import time
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from posecast.casting import AnimationPlan, PlanOptions
from posecast.cutout import CutoutAnimator
from posecast.cutout.animator import steadied
from posecast.cutout.in_order import in_order
from posecast.cutout.moving import MovingPicture
from posecast.geometry.skeleton import present
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.studio import clips
from posecast.studio.cast_files import CastFiles
from posecast.studio.reporting import Reporter
from posecast.studio.wording import in_names
from posecast.types import PoseSequence

_BODY = 18


@lru_cache(4)
def _pixels(path: str, stamp: int) -> np.ndarray:
    return read_image(path)


@lru_cache(16)
def _tracks(path: str, stamp: int) -> PoseSequence:
    return read_poses(path)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns


def small_plan(files: CastFiles, side: int) -> AnimationPlan:
    """The plan of some files at a small size; inputs are cached for the next one."""
    pixels = _pixels(str(files.picture), _stamp(files.picture))
    tracks = [_tracks(str(path), _stamp(path)) for path in files.poses]
    height, width = (2 * round(s / 2) for s in clips.smaller(pixels.shape[:2], side))
    options = PlanOptions(
        size=(max(16, height), max(16, width)), audio=False, **{**files.options(), "sound": None}
    )
    return CutoutAnimator().plan(pixels, tracks, options)


_moving: dict[str, MovingPicture] = {}


def moving_picture(plan: AnimationPlan) -> MovingPicture:
    """The moving picture of a plan; made again only if picture, people or masks change."""
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
    """Send a `header`, then a `frame` for each frame, starting at `first` and wrapping around."""
    plan = small_plan(files, side)
    step = clips.step_at(plan.fps)
    shown = list(range(0, plan.num_frames, step))
    begin = min(first // step, len(shown) - 1)
    shown = shown[begin:] + shown[:begin]
    about = {**about_plan(plan, step), "from": begin, "notes": notes_of(plan, files)}
    report.send("header", clips.header(about))
    moving = moving_picture(plan)
    began = time.perf_counter()
    tracks = steadied(plan)
    frames = in_order(
        lambda i: clips.picture(moving.frame(tracks[:, i], plan.ranks[i])),
        shown,
    )
    with closing(frames):  # type: ignore[type-var]
        for data in frames:
            report.send("frame", clips.block(data))
    pixels = plan.size[0] * plan.size[1] * len(shown)
    return {"pixels": pixels, "seconds": time.perf_counter() - began}


def condition_maps(report: Reporter, files: CastFiles, side: int, first: int) -> dict[str, Any]:
    """As `preview`, with the maps that the paper's guiders would get."""
    from posecast.pipeline.map_pictures import preview_frames
    from posecast.pipeline.map_renderer import MapRenderer

    plan = small_plan(files, side)
    report.send("header", clips.header(about_plan(plan, 1)))
    # In small chunks, so that the page can show the first frames at once.
    for frame in preview_frames(plan, MapRenderer(plan).chunks(8)):
        report.send("frame", clips.block(clips.picture(frame)))
    return {}


def about_plan(plan: AnimationPlan, step: int) -> dict[str, Any]:
    """Data of a plan for the page: its times, the fitted skeletons and notes."""
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
        "notes": [],
    }


def notes_of(plan: AnimationPlan, files: CastFiles) -> list[str]:
    """The plan's notes, with the page's names of people and tracks."""
    names = [character.note for character in plan.cast.characters]
    return [in_names(note, names, files.tracks) for note in plan.notes]
