"""Computes latents and image embeddings of a prepared video once, with frozen networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16

from posecast.data.batches import images_to_tensor
from posecast.data.store import ENTRY, VIDEOS, Record, array_name
from posecast.data.table import read_entry, update_entry
from posecast.errors import InputError
from posecast.estimators.devices import usable_device
from posecast.geometry.framing import Framing
from posecast.media.video import iterate_video
from posecast.models.animator import Animator
from posecast.models.fingerprint import made_by
from posecast.models.folder import load_animator

_BATCH = 8
_PARTS = ("vae", "image_encoder")
_MULTIPLE = 8  # latents have an eighth of the picture's size


@dataclass(frozen=True)
class Encoder:
    """A model's VAE and image encoder, and the ids under which their results are stored."""

    animator: Animator
    device: torch.device
    size: tuple[int, int]
    latents: str
    embeddings: str

    @torch.no_grad()
    def __call__(
        self, pictures: list[np.ndarray]
    ) -> tuple[Float16[np.ndarray, "n c h w"], Float16[np.ndarray, "n dim"]]:
        """Scaled latents and embeddings of pictures, framed to `size` as in training."""
        with _one_thread():
            return self._encode(pictures)

    def _encode(self, pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        framed = [Framing(p.shape[:2], self.size).image(p) for p in pictures]
        images = images_to_tensor(np.stack(framed)).to(self.device)
        latents = self.animator.encode(images)
        embeddings = self.animator.embed(images)[:, 0]
        return latents.half().cpu().numpy(), embeddings.half().cpu().numpy()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread, as in a pool's processes: another order of sums would change the bytes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def load_encoder(model: str, size: tuple[int, int], device: str | None) -> Encoder:
    """Load the encoder of this process.

    Raises:
        InputError: the model does not exist or has no VAE or image encoder, or the size is not a
            multiple of 8.
    """
    if min(size) < 1 or size[0] % _MULTIPLE or size[1] % _MULTIPLE:
        raise InputError(f"size {size[0]}x{size[1]}: expected multiples of {_MULTIPLE} for latents")
    animator = load_animator(model, parts=_PARTS)
    marks = {}
    where = usable_device(device)
    for name in _PARTS:
        part = getattr(animator, name)
        if part is None:
            raise InputError(f"{model}: has no {name}; latents and embeddings need both")
        marks[name] = made_by(part, size)
        part.to(where)
    return Encoder(animator, where, size, marks["vae"], marks["image_encoder"])


def encode_video(dataset: Path, name: str, encoder: Encoder) -> int:
    """Compute this encoder's missing results for a video's clips; returns the bytes written.

    The video's entry lists arrays only while they are complete. After a kill, the next run computes
    them again.
    """
    folder = dataset / VIDEOS / name
    records = read_entry(folder / ENTRY)
    marked = [replace(r, latents=encoder.latents, embeddings=encoder.embeddings) for r in records]
    if not records or records == marked:
        return 0
    bare = [replace(r, latents=None, embeddings=None) for r in records]
    if bare != records:
        update_entry(folder / ENTRY, bare)
    written = 0
    with closing(iterate_video(records[0].media_path(dataset))) as frames:
        at = 0
        for record in sorted(records, key=lambda r: r.first_frame):
            for _ in islice(frames, record.first_frame - at):
                pass
            at = record.first_frame + record.frames
            written += _encode_clip(folder, record, frames, encoder)
    update_entry(folder / ENTRY, marked)
    return written


def _encode_clip(
    folder: Path,
    record: Record,
    frames: Iterator[np.ndarray],
    encoder: Encoder,
) -> int:
    made = []
    clip = islice(frames, record.frames)
    while batch := list(islice(clip, _BATCH)):
        # Re-encoded videos of an odd size have an additional, repeated column or row.
        made.append(encoder([frame[: record.height, : record.width] for frame in batch]))
    written = 0
    for name, parts in zip(("latents", "embeddings"), zip(*made, strict=True), strict=True):
        array = np.concatenate(parts)
        np.save(folder / array_name(record.clip, name), array)
        written += array.nbytes
    return written
