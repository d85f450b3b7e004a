"""`posecast publish`: a model folder and its card, to the hub."""

from __future__ import annotations

from pathlib import Path

import click

from posecast.cli.options import PATH, TEXT


@click.command()
@click.argument("model", type=PATH)
@click.argument("repo", type=TEXT, metavar="OWNER/NAME")
@click.option("--licence", type=TEXT, required=True, help="As the hub names it: apache-2.0, ...")
@click.option(
    "--picture", "pictures", type=PATH, multiple=True, help="To show in the card; may be repeated."
)
@click.option("--private", is_flag=True, help="Where the repository is made.")
@click.option("--card", is_flag=True, help="Print the card and publish nothing.")
def publish(
    model: Path, repo: str, licence: str, pictures: tuple[Path, ...], private: bool, card: bool
) -> None:
    """Put a model folder on huggingface.co, with a card that says what it is and how it is used.

    Log in before with `hf auth login`. Only the model's own files go there.
    """
    from posecast.models.publishing import check_publishable

    files = check_publishable(model, repo, pictures)
    from posecast.models.card import model_card

    if card:
        click.echo(model_card(model, repo, licence, pictures), nl=False)
        return
    from posecast.models.publishing import publish as put

    size = sum(path.stat().st_size for path in files.values())
    where = put(model, repo, licence, pictures, private)
    click.echo(f"{where}: {len(files)} files, {size / 1e6:.1f} MB, and a card")
