"""`posecast benchmark claims`: what each of the paper's three guiders does for a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecast.cli.options import DEVICE, PATH, SHAKE, SIZE, STEPS, TEXT
from posecast.cli.outputs import claim, say
from posecast.errors import InputError

if TYPE_CHECKING:
    from posecast.models.animator import Animator
    from posecast.puppets import Places


@click.command()
@click.option(
    "--model", type=TEXT, required=True, help="Model folder, trained with guider dropout."
)
@click.option(
    "--retrained", type=TEXT,
    help="Model folder, trained in the same way but without a guider: one more row.",
)  # fmt: skip
@click.option("--size", type=SIZE, help="Height and width (default: the model's own).")
@click.option("--frames", type=click.IntRange(2, 24), default=8, show_default=True)
@click.option(
    "--shake", type=SHAKE, default=0.04, show_default=True,
    help="Mean displacement of shaking backgrounds from frame to frame, in frame heights.",
)  # fmt: skip
@click.option(
    "--places", type=click.Choice(["scenes", "cloth"]), default="scenes", show_default=True,
    help="Backgrounds that shake: rooms and landscapes, or smooth patches of colour.",
)  # fmt: skip
@click.option("--clips", type=click.IntRange(2, 10_000), default=24, show_default=True)
@click.option("--steps", type=STEPS, default=25, show_default=True, help="Denoising steps.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32), default=0, help="Seed of the starting noise."
)
@click.option("--json", "json_file", type=PATH, help="Write the figures of each clip to this file.")
@click.option("--device", type=DEVICE, help="cpu, cuda, cuda:1 (default: cuda if there is one).")
def claims(  # noqa: PLR0913  (an option each)
    model: str,
    retrained: str | None,
    size: tuple[int, int] | None,
    frames: int,
    shake: float,
    places: Places,
    clips: int,
    steps: int,
    seed: int,
    json_file: Path | None,
    device: str | None,
) -> None:
    """Score a model with and without flow, depth order and reference pose (docs/claims.md).

    Uses two sets of held-out clips: one person in front of a shaking background that should become
    still, and two or three people who overlap. Runs all combinations of the three guiders that the
    model has, from the same noise, and checks whether it follows a moving flow and an inverted
    order. A model without a flow or depth order guider skips that guider's clips. --retrained adds
    a model that never had one of them.
    """
    from posecast.media.outputs import check_text_file
    from posecast.models.model_files import check_model

    models = [model] if retrained is None else [model, retrained]
    for one in models:
        check_model(one)
    if json_file is not None:
        check_text_file(json_file, [file for one in models for file in Path(one).glob("**/*.json")])
    claim(json_file)
    from posecast.benches import claims as made  # slow: after the checks above
    from posecast.benches import claims_run
    from posecast.media.atomic import write_text

    animator, other = _loaded(model, retrained, device)
    asked = [name for name in claims_run.GUIDERS[:2] if name in animator.config.guiders]
    setup = claims_run.Setup(steps, seed)
    given = (clips, size or animator.config.size, frames)
    flow, order = {}, {}
    if "flow" in asked:
        shaking = made.flow_clips(*given, shake, places)
        flow = claims_run.run_flow(animator, shaking, setup, retrained=other)
    if "depth_order" in asked:
        order = claims_run.run_order(animator, made.order_clips(*given), setup, retrained=other)
    if json_file is not None:
        settings = {
            "model": model,
            "retrained": retrained,
            "clips": clips,
            "steps": steps,
            "seed": seed,
        }
        results = {**settings, "flow": flow, "order": order}
        write_text(json_file, json.dumps(results, indent=1) + "\n")
    say(claims_run.table(flow, order), json_file)


def _loaded(
    model: str, retrained: str | None, device: str | None
) -> tuple[Animator, Animator | None]:
    """Both models on their device; `InputError` where one cannot give the rows asked for."""
    import torch

    from posecast.benches import claims_run
    from posecast.models.folder import load_animator

    animator = load_animator(model)
    if not set(claims_run.GUIDERS[:2]) & set(animator.config.guiders):
        raise InputError(
            f"{model}: has no guider for flow or depth order; this benchmark needs both"
        )
    other = None if retrained is None else load_animator(retrained)
    if other is not None:
        try:
            claims_run.retrained_row(animator, other)
        except ValueError as error:
            raise InputError(f"--retrained {retrained}: {error}") from None
    for network in (animator, other):
        if network is not None:
            network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return animator, other
