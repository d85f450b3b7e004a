"""The dataset format: written whole, read back, refused with the file's name when spoilt."""

from __future__ import annotations

import dataclasses
import gc
import json
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from posecast.data import DatasetSource, Footage, read_index, write_clip, write_index
from posecast.data.read import (
    read_arrays,
    read_embeddings,
    read_flow,
    read_frames,
    read_latents,
)
from posecast.data.store import ENTRY, FLOW, VIDEOS
from posecast.errors import InputError
from posecast.geometry.cells import flow_of_cells
from posecast.geometry.framing import Framing
from posecast.puppets import PuppetSettings, sample_clips

STAGE = PuppetSettings(size=(48, 64), frames=5, characters=(0.0, 1.0), camera="moving")


@pytest.fixture(scope="module")
def clips():
    return sample_clips(7, STAGE, 2)


@pytest.fixture
def dataset(tmp_path: Path, clips) -> Path:
    for k, clip in enumerate(clips):
        write_clip(tmp_path / "data", clip, group="scene-7", name=f"shot-{k}", video="png")
    write_index(tmp_path / "data")
    return tmp_path / "data"


def test_a_written_clip_reads_back(dataset: Path, clips):
    records = read_index(dataset)
    assert [record.name for record in records] == ["shot-0-0000", "shot-1-0000"]
    assert {record.group for record in records} == {"scene-7"}
    arrays = read_arrays(dataset, records[1])
    assert np.array_equal(arrays.keypoints, clips[1].poses.keypoints)
    assert np.array_equal(arrays.ranks, clips[1].ranks)
    assert np.array_equal(read_frames(dataset, records[1], [4, 0]), clips[1].frames[[4, 0]])
    cells = read_flow(dataset, records[1], range(5))
    grown = np.stack([flow_of_cells(field, Framing((48, 64), (48, 64))) for field in cells])
    assert np.abs(grown - clips[1].background_flow).max() < 0.1
    assert np.abs(clips[1].background_flow).max() > 0.3


def test_mp4_is_close_and_an_odd_size_comes_back(tmp_path: Path):
    clip = sample_clips(3, PuppetSettings(size=(47, 63), frames=4), 1)[0]
    record = write_clip(tmp_path / "data", clip, group="g", name="odd")
    frames = read_frames(tmp_path / "data", record, [1, 3])
    assert frames.shape == (2, 47, 63, 3)
    error = np.mean((frames.astype(float) - clip.frames[[1, 3]]) ** 2)
    assert 10 * np.log10(255**2 / error) > 24


def test_samples_of_a_dataset_are_framed_and_reproducible(dataset: Path, clips):
    source = DatasetSource(dataset, size=(24, 24), frames=3, kind="clips", misaligned=1.0, seed=1)
    sample = source.sample(4)
    assert sample.frames.shape == (3, 24, 24, 3)
    assert sample.background_flow.shape == (3, 2, 24, 24)
    # 48x64 to 24x24: half the size, 4 columns of the half cut on either side.
    drawn = sample.keypoints[sample.keypoints[..., 2] > 0]
    known = np.concatenate([clip.poses.keypoints.reshape(-1, 3) for clip in clips])
    expected = (known[known[:, 2] > 0][:, :2] + 0.5) / 2 - [4, 0] - 0.5
    distances = np.abs(drawn[:, None, :2] - expected[None]).max(axis=-1).min(axis=1)
    assert distances.max() < 1e-3
    again = DatasetSource(dataset, size=(24, 24), frames=3, kind="clips", misaligned=1.0, seed=1)
    assert np.array_equal(again.sample(4).frames, sample.frames)
    assert len({source.sample(i).frames.tobytes() for i in range(6)}) > 1


def test_the_reference_of_a_misaligned_sample_is_of_another_clip_of_the_group(dataset: Path, clips):
    source = DatasetSource(dataset, size=(48, 64), frames=1, misaligned=1.0)
    for index in range(4):
        sample = source.sample(index)
        from_clip = [
            {k for k in range(2) if (clips[k].frames == image).all(axis=(1, 2, 3)).any()}
            for image in (sample.reference, sample.frames[0])
        ]
        assert from_clip[0] != from_clip[1]
        assert all(len(found) == 1 for found in from_clip)


