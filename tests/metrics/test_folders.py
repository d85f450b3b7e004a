"""Folders of videos: who pairs with whom, and every way in which they may not."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posecast.errors import InputError
from posecast.geometry.framing import Framing
from posecast.media.images import write_image
from posecast.media.video import write_video
from posecast.metrics.folders import (
    VideoPair,
    count_frames,
    frame_batches,
    frame_files,
    frame_numbers,
    iterate_frames,
    pair_videos,
)


def clip(frames: int = 5, size: tuple[int, int] = (24, 32), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, *size, 3)).astype(np.uint8)


def lossless(frames: np.ndarray, path: Path) -> None:
    """A video that keeps every bit."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=Fraction(25))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
        for frame in frames:
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format="bgr0"))
            )
        file.mux(stream.encode(None))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for side in ("generated", "real"):
        (tmp_path / side).mkdir()
    return tmp_path / "generated", tmp_path / "real"


def test_frames_may_be_stretched_in_place_of_cropped(folders):
    generated, real = folders
    wide = np.zeros((1, 20, 40, 3), np.uint8)
    wide[:, :, :10] = 255
    write_video(wide, generated / "a", 25)
    write_video(wide[:, :, :20], real / "a", 25)
    pair = pair_videos(generated, real)[0]
    (batch,) = frame_batches(pair, (20, 20), 4, crop=False)
    assert (batch.generated[0, :, :3] > 250).all()  # a quarter of the width is white, as before
    assert (batch.generated[0, :, 7:] < 5).all()
    (batch,) = frame_batches(pair, None, 4, crop=False)  # as the real one is
    assert batch.generated.shape == batch.real.shape == (1, 20, 20, 3)
    assert (batch.real[0] == wide[0, :, :20]).all()
    (cropped,) = frame_batches(pair, (20, 20), 4)
    assert (cropped.generated[0] == 0).all()


def test_videos_and_frame_folders_pair_up_by_name_in_natural_order(folders):
    generated, real = folders
    for name in ("clip10", "clip2"):
        write_video(clip(), generated / name, 25)
        lossless(clip(), real / f"{name}.mkv")
    pairs = pair_videos(generated, real)
    assert [pair.name for pair in pairs] == ["clip2", "clip10"]
    assert pairs[0].generated == generated / "clip2"
    assert pairs[0].real == real / "clip2.mkv"
    assert pairs[0].num_frames == 5


def test_a_lossless_video_and_its_png_frames_are_the_same_frames(folders):
    generated, real = folders
    frames = clip()
    write_video(frames, generated / "a", 25)
    lossless(frames, real / "a.mkv")
    (pair,) = pair_videos(generated, real)
    (batch,) = frame_batches(pair, None, 8)
    np.testing.assert_array_equal(batch.generated, frames)
    np.testing.assert_array_equal(batch.real, frames)


def test_one_folder_of_frames_against_another_is_a_pair_whatever_the_names(tmp_path):
    write_video(clip(), tmp_path / "mine", 25)
    write_video(clip(), tmp_path / "theirs", 25)
    (pair,) = pair_videos(tmp_path / "mine", tmp_path / "theirs")
    assert (pair.name, pair.num_frames) == ("theirs", 5)


def test_batches_cover_every_frame_once_and_know_the_frame_before(folders):
    generated, real = folders
    frames = clip(7)
    write_video(frames, generated / "a", 25)
    write_video(frames[::-1], real / "a", 25)
    (pair,) = pair_videos(generated, real)
    batches = list(frame_batches(pair, None, 3))
    assert [batch.start for batch in batches] == [0, 3, 6]
    np.testing.assert_array_equal(np.concatenate([b.generated for b in batches]), frames)
    np.testing.assert_array_equal(np.concatenate([b.real for b in batches]), frames[::-1])
    assert batches[0].before is None
    np.testing.assert_array_equal(batches[1].before[0], frames[2])
    np.testing.assert_array_equal(batches[2].before[1], frames[::-1][5])


def test_the_unified_standard_crops_the_centre_then_resizes(folders):
    generated, real = folders
    write_video(clip(1, (40, 90)), generated / "a", 25)
    write_video(clip(1, (64, 64)), real / "a", 25)
    (batch,) = frame_batches(pair_videos(generated, real)[0], (32, 32), 4)
    expected = Framing((40, 90), (32, 32)).image(clip(1, (40, 90))[0])
    np.testing.assert_array_equal(batch.generated[0], expected)
    # What is cut off does not matter.
    cut = clip(1, (40, 90))
    cut[:, :, :20] = cut[:, :, -20:] = 0
    np.testing.assert_allclose(
        Framing((40, 90), (32, 32)).image(cut[0]).astype(int), expected.astype(int), atol=0
    )


def test_frame_numbers_are_the_last_digits_of_the_names(tmp_path):
    for number in (1, 2, 4, 10):
        write_image(clip(1)[0], tmp_path / f"Dance_00337_{number:04d}png.png")
    assert frame_numbers(tmp_path, 4) == [1, 2, 4, 10]
    write_image(clip(1)[0], tmp_path / "last.png")
    assert frame_numbers(tmp_path, 5) == [0, 1, 2, 3, 4]
    assert frame_numbers(tmp_path / "video.mp4", 3) == [0, 1, 2]


def test_hidden_files_do_not_count(folders):
    generated, real = folders
    for side in folders:
        write_video(clip(), side / "a", 25)
        (side / ".DS_Store").write_bytes(b"x")
        (side / "a" / ".thumbs").write_bytes(b"x")
    assert [pair.name for pair in pair_videos(generated, real)] == ["a"]
    assert count_frames(generated / "a") == 5


