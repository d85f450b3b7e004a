"""`posecast studio`: the web page, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from posecast.cli.options import PATH, TEXT
from posecast.errors import InputError


@click.command()
@click.argument("files", metavar="[FILES]...", type=PATH, nargs=-1)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port (default: the first free one from 8421)."
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option(
    "--folder", type=PATH, help="Where projects are kept (default: posecast-studio at home)."
)
@click.option(
    "--model", type=TEXT, multiple=True, help="A model folder or hub id to offer beside the two."
)
def studio(
    files: tuple[Path, ...],
    port: int | None,
    no_browser: bool,
    folder: Path | None,
    model: tuple[str, ...],
) -> None:
    """Cast, see and animate in the browser: a page of this machine for this machine alone.

    FILES are opened in a new project: a picture, and videos or pose files to move it by. The
    address holds a token; without it the page does nothing. Nothing leaves the machine.
    """
    try:
        from posecast.studio.launch import home_folder, serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise InputError(f"the studio needs {error.name}: pip install 'posecast[studio]'") from None
    home = home_folder() if folder is None else folder
    serve(home, port, not no_browser, files, click.echo, model)
