"""Drivers as they come: files, videos, their rates, lengths and sound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posecast.casting.drivers import Drivers, load_drivers
from posecast.casting.options import PlanOptions
from posecast.errors import InputError
from posecast.media.poses import write_poses
from posecast.media.sound import Sound
from posecast.media.video import write_video
from tests.casting.conftest import dancers, person
from tests.media.test_sound import talking_video


def loaded(*sources: object, **options: object) -> Drivers:
    return load_drivers(list(sources), PlanOptions(**options))  # type: ignore[arg-type]


def test_all_come_at_one_rate_and_length() -> None:
    slow, fast = dancers(6), replace(dancers(40, (20,)), fps=24.0)
    drivers = loaded(slow, fast)
    assert drivers.rate == 12.0
    assert drivers.files == (0, 0, 1)
    assert drivers.names[2] == "track 2 (poses)"
    assert [d.sequence.num_frames for d in drivers.all] == [6, 6]
    assert all(d.sequence.fps == 12.0 for d in drivers.all)
    assert np.array_equal(drivers.all[1].sequence.keypoints, fast.keypoints[:, :12:2])
    assert len(drivers.notes) == 2
    # Who has no rate has the output's.
    timeless = replace(dancers(8), fps=None)
    assert loaded(timeless, fast).rate == 24.0
    assert loaded(timeless).rate == 25.0
    assert loaded(timeless, fps=10.0).rate == 10.0
    assert loaded(timeless, fps=10.0, duration=0.5).all[0].sequence.num_frames == 5


def test_it_begins_with_a_frame_of_the_driver() -> None:
    driver = dancers(12)
    part = loaded(driver, start=0.2)  # 2.4 frames
    assert np.array_equal(part.all[0].sequence.keypoints, driver.keypoints[:, 2:])
    twice = loaded(driver, start=0.2, fps=24.0, max_frames=3)
    assert np.array_equal(twice.all[0].sequence.keypoints[:, ::2], driver.keypoints[:, 2:4])


def test_somebody_must_be_there_in_what_is_made() -> None:
    driver = dancers(12)
    keypoints = driver.keypoints.copy()
    keypoints[:, :6] = 0
    late = driver.with_keypoints(keypoints)
    assert loaded(late, start=0.5).all[0].sequence.num_frames == 6
    with pytest.raises(InputError, match="poses: nobody is seen in any of 5 frames"):
        loaded(late, max_frames=5)


def test_short_gaps_are_bridged_and_long_ones_stay() -> None:
    driver = dancers(20)
    keypoints = driver.keypoints.copy()
    keypoints[0, 3:5, 4] = 0  # two frames at 12 a second
    keypoints[0, 10:16, 4] = 0
    holes = driver.with_keypoints(keypoints)
    bridged = loaded(holes).all[0].sequence.keypoints[0, :, 4]
    np.testing.assert_allclose(bridged[3:5], driver.keypoints[0, 3:5, 4], atol=1e-3)
    assert not bridged[10:16].any()
    assert not loaded(holes, fill_gaps=0.0).all[0].sequence.keypoints[0, 3:5, 4].any()


def test_of_a_video_only_what_is_made_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = np.zeros((30, 64, 64, 3), np.uint8)
    frames[..., 0] = np.arange(30)[:, None, None] * 8
    write_video(frames, tmp_path / "dance.mp4", 10)
    seen: list[int] = []

    def estimate(batch: np.ndarray) -> list[np.ndarray]:
        found = []
        for frame in batch:
            seen.append(round(float(frame[..., 0].mean()) / 8))
            people = np.zeros((1, 134, 3), np.float32)
            people[0, :18] = person(seen[-1], 8, 20)
            found.append(people)
        return found

    monkeypatch.setattr("posecast.casting.finding.pose_estimator", lambda *_: estimate)
    drivers = loaded(tmp_path / "dance.mp4", start=1.0, duration=0.5)
    assert np.abs(np.array(seen) - np.arange(10, 15)).max() <= 1
    keypoints = drivers.all[0].sequence.keypoints
    assert keypoints.shape[1] == 5
    assert (keypoints[..., 2].max(axis=2) > 0).all()
    with pytest.raises(InputError, match=r"dance\.mp4: `start=9` is past its end; it is 3\.00 s"):
        loaded(tmp_path / "dance.mp4", start=9.0)


def test_the_first_driver_with_sound_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def estimate(batch: np.ndarray) -> list[np.ndarray]:
        return [np.pad(person(8, 8, 20)[None], ((0, 0), (0, 116), (0, 0))) for _ in batch]

    monkeypatch.setattr("posecast.casting.finding.pose_estimator", lambda *_: estimate)
    write_poses(dancers(10), tmp_path / "silent.json")
    talking = talking_video(tmp_path / "talking.mp4", seconds=1.0)
    drivers = loaded(tmp_path / "silent.json", talking, start=0.25)
    assert drivers.sound is not None
    assert drivers.sound.file == talking
    assert drivers.sound.start == 0.25
    assert loaded(tmp_path / "silent.json", talking, audio=False).sound is None
    assert loaded(tmp_path / "silent.json").sound is None
    assert loaded(dancers()).sound is None


def test_the_sound_of_another_video_is_heard_from_its_own_time(tmp_path: Path) -> None:
    talking = talking_video(tmp_path / "talking.mp4", codec="aac")
    drivers = loaded(dancers(), sound=talking, sound_start=1.5, start=0.25)
    assert drivers.sound == Sound(talking, 1.5)
    assert loaded(dancers(), sound=talking, audio=False).sound is None
    silent = tmp_path / "silent.mp4"
    write_video(np.zeros((3, 32, 32, 3), np.uint8), silent, 10)
    with pytest.raises(InputError, match=r"silent\.mp4: has no sound"):
        loaded(dancers(), sound=silent)
    with pytest.raises(InputError, match="sound_start=-1"):
        loaded(dancers(), sound=talking, sound_start=-1.0)
