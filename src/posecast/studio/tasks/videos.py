"""Video tasks: full-size videos in any format, and exports for other systems."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posecast.casting import AnimationPlan, PlanOptions
from posecast.cutout import CutoutAnimator
from posecast.cutout.animator import mends
from posecast.media.images import read_image
from posecast.media.video import write_video
from posecast.studio import clips
from posecast.studio.cast_files import CastFiles
from posecast.studio.reporting import Reporter
from posecast.studio.tasks.previews import notes_of

SHOWN_SIDE = 960
"""Longer side of a video's pictures on the page, in pixels."""


def make(
    report: Reporter,
    files: CastFiles,
    folder: str,
    model: str,
    size: tuple[int, int] | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Make a video as `animate` does: its frames in `frames/`, then `video.mp4`.

    Frames left by an earlier try are reused if frames do not depend on each other.
    """
    place = Path(folder)
    for part in ("frames", "shown"):
        (place / part).mkdir(exist_ok=True)
    report.progress("planning", 0, None)
    options = PlanOptions(size=size, **files.options())
    if model == "cutout":
        plan, frames, first = _moved(files, options, place)
    else:
        plan, frames, first = _denoised(report, files, options, model, settings)
    report.send("planned", (plan.num_frames, plan.size, plan.fps, tuple(notes_of(plan, files))))
    began = time.perf_counter()
    report.progress("making", first, plan.num_frames)
    for index, frame in enumerate(frames, first):
        write_frame(frame, place, index)
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
    if not mends(plan):  # mended frames depend on each other
        while first < plan.num_frames and _is_whole(place / "frames" / f"frame_{first:06d}.png"):
            first += 1
    if first == plan.num_frames:
        return plan, iter(()), first
    return plan, animator.frames(plan, first=first), first


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


def write_frame(frame: np.ndarray, place: Path, index: int) -> None:
    """Write a frame for the page, then losslessly; a kill leaves complete files only."""
    (place / "shown" / f"frame_{index:06d}.jpg").write_bytes(clips.picture(frame, SHOWN_SIDE))
    path = place / "frames" / f"frame_{index:06d}.png"
    part = path.with_suffix(".part")
    bgr = np.ascontiguousarray(frame[..., ::-1])
    _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    part.write_bytes(bytes(data))
    part.replace(path)


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def kept_frames(place: Path) -> Iterator[np.ndarray]:
    """The stored frames of a result, in order."""
    for path in sorted((place / "frames").glob("frame_*.png")):
        yield read_image(path)


def encode(report: Reporter, folder: str, out: str, fps: float, files: CastFiles) -> dict[str, Any]:
    """Write a finished video in another format, by the ending of `out`."""
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


def export(report: Reporter, files: CastFiles, out: str, system: str) -> dict[str, Any]:
    """Write the cast for another system as a folder, as `posecast export` does."""
    from posecast.export import SYSTEMS, plan_scene, write_export

    report.progress("planning", 0, None)
    kind, options = SYSTEMS[system], PlanOptions(**files.options())
    scene = plan_scene(
        files.picture, list(files.poses), options, step=kind.step, pixels=kind.pixels
    )
    write_export(system, scene, out, report.progress)
    return {}