def test_half_size_flow_is_half_as_long(dataset: Path, clips):
    record = read_index(dataset)[0]
    field = read_flow(dataset, record, [2])[0]
    small = flow_of_cells(field, Framing((48, 64), (24, 24)))
    expected = clips[0].background_flow[2][:, 1::2, 9:56:2] / 2
    assert np.abs(small - expected).max() < 0.05
    assert np.abs(expected).max() > 0.1


def test_the_reference_keeps_its_distance_from_the_targets(tmp_path: Path):
    clip = sample_clips(1, PuppetSettings(size=(32, 32), frames=12), 1)[0]
    write_clip(tmp_path / "data", clip, group="g", name="one", video="png")
    write_index(tmp_path / "data")

    def distances(margin: int) -> set[int]:
        source = DatasetSource(tmp_path / "data", (32, 32), 1, "images", margin=margin)
        found = set()
        for index in range(12):
            sample = source.sample(index)
            target, reference = (
                int(np.flatnonzero((clip.frames == image).all(axis=(1, 2, 3)))[0])
                for image in (sample.frames[0], sample.reference)
            )
            found.add(abs(target - reference))
        return found

    assert min(distances(4)) >= 4
    assert min(distances(0)) == 0
    # Nothing is 11 frames from a target in the middle: then as far as the clip goes.
    assert all(distance >= 6 for distance in distances(11))


def test_characters_that_neither_reference_nor_targets_show_are_left_out(tmp_path: Path, clips):
    keypoints = clips[0].poses.keypoints.copy()
    keypoints[0] = 0
    hidden = dataclasses.replace(clips[0], poses=clips[0].poses.with_keypoints(keypoints))
    write_clip(tmp_path / "data", hidden, group="g", name="one", video="png")
    write_index(tmp_path / "data")
    sample = DatasetSource(tmp_path / "data", (48, 64), 2).sample(0)
    assert len(sample.keypoints) == len(sample.reference_keypoints) == 1
    assert sample.ranks.shape == (2, 1)
    assert (sample.keypoints[..., 2] > 0).any()


def test_the_index_is_the_same_whatever_the_order_of_writing(dataset: Path, tmp_path: Path, clips):
    for k in (1, 0):
        write_clip(tmp_path / "again", clips[k], group="scene-7", name=f"shot-{k}", video="png")
    write_index(tmp_path / "again")
    first, second = (folder / "index.parquet" for folder in (dataset, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()


def test_names_are_taken_once_and_stay_inside_the_dataset(dataset: Path, clips):
    with pytest.raises(InputError, match="already has a video called shot-0"):
        write_clip(dataset, clips[0], group="g", name="shot-0", video="png")
    with pytest.raises(InputError, match="not a valid name"):
        write_clip(dataset, clips[0], group="g", name="../evil", video="png")


def change_index(dataset: Path, change: dict) -> None:
    """Let the index say something else of the first clip than was written."""
    index = dataset / "index.parquet"
    table = parquet.read_table(index)
    rows = table.to_pylist()
    rows[0] |= change
    schema = pyarrow.schema(
        [
            (f.name, pyarrow.infer_type([rows[0][f.name]]) if f.name in change else f.type)
            for f in table.schema
        ],
        table.schema.metadata,
    )
    parquet.write_table(pyarrow.Table.from_pylist(rows[:1], schema), index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 10**9}, "index.parquet: row 0: frames: expected 1 to 1000000"),
        ({"frames": "5"}, "index.parquet: row 0: frames: expected int, got '5'"),
        ({"first_frame": 1}, "row 0: first_frame: the clip leaves"),
        ({"video": "../../etc"}, "not a valid name"),
        ({"media": "../../etc/passwd"}, "not a valid name"),
        ({"joints": "cat"}, "joints: expected one of"),
        ({"frames": 4}, r"clip-0000\.keypoints\.npy: expected float32 \(2, 4, 18, 3\)"),
    ],
)
def test_a_spoilt_index_is_refused(dataset: Path, change: dict, message: str):
    change_index(dataset, change)
    with pytest.raises(InputError, match=message):
        read_arrays(dataset, read_index(dataset)[0])


