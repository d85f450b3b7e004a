"""The dataset format: written whole, read back, refused with the file's name when spoilt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posecast.data import DatasetSource, read_index, write_clip
from posecast.data.read import grow_flow, read_arrays, read_frames
from posecast.errors import InputError
from posecast.stage import StageSettings, sample_clips

STAGE = StageSettings(size=(48, 64), frames=5, characters=(0.0, 1.0), camera="moving")


@pytest.fixture(scope="module")
def clips():
    return sample_clips(7, STAGE, 2)


@pytest.fixture
def dataset(tmp_path: Path, clips) -> Path:
    for k, clip in enumerate(clips):
        write_clip(tmp_path / "data", clip, group="scene-7", name=f"shot-{k}", video="png")
    return tmp_path / "data"


def test_a_clip_comes_back(dataset: Path, clips):
    records = read_index(dataset)
    assert [record.name for record in records] == ["shot-0", "shot-1"]
    assert {record.group for record in records} == {"scene-7"}
    arrays = read_arrays(dataset, records[1])
    assert np.array_equal(arrays.keypoints, clips[1].poses.keypoints)
    assert np.array_equal(arrays.ranks, clips[1].ranks)
    assert np.array_equal(arrays.character_ids, clips[1].character_ids)
    assert np.array_equal(read_frames(dataset, records[1], [4, 0]), clips[1].frames[[4, 0]])
    grown = grow_flow(arrays.background_flow, (48, 64))
    assert np.abs(grown - clips[1].background_flow).max() < 0.1
    assert np.abs(clips[1].background_flow).max() > 0.3


def test_mp4_is_close_and_an_odd_size_comes_back(tmp_path: Path):
    clip = sample_clips(3, StageSettings(size=(47, 63), frames=4), 1)[0]
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


def test_names_are_taken_once_and_stay_inside_the_dataset(dataset: Path, clips):
    with pytest.raises(InputError, match="has a clip called shot-0 already"):
        write_clip(dataset, clips[0], group="g", name="shot-0", video="png")
    with pytest.raises(InputError, match="no plain name"):
        write_clip(dataset, clips[0], group="g", name="../evil", video="png")


def test_a_line_cut_off_by_an_interruption_does_not_count(dataset: Path, clips):
    index = dataset / "index.jsonl"
    index.write_text(index.read_text() + '{"name": "half')
    assert len(read_index(dataset)) == 2
    write_clip(dataset, clips[0], group="h", name="after", video="png")
    assert [record.name for record in read_index(dataset)] == ["shot-0", "shot-1", "after"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 10**9}, "index.jsonl: line 1: frames: expected 1 to 1000000"),
        ({"frames": "5"}, "index.jsonl: line 1: frames: expected int, got '5'"),
        ({"name": "../../etc"}, "no plain name"),
        ({"format": "posecast/dataset/9"}, "expected posecast/dataset/1"),
        ({"joints": "cat"}, "joints: expected one of"),
        ({"frames": 4}, r"shot-0\.npz: \w+: expected"),
    ],
)
def test_a_spoilt_index_is_refused(dataset: Path, change: dict, message: str):
    index = dataset / "index.jsonl"
    lines = index.read_text().splitlines()
    index.write_text(json.dumps(json.loads(lines[0]) | change) + "\n")
    with pytest.raises(InputError, match=message):
        read_arrays(dataset, read_index(dataset)[0])


def test_spoilt_arrays_are_refused_unread(dataset: Path):
    record = read_index(dataset)[0]
    path = record.arrays_path(dataset)
    good = dict(np.load(path))
    np.savez_compressed(path, **{**good, "keypoints": np.zeros((2, 4000, 18, 3), np.float32)})
    with pytest.raises(InputError, match=r"shot-0\.npz: keypoints: expected 2160 bytes"):
        read_arrays(dataset, record)
    np.savez_compressed(path, **{**good, "ranks": np.array([[object()] * 2] * 5)})
    with pytest.raises(InputError, match=r"shot-0\.npz"):
        read_arrays(dataset, record)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"shot-0\.npz: not the arrays of a clip"):
        read_arrays(dataset, record)


def test_missing_pieces_are_named(dataset: Path, tmp_path: Path):
    record = read_index(dataset)[0]
    (record.video_path(dataset) / "frame_000002.png").unlink()
    with pytest.raises(InputError, match=r"frame_000002\.png"):
        read_frames(dataset, record, [2])
    record.arrays_path(dataset).unlink()
    with pytest.raises(InputError, match=r"shot-0\.npz: no such file"):
        read_arrays(dataset, record)
    with pytest.raises(InputError, match="is no dataset"):
        read_index(tmp_path)
    with pytest.raises(InputError, match="no clip of 9 frames"):
        DatasetSource(dataset, size=(24, 24), frames=9)
