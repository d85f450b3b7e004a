"""Every reader against files that were spoilt at random: read, or refused in one line.

``ATTACKS=2000 python -m pytest -m slow -s tests/test_attacks.py`` is what SECURITY.md's figures
come from.
"""

from __future__ import annotations

import json
import os
import random
import resource
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from posecast.casting.sheet_reading import keypoints_file
from posecast.data.store import FORMAT, Record
from posecast.data.table import read_index
from posecast.errors import InputError
from posecast.media.images import read_image
from posecast.media.poses import read_poses
from posecast.media.video import read_video, write_video
from posecast.models.animator import Animator
from posecast.models.folder import load_animator, save_animator
from posecast.training.config import read_config
from posecast.weights import read_tensors

COUNT = int(os.environ.get("ATTACKS", "100"))
SECONDS = 20
MEGABYTES = 2000
NUMBERS = [
    b"-1",
    b"0",
    b"1e999",
    b"999999999999",
    b"NaN",
    b"null",
    b'"x"',
    b"[]",
    b"{}",
    b"9" * 5000,
]

Reader = Callable[[Path], object]


def _pictures(folder: Path) -> dict[str, Reader]:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8))
    for name in ("a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a.tiff"):
        picture.save(folder / name)
    return {name.name: read_image for name in folder.glob("a.*")}


def _poses(folder: Path) -> dict[str, Reader]:
    points = [float(x) for x in np.random.default_rng(0).uniform(5, 60, 54)]
    points[2::3] = [0.9] * 18
    people = {"people": [{"pose_keypoints_2d": points}]}
    (folder / "openpose.json").write_text(json.dumps(people))
    coco = [{"image_id": f"{i}.jpg", "keypoints": points[:51], "idx": 1} for i in range(3)]
    (folder / "coco.json").write_text(json.dumps(coco))
    frames = [[points[i : i + 3] for i in range(0, 54, 3)]]
    clip = {"format": "posecast/poses/1", "width": 64, "height": 64, "fps": 25}
    clip |= {"joints": "openpose18", "characters": [{"id": "a", "frames": frames}]}
    (folder / "clip.json").write_text(json.dumps(clip))
    bodies = {
        "candidate": np.random.default_rng(0).random((18, 2)),
        "subset": np.arange(18.0)[None],
    }
    dwpose = {"bodies": bodies, "draw_pose_params": [64, 64, 0, 64, 0, 64]}
    np.save(folder / "dwpose.npy", np.array([dwpose], dtype=object), allow_pickle=True)
    np.savez_compressed(folder / "dwpose.npz", a=np.array([dwpose], dtype=object))
    names = ("openpose.json", "coco.json", "clip.json", "dwpose.npy", "dwpose.npz")
    for name in names:
        read_poses(folder / name)
    return dict.fromkeys(names, read_poses)


def _weights(folder: Path) -> dict[str, Reader]:
    state = {"a.weight": torch.ones(3, 4), "b": torch.zeros(2, dtype=torch.float16)}
    save_file(state, folder / "w.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, folder / "w.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return dict.fromkeys(("w.safetensors", "w.pth", "old.pth"), read_tensors)


def _texts(folder: Path) -> dict[str, Reader]:
    (folder / "run.yaml").write_text(
        "stage: images\noutput: runs/x\nsteps: 10\ndata: {stage: {size: [64, 64]}}\n"
        "optimizer: {learning_rate: 1e-4, betas: [0.9, 0.95]}\n"
    )
    (folder / "cast.yaml").write_text(
        "format: posecast/cast/1\ncharacters:\n- {id: 0, driver: 0, keypoints: a.json}\n"
        "depth_order: [0]\n"
    )
    return {"run.yaml": read_config, "cast.yaml": keypoints_file}


def _tables(folder: Path) -> dict[str, Reader]:
    record = Record(
        "a", 0, "a", "x", "video.mp4", "video", 0, 4, 4, 64, 64, 25.0, 1, "openpose18", "given",
        "given", False, 1, None, None,
    )  # fmt: skip
    table = pyarrow.Table.from_pylist([asdict(record)] * 5)
    table = table.replace_schema_metadata({"format": FORMAT})
    pyarrow.parquet.write_table(table, folder / "index.parquet")
    return {"index.parquet": lambda path: read_index(path.parent)}


def _videos(folder: Path) -> dict[str, Reader]:
    frames = np.random.default_rng(0).integers(0, 255, (4, 32, 48, 3), np.uint8)
    write_video(frames, folder / "v.mp4", 10)
    write_video(frames, folder / "v.gif", 10)
    return dict.fromkeys(("v.mp4", "v.gif"), read_video)


def _models(folder: Path) -> dict[str, Reader]:
    save_animator(Animator.from_preset("tiny"), folder / "model")
    files = sorted((folder / "model").rglob("*.json"))
    return {str(f.relative_to(folder)): lambda path: load_animator(folder / "model") for f in files}


def spoil(content: bytes, chance: random.Random) -> bytes:
    """Some changes of bytes, of pieces or of numbers."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(7)
        piece = bytes(data[at : at + chance.randrange(40)])
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data[at:at] = piece * chance.randint(1, 20)
        elif kind == 2:
            del data[at : at + chance.randrange(20)]
        elif kind == 3:
            data[at : at + 4] = chance.randbytes(4)
        elif kind == 4:
            data[at : at + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
        elif kind == 5:
            data[at : at + chance.randint(1, 4)] = chance.choice(NUMBERS)
        elif at < len(data):
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "make",
    [_pictures, _poses, _weights, _texts, _tables, _videos, _models],
    ids=lambda m: m.__name__,
)
def test_spoilt_files_are_read_or_refused(
    make: Callable[[Path], dict[str, Reader]], tmp_path: Path
) -> None:
    found: Counter[str] = Counter()
    longest = 0.0
    for name, read in make(tmp_path).items():
        path, chance = tmp_path / name, random.Random(name)
        whole = path.read_bytes()
        for _ in range(COUNT):
            path.write_bytes(spoil(whole, chance))
            start = time.monotonic()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    warnings.simplefilter("ignore", ResourceWarning)
                    read(path)
                found["read"] += 1
            except InputError as error:
                message = str(error)
                assert "\n" not in message, message
                assert message.isprintable(), message
                found["refused"] += 1
            except BaseException:
                (tmp_path / "kept").write_bytes(path.read_bytes())
                print(f"\n{name}: see {tmp_path / 'kept'}")
                raise
            longest = max(longest, time.monotonic() - start)
        path.write_bytes(whole)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{make.__name__}: {dict(found)}; longest {longest:.1f} s; peak {memory:.0f} MB")
    assert longest < SECONDS
    assert memory < MEGABYTES
