"""Who is in a video to be evaluated: its pose file, its characters' looks, re-estimated poses."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from posecast.errors import InputError, counted
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.framing import Framing, fitted
from posecast.geometry.skeleton import BODY, present
from posecast.media.frame_folders import PICTURES
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.metrics.folders import Frame, VideoPair, iterate_frames
from posecast.metrics.limb_looks import limb_map, look_of
from posecast.metrics.mask_files import ASPECT_TOLERANCE, VideoMasks
from posecast.types import PoseSequence

Size = tuple[int, int]


@dataclass(frozen=True)
class CastFolders:
    """Where the files about characters are, each named as its video."""

    poses: Path
    references: Path | None = None
    """A picture and its pose file for each video; None: looks are taken from the real video."""
    estimated: Path | None = None
    """Poses re-estimated from the generated videos, by any estimator."""


@dataclass(frozen=True)
class VideoCast:
    """The characters of one video, in pixels of the size at which it is evaluated."""

    source: Path
    keypoints: Float32[np.ndarray, "characters frames joints 3"]
    looks: Float64[np.ndarray, "characters limbs 3"]
    estimated: Float32[np.ndarray, "people frames joints 3"] | None
    masks: VideoMasks | None = None

    @property
    def num_frames(self) -> int:
        """Frames of the pose file."""
        return self.keypoints.shape[1]

    def check_length(self, num_frames: int) -> None:
        """Raise InputError where the video turns out to have other frames than the pose file."""
        if num_frames != self.num_frames:
            raise InputError.at(
                self.source,
                f"poses of {counted(self.num_frames, 'frame')}, but the video has {num_frames}",
            )


def read_cast(
    pair: VideoPair,
    folders: CastFolders,
    size: Size | None,
    crop: bool = True,
    masks: VideoMasks | None = None,
) -> VideoCast:
    """The cast of a pair at ``size`` (height, width), or at the real video's own.

    Poses must be of the real video's framing: their canvas has its shape, at any scale. They are
    cropped or stretched as the frames are. `masks` are those of the real video.

    Raises:
        InputError: a file is missing, broken, or of another shape, length or number of characters.
    """
    with closing(iterate_frames(pair.real)) as frames:
        height, width = next(frames).shape[:2]
    video, placed = (height, width), fitted((height, width), size or (height, width), crop)
    source = named_file(folders.poses, pair.name, pictures=False)
    poses = poses_of_video(source, (height, width))
    if pair.num_frames and poses.num_frames != pair.num_frames:
        raise InputError.at(
            source,
            f"poses of {counted(poses.num_frames, 'frame')}, but the video has {pair.num_frames}",
        )
    estimated = None
    if folders.estimated is not None:
        path = named_file(folders.estimated, pair.name, pictures=False)
        found = poses_of_video(path, (height, width))
        if found.num_frames != poses.num_frames:
            raise InputError.at(
                path,
                f"poses of {counted(found.num_frames, 'frame')}, but {source} has "
                f"{poses.num_frames}",
            )
        estimated = placed.keypoints(_at(found, video))
    keypoints = _at(poses, video)
    if masks is not None:
        masks = masks.of_characters(keypoints, _clearest_frames(keypoints))
    if folders.references is not None:
        looks = _looks_of_picture(folders.references, pair.name, poses.num_characters)
    else:
        looks = _looks_of_video(pair.real, keypoints, masks)
    return VideoCast(source, placed.keypoints(keypoints), looks, estimated, masks)


def poses_of_video(path: Path, size: Size) -> PoseSequence:
    """A pose file of a video of `size` (height, width), on the file's own canvas.

    Raises:
        InputError: it cannot be read, or its canvas has another shape.
    """
    poses = read_poses(path, width=size[1], height=size[0])
    shapes = (poses.width / poses.height, size[1] / size[0])
    if abs(shapes[0] / shapes[1] - 1) > ASPECT_TOLERANCE:
        raise InputError.at(
            path,
            f"a canvas of {poses.height}x{poses.width}, but the real video has "
            f"{size[0]}x{size[1]}; expected poses of the video's own framing",
        )
    return poses


def _at(poses: PoseSequence, size: Size) -> np.ndarray:
    return Framing((poses.height, poses.width), size).keypoints(poses.keypoints)


def named_file(folder: Path, name: str, pictures: bool) -> Path:
    """The pose file (or folder), or the picture, that is named as a video.

    ``clip.json``, ``clip.poses.json`` and the folder ``clip`` are of the video ``clip``.

    Raises:
        InputError: there is none, or more than one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = []
    for entry in sorted(folder.iterdir()):
        rest = entry.name.removeprefix(name + ".")
        named = entry.name == name or (
            rest != entry.name and ("." not in rest or rest.startswith("poses."))
        )
        if named and (entry.suffix.lower() in PICTURES) == pictures:
            found.append(entry)
    kind = "picture" if pictures else "pose file"
    if not found:
        example = f"{name}.png" if pictures else f"{name}.json"
        raise InputError(f"{folder}: holds no {kind} of the video {name!r}; expected {example}")
    if len(found) > 1:
        names = " and ".join(entry.name for entry in found[:2])
        raise InputError(f"{folder}: {names} are both a {kind} of the video {name!r}; expected one")
    return found[0]


