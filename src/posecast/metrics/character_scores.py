"""Scores of characters that the seven metrics do not measure, for videos with pose files.

Definitions in ``docs/evaluation.md``, "Characters". Where the truth can be rendered, the stage
bench scores the same questions exactly.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8

from posecast.estimators.flow import flow_estimator, motion_since
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.skeleton import BODY, present
from posecast.metrics.characters import Agreement
from posecast.metrics.folders import Frame, FrameBatch
from posecast.metrics.image_metrics import ssim_map
from posecast.metrics.limb_looks import (
    can_tell,
    identity_agreement,
    limb_map,
    look_of,
    occlusion_agreement,
)
from posecast.metrics.pose_following import matched_people, oks, pck
from posecast.metrics.reconstruction import region_psnr_curve
from posecast.metrics.totals import FrameTotals
from posecast.metrics.video_cast import VideoCast, own_region

NAMES = (
    "background_flow", "background_flow_ratio", "character_psnr", "character_ssim", "identity",
    "occlusion", "pck", "oks",
)  # fmt: skip
POSE_NAMES = ("pck", "oks")
"""Those that need poses re-estimated from the generated videos."""


def score_characters(batch: FrameBatch, cast: VideoCast) -> dict[str, FrameTotals]:
    """All of `NAMES` (without re-estimated poses: all but `POSE_NAMES`) of a batch's frames."""
    size = batch.real.shape[1:3]
    frames = range(batch.start, batch.start + len(batch.real))
    keypoints = cast.keypoints[:, frames.start : frames.stop].swapaxes(0, 1)
    maps = np.stack([dilation_maps(people, size) for people in keypoints])
    before = dilation_maps(cast.keypoints[:, max(0, batch.start - 1)], size)
    own = np.stack([own_region(frame) for frame in maps])
    if cast.masks is not None:
        seen = np.stack([cast.masks.seen(index, size) for index in frames])
        own = seen > 0
        # The background is outside both masks and dilation maps.
        maps = np.maximum(maps, seen)
        before = np.maximum(before, cast.masks.seen(max(0, batch.start - 1), size))
    scores = {
        **_background(batch, maps, before),
        **_reconstruction(batch, own),
        **_looks(batch, keypoints, own, cast.looks),
    }
    if cast.estimated is not None:
        estimated = cast.estimated[:, frames.start : frames.stop].swapaxes(0, 1)
        scores.update(_following(estimated, keypoints))
    return scores


def _background(
    batch: FrameBatch,
    maps: UInt8[np.ndarray, "frames characters height width"],
    before: UInt8[np.ndarray, "characters height width"],
) -> dict[str, FrameTotals]:
    """Mean flow since the previous frame, outside all maps in both frames."""
    unions = [np.asarray(people.any(axis=0)) for people in maps]
    pairs = list(zip(batch.generated, batch.real, strict=True))
    if batch.before is not None:
        unions.insert(0, np.asarray(before.any(axis=0)))
        pairs.insert(0, batch.before)
    skipped = len(maps) - (len(pairs) - 1)  # The first frame of a video has no flow.
    ours, theirs = np.full(len(maps), np.nan), np.full(len(maps), np.nan)
    for i in range(1, len(pairs)):
        outside = ~(unions[i] | unions[i - 1])
        if outside.any():
            place = skipped + i - 1
            ours[place] = mean_flow(pairs[i][0], pairs[i - 1][0], outside)
            theirs[place] = mean_flow(pairs[i][1], pairs[i - 1][1], outside)
    flow, real = FrameTotals.mean_of(ours), FrameTotals.mean_of(theirs)
    return {
        "background_flow": flow,
        "background_flow_ratio": FrameTotals(flow.totals, real.totals),
    }


def mean_flow(frame: Frame, previous: Frame, region: np.ndarray) -> float:
    """Mean length of the flow (OpenCV DIS) between two frames over ``region``, pixels a frame."""
    flow = motion_since(flow_estimator("dis"), frame, previous)
    return float(np.hypot(flow[0], flow[1])[region].mean(dtype=np.float64))


def _reconstruction(
    batch: FrameBatch, own: Bool[np.ndarray, "frames characters height width"]
) -> dict[str, FrameTotals]:
    """PSNR and SSIM against the real frames over each character's own region; mean of all."""
    psnr = [
        FrameTotals.mean_of(region_psnr_curve(batch.generated, batch.real, own[:, j]))
        for j in range(own.shape[1])
    ]
    similar, counts = np.zeros(len(own)), np.zeros(len(own))
    for i, (ours, theirs) in enumerate(zip(batch.generated, batch.real, strict=True)):
        similarity = ssim_map(ours, theirs, "correct")
        edge = (own.shape[2] - similarity.shape[0]) // 2
        for region in own[i, :, edge:-edge, edge:-edge]:
            if region.any():
                similar[i] += similarity[region].mean()
                counts[i] += 1
    return {
        "character_psnr": FrameTotals(
            np.sum([p.totals for p in psnr], axis=0), np.sum([p.counts for p in psnr], axis=0)
        ),
        "character_ssim": FrameTotals(similar, counts),
    }


def _looks(
    batch: FrameBatch,
    keypoints: Float[np.ndarray, "frames characters joints 3"],
    own: Bool[np.ndarray, "frames characters height width"],
    looks: Float64[np.ndarray, "characters limbs 3"],
) -> dict[str, FrameTotals]:
    identity, occlusion = [], []
    for i, (ours, theirs) in enumerate(zip(batch.generated, batch.real, strict=True)):
        limbs = np.stack([limb_map(person, own.shape[2:]) for person in keypoints[i]])
        right = judged = 0
        for j in range(len(looks)):
            shown, others = look_of(ours, limbs[j], own[i, j]), np.delete(looks, j, axis=0)
            if can_tell(shown, looks[j], others):
                judged += 1
                right += identity_agreement(shown, looks[j], others)
        identity.append(Agreement(right, judged))
        occlusion.append(occlusion_agreement(ours, theirs, limbs, looks))
    return {"identity": _shares(identity), "occlusion": _shares(occlusion)}


def _shares(frames: list[Agreement]) -> FrameTotals:
    return FrameTotals(
        np.array([frame.right for frame in frames], np.float64),
        np.array([frame.judged for frame in frames], np.float64),
    )


def _following(
    estimated: Float[np.ndarray, "frames people joints 3"],
    driving: Float[np.ndarray, "frames characters joints 3"],
) -> dict[str, FrameTotals]:
    right, joints, similarity, people = (np.zeros(len(driving)) for _ in range(4))
    for i, (found, asked) in enumerate(zip(estimated, driving, strict=True)):
        matched = matched_people(found, asked)
        right[i] = pck(matched, asked).sum()
        joints[i] = present(asked[:, BODY]).sum()
        scores = oks(matched, asked)
        people[i] = np.isfinite(scores).sum()
        similarity[i] = np.nansum(scores)
    return {"pck": FrameTotals(right, joints), "oks": FrameTotals(similarity, people)}
