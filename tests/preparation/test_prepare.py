"""Raw videos to a dataset: what comes out, what is refused, what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from posecast.cli import run
from posecast.data import DatasetSource, read_index
from posecast.data.read import read_arrays, read_flow, read_frames, read_masks
from posecast.errors import InputError
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.flow import background_flow_mean
from posecast.media.id_images import write_ids
from posecast.media.video import read_video, write_video
from posecast.preparation import PrepareSettings, find_sources, prepare, video
from posecast.types import Clip
from tests.preparation.conftest import contents, psnr, write_raw


def prepared(folder: Path, out: Path, **options: object) -> Path:
    settings = PrepareSettings(media=options.pop("media", "copy"))  # type: ignore[arg-type]
    prepare(find_sources([folder / "videos"], folder / "poses"), out, settings, **options)  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def dataset(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(raw, tmp_path_factory.mktemp("prepared") / "data")


def test_poses_order_and_pictures_come_through(dataset: Path, clips: list[Clip]):
    records = read_index(dataset)
    assert [r.name for r in records] == [f"clip_{k}-0000" for k in range(3)]
    for record, clip in zip(records, clips, strict=True):
        assert (record.frames, record.height, record.width) == (18, 96, 128)
        assert (record.source, record.poses_from, record.ranks_from) == ("videos", "given", "feet")
        keypoints = read_arrays(dataset, record).keypoints
        truth = np.where(clip.poses.keypoints[..., 2:] > 0, clip.poses.keypoints, 0)
        assert np.abs(keypoints - truth).max() < 0.01  # pose files round
        assert psnr(read_frames(dataset, record, [17, 3]), clip.frames[[17, 3]]) > 28
    rates = [abs(r.background_flow_mean - b) for r, b in zip(records, truths(clips), strict=True)]
    assert max(rates) < 0.1


def truths(clips: list[Clip]) -> list[float]:
    means = []
    for clip in clips:
        maps = [
            dilation_maps(p, (96, 128)).max(axis=0) for p in clip.poses.keypoints.swapaxes(0, 1)
        ]
        means.append(background_flow_mean(clip.background_flow[1:], np.stack(maps)[1:]))
    return means


def test_masks_are_stored_where_they_are_asked_for(
    raw: Path, dataset: Path, tmp_path: Path, clips: list[Clip]
):
    assert not any(record.masks for record in read_index(dataset))
    assert DatasetSource(dataset, (96, 128), 2).sample(0).character_ids is None
    out = tmp_path / "data"
    sources = find_sources([raw / "videos"], raw / "poses")
    summary = prepare(sources, out, PrepareSettings(masks=True))
    assert summary.array_bytes > sum(path.stat().st_size for path in out.rglob("*.npy"))
    shared = united = 0
    for record, clip in zip(read_index(out), clips, strict=True):
        assert record.masks
        ids = read_masks(out, record, list(range(18)))
        assert ids.shape == clip.character_ids.shape
        right = ids[ids > 0] == clip.character_ids[ids > 0]
        # Puppets of 60 pixels: the networks have seen no such people.
        assert right[clip.character_ids[ids > 0] > 0].mean() > 0.9
        shared += ((ids > 0) & (clip.character_ids > 0)).sum()
        united += ((ids > 0) | (clip.character_ids > 0)).sum()
    assert shared / united > 0.6
    # A sample has its characters numbered as its keypoints, at its own size.
    sample = DatasetSource(out, (48, 64), 4).sample(3)
    assert sample.character_ids.shape == (4, 48, 64)
    for j, person in enumerate(sample.keypoints):
        maps = np.stack([dilation_maps(pose[None], (48, 64))[0] for pose in person])
        own = sample.character_ids == j + 1
        assert (maps[own] > 0).mean() > 0.6
    # The rest of the dataset is as without.
    for name, content in contents(dataset).items():
        if name.endswith(".npy"):
            assert contents(out)[name] == content


def test_spoilt_masks_are_named(raw: Path, tmp_path: Path):
    out = tmp_path / "data"
    prepare(find_sources([raw / "videos"], raw / "poses")[:1], out, PrepareSettings(masks=True))
    (record,) = read_index(out)
    image = out / "videos" / "clip_0" / "clip-0000.masks" / "frame_000003.png"
    write_ids(np.full((96, 128), 9, np.uint8), image)
    with pytest.raises(InputError, match=r"frame_000003\.png: id 9, but there "):
        read_masks(out, record, [3])
    write_ids(np.zeros((96, 100), np.uint8), image)
    with pytest.raises(InputError, match=r"frame_000003.png: expected 96x128, got 96x100"):
        read_masks(out, record, [3])
    image.unlink()
    with pytest.raises(InputError, match=r"frame_000003.png"):
        read_masks(out, record, [3])


def test_flow_is_the_backgrounds(dataset: Path, clips: list[Clip]):
    record, clip = read_index(dataset)[2], clips[2]
    cells = read_flow(dataset, record, range(18)).astype(np.float32)
    truth = clip.background_flow.reshape(18, 2, 12, 8, 16, 8).mean(axis=(3, 5))
    assert not cells[0].any()
    maps = [dilation_maps(frame, (96, 128)) for frame in clip.poses.keypoints.swapaxes(0, 1)]
    union = np.stack([people.max(axis=0) for people in maps]).reshape(18, 12, 8, 16, 8)
    outside = ~union.any(axis=(2, 4))
    error = np.abs(cells - truth).mean(axis=1)
    assert error[1:][outside[1:]].mean() < 0.15
    assert np.abs(truth[1:]).mean() > 0.3


@pytest.mark.parametrize("media", ["reference", "reencode"])
def test_frames_by_reference_or_written_anew(raw: Path, tmp_path: Path, media: str, clips):
    out = prepared(raw, tmp_path / "data", media=media)
    record = read_index(out)[1]
    assert psnr(read_frames(out, record, [16, 2]), clips[1].frames[[16, 2]]) > 28
    assert (record.folder(out) / "video.mp4").exists() == (media == "reencode")


def test_a_pool_gives_the_same_bytes(raw: Path, dataset: Path, tmp_path: Path):
    told: list[int] = []
    out = prepared(raw, tmp_path / "data", workers=2, advance=told.append)
    assert contents(out) == contents(dataset)
    assert sum(told) == 54


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # of its own settings
def test_a_cluster_gives_the_same_bytes(raw: Path, dataset: Path, tmp_path: Path):
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'posecast[cluster]'")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        out = prepared(raw, tmp_path / "data", cluster="local")
    finally:
        ray.shutdown()
    assert contents(out) == contents(dataset)


def test_killed_and_resumed_is_as_unbroken(raw: Path, dataset: Path, tmp_path: Path):
    out = tmp_path / "data"
    command = [sys.executable, "-m", "posecast", "prepare", str(raw / "videos"), "-o", str(out)]
    command += ["--poses", str(raw / "poses"), "--workers", "1", "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not list(out.glob("videos/[!.]*/video.json")) and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = {path: path.stat().st_ino for path in out.glob("videos/[!.]*/*")}
    assert done
    assert process.returncode == -signal.SIGKILL
    assert not (out / "index.parquet").exists()
    # What a kill in the middle of a video leaves, wherever this one came.
    (out / "videos" / ".clip_2.abcd1234.part").mkdir()
    assert run([*command[3:], "--resume"]) == 0
    assert contents(out) == contents(dataset)
    assert {path: path.stat().st_ino for path in done} == done


def test_resume_wants_the_same_settings(raw: Path, tmp_path: Path, dataset: Path):
    sources = find_sources([raw / "videos"], raw / "poses")
    with pytest.raises(InputError, match="other settings: min_frames"):
        prepare(sources, dataset, PrepareSettings(min_frames=5), resume=True)
    with pytest.raises(InputError, match="add --resume"):
        prepare(sources, dataset, PrepareSettings())
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        prepare(sources, tmp_path, PrepareSettings())


def odd_times(clip: Clip, path: Path) -> None:
    """Every third frame is shown three times as long."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 12)
        at = 0
        for number, image in enumerate(clip.frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 12)
            at += 3 if number % 3 == 0 else 1
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def test_odd_videos_are_noted_and_broken_ones_listed(tmp_path: Path, clips: list[Clip]):
    whole = write_raw(clips[0], tmp_path, "whole").read_bytes()
    folder = tmp_path / "videos"
    (folder / "wrong.avi").write_bytes(whole)
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "nothing.mp4").write_bytes(b"")
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(4000))
    sound_only(folder / "sound.mp4")
    odd_times(clips[0], folder / "uneven.mkv")
    write_video(clips[0].frames[:4], folder / "short.mp4", 12)
    poses = (tmp_path / "poses" / "whole.json").read_bytes()
    for name in ("wrong", "cut", "nothing", "noise", "sound", "uneven"):
        (tmp_path / "poses" / f"{name}.json").write_bytes(poses)
    (tmp_path / "poses" / "short.json").write_text(json.dumps(shortened(json.loads(poses), 4)))
    write_video(clips[0].frames[:17], folder / "unequal.mp4", 12)
    (tmp_path / "poses" / "unequal.json").write_bytes(poses)
    write_video(clips[0].frames[:17], folder / "alone.mp4", 12)
    arguments = ["prepare", str(folder), "-o", str(tmp_path / "data"), "--quiet"]
    assert run([*arguments, "--poses", str(tmp_path / "poses"), "--workers", "1"]) == 0
    lines = (tmp_path / "data" / "refused.jsonl").read_text().splitlines()
    reasons = {line["name"]: line["reason"] for line in map(json.loads, lines)}
    expected = {
        "alone": "is named alone",
        "cut": "cut off",
        "noise": "not a video",
        "nothing": "the file is empty",
        "short": "shorter than 16 frames",
        "sound": "no video stream",
        "unequal": "has 18 frames, the video 17",
    }
    assert set(reasons) == set(expected)
    for name, reason in expected.items():
        assert reason in reasons[name]
    assert {r.video for r in read_index(tmp_path / "data")} == {"whole", "wrong", "uneven"}
    entries = (tmp_path / "data" / "videos").glob("*/video.json")
    notes = {e.parent.name: " ".join(json.loads(e.read_text())["notes"]) for e in entries}
    assert notes["whole"] == ""
    assert "named .avi, but is mov" in notes["wrong"]
    assert "variable frame rate, 4 to 12" in notes["uneven"]


