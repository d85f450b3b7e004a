"""The report's numbers by hand; its page on a dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from posecast.cli import run
from posecast.data import Record, write_clip, write_index
from posecast.data.charts import OWN, BarChart, Series
from posecast.data.report import paper_figures, report
from posecast.data.statistics import FrameStatistics, clip_statistics
from posecast.geometry.dilation import dilation_maps
from posecast.geometry.flow import background_flow_mean
from posecast.media.images import read_image
from posecast.puppets import PuppetSettings, sample_clips

RECORD = Record(
    video="a", clip=0, group="a", source="TikTok", media="video.mp4", media_kind="video",
    first_frame=0, frames=11, video_frames=100, height=8, width=8, fps=25.0, characters=3,
    joints="openpose18", poses_from="given", ranks_from="feet", background_flow=True, people=1,
    background_flow_mean=0.5, body_occlusion_rate=None,
)  # fmt: skip
TWO = replace(RECORD, video="b", people=2, body_occlusion_rate=0.2, background_flow_mean=3.0)


def test_statistics_match_numbers_by_hand():
    # Video a: 10 frames of motion at 0.5, 30 at 2.5: 2.0. Video b: 3.0. Video c: 0.25.
    records = [
        RECORD,
        replace(RECORD, clip=1, first_frame=11, frames=31, background_flow_mean=2.5),
        TWO,
        replace(TWO, video="c", source="mine", frames=8, people=4, background_flow_mean=0.25,
                body_occlusion_rate=0.4),
    ]  # fmt: skip
    found = report(records)
    assert (found["videos"], found["clips"], found["frames"]) == (3, 4, 61)
    flow = found["background_flow_mean"]
    assert flow["share_below_1"] == pytest.approx(1 / 3)
    assert flow["quartiles"] == pytest.approx([1.125, 2.0, 2.5])
    assert flow["histogram"]["counts"][:4] == [1, 0, 1, 1]
    assert list(found["characters"]["videos"].values()) == [1, 1, 1]
    assert found["body_occlusion_rate"]["quartiles"] == pytest.approx([0.25, 0.3, 0.35])
    assert found["sources"] == [
        {"source": "TikTok", "videos": 2, "frames": 53, "share": pytest.approx(53 / 61)},
        {"source": "mine", "videos": 1, "frames": 8, "share": pytest.approx(8 / 61)},
    ]
    assert found["made_by"]["ranks"] == {"feet": 4}


def test_sizes_rates_lengths_by_hand():
    records = [
        RECORD,
        replace(RECORD, clip=1, first_frame=11, frames=50),
        replace(TWO, height=6, width=9, fps=29.97, frames=30, video_frames=30),
    ]
    found = report(records)
    assert found["sizes"] == [
        {"kind": "8x8", "videos": 1, "frames": 61, "share": pytest.approx(61 / 91)},
        {"kind": "6x9", "videos": 1, "frames": 30, "share": pytest.approx(30 / 91)},
    ]
    assert [row["kind"] for row in found["rates"]] == ["25", "29.97"]
    lengths = found["lengths"]
    assert lengths["quartiles_frames"] == [20.5, 30, 40]
    # 0.44, 2 and 1.001 seconds.
    assert lengths["histogram"]["edges"][:4] == [0, 1, 2, 5]
    assert lengths["histogram"]["counts"][:3] == [1, 1, 1]


def test_confidences_and_refusals_by_hand():
    joints = np.array([0.0, 0.1, 0.29, 0.3, 0.95, 1.0], np.float32)
    refused = {
        "b": {"name": "b", "file": "b.mp4", "source": "s", "reason": "no frame"},
        "a": {"name": "a", "file": "a.mp4", "source": "s", "reason": "no frame"},
        "c": {"name": "c", "file": "c.mp4", "source": "s", "reason": "cut off"},
    }
    found = report([RECORD], refused, joints)
    assert found["confidence"]["joints"] == 6
    assert found["confidence"]["share_below"] == pytest.approx(0.5)
    assert found["confidence"]["histogram"]["counts"] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 2]
    assert found["refused"]["videos"] == 3
    assert found["refused"]["reasons"] == [
        {"reason": "no frame", "videos": 2},
        {"reason": "cut off", "videos": 1},
    ]
    assert [entry["file"] for entry in found["refused"]["by_video"]] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_chart_is_the_same_in_both_forms():
    chart = BarChart("Bars & <more>", ["a", "b"], [Series("one", [1, 3], OWN)], "axis")
    root = ElementTree.fromstring(chart.svg())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Bars & <more>", "a", "b", "axis", "0", "4"} <= set(texts)
    bars = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("fill") == OWN]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.2)
    picture = chart.picture()
    colour = tuple(int(OWN[i : i + 2], 16) for i in (1, 3, 5))
    drawn = (picture == colour).all(axis=-1)
    for bar in bars:
        x, y, width, height = (float(bar.get(key)) for key in ("x", "y", "width", "height"))
        inside = drawn[round(2 * y) + 2 : round(2 * (y + height)) - 2]
        assert inside[:, round(2 * x) + 2 : round(2 * (x + width)) - 2].all()


def test_statistics_of_a_frame_and_a_clip():
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[0, :2] = masks[1, 1:3] = 1
    flow = np.zeros((2, 4, 4), np.float32)
    flow[:, 3] = [[3.0], [4.0]]
    flow[:, 0] = 100
    found = FrameStatistics.of(masks, flow)
    assert (found.people, found.occlusion) == (2, pytest.approx(4 / 12))
    assert found.background_motion == pytest.approx(5.0)
    alone = FrameStatistics.of(masks[:1], None)
    assert (alone.people, alone.background_motion, alone.occlusion) == (1, None, 0.0)
    # One frame of 40 with two people is a slip.
    assert clip_statistics([alone] * 39 + [found]).people == 1
    assert clip_statistics([alone] * 9 + [found]).people == 2
    assert clip_statistics([alone] * 9 + [found]).body_occlusion_rate == pytest.approx(1 / 30)


def test_the_papers_figures_add_up():
    paper = paper_figures()
    assert sum(row["videos"] for row in paper["sources"]) == paper["videos"]
    assert sum(row["frames"] for row in paper["sources"]) == paper["frames"]
    assert sum(paper["characters"]["shares"].values()) == pytest.approx(1)


def test_the_page_of_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = PuppetSettings(size=(48, 64), frames=4, characters=(0, 1), camera="moving")
    for number, clip in enumerate(sample_clips(3, settings, 2)):
        record = write_clip(tmp_path / "data", clip, "g", f"shot-{number}", source="<b>me</b>")
        people = clip.poses.keypoints.swapaxes(0, 1)
        union = np.stack([dilation_maps(frame, (48, 64)).max(axis=0) for frame in people])
        exact = background_flow_mean(clip.background_flow[1:], union[1:])
        assert record.background_flow_mean == pytest.approx(exact, abs=1e-4)
    write_index(tmp_path / "data")
    line = {"name": "x", "file": "<i>x.mp4", "source": "s", "reason": "no frame"}
    (tmp_path / "data" / "refused.jsonl").write_text(json.dumps(line) + "\n" + '{"name"')
    assert run(["report", str(tmp_path / "data")]) == 0
    assert "refused: 1 video" in capsys.readouterr().out
    folder = tmp_path / "data" / "report"
    assert json.loads((folder / "report.json").read_text())["videos"] == 2
    page = (folder / "report.html").read_text()
    assert page.count("image/jpeg") == 4
    assert "<b>me</b>" not in page
    assert "<td>&lt;i&gt;x.mp4</td><td>no frame</td>" in page
    found = json.loads((folder / "report.json").read_text())
    assert found["refused"]["videos"] == 1
    assert found["confidence"]["joints"] == 2 * 2 * 4 * 18
    assert [row["kind"] for row in found["sizes"]] == ["48x64"]
    charts = {path.stem for path in folder.glob("*.svg")}
    assert charts == {path.stem for path in folder.glob("*.png")}
    assert {"sizes", "rates", "lengths", "confidence", "sources"} <= charts
    assert read_image(folder / "background_flow.png").min() < 100
    assert run(["report", str(tmp_path / "data")]) == 0  # again, in its place
    capsys.readouterr()
    assert run(["report", str(tmp_path / "data"), "-o", str(tmp_path / "data" / "videos")]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert run(["report", str(tmp_path)]) == 2
    assert "is no dataset" in capsys.readouterr().err
