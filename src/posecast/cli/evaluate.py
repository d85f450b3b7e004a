"""`posecast evaluate`: score generated videos against the real ones."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from posecast.cli.options import DEVICE, PATH, SIZE, TEXT, WORKERS, existing, note
from posecast.cli.outputs import claim, say
from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.metrics.evaluate import MethodScores
    from posecast.metrics.folders import VideoPair
    from posecast.metrics.settings import EvaluationSettings


Found: TypeAlias = "dict[str | None, dict[str, MethodScores]]"
"""Scores by standard (None: the only one), then by method."""
_READ = ("poses", "references", "estimated_poses", "masks", "generated_masks", "weights")
_WRITTEN = ("json_file", "per_video")


class SizeOrNative(click.ParamType):
    """HEIGHTxWIDTH, or `native` for frames as they are."""

    name = "HxW|native"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | str:
        """Height and width, or "native"."""
        return "native" if str(value).lower() == "native" else SIZE.convert(value, param, ctx)


@click.command()
@click.option(
    "--generated", "generated", type=TEXT, metavar="[NAME=]DIR", required=True, multiple=True,
    help="Folder of generated videos or frame folders. Repeat the option to compare several "
         "methods.",
)  # fmt: skip
@click.option(
    "--real", type=PATH, required=True, help="Folder of the real videos, under the same names."
)
@click.option("--json", "json_file", type=PATH, help="Write all scores to this file.")
@click.option("--per-video", type=PATH, help="Write the scores of each video to this .csv file.")
@click.option(
    "--metrics",
    type=TEXT,
    metavar="NAMES",
    help="Metrics to compute, such as l1,psnr,ssim (default: all).",
)
@click.option(
    "--protocol", type=click.Choice(["correct", "field"]), default="correct", show_default=True,
    help="correct: metrics as they are defined; field: as published tables computed them.",
)  # fmt: skip
@click.option(
    "--size", type=SizeOrNative(), default="512x512", show_default=True,
    help="Size to which frames are centre-cropped and resized; native keeps their own size.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["markdown", "latex", "leaderboard", "json"]),
    default="markdown", show_default=True,
    help="Format of the printed scores; leaderboard rows state protocol, size, weights and "
         "version.",
)  # fmt: skip
@click.option(
    "--paper-table", type=click.Choice(["1", "2", "3", "4"]),
    help="Also print the rows of this table of the paper.",
)  # fmt: skip
@click.option(
    "--standards", type=click.Choice(["7", "8"]),
    help="Score under each inference standard of this table of the paper, instead of one --size.",
)  # fmt: skip
@click.option("--overlays", type=PATH, help="Write a picture (.png) with six frames of each video "
                                            "overlaid, for the real videos and each "
                                            "method.")  # fmt: skip
@click.option(
    "--poses",
    type=PATH,
    help="Folder of pose files named like the videos; adds the character metrics.",
)
@click.option(
    "--references",
    type=PATH,
    help="Folder with a reference picture and its poses for each video, named like it.",
)
@click.option(
    "--estimated-poses", type=PATH, help="Folder of poses estimated from the generated videos."
)
@click.option(
    "--masks",
    type=PATH,
    help="Folder of masks of the real videos (a folder of images of ids for each); adds the mask "
    "metrics.",
)
@click.option(
    "--generated-masks", type=PATH, help="The same for the generated videos; adds IDF1 and HOTA."
)
@click.option(
    "--report",
    type=PATH,
    help="Write an HTML page with tables and side-by-side videos to this folder.",
)
@click.option(
    "--weights",
    type=PATH,
    help="Folder with the weights of the metric networks (default: the cache).",
)
@click.option(
    "--download", is_flag=True, help="Download missing weights that have a public address."
)
@click.option(
    "--device",
    type=DEVICE,
    help="Device for the networks: cpu, cuda, cuda:1 or mps (default: the fastest available).",
)
@click.option("--workers", type=WORKERS, help="Number of threads (default: one per core).")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def evaluate(generated: tuple[str, ...], real: Path, **options: Any) -> None:
    """Score generated videos against real ones.

    Videos are paired by name; a video without a partner, or of another length, is an error. Prints
    a table in the layout of the paper's tables. docs/evaluation.md defines every score.
    """
    from posecast.metrics.folders import pair_videos

    folders = named_folders(generated)
    inputs = [real, *folders.values(), *(options[name] for name in _READ)]
    existing(inputs)
    _check_options(options, len(folders), inputs)
    standards = _standards(_settings(options), options["standards"])
    pairs = {name: pair_videos(folder, real) for name, folder in folders.items()}
    found = _run(pairs, standards, options)
    _print(found, standards, options)
    _write(found, standards, options)
    if options["overlays"] is not None:
        _write_overlays(pairs, options)
    if options["report"] is not None:
        from posecast.metrics.report_page import write_page

        write_page(pairs, found[None], standards[None], options["report"])


def named_folders(texts: Sequence[str]) -> dict[str, Path]:
    """Methods by name, from ``NAME=DIR`` or ``DIR`` (named as the folder).

    Raises:
        InputError: two methods of one name.
    """
    folders: dict[str, Path] = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not name or Path(text).exists():
            name, folder = Path(text).resolve().name, text
        if name in folders:
            raise InputError(
                f"--generated {text}: a second method named {name!r}; give each a name, as NAME=DIR"
            )
        folders[name] = Path(folder)
    return folders


def _check_options(options: dict[str, Any], methods: int, inputs: list[Path | None]) -> None:
    """Check all options before hours of computing."""
    from posecast.media.outputs import check_file, check_text_file

    for option in ("references", "estimated_poses"):
        if options[option] is not None and options["poses"] is None:
            raise InputError(f"--{option.replace('_', '-')} needs --poses as well")
    if options["generated_masks"] is not None and options["masks"] is None:
        raise InputError("--generated-masks needs --masks as well")
    for option in ("estimated_poses", "generated_masks"):
        if options[option] is not None and methods > 1:
            name = option.replace("_", "-")
            raise InputError(f"--{name} belong to one method; expected one --generated")
    if options["standards"] is not None:
        _check_standards(options)
    for option in _WRITTEN:
        if options[option] is not None:
            check_text_file(options[option], inputs)
    if options["overlays"] is not None:
        check_file(options["overlays"], inputs, (".png",))
    if options["report"] is not None:
        from posecast.media.outputs import check_folder
        from posecast.metrics.report_page import FILES

        check_folder(options["report"], FILES, inputs)
    claim(*(options[option] for option in (*_WRITTEN, "overlays", "report")))


def _check_standards(options: dict[str, Any]) -> None:
    """Refuse options that do not go with `--standards`."""
    for option in ("poses", "paper_table", "masks", "report"):
        if options[option] is not None:
            name = option.replace("_", "-")
            raise InputError(f"--{name} is for the unified standard; leave out --standards")
    if options["form"] == "leaderboard":
        raise InputError("--format leaderboard is for one standard; leave out --standards")
    if options["size"] != (512, 512):
        raise InputError("--standards set the sizes; leave out --size")


def _standards(
    settings: EvaluationSettings, table: str | None
) -> dict[str | None, EvaluationSettings]:
    """The settings of each standard by its name; without a table the one there is, under None."""
    from posecast.metrics.standards import STANDARDS

    if table is None:
        return {None: settings}
    return {standard.name: standard.of(settings) for standard in STANDARDS[table]}


def _settings(options: dict[str, Any]) -> EvaluationSettings:
    from posecast.metrics.mask_files import MaskFolders
    from posecast.metrics.settings import METRICS, EvaluationSettings
    from posecast.metrics.video_cast import CastFolders

    metrics = METRICS
    if options["metrics"] is not None:
        metrics = tuple(name.strip() for name in options["metrics"].split(",") if name.strip())
        unknown = [name for name in metrics if name not in METRICS]
        if unknown or not metrics:
            raise InputError(
                f"--metrics {options['metrics']}: {', '.join(unknown) or 'none'}; expected some of "
                f"{','.join(METRICS)}"
            )
    cast = None
    if options["poses"] is not None:
        cast = CastFolders(options["poses"], options["references"], options["estimated_poses"])
    masks = None
    if options["masks"] is not None:
        masks = MaskFolders(options["masks"], options["generated_masks"])
    return EvaluationSettings(
        metrics=metrics,
        protocol=options["protocol"],
        size=None if options["size"] == "native" else options["size"],
        cast=cast,
        masks=masks,
        workers=options["workers"],
    )


def _run(
    pairs: Mapping[str, Sequence[VideoPair]],
    standards: Mapping[str | None, EvaluationSettings],
    options: dict[str, Any],
) -> Found:
    from tqdm import tqdm

    from posecast.metrics.evaluate import evaluate as score
    from posecast.metrics.network_metrics import network_metrics

    settings = next(iter(standards.values()))
    networks = network_metrics(settings, options["weights"], options["device"], options["download"])
    missing = {} if networks is None else networks.skipped
    extra = settings.cast is not None or settings.masks is not None
    _check_scored(extra or not set(settings.metrics) <= set(missing), missing)
    if missing:
        note([f"{', '.join(missing)}: no weights; {_GET_WEIGHTS}"], options["quiet"])
    passes = 1 + (networks is not None and networks.any_loaded)
    passes *= len(standards)
    total = passes * sum(pair.num_frames for method in pairs.values() for pair in method)
    # disable=None: shown only if standard error is a terminal.
    quiet = True if options["quiet"] else None
    with tqdm(total=total, unit="frame", disable=quiet, dynamic_ncols=True) as bar:
        found: Found = {}
        for standard, settings in standards.items():
            found[standard] = {}
            for name, videos in pairs.items():
                bar.set_postfix_str(name, refresh=False)
                found[standard][name] = score(videos, settings, networks, on_frames=bar.update)
    methods = [method for methods in found.values() for method in methods.values()]
    scores = [score for method in methods for score in method.metrics.values()]
    reasons = {name: why for method in methods for name, why in method.skipped.items()}
    _check_scored(not all(map(math.isnan, scores)), reasons, bool(missing))
    return found


_GET_WEIGHTS = (
    "--download fetches those that a program may fetch, --weights FOLDER names a folder with them"
)


def _check_scored(scored: bool, skipped: Mapping[str, str], get_weights: bool = True) -> None:
    """Fail if no metric was scored.

    Raises:
        InputError: nothing that was asked for is `scored`; it says why.
    """
    if not scored:
        reasons = [f"{name}: {why}" for name, why in skipped.items()]
        way = [_GET_WEIGHTS] if reasons and get_weights else []
        why = "; ".join([*reasons, *way]) or "no frame could be judged"
        raise InputError(f"none of the requested metrics could be scored: {why}")


def _print(
    found: Found, standards: Mapping[str | None, EvaluationSettings], options: dict[str, Any]
) -> None:
    from posecast.metrics import tables

    written = [options[option] for option in _WRITTEN]
    if options["form"] == "json":
        say(_json_text(_values(found, standards)).rstrip("\n"), *written)
        return
    protocol, number = options["protocol"], options["standards"]
    if number is not None:
        table = tables.standards_table(_by_row(found), protocol, number)
    else:
        size = standards[None].size
        if options["form"] == "leaderboard":
            say(tables.leaderboard(found[None], protocol, size), *written)
            return
        table = tables.scores_table(found[None], protocol, size, options["paper_table"])
    say({"markdown": tables.markdown, "latex": tables.latex}[options["form"]](table), *written)


def _write(
    found: Found, standards: Mapping[str | None, EvaluationSettings], options: dict[str, Any]
) -> None:
    from posecast.media.atomic import write_text
    from posecast.metrics.tables import csv_rows

    if options["json_file"] is not None:
        write_text(options["json_file"], _json_text(_values(found, standards)))
    if options["per_video"] is not None:
        rows = io.StringIO(newline="")
        csv.writer(rows, lineterminator="\n").writerows(csv_rows(_by_row(found)))
        write_text(options["per_video"], rows.getvalue())


def _write_overlays(pairs: Mapping[str, Sequence[VideoPair]], options: dict[str, Any]) -> None:
    from posecast.media.images import write_image
    from posecast.metrics.settings import UNIFIED_SIZE
    from posecast.metrics.sheets import overlay_sheet

    size = UNIFIED_SIZE if options["size"] == "native" else options["size"]  # cells are of one size
    write_image(overlay_sheet(pairs, size), options["overlays"])


def _by_row(found: Found) -> dict[str, MethodScores]:
    """Scores by row name: the method, with the standard if there are several."""
    return {
        name if standard is None else f"{name}: {standard}": scores
        for standard, methods in found.items()
        for name, scores in methods.items()
    }


def _values(found: Found, standards: Mapping[str | None, EvaluationSettings]) -> dict[str, Any]:
    from posecast.metrics.results import result_values

    if None in found:
        return result_values(found[None], standards[None])
    each = {str(name): result_values(found[name], standards[name]) for name in found}
    return {"standards": each}


def _json_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
