"""`posecast benchmark`: score a model where the truth is known, and on published clips."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecast.benches.contestants import PipelineModel, contestants, cutout_contestants
from posecast.cli.ablation import ablation
from posecast.cli.claims import claims
from posecast.cli.cutout import CUTOUT, NETWORKS_ONLY, check_given
from posecast.cli.networks import names_in
from posecast.cli.options import DEVICE, GUIDANCE, PATH, STEPS, TEXT
from posecast.cli.outputs import claim, say
from posecast.cli.published_benches import published_benches
from posecast.errors import InputError, counted

if TYPE_CHECKING:
    from posecast.benches.stage_run import BenchResult, Contestants, LongRun

LONG_FRAMES = 200
DEFAULT_STEPS = 10


@click.group(commands=[ablation, claims, *published_benches()])
def benchmark() -> None:
    """Score a model on clips with known truth, and on published clips."""


@benchmark.command()
@click.option(
    "--model",
    type=TEXT,
    default="embedded",
    show_default=True,
    help="cutout, the name of a model in the package, or a model folder.",
)
@click.option(
    "--set", "bench", type=click.Choice(["1", "2"]), default="1", show_default=True,
    help="stage-bench/1: 2 and 3 characters, still camera; /2: 1 to 4, still and moving.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Use the first 8 clips only, and no long clip.")
@click.option("--clips", type=click.IntRange(1, 10_000), help="Number of clips (default: 24).")
@click.option(
    "--steps", type=STEPS, default=DEFAULT_STEPS, show_default=True,
    help="Denoising steps.",
)  # fmt: skip
@click.option(
    "--guidance", type=GUIDANCE, help="Guidance scale (default: as stored with the model)."
)
@click.option(
    "--without",
    type=TEXT,
    metavar="NAMES",
    help="Conditions to leave out, such as flow,depth,reference-pose.",
)
@click.option(
    "--long",
    "long_frames",
    type=click.IntRange(0, 10**5),
    help="Length of the long clip in frames; 0 leaves it out.",
)
@click.option("--json", "json_file", type=PATH, help="Write all figures to this file.")
@click.option("--contact-sheet", type=PATH, help="Write a picture of all clips to this .png file.")
@click.option(
    "--device", type=DEVICE, help="cpu, cuda, cuda:1 or mps (default: the fastest available)."
)
@click.option("--dtype", type=click.Choice(["float32", "float16", "bfloat16"]))
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.pass_context
def stage(
    context: click.Context,
    model: str,
    json_file: Path | None,
    contact_sheet: Path | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Score a model on held-out procedural clips, beside baselines.

    The clips are fixed: two or three overlapping characters, with a reference that shows them
    elsewhere. Baselines: the still reference, the model without its ReferenceNet, its autoencoder
    alone, an inverted depth order, swapped drivers, and frames made independently.
    docs/evaluation.md defines the scores.
    """
    from posecast.benches.stage_report import table
    from posecast.cli.launch import load_pipeline

    _check_outputs(json_file, contact_sheet, model)
    begin = time.monotonic()
    settings = _settings(model, options)
    if model == CUTOUT:
        check_given(context, (*NETWORKS_ONLY, "--long"))
        settings = {name: settings[name] for name in ("model", "bench", "clips")}
        result, long_run = _run(cutout_contestants(), settings, None, quiet)
        in_words = "the picture's own pixels, mended at this size"
    else:
        pipe = load_pipeline(model, options["device"], options["dtype"])
        if settings["guidance"] is None:
            settings["guidance"] = pipe.animator.config.guidance_scale
        window = pipe.animator.config.window
        generate = PipelineModel(
            pipe,
            settings["steps"],
            settings["guidance"],
            settings["without"],
            window,
            _stride(window),
        )
        borders = _borders(settings["long_frames"], window)
        result, long_run = _run(contestants(pipe, generate), settings, borders, quiet)
        in_words = _in_words(settings)
    say(f"{model}: {in_words}", json_file)
    say(table(result, long_run), json_file)
    _write(result, long_run, settings, json_file, contact_sheet)
    if not quiet:
        click.echo(f"posecast: {time.monotonic() - begin:.0f} s", err=True)