def test_another_index_is_refused(dataset: Path):
    index = dataset / "index.parquet"
    table = parquet.read_table(index)
    parquet.write_table(table.replace_schema_metadata({"format": "posecast/dataset/9"}), index)
    with pytest.raises(InputError, match="expected posecast/dataset/2, got posecast/dataset/9"):
        read_index(dataset)
    parquet.write_table(table.drop_columns(["frames"]), index)
    with pytest.raises(InputError, match="row 0: missing frames"):
        read_index(dataset)
    parquet.write_table(table.slice(0, 0), index)
    with pytest.raises(InputError, match="lists no clips"):
        read_index(dataset)
    index.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(InputError, match="is not a Parquet table"):
        read_index(dataset)


def test_spoilt_arrays_are_refused(dataset: Path):
    record = read_index(dataset)[0]
    path = record.array_path(dataset, "keypoints")
    np.save(path, np.zeros((2, 4000, 18, 3), np.float32))
    with pytest.raises(InputError, match=r"expected float32 \(2, 5, 18, 3\), got"):
        read_arrays(dataset, record)
    np.save(path, np.array([[object()] * 2] * 5), allow_pickle=True)
    with pytest.raises(InputError, match=r"keypoints\.npy: not an array that can be read"):
        read_arrays(dataset, record)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"keypoints\.npy: not an array that can be read"):
        read_arrays(dataset, record)
    flow = record.folder(dataset) / FLOW
    np.save(flow, np.zeros((5, 2, 600, 800), np.float16))
    with pytest.raises(InputError, match=r"background_flow\.npy: expected cells"):
        read_flow(dataset, record, [0])


WRONG = {
    "keypoints": (np.float32, [np.nan, np.inf, -np.inf, 1e30]),
    "ranks": (np.int16, [-2, 2, 32767, -32768]),
    "latents": (np.float16, [np.nan, np.inf]),
    "embeddings": (np.float16, [np.nan, -np.inf]),
}


@pytest.mark.parametrize("name", WRONG)
def test_numbers_that_cannot_be_are_named_with_their_place(dataset: Path, name: str):
    record = read_index(dataset)[0]
    path = record.array_path(dataset, name)
    kind, values = WRONG[name]
    for value in values:
        if name in ("keypoints", "ranks"):
            array = np.load(path) if path.stat().st_size else None
            read = partial(read_arrays, dataset, record)
        else:
            shape = (record.frames, 4, 3, 3) if name == "latents" else (record.frames, 8)
            array = np.zeros(shape, kind)
            read = partial(
                {"latents": read_latents, "embeddings": read_embeddings}[name], dataset, record, [1]
            )
        before = array.copy()
        array[(1,) * array.ndim] = value
        np.save(path, array)
        with pytest.raises(InputError, match=rf"{name}\.npy: .*expected (numbers|ranks)"):
            read()
        np.save(path, before)
        read()


def test_flow_that_is_no_number_is_named(dataset: Path):
    record = read_index(dataset)[0]
    path = record.folder(dataset) / FLOW
    cells = np.load(path)
    cells[2, 1, 0, 0] = np.nan
    np.save(path, cells)
    read_flow(dataset, record, [0, 1])
    with pytest.raises(InputError, match=r"background_flow\.npy: \(1, 1, 0, 0\): expected numbers"):
        read_flow(dataset, record, [1, 2])


@pytest.mark.parametrize(
    "content", ["zip", "text", "empty", "negative", "huge", "objects", "pickle"]
)
def test_what_is_no_array_is_refused(dataset: Path, content: str):
    record = read_index(dataset)[0]
    path = record.array_path(dataset, "keypoints")
    if content == "zip":
        np.savez(path.with_suffix(".npz"), a=np.zeros(3))
        path.with_suffix(".npz").replace(path)
    else:
        shapes = {"negative": "(-1, 5, 18, 3)", "huge": f"({10**18}, {10**18})", "objects": "(2,)"}
        kind = "|O" if content == "objects" else "<f4"
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shapes.get(content)}, }}"
        header = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
        others = {"text": b"hello", "empty": b"", "pickle": b"\x80\x04N."}
        path.write_bytes(others.get(content, header + bytes(64)))
    with pytest.raises(InputError, match=r"keypoints\.npy: not an array that can be read"):
        read_arrays(dataset, record)