def _missing_partner(generated: Path, real: Path) -> str:
    write_video(clip(), real / "b", 25)
    write_video(clip(), real / "c", 25)
    return r"real.b: has no partner in .*generated.*'b' \(2 videos have none\)"


def _surplus(generated: Path, real: Path) -> str:
    lossless(clip(), generated / "more.mkv")
    return r"more.mkv: has no partner in .*real"


def _two_of_one_name(generated: Path, real: Path) -> str:
    lossless(clip(), real / "a.mkv")
    return r"real: a and a.mkv have the same name"


def _other_length(generated: Path, real: Path) -> str:
    (generated / "a" / "frame_000004.png").unlink()
    return r"generated.a: 4 frames, but .*real.a has 5"


def _empty(generated: Path, real: Path) -> str:
    for file in (real / "a").iterdir():
        file.unlink()
    return r"real.a: the folder is empty"


def _no_videos(generated: Path, real: Path) -> str:
    for file in (real / "a").iterdir():
        file.unlink()
    (real / "a").rmdir()
    return r"real: the folder is empty"


def _not_there(generated: Path, real: Path) -> str:
    real.rename(real.with_name("elsewhere"))
    return r"real: no such file or folder"


def _folder_among_frames(generated: Path, real: Path) -> str:
    (real / "a" / "more").mkdir()
    return r"real.a: holds the folder more"


def _damaged_frame(generated: Path, real: Path) -> str:
    frame = real / "a" / "frame_000003.png"
    frame.write_bytes(frame.read_bytes()[:200])
    return r"frame_000003.png: the picture is cut off"


def _no_picture(generated: Path, real: Path) -> str:
    (real / "a" / "frame_000003.png").write_bytes(b"hello")
    return r"frame_000003.png: not a picture"


def _odd_frame(generated: Path, real: Path) -> str:
    write_image(clip(1, (24, 24))[0], real / "a" / "frame_000002.png")
    return r"frame_000002.png: 24x24 pixels, but the first frame has 24x32"


def _other_size(generated: Path, real: Path) -> str:
    write_video(clip(5, (16, 32)), generated / "a", 25)
    return r"generated.a: 16x32 pixels, but .*real.a has 24x32; give a --size"


def _cut_video(generated: Path, real: Path) -> str:
    lossless(clip(5), real / "b.mkv")
    whole = (real / "b.mkv").read_bytes()
    (real / "b.mkv").write_bytes(whole[:100])
    write_video(clip(), generated / "b", 25)
    return r"b.mkv"


@pytest.mark.parametrize(
    "spoil",
    [
        _missing_partner, _surplus, _two_of_one_name, _other_length, _empty, _no_videos, _not_there,
        _folder_among_frames, _damaged_frame, _no_picture, _odd_frame, _other_size, _cut_video,
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_named(folders, spoil):
    generated, real = folders
    for side in folders:
        write_video(clip(), side / "a", 25)
    message = spoil(generated, real)
    with pytest.raises(InputError, match=message):
        [list(frame_batches(pair, None, 2)) for pair in pair_videos(generated, real)]


def test_a_length_that_no_container_states_shows_when_frames_run_out(tmp_path):
    write_video(clip(5), tmp_path / "short", 25)
    write_video(clip(8), tmp_path / "long", 25)
    pair = VideoPair("a", tmp_path / "short", tmp_path / "long", 0)
    with pytest.raises(InputError, match=r"short: 5 frames, but .*long has 8"):
        list(frame_batches(pair, None, 2))
    pair = VideoPair("a", tmp_path / "long", tmp_path / "short", 0)
    with pytest.raises(InputError, match=r"long: 8 frames, but .*short has 5"):
        list(frame_batches(pair, None, 2))


def test_files_are_closed_when_reading_stops_early(folders):
    real = folders[1]
    lossless(clip(), real / "a.mkv")
    frames = iterate_frames(real / "a.mkv")
    next(frames)
    frames.close()
    (real / "a.mkv").unlink()


LITTER = ("Thumbs.db", ".DS_Store", "desktop.ini", "._0.png", "notes.txt", "meta.json", "sound.wav")


def test_frames_with_other_files_beside_are_one_video(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for side in ("ours", "theirs"):
        folder = tmp_path / side / "clip"
        folder.mkdir(parents=True)
        for number in range(3):
            frame = rng.integers(0, 256, (16, 16, 3), np.uint8)
            write_image(frame, folder / f"{number}.png")
    for where in (tmp_path / "ours" / "clip", tmp_path / "ours"):
        for name in LITTER:
            (where / name).write_bytes(b"not a picture")
        (where / "@eaDir").mkdir()
    [pair] = pair_videos(tmp_path / "ours", tmp_path / "theirs")
    assert (pair.name, pair.num_frames) == ("clip", 3)
    [alone] = pair_videos(tmp_path / "ours" / "clip", tmp_path / "theirs" / "clip")
    assert alone.num_frames == 3
    assert [f.stem for f in frame_files(tmp_path / "ours" / "clip")] == ["0", "1", "2"]
    assert sum(1 for _ in iterate_frames(tmp_path / "ours" / "clip")) == 3


def test_what_is_named_as_a_video_is_never_passed_over(tmp_path: Path) -> None:
    for side in ("ours", "theirs"):
        (tmp_path / side).mkdir()
        write_image(np.zeros((16, 16, 3), np.uint8), tmp_path / side / "a.png")
        (tmp_path / side / "b").mkdir()
    (tmp_path / "ours" / "broken.mp4").write_bytes(b"x")
    with pytest.raises(InputError, match=r"broken\.mp4.*no partner"):
        pair_videos(tmp_path / "ours", tmp_path / "theirs")
