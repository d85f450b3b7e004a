"""What `posecast poses` does with pose files: read them, fit them to a picture, preview them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import FPS, PATH, TEXT, note, together
from posecast.cli.outputs import say
from posecast.errors import InputError, counted

if TYPE_CHECKING:
    import numpy as np

    from posecast.media.pose_output import PoseFormat
    from posecast.types import PoseSequence

pose_file_options = together(
    click.option(
        "--to",
        type=click.Choice(["posecast", "openpose", "comfyui", "dwpose", "video"]),
        help="Output format (default: by the ending of -o: .json is Posecast's own format, .npy "
        "DWPose, .mp4 drawn skeletons, a folder OpenPose JSON).",
    ),
    click.option(
        "--onto",
        type=PATH,
        metavar="PICTURE",
        help="Fit the tracks to the characters of this picture in proportions, size and position.",
    ),
    click.option(
        "--onto-poses",
        type=PATH,
        help="Keypoints of the characters in that picture (default: estimated).",
    ),
    click.option(
        "--assign",
        type=TEXT,
        metavar="TRACK:CHARACTER,...",
        help="With --onto: which track drives which character.",
    ),
    click.option(
        "--fps",
        type=FPS,
        help="Frame rate of a pose file (default: as stored in it).",
    ),
)
"""Options for the pose files that are read and written, beside `pose_kind_options`."""


def read_given(
    source: Path, options: dict[str, Any], max_frames: int | None, quiet: bool
) -> PoseSequence | None:
    """The tracks of a pose file, folder or skeleton video; None for plain pictures and videos.

    Raises:
        InputError: as `posecast.media.poses.read_poses`.
    """
    from dataclasses import replace

    from posecast.media.pose_formats.content import PlainFootage
    from posecast.media.poses import read_poses

    height, width = options["poses_size"] or (None, None)
    notes: list[str] = []
    try:
        sequence = read_poses(source, width, height, options["body"], notes=notes)
    except PlainFootage:
        return None
    note(notes, quiet)
    if options["fps"] is not None:
        sequence = replace(sequence, fps=options["fps"])
    return sequence.with_keypoints(sequence.keypoints[:, :max_frames])


def fitted(
    sequence: PoseSequence, options: dict[str, Any], quiet: bool
) -> tuple[PoseSequence, np.ndarray | None]:
    """The tracks fitted to the characters of ``--onto``, and its picture; else as they are.

    Characters come in the order of the picture's, and so does who is in front.

    Raises:
        InputError: the picture or its keypoints cannot be used, or the counts do not fit.
    """
    from posecast.casting.plan import plan_animation
    from posecast.types import PoseSequence

    if options["onto"] is None:
        for name in ("onto_poses", "assign"):
            if options[name] is not None:
                raise InputError(f"--{name.replace('_', '-')} needs --onto PICTURE")
        return sequence, None
    plan = plan_animation(
        options["onto"],
        sequence,
        reference_poses=options["onto_poses"],
        assign=options["assign"],
        estimator=options["estimator"],
        people_weights=options["people_weights"],
        hands=options["hands"],
        retarget=True,
    )
    note(plan.notes, quiet)
    onto = PoseSequence(
        plan.keypoints,
        width=plan.size[1],
        height=plan.size[0],
        fps=sequence.fps,
        joints="openpose18" if plan.keypoints.shape[2] == 18 else "wholebody134",
        front_to_back=plan.cast.depth_order[0].front_to_back,
    )
    return onto, plan.picture


def finish(
    sequence: PoseSequence,
    options: dict[str, Any],
    out: Path,
    form: PoseFormat,
    preview: Path | None,
    quiet: bool,
    frames: Iterable[np.ndarray] | None = None,
) -> None:
    """Fit the tracks if asked to, write them and their preview, and report it.

    The preview is on the picture of ``--onto``, else on `frames`, else on black.
    """
    import numpy as np

    from posecast.casting.pictures import overlay_tracks
    from posecast.media.pose_output import DEFAULT_FPS, left_out, write_poses_as
    from posecast.media.video import write_video

    sequence, picture = fitted(sequence, options, quiet)
    write_poses_as(sequence, out, form)
    note(left_out(sequence, form), quiet)
    if preview is not None:
        if frames is None or picture is not None:
            black = np.zeros((sequence.height, sequence.width, 3), np.uint8)
            frames = repeat(black if picture is None else picture)
        rate = sequence.fps or (DEFAULT_FPS if sequence.num_frames > 1 else 1)
        write_video(overlay_tracks(frames, sequence), preview, rate)
    if not quiet:
        seen = sequence.keypoints.any(axis=(2, 3)).sum(axis=1)
        tracks = ", ".join(f"{i} in {n}" for i, n in enumerate(seen))
        say(f"{out}: {counted(sequence.num_frames, 'frame')}; tracks: {tracks}", out)