def shortened(poses: dict, frames: int) -> dict:
    for character in poses["characters"]:
        character["frames"] = character["frames"][:frames]
    return poses


def test_a_list_says_where_videos_are_from(raw: Path, tmp_path: Path):
    (tmp_path / "list.csv").write_text(
        "path,source,poses\n"
        f"{raw}/videos/clip 0.mp4,TikTok,{raw}/poses/clip 0.json\n"
        f"{raw}/videos/clip 0.mp4,,\n"
    )
    first, second = find_sources([tmp_path / "list.csv"], source="mine")
    assert (first.name, first.source, first.poses.name) == ("clip_0", "TikTok", "clip 0.json")
    assert (second.name, second.source, second.poses) == ("clip_0--2", "mine", None)
    (tmp_path / "list.csv").write_text("file\nx.mp4\n")
    with pytest.raises(InputError, match=r"list\.csv: line 1: expected a header"):
        find_sources([tmp_path / "list.csv"])


def test_clips_end_at_cuts(tmp_path: Path, clips: list[Clip]):
    keypoints = np.concatenate([clip.poses.keypoints for clip in clips[:2]], axis=1)
    both = Clip(
        frames=np.concatenate([clip.frames for clip in clips[:2]]),
        poses=replace(clips[0].poses, keypoints=keypoints),
        ranks=np.concatenate([clip.ranks for clip in clips[:2]]),
    )
    write_raw(both, tmp_path, "both")
    records = read_index(prepared(tmp_path, tmp_path / "data"))
    assert [(r.first_frame, r.frames) for r in records] == [(0, 18), (18, 18)]
    assert records[0].group != records[1].group
    assert not read_flow(tmp_path / "data", records[1], [0]).any()
    second = read_frames(tmp_path / "data", records[1], [0])[0]
    assert psnr(second, clips[1].frames[0]) > 25