def _looks_of_picture(folder: Path, name: str, characters: int) -> np.ndarray:
    picture = read_image(named_file(folder, name, pictures=True))
    path = named_file(folder, name, pictures=False)
    people = read_poses(path, width=picture.shape[1], height=picture.shape[0])
    if people.num_characters != characters:
        raise InputError.at(
            path,
            f"{counted(people.num_characters, 'character')}, but the video's poses have "
            f"{characters}",
        )
    return looks_in(picture, _at(people, (picture.shape[0], picture.shape[1]))[:, 0])


def looks_in(
    picture: Frame, keypoints: Float32[np.ndarray, "characters joints 3"]
) -> Float64[np.ndarray, "characters limbs 3"]:
    """How each character of a picture looks, its joints in pixels of it."""
    return np.stack([_look(picture, keypoints, j) for j in range(len(keypoints))])


def _looks_of_video(
    video: Path, keypoints: np.ndarray, masks: VideoMasks | None = None
) -> np.ndarray:
    """Each character's look in the first frame that shows most of it and least of others there."""
    best = _clearest_frames(keypoints)
    looks: dict[int, np.ndarray] = {}
    with closing(iterate_frames(video)) as frames:
        for index, frame in enumerate(islice(frames, max(best) + 1)):
            for j in (j for j, chosen in enumerate(best) if chosen == index):
                own = None if masks is None else masks.seen(index, (frame.shape[0], frame.shape[1]))
                looks[j] = _look(frame, keypoints[:, index], j, own)
    if len(looks) < len(best):
        raise InputError.at(video, f"frame {max(best)} is missing, for which there are poses")
    return np.stack([looks[j] for j in range(len(best))])


def _clearest_frames(keypoints: np.ndarray) -> list[int]:
    """For each character the first frame with most body joints outside the others' boxes."""
    body = keypoints[:, :, BODY]
    there = present(body)
    low = np.where(there[..., None], body[..., :2], np.inf).min(axis=2)
    high = np.where(there[..., None], body[..., :2], -np.inf).max(axis=2)
    best = []
    for j in range(len(body)):
        free = there[j]
        for k in range(len(body)):
            if k != j:
                points = body[j, ..., :2]
                inside = ((points >= low[k, :, None]) & (points <= high[k, :, None])).all(axis=-1)
                free = free & ~inside
        best.append(int(np.argmax(free.sum(axis=1))))
    return best


def _look(
    picture: Frame, keypoints: np.ndarray, character: int, masks: np.ndarray | None = None
) -> np.ndarray:
    size = (picture.shape[0], picture.shape[1])
    own = own_region(dilation_maps(keypoints, size) if masks is None else masks)
    return look_of(picture, limb_map(keypoints[character], size), own[character])


def own_region(
    maps: UInt8[np.ndarray, "characters height width"],
) -> Bool[np.ndarray, "characters height width"]:
    """Each character's dilation map without what another one's covers too (eq. 5, as settled)."""
    return np.asarray((maps > 0) & (maps.sum(axis=0, dtype=np.int64) == 1))
