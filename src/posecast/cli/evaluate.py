"""`posecast evaluate`: score generated videos against the real ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.cli.options import PATH, SIZE, existing
from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.evaluation.evaluate import EvaluationSettings, MethodScores
    from posecast.evaluation.folders import VideoPair


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
    "--generated", "generated", metavar="[NAME=]DIR", required=True, multiple=True,
    help="Videos or folders of frames. Give it again for each further method.",
)  # fmt: skip
@click.option("--real", type=PATH, required=True, help="The real ones, under the same names.")
@click.option("--json", "json_file", type=PATH, help="Write all scores here.")
@click.option("--per-video", type=PATH, help="Write the scores of each video here (.csv).")
@click.option("--metrics", metavar="NAMES", help="Only these, such as l1,psnr,ssim.")
@click.option(
    "--protocol", type=click.Choice(["correct", "field"]), default="correct", show_default=True,
    help="correct: as defined; field: as published tables were computed.",
)  # fmt: skip
@click.option(
    "--size", type=SizeOrNative(), default="512x512", show_default=True,
    help="Frames are centre-cropped and resized to this; native leaves them alone.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["markdown", "latex", "json"]), default="markdown",
    show_default=True, help="What is printed.",
)  # fmt: skip
@click.option(
    "--paper-table", type=click.Choice(["1", "2", "3", "4"]),
    help="Print the rows of this table of the paper beside yours.",
)  # fmt: skip
@click.option("--poses", type=PATH, help="Pose files named as the videos: adds character metrics.")
@click.option("--references", type=PATH, help="A picture and its poses for each video, so named.")
@click.option("--estimated-poses", type=PATH, help="Poses estimated from the generated videos.")
@click.option(
    "--weights", type=PATH, help="Folder with the networks' weights (default: where they are kept)."
)
@click.option("--download", is_flag=True, help="Fetch missing weights where that can be done.")
@click.option("--device", help="Of the networks: cpu, cuda, cuda:1, mps (default: the best).")
@click.option("--workers", type=click.IntRange(1), help="Threads (default: one a core).")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def evaluate(generated: tuple[str, ...], real: Path, **options: Any) -> None:
    """Score generated videos against the real ones.

    Videos pair up by name; one without a partner, or of another length, is an error. Prints a
    table in the form of the paper's. docs/evaluation.md defines every score.
    """
    from posecast.evaluation.folders import pair_videos

    folders = named_folders(generated)
    existing([real, *folders.values(), options["poses"], options["references"]])
    existing([options["estimated_poses"], options["weights"]])
    _check_options(options, len(folders))
    settings = _settings(options)
    pairs = {name: pair_videos(folder, real) for name, folder in folders.items()}
    methods = _run(pairs, settings, options)
    _print(methods, settings, options)
    _write(methods, settings, options)


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
                f"--generated {text}: a second method named {name!r}; give names as NAME=DIR"
            )
        folders[name] = Path(folder)
    return folders


def _check_options(options: dict[str, Any], methods: int) -> None:
    """Refuse what cannot work before hours of computing."""
    from posecast.media.atomic import check_place

    for option in ("references", "estimated_poses"):
        if options[option] is not None and options["poses"] is None:
            raise InputError(f"--{option.replace('_', '-')} needs --poses as well")
    if options["estimated_poses"] is not None and methods > 1:
        raise InputError("--estimated-poses are of one method: give one --generated")
    for option in ("json_file", "per_video"):
        path = options[option]
        if path is not None and check_place(path).is_dir():
            raise InputError(f"{path}: is a folder; expected a file to write")


def _settings(options: dict[str, Any]) -> EvaluationSettings:
    from posecast.evaluation.evaluate import METRICS, EvaluationSettings
    from posecast.evaluation.video_cast import CastFolders

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
    return EvaluationSettings(
        metrics=metrics,
        protocol=options["protocol"],
        size=None if options["size"] == "native" else options["size"],
        cast=cast,
        workers=options["workers"],
    )


def _run(
    pairs: Mapping[str, Sequence[VideoPair]],
    settings: EvaluationSettings,
    options: dict[str, Any],
) -> dict[str, MethodScores]:
    from tqdm import tqdm

    from posecast.evaluation.evaluate import evaluate as score
    from posecast.evaluation.network_metrics import network_metrics

    networks = network_metrics(settings, options["weights"], options["device"], options["download"])
    passes = 1 + (networks is not None and networks.any_loaded)
    total = passes * sum(pair.num_frames for method in pairs.values() for pair in method)
    # disable=None: only where standard error is a terminal.
    quiet = True if options["quiet"] else None
    with tqdm(total=total, unit="frame", disable=quiet, dynamic_ncols=True) as bar:
        methods = {}
        for name, videos in pairs.items():
            bar.set_postfix_str(name, refresh=False)
            methods[name] = score(videos, settings, networks, on_frames=bar.update)
    return methods


def _print(
    methods: Mapping[str, MethodScores], settings: EvaluationSettings, options: dict[str, Any]
) -> None:
    from posecast.evaluation import tables
    from posecast.evaluation.results import result_values

    if options["form"] == "json":
        click.echo(_json_text(result_values(methods, settings)), nl=False)
        return
    table = tables.scores_table(methods, settings.protocol, settings.size, options["paper_table"])
    click.echo({"markdown": tables.markdown, "latex": tables.latex}[options["form"]](table))


def _write(
    methods: Mapping[str, MethodScores], settings: EvaluationSettings, options: dict[str, Any]
) -> None:
    from posecast.evaluation.results import result_values
    from posecast.evaluation.tables import csv_rows
    from posecast.media.atomic import whole_file

    if options["json_file"] is not None:
        with whole_file(options["json_file"]) as part:
            part.write_text(_json_text(result_values(methods, settings)), "utf-8")
    if options["per_video"] is not None:
        with (
            whole_file(options["per_video"]) as part,
            part.open("w", encoding="utf-8", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows(csv_rows(methods))


def _json_text(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"
