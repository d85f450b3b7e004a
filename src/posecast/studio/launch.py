"""`posecast studio`: starts the server on this machine, and the browser."""

from __future__ import annotations

import logging
import socket
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from posecast.errors import InputError
from posecast.studio.access import Door
from posecast.studio.server import create_app
from posecast.studio.service import Studio
from posecast.studio.work import Lanes, Limits

HOST = "127.0.0.1"
PORT = 8421
_TRIES = 20


def home_folder() -> Path:
    """The default folder of projects."""
    return Path.home() / "posecast-studio"


def listening(port: int | None) -> socket.socket:
    """A listening socket on this machine: at `port`, else at the first free port from `PORT` on.

    Raises:
        InputError: the port is taken.
    """
    for number in [port] if port is not None else [*range(PORT, PORT + _TRIES), 0]:
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((HOST, number))
            server.listen(128)  # a browser that opens the address at once waits until it is served
            return server
        except OSError:
            server.close()
    raise InputError(f"`port={port}`: is in use; expected a free port, or leave it out")


def serve(
    home: Path,
    port: int | None,
    browser: bool,
    files: Sequence[Path],
    say: Callable[[str], None],
    models: Sequence[str] = (),
) -> None:
    """Serve until interrupted. `say` is called with the address, on one line.

    Raises:
        InputError: the port is taken, another studio uses the folder, or a file cannot be read.
    """
    from posecast.studio.opening import opened

    server = listening(port)
    lanes = Lanes.begin()
    try:
        studio = Studio(home, lanes, Limits(models=("cutout", "embedded", *models)))
    except Exception:
        lanes.close()
        server.close()
        raise
    door = Door.at(server.getsockname()[1], home / "token")
    try:
        project = opened(studio, files)
        address = door.address + (f"&project={project.id}" if project is not None else "")
        lanes.quick.warm()
        say(address)
        if browser:
            threading.Timer(0.3, webbrowser.open, [address]).start()
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(
            create_app(lambda request: studio, door),
            access_log=False,
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[server])
    finally:
        lanes.close()
        studio.close()
        server.close()
