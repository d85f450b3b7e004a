"""Whole folders scored: the goldens, a copy of the truth, any number of workers, any container."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media.video import write_video
from posecast.metrics.evaluate import MethodScores, VideoScores, evaluate
from posecast.metrics.folders import pair_videos
from posecast.metrics.results import result_values
from posecast.metrics.settings import EvaluationSettings
from posecast.metrics.tables import (
    COLUMNS,
    PAPER_TABLES,
    Row,
    Table,
    csv_rows,
    latex,
    markdown,
    scores_table,
)
from posecast.metrics.totals import FrameTotals
from tests.metrics.test_folders import clip, lossless

NATIVE = EvaluationSettings(metrics=("l1", "mae_255", "psnr", "ssim"), size=None, workers=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two generated and real videos of 9 and 5 frames; the first one's frame 3 is identical."""
    root = tmp_path_factory.mktemp("videos")
    (root / "generated").mkdir()
    (root / "real").mkdir()
    for name, frames in (("a", 9), ("b", 5)):
        ours, theirs = clip(frames, seed=frames), clip(frames, seed=50 + frames)
        ours[3] = theirs[3]
        write_video(ours, root / "generated" / name, 25)
        write_video(theirs, root / "real" / name, 25)
    return root / "generated", root / "real"


def _scores(folders, settings=NATIVE, **changes):
    return evaluate(pair_videos(*folders), EvaluationSettings(**{**vars(settings), **changes}))


@pytest.mark.parametrize("protocol", ["field", "correct"])
def test_goldens_of_both_protocols(goldens, tmp_path, protocol):
    golden = json.loads((goldens / "metrics.json").read_text())["pairs"]
    with np.load(goldens / "pairs.npz") as arrays:
        for pair, values in golden.items():
            size = arrays[f"{pair}_gen"].shape[1:3]
            values["mae_255"] = np.multiply(values["l1_field"], size[0] * size[1])
            for side, key in (("generated", "gen"), ("real", "gt")):
                (tmp_path / side).mkdir(exist_ok=True)
                write_video(arrays[f"{pair}_{key}"], tmp_path / side / pair, 25)
    found = _scores((tmp_path / "generated", tmp_path / "real"), protocol=protocol)
    names = {
        "field": {"l1": "l1_field", "psnr": "psnr_wrapped", "ssim": "ssim_field"},
        "correct": {"l1": "mae_255", "psnr": "psnr_exact", "ssim": "ssim_rgb_gauss11"},
    }[protocol]
    for video in found.videos:
        for name, key in {**names, "mae_255": "mae_255"}.items():
            expected = np.mean(golden[video.name][key])
            assert video.totals[name].score == pytest.approx(expected, rel=1e-9), name
    both = [golden[pair][names["psnr"]] for pair in ("pair_a", "pair_b")]
    assert found.metrics["psnr"] == pytest.approx(np.mean(both), rel=1e-9)
    assert found.num_frames == 4


def test_the_real_videos_against_themselves(folders):
    scores = _scores((folders[1], folders[1]))
    assert scores.metrics == {"l1": 0.0, "mae_255": 0.0, "psnr": np.inf, "ssim": 1.0}
    field = _scores((folders[1], folders[1]), protocol="field")
    assert field.metrics["psnr"] == 100.0


def test_any_number_of_workers_gives_the_same_bits(folders):
    one, many = _scores(folders, workers=1), _scores(folders, workers=5)
    assert one.metrics == many.metrics
    for a, b in zip(one.videos, many.videos, strict=True):
        assert a.name == b.name
        for name in one.names:
            np.testing.assert_array_equal(a.totals[name].totals, b.totals[name].totals)


def test_lossless_video_and_png_frames_give_the_same_bits(folders, tmp_path):
    lossless(clip(9, seed=9), tmp_path / "a.mkv")
    write_video(clip(9, seed=9), tmp_path / "frames", 25)
    real = folders[1] / "a"
    from_video = evaluate(pair_videos(tmp_path / "a.mkv", real), NATIVE)
    assert from_video.metrics == evaluate(pair_videos(tmp_path / "frames", real), NATIVE).metrics


def test_progress_hears_every_frame(folders):
    heard = []
    evaluate(pair_videos(*folders), NATIVE, on_frames=heard.append)
    assert sum(heard) == 14


def test_the_unified_standard_is_the_default(folders):
    assert EvaluationSettings().size == (512, 512)
    small = _scores(folders, size=(16, 16))
    assert small.metrics["l1"] != _scores(folders).metrics["l1"]


def test_metrics_that_are_not_asked_for_are_not_there(folders):
    assert set(_scores(folders, metrics=("psnr",)).metrics) == {"psnr"}
    assert _scores(folders, metrics=("psnr",)).metrics["psnr"] == _scores(folders).metrics["psnr"]


def test_frames_under_the_window_of_ssim(folders):
    with pytest.raises(InputError, match=r"real.[ab]: frames of 8x8 are smaller than SSIM's 11x11"):
        _scores(folders, size=(8, 8))
    assert _scores(folders, size=(8, 8), metrics=("l1",)).metrics["l1"] > 0


