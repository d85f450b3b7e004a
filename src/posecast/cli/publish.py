"""`posecast publish`: a model folder and its card, to the hub."""

from __future__ import annotations

from pathlib import Path

import click

from posecast.cli.options import PATH, TEXT


@click.command()
@click.argument("model", type=PATH)
@click.argument("repo", type=TEXT, metavar="OWNER/NAME")
@click.option(
    "--licence",
    type=TEXT,
    required=True,
    help="Licence by the hub's name for it, such as apache-2.0.",
)
@click.option(
    "--picture",
    "pictures",
    type=PATH,
    multiple=True,
    help="Picture to show in the model card; may be repeated.",
)
@click.option("--private", is_flag=True, help="Create the repository as a private one.")
@click.option("--card", is_flag=True, help="Print the model card without uploading anything.")
def publish(
    model: Path, repo: str, licence: str, pictures: tuple[Path, ...], private: bool, card: bool
) -> None:
    """Upload a model folder to huggingface.co, with a model card.

    Log in first with `hf auth login`. Only the files of the model are uploaded.
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
