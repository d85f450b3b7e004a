"""`posecast studio`: the web page, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from posecast.cli.options import PATH, TEXT
from posecast.errors import InputError


@click.command()
@click.argument("files", metavar="[FILES]...", type=PATH, nargs=-1)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port (default: the first free port from 8421 on).",
)
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@click.option(
    "--folder", type=PATH, help="Folder for projects (default: posecast-studio in the home folder)."
)
@click.option(
    "--model",
    type=TEXT,
    multiple=True,
    help="A model folder or hub id to offer beside cutout and embedded.",
)
def studio(
    files: tuple[Path, ...],
    port: int | None,
    no_browser: bool,
    folder: Path | None,
    model: tuple[str, ...],
) -> None:
    """Edit the cast, preview and animate in the browser, on this machine.

    FILES are opened in a new project: a picture, and the videos or pose files that drive it. The
    server listens on this machine only, and the address holds an access token. Nothing is uploaded
    anywhere.
    """
    try:
        from posecast.studio.launch import home_folder, serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise InputError(f"the studio needs {error.name}: pip install 'posecast[studio]'") from None
    home = home_folder() if folder is None else folder
    serve(home, port, not no_browser, files, click.echo, model)