def _run(
    entrants: Contestants, settings: dict[str, Any], borders: list[int] | None, quiet: bool
) -> tuple[BenchResult, LongRun | None]:
    from tqdm import tqdm

    from posecast.benches.stage import BENCH_SETS, bench_clips, long_clip
    from posecast.benches.stage_run import run_bench, run_long

    bench = BENCH_SETS[settings["bench"]]
    frames = 0 if borders is None else settings["long_frames"]
    total = settings["clips"] * len(entrants.runs()) + (1 if frames else 0)
    # disable=None: shown only if standard error is a terminal.
    with tqdm(total=total, unit="run", disable=True if quiet else None, dynamic_ncols=True) as bar:

        def on_run(name: str) -> None:
            bar.set_postfix_str(name, refresh=False)
            bar.update()

        result = run_bench(
            bench_clips(settings["clips"], bench=bench), entrants, on_run, bench.version
        )
        long_run = None
        if frames and borders is not None:
            long_run = run_long(long_clip(frames=frames), entrants.model, borders)
            on_run("long clip")
    return result, long_run


def _stride(window: int) -> int:
    return max(1, window // 2)


def _borders(frames: int, window: int) -> list[int]:
    """Frames of the long clip at which windows begin or end.

    Raises:
        InputError: there is none, or there are only such frames.
    """
    from posecast.diffusion.windows import window_starts
    from posecast.metrics.stability import window_borders

    if not frames:
        return []
    borders = window_borders(window_starts(frames, window, _stride(window)), window, frames)
    if not 0 < len(borders) < frames - 1:
        raise InputError(
            f"--long {frames}: the model's windows of {window} frames leave no borders to compare "
            "with other frames; choose another length, or 0 for none"
        )
    return borders


def _settings(model: str, options: dict[str, Any]) -> dict[str, Any]:
    from posecast.benches.stage import FULL_CLIPS, QUICK_CLIPS
    from posecast.pipeline.switches import switched_off

    quick = options["quick"]
    long_frames = options["long_frames"]
    if long_frames is None:
        long_frames = 0 if quick else LONG_FRAMES
    return {
        "model": model,
        "bench": options["bench"],
        "clips": options["clips"] or (QUICK_CLIPS if quick else FULL_CLIPS),
        "steps": options["steps"],
        "guidance": options["guidance"],
        "without": tuple(sorted(switched_off(names_in(options["without"])))),
        "long_frames": long_frames,
    }


def _in_words(settings: dict[str, Any]) -> str:
    without = ", ".join(settings["without"])
    return (
        f"{counted(settings['steps'], 'step')}, guidance {settings['guidance']:g}"
        f"{f', without {without}' if without else ''}"
    )


def _check_outputs(json_file: Path | None, contact_sheet: Path | None, model: str) -> None:
    """Refuse a missing model and invalid output paths before computing.

    Raises:
        InputError: no place for a file, a picture that is no PNG, or no such model.
    """
    from posecast.media.outputs import check_file, check_text_file
    from posecast.models.model_files import check_model

    if contact_sheet is not None and contact_sheet.suffix.lower() != ".png":
        raise InputError(f"--contact-sheet {contact_sheet}: expected a name that ends in .png")
    if model != CUTOUT:
        check_model(model)
    if json_file is not None:
        check_text_file(json_file, Path(model).glob("**/*.json"))
    if contact_sheet is not None:
        check_file(contact_sheet)
    claim(json_file, contact_sheet)


def _write(
    result: BenchResult,
    long_run: LongRun | None,
    settings: dict[str, Any],
    json_file: Path | None,
    contact_sheet: Path | None,
) -> None:
    from posecast.benches import stage_report
    from posecast.media.atomic import write_text
    from posecast.media.images import write_image

    if json_file is not None:
        figures = {"settings": settings, **stage_report.figures(result, long_run)}
        write_text(json_file, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    if contact_sheet is not None:
        write_image(stage_report.contact_sheet(result), contact_sheet)