def test_samples_do_not_depend_on_who_reads_them(dataset: Path):
    import torch

    from posecast.training.task import Batches

    source = DatasetSource(dataset, (64, 64), 4, "clips", seed=3)
    batches = Batches(source, lambda samples, rng: (samples[0], float(rng.random())), 1, 5)
    alone = [batches[k] for k in range(3)]
    loader = torch.utils.data.DataLoader(
        _Indexed(batches), batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    for (a, chance), (b, other) in zip(alone, loader, strict=True):
        assert chance == other
        assert np.array_equal(a.frames, b.frames)
        assert np.array_equal(a.keypoints, b.keypoints)
        assert np.array_equal(a.background_flow, b.background_flow)


class _Indexed:
    def __init__(self, batches: object) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> object:
        return self.batches[index]


class ExactDepth:
    """Says the truth, frame by frame, as an estimator would."""

    near_is_large = False

    def __init__(self, clip: Clip) -> None:
        several = (clip.poses.keypoints[..., 2] > 0.3).any(axis=-1).sum(axis=0) > 1
        self.left = iter(clip.depth[several])

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        return np.stack([next(self.left) for _ in frames])


def test_order_by_exact_depth_is_the_true_order(
    tmp_path: Path, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
):
    """Where depths differ by 5% or more, ranks are right in 98% of the frames."""
    right = total = 0
    for number, clip in enumerate(clips):
        folder = tmp_path / str(number)
        write_raw(clip, folder, "one")
        monkeypatch.setattr(video, "load_depth", lambda _, c=clip: ExactDepth(c))
        out = prepared(folder, folder / "data")
        record = read_index(out)[0]
        assert record.ranks_from == "depth"
        ranks = read_arrays(out, record).ranks
        for found, truth, depth, ids in zip(
            ranks, clip.ranks, clip.depth, clip.character_ids, strict=True
        ):
            seen = [depth[ids == j + 1] for j in range(2)]
            if all(len(s) for s in seen):
                near, far = sorted(float(s.mean()) for s in seen)
                if far >= 1.05 * near:
                    total += 1
                    right += bool((found == truth).all())
    assert total > 20
    assert right / total >= 0.98


REAL = {"lab_walk_cam03": "openpose_body25b_lab_cam03", "sign_linguistik": "openpose_v12_sign"}


@pytest.mark.slow
def test_real_videos_with_given_poses(shared: Path, tmp_path: Path):
    (tmp_path / "poses").mkdir()
    videos = []
    for name, poses in REAL.items():
        videos.append(str(shared / "real" / "videos" / f"{name}.mp4"))
        (tmp_path / "poses" / name).symlink_to((shared / "real" / "keypoints" / poses).resolve())
    out = tmp_path / "data"
    arguments = ["prepare", *videos, "-o", str(out), "--poses", str(tmp_path / "poses")]
    assert run([*arguments, "--body", "body25b", "--source", "lab", "--quiet"]) == 0
    assert run(["report", str(out)]) == 0
    report = json.loads((out / "report" / "report.json").read_text())
    assert (report["videos"], report["frames"]) == (2, 276)
    arrays = sum(path.stat().st_size for path in out.rglob("*.npy"))
    assert arrays / 276 < 60_000
    sample = DatasetSource(out, (96, 64), 16, "clips", margin=30).sample(1)
    assert sample.frames.shape == (16, 96, 64, 3)
    record = read_index(out)[0]
    whole, _ = read_video(videos[0])
    assert np.array_equal(read_frames(out, record, [77, 5]), whole[[77, 5]])


def test_poses_are_paired_by_path_and_never_shared(tmp_path: Path):
    for folder in ("videos/sub1", "videos/sub2", "flat", "nested/sub1", "nested/videos/sub2"):
        (tmp_path / folder).mkdir(parents=True)
    for number in ("sub1", "sub2"):
        (tmp_path / "videos" / number / "1.mp4").touch()
    (tmp_path / "videos" / "sub2" / "2.mp4").touch()
    for name in ("flat/1.json", "flat/2.json", "nested/sub1/1.json", "nested/videos/sub2/1.json"):
        (tmp_path / name).touch()
    nested = find_sources([tmp_path / "videos"], tmp_path / "nested")
    assert [s.poses and s.poses.relative_to(tmp_path / "nested").as_posix() for s in nested] == [
        "sub1/1.json", "videos/sub2/1.json", None,
    ]  # fmt: skip
    assert "named 2" in str(nested[2].missing_poses)
    one, other, alone = find_sources([tmp_path / "videos"], tmp_path / "flat")
    for mine, theirs in ((one, other), (other, one)):
        assert mine.poses is None
        assert f"1.json could also be of {theirs.path}" in str(mine.missing_poses)
    assert alone.poses is not None
    assert alone.poses.name == "2.json"
    # Folders that are named one by one, too; and poses that lie among the videos are none.
    apart = find_sources([tmp_path / "videos/sub1", tmp_path / "videos/sub2"], tmp_path / "flat")
    assert [s.missing_poses is None for s in apart] == [False, False, True]
    among = find_sources([tmp_path], tmp_path / "flat")
    assert not [s for s in among if s.path.is_relative_to(tmp_path / "flat")]


def test_the_list_says_the_body_of_each_file(tmp_path: Path, clips: list[Clip]):
    """BODY_25 and BODY_25B, which look alike, in one dataset."""
    clip = clips[0]
    video = write_raw(clip, tmp_path, "one")
    points = np.zeros((25, 3))
    # A person who stands as BODY_25B has it: the layouts differ in everything but the nose.
    points[:] = [[40 + 2 * i, 30 + 2 * i, 1.0] for i in range(25)]
    folder = tmp_path / "openpose"
    folder.mkdir()
    people = [{"pose_keypoints_2d": points.ravel().tolist()}]
    for frame in range(len(clip.frames)):
        (folder / f"{frame}.json").write_text(json.dumps({"people": people}))
    (tmp_path / "list.csv").write_text(
        f"path,poses,body\n{video},openpose,body25b\n{video},openpose,body25\n{video},openpose,\n"
    )
    sources = find_sources([tmp_path / "list.csv"])
    assert [source.body for source in sources] == ["body25b", "body25", None]
    prepare(sources, tmp_path / "data", PrepareSettings())
    shoulders = {
        record.video: read_arrays(tmp_path / "data", record).keypoints[0, 0, 2, :2].tolist()
        for record in read_index(tmp_path / "data")
    }
    assert shoulders["one"] == points[6, :2].tolist()
    assert shoulders["one--2"] == shoulders["one--3"] == points[2, :2].tolist()
    (tmp_path / "list.csv").write_text(f"path,body\n{video},coco17\n")
    with pytest.raises(InputError, match=r"list\.csv: row 1: body 'coco17'; expected coco18, body"):
        find_sources([tmp_path / "list.csv"])


@pytest.mark.parametrize(
    ("options", "message", "workers"),
    [
        (["--flow", "nosuch"], "nosuch", "1"),
        (["--flow", "nosuch"], "nosuch", "2"),
        (["--depth", "nosuch"], "nosuch", "1"),
        (["--latents", "nosuch", "--size", "64x64"], "no model 'nosuch'", "1"),
        (["--latents", "embedded", "--size", "60x60"], "expected multiples of 8", "1"),
    ],
)
def test_a_refused_run_leaves_nothing_in_the_way(
    raw: Path, tmp_path: Path, options: list[str], message: str, workers: str, capsys
):
    line = ["prepare", str(raw / "videos"), "--poses", str(raw / "poses"), "--quiet"]
    line += ["-o", str(tmp_path / "new" / "data"), "--workers", workers]
    assert run([*line, *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_killed_at_once_is_not_in_the_way(raw: Path, tmp_path: Path):
    out = tmp_path / "data"
    (out / "videos" / ".clip_0.0123abcd.part").mkdir(parents=True)
    (out / "refused.jsonl").touch()
    (out / ".lock").write_text("1 elsewhere")
    (out / "dataset.json").write_text('{"format": "posecast/dataset/2", "settings": {"flow": "x"}}')
    sources = find_sources([raw / "videos"], raw / "poses")
    assert prepare(sources, out, PrepareSettings()).videos == 3
    assert not [path for path in out.rglob(".*")]


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    while process.poll() is None and len(found) < 2:
        time.sleep(0.01)
        found = [
            child
            for child in psutil.Process(process.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_two_workers_end_with_the_run(raw: Path, dataset: Path, tmp_path: Path, number: int):
    """Told to end, it and its workers (the whole group, as supervisors do) leave nothing."""
    out = tmp_path / "data"
    command = [sys.executable, "-m", "posecast", "prepare", str(raw / "videos"), "-o", str(out)]
    command += ["--poses", str(raw / "poses"), "--workers", "2", "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not list(out.glob("videos/.*.part")) and process.poll() is None:
        time.sleep(0.005)
    workers = workers_of(process)
    if number == signal.SIGKILL:
        process.kill()
    else:
        os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    deadline = time.monotonic() + 5
    while [w for w in workers if w.is_running() and w.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, "workers stay"
        time.sleep(0.02)
    if number == signal.SIGTERM:
        assert process.returncode == 130
        assert said in (
            "posecast: interrupted\n",
            *(f"posecast: interrupted: {n} done; continue with --resume\n"
              for n in ("1 video", "2 videos", "3 videos")),
        )  # fmt: skip
        assert not [path for path in tmp_path.rglob(".*")]
    assert contents(prepared(raw, out, resume=True)) == contents(dataset)
