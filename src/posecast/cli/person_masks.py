"""`--masks`: who is seen at each pixel of a picture or video, for whom joints are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from posecast.errors import InputError
from posecast.types import PoseSequence


def check_masks(folder: Path | None, inputs: Sequence[Path | None]) -> None:
    """Say before any work that a folder of masks cannot be written.

    Raises:
        InputError: it is in the place of something else, or one of the inputs.
    """
    if folder is None:
        return
    from posecast.media.outputs import check_folder
    from posecast.media.video_formats import FRAME_FILES

    check_folder(folder, FRAME_FILES, inputs)


def write_masks(
    source: Path,
    sequence: PoseSequence,
    folder: Path,
    weights: Path | None,
    device: str | None,
    quiet: bool,
) -> None:
    """An image of ids for each frame of a sequence that was found in `source`.

    Raises:
        InputError: more tracks than an image of ids holds.
    """
    from tqdm import tqdm

    from posecast.estimators.builtin.masks import PersonMasks
    from posecast.estimators.footage import iter_frames
    from posecast.geometry.mask_sharing import MAX_IDS, to_ids
    from posecast.media.ahead import ahead
    from posecast.media.id_images import write_id_frames

    if sequence.num_characters > MAX_IDS:
        raise InputError(
            f"{source}: {sequence.num_characters} tracks; an image of ids can hold at most "
            f"{MAX_IDS}"
        )
    masks_of = PersonMasks.load(weights, device)

    def images(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        bar = tqdm(desc="masks", total=sequence.num_frames, unit="frame", dynamic_ncols=True,
                   disable=True if quiet else None)  # fmt: skip
        with bar:
            for frame, people in zip(frames, sequence.keypoints.swapaxes(0, 1), strict=True):
                yield to_ids(masks_of(frame, people, sequence.front_to_back))
                bar.update(1)

    with closing(ahead(iter_frames(source))) as frames:
        write_id_frames(images(islice(frames, sequence.num_frames)), folder)