def test_missing_pieces_are_named(dataset: Path, tmp_path: Path):
    record = read_index(dataset)[0]
    (record.media_path(dataset) / "frame_000002.png").unlink()
    with pytest.raises(InputError, match=r"frame_000002\.png"):
        read_frames(dataset, record, [2])
    record.array_path(dataset, "ranks").unlink()
    with pytest.raises(InputError, match=r"ranks\.npy: no such file"):
        read_arrays(dataset, record)
    with pytest.raises(InputError, match="is no dataset"):
        read_index(tmp_path)
    with pytest.raises(InputError, match="no clip of 9 frames"):
        DatasetSource(dataset, size=(24, 24), frames=9)
    (dataset / "index.parquet").unlink()
    with pytest.raises(InputError, match="is not finished"):
        read_index(dataset)


def test_a_spoilt_entry_is_named(dataset: Path):
    entry = dataset / VIDEOS / "shot-0" / ENTRY
    content = json.loads(entry.read_text())
    content["clips"][0]["people"] = "two"
    entry.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"video\.json: clips\[0\]: people: expected int"):
        write_index(dataset)
    absurd = (b"\xff\xfe{}", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b"null", b"")
    for spoilt in absurd:
        entry.write_bytes(spoilt)
        with pytest.raises(
            InputError,
            match=r"video\.json: (line 1.*: )?(not UTF-8|broken|a number of|JSON|format: expected)",
        ):
            write_index(dataset)


def streamed(clip, frames, **changes) -> Footage:
    given = {"background_flow": iter(clip.background_flow), **changes}
    return Footage(frames, clip.poses, clip.ranks, "given", "feet", **given)


def test_frames_are_written_as_they_come(tmp_path: Path, clips):
    """No frame is asked for before the one before it is written; the dataset is the same."""
    alive: list[weakref.ref] = []

    def frames():
        for frame in clips[0].frames:
            gc.collect()
            assert sum(ref() is not None for ref in alive) <= 2
            copy = frame.copy()
            alive.append(weakref.ref(copy))
            yield copy
            del copy

    write_clip(tmp_path / "a", streamed(clips[0], frames()), "g", "one", "png", "mine")
    write_clip(tmp_path / "b", clips[0], "g", "one", "png", "mine")
    (ours,), (theirs,) = (write_index(tmp_path / name) for name in "ab")
    assert (ours.poses_from, ours.ranks_from) == ("given", "feet")
    assert dataclasses.replace(theirs, poses_from="given", ranks_from="feet") == ours
    for path in (tmp_path / "b").rglob("*.*"):
        if path.suffix in (".npy", ".png"):
            assert (
                path.read_bytes()
                == (tmp_path / "a" / path.relative_to(tmp_path / "b")).read_bytes()
            )


def test_clips_whose_parts_do_not_fit_leave_nothing(tmp_path: Path, clips):
    clip = clips[0]
    for given, message in (
        (streamed(clip, clip.frames[:4]), "4 frames, but 5 poses"),
        (streamed(clip, [*clip.frames, clip.frames[0]]), "frame 5 has no poses; they are of 5"),
        (streamed(clip, clip.frames[:, :40]), r"frame 0 is \(40, 64, 3\); the poses are of"),
        (streamed(clip, clip.frames, background_flow=[]), "frame 0 has no flow of its size"),
        (dataclasses.replace(streamed(clip, clip.frames), ranks=clip.ranks[:3]), "ranks are"),
    ):
        with pytest.raises(InputError, match=f"clip one: {message}"):
            write_clip(tmp_path / "data", given, "g", "one", "png")
    assert list((tmp_path / "data" / VIDEOS).iterdir()) == []
