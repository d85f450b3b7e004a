"""`posecast report`: what is in a dataset, as numbers and as a page."""

from __future__ import annotations

from pathlib import Path

import click

from posecast.cli.options import PATH, existing
from posecast.cli.outputs import claim
from posecast.errors import counted


@click.command()
@click.argument("dataset", type=PATH)
@click.option("-o", "--out", type=PATH, help="Output folder (default: report inside the dataset).")
def report(dataset: Path, out: Path | None) -> None:
    """Describe a dataset beside the paper's figures, and list the refused videos."""
    from posecast.data.report_page import PAGE, check_report_place, write_report

    existing([dataset])
    out = out or dataset / "report"
    check_report_place(out, dataset)
    if out.parent.exists():
        claim(out)
    content = write_report(dataset, out)
    flow, occlusion = content["background_flow_mean"], content["body_occlusion_rate"]
    counts = [counted(content[f"{name}s"], name) for name in ("video", "clip", "frame")]
    click.echo(", ".join(counts))
    if flow["share_below_1"] is not None:
        click.echo(f"background flow mean below 1 pixel a frame: {flow['share_below_1']:.1%}")
    shares = content["characters"]["shares"]
    click.echo("one, two, more characters: " + ", ".join(f"{s:.1%}" for s in shares.values()))
    if occlusion["quartiles"] is not None:
        quartiles = ", ".join(f"{q:.2f}" for q in occlusion["quartiles"])
        click.echo(f"body occlusion rate, quartiles: {quartiles}")
    if content["refused"]["videos"]:
        click.echo(f"refused: {counted(content['refused']['videos'], 'video')}")
    click.echo(out / PAGE)