def test_one_bad_video_stops_the_others(folders, tmp_path):
    (tmp_path / "generated").mkdir()
    for name in ("a", "b"):
        (tmp_path / "generated" / name).symlink_to(folders[0] / name)
    (tmp_path / "generated" / "b").unlink()
    write_video(clip(5), tmp_path / "generated" / "b", 25)
    (tmp_path / "generated" / "b" / "frame_000004.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"b.frame_000004.png: not a picture"):
        _scores((tmp_path / "generated", folders[1]), workers=1)


def test_json_of_one_method_and_of_several(folders):
    scores = _scores(folders)
    one = result_values({"mine": scores}, NATIVE)
    assert (one["protocol"], one["size"], one["frames"], one["videos"]) == ("correct", None, 14, 2)
    assert one["metrics"]["psnr"] == scores.metrics["psnr"]
    assert one["by_video"]["b"]["frames"] == 5
    assert one["weights"] == one["skipped"] == {}
    assert set(one["intervals"]["ssim"]) <= set(one["by_video"][v]["ssim"] for v in "ab")
    several = result_values({"mine": scores, "real": _scores((folders[1], folders[1]))}, NATIVE)
    assert several["methods"]["mine"] == one
    assert several["methods"]["real"]["metrics"]["psnr"] == "inf"
    assert several["frames"] == 14
    json.dumps(several, allow_nan=False)


def _method(distances=None, **values) -> MethodScores:
    totals = {name: FrameTotals.mean_of(np.array([value])) for name, value in values.items()}
    return MethodScores((VideoScores("v", 1, totals),), distances or {})


def test_best_is_bold_and_second_best_underlined_by_the_columns_own_direction():
    methods = {
        "A": _method({"fid": 20.0}, ssim=0.7001, psnr=30.0),
        "B": _method({"fid": 10.0}, ssim=0.7004, psnr=math.nan),
        "C": _method(ssim=0.6, psnr=20.0),
    }
    table = scores_table(methods, "correct", (512, 512))
    lines = markdown(table).splitlines()
    assert lines[0] == "| Method | FID↓ | SSIM↑ | PSNR↑ |"
    # As printed, A and B are equal: both are best, and C is second.
    assert lines[2] == "| A | <u>20.00</u> | **0.700** | **30.00** |"
    assert lines[3] == "| B | **10.00** | **0.700** | - |"
    assert lines[4] == "| C | - | <u>0.600</u> | <u>20.00</u> |"
    text = latex(table)
    assert r"A & \underline{20.00} & \textbf{0.700} & \textbf{30.00} \\" in text
    assert r"FID$\downarrow$" in text
    assert text.endswith("\\end{tabular}")


def test_a_single_method_is_not_called_best():
    assert "**" not in markdown(scores_table({"A": _method(ssim=0.7)}, "correct", None))


def test_names_do_not_break_tables():
    methods = {"my_model|50%": _method(ssim=0.7)}
    table = scores_table(methods, "correct", None)
    assert "| my_model/50% |" in markdown(table)
    assert r"my\_model|50\% &" in latex(table)


def test_the_papers_tables_are_what_it_prints(shared):
    """Every row of tables 1 to 4 of the paper's text, figure by figure."""
    text = (shared / "paper.txt").read_text(encoding="utf-8")
    for number in PAPER_TABLES:
        begin = text.index(f"Table {number}: ")
        printed = text[begin : text.index("![Image" if number != "1" else "\nTable 2", begin)]
        rows = [
            line for line in printed.splitlines() if line.count(".") > 4 and "Method" not in line
        ]
        table = scores_table({"A": _method(ssim=0.5)}, "field", (512, 512), number)
        assert len(table.rows) == len(rows) + 1
        for row, line in zip(table.rows, rows, strict=False):
            cells = line.split(")")[-1].replace("†", "† ").replace("*", "* ").split()
            _same_figures(row, line, cells)


def _same_figures(row: Row, line: str, cells: list[str]) -> None:
    columns = ("fid", "ssim", "psnr", "lpips", "l1", "fid_vid", "fvd")
    if "--" in line:  # AnimateAnyone: three figures are missing, run together in the text.
        assert [row.metrics.get(c) for c in columns] == [
            None,
            0.718,
            29.56,
            0.285,
            None,
            None,
            171.9,
        ]
        return
    figures = [float(cell) for cell in cells[-7:]]
    assert [row.metrics[c] for c in columns] == figures, line
    assert line.startswith(row.method.removesuffix(" (paper)")[:8].replace("w/o ", "w/o. ")), line


def test_beside_the_papers_rows_only_comparable_ones_compete():
    methods = {"A": _method(ssim=0.99, l1=1e-6), "B": _method(ssim=0.98, l1=2e-6)}
    table = scores_table(methods, "correct", (512, 512), "1")
    assert [table.place(row, "ssim") for row in table.rows[-3:]] == [None, 1, 2]
    assert "do not compete" in markdown(table)
    table = scores_table(methods, "field", (512, 512), "1")
    best = {row.method: table.place(row, "fvd") for row in table.rows}
    assert (best["Ours (paper)"], best["Ours* (paper)"]) == (1, 2)
    # Table 1 mixes sizes in L1: the paper's rows are out of it, the user's are not.
    assert [table.place(row, "l1") for row in table.rows[-3:]] == [None, 1, 2]
    assert "mixes sizes" in markdown(table)
    assert "wrapped" in markdown(table)


def test_every_column_has_a_direction():
    row = Row("A", {name: 1.0 for name in COLUMNS})
    worse = Row("B", {n: 2.0 if c.better == "lower" else 0.5 for n, c in COLUMNS.items()})
    table = Table((row, worse))
    assert all(table.place(row, name) == 1 for name in COLUMNS)


def test_a_row_a_video_in_full_precision(folders):
    file = io.StringIO()
    csv.writer(file).writerows(csv_rows({"mine": _scores(folders)}))
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [(row["method"], row["video"], row["frames"]) for row in rows] == [
        ("mine", "a", "9"),
        ("mine", "b", "5"),
    ]
    total = sum(float(row["ssim"]) * int(row["frames"]) for row in rows) / 14
    assert total == pytest.approx(_scores(folders).metrics["ssim"], rel=1e-12)
