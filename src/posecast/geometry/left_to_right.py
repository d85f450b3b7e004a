"""The order from left to right, in which tracks and characters are numbered and matched."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from posecast.geometry.skeleton import present


def left_to_right(
    keypoints: Float[np.ndarray, "characters joints 3"]
    | Float[np.ndarray, "characters frames joints 3"],
) -> tuple[int, ...]:
    """The characters' indices from left to right, by the mean x of their present joints.

    Of tracks, the first frame in which everybody is present decides; without such a frame, each
    counts where it first appears. Characters who never appear come last. Ties keep their order.
    """
    tracks = keypoints if keypoints.ndim == 4 else keypoints[:, None]
    seen = present(tracks)
    appears = np.asarray(seen.any(axis=2))
    together = np.flatnonzero(appears.all(axis=0)).tolist() if len(tracks) else []
    places = []
    for index, track in enumerate(tracks):
        frame = together[0] if together else int(np.argmax(appears[index]))
        there = np.asarray(seen[index, frame])
        x = track[frame][there][:, 0]
        places.append(float(x.mean(dtype=np.float64)) if there.any() else np.inf)
    return tuple(np.argsort(np.array(places), kind="stable").tolist())
