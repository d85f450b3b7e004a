"""The server: routes to methods of `Studio`, and the page's files."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from posecast.errors import InputError
from posecast.studio import clips
from posecast.studio.access import Entrance, Guard
from posecast.studio.cast_files import MASKS, PEOPLE, SHEET
from posecast.studio.document import is_word
from posecast.studio.pictures import MOST_MASK
from posecast.studio.projects import DONE, Project
from posecast.studio.service import Stale, Studio
from posecast.studio.uploads import receive
from posecast.studio.videos import write_files
from posecast.studio.wording import plainly

PAGE = Path(__file__).parent / "page"
MOST_JSON = 16 * 2**20
PREVIEW_SIDES = range(128, 1025)

Handler = Callable[[Request], Awaitable[Response]]


def create_app(find: Callable[[Request], Studio], door: Entrance) -> Starlette:
    """The application. `find` returns the studio for a request."""
    api = Api(find)
    app = Starlette(
        routes=[
            Route("/", functools.partial(_page, door=door)),
            Mount("/static", StaticFiles(directory=PAGE)),
            Mount("/api", routes=api.routes()),
        ],
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={InputError: _bad_input, Stale: _stale, OSError: _disk},
    )
    return app


async def _page(request: Request, door: Entrance) -> Response:
    return door.greet(request, FileResponse(PAGE / "index.html"))


async def _bad_input(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": plainly(str(error))}, 422)


async def _stale(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "another page has changed this project"}, 409)


async def _disk(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"the disk: {getattr(error, 'strerror', None) or error}"}, 507)


class Api:
    """The interface: one method per route; slow work runs in threads or workers."""

    def __init__(self, find: Callable[[Request], Studio]) -> None:
        self._find = find

    def routes(self) -> list[Route]:
        """All routes below `/api`."""
        of, result = "/projects/{project}", "/projects/{project}/results/{result}"
        driver = "/projects/{project}/drivers/{driver}"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/studio", self.about),
            ("POST", "/projects", self.new_project),
            ("GET", of, self.project),
            ("DELETE", of, self.delete_project),
            ("GET", f"{of}/events", self.events),
            ("PUT", f"{of}/document", self.save),
            ("PUT", f"{of}/picture", self.put_picture),
            ("GET", f"{of}/picture", self.picture),
            ("PUT", f"{of}/people", self.put_people),
            ("POST", f"{of}/people", self.find_people),
            ("POST", f"{of}/people/{{key:int}}/mask", self.find_mask),
            ("PUT", f"{of}/mask", self.put_mask),
            ("GET", f"{of}/masks/{{name}}", self.mask),
            ("POST", f"{of}/drivers", self.post_driver),
            ("POST", driver, self.find_driver),
            ("GET", f"{driver}/clip", self.driver_clip),
            ("GET", f"{driver}/tracks", self.driver_tracks),
            ("GET", f"{of}/preview", self.preview),
            ("POST", f"{of}/results", self.make),
            ("POST", f"{result}/go-on", self.go_on),
            ("DELETE", result, self.delete_result),
            ("GET", f"{result}/clip", self.result_clip),
            ("GET", f"{result}/video", self.video),
            ("GET", f"{result}/download", self.download),
            ("GET", f"{of}/files/{{name}}", self.file),
            ("GET", f"{of}/export", self.export),
            ("POST", f"{of}/stop/{{job}}", self.stop),
        ]
        return [Route(path, handler, methods=[method]) for method, path, handler in table]

    def _project(self, request: Request) -> tuple[Studio, Project]:
        studio = self._find(request)
        try:
            return studio, studio.open(request.path_params["project"])
        except InputError as error:
            raise HTTPException(404, str(error)) from error

    async def about(self, request: Request) -> Response:
        """Projects, models and limits, before a project is open."""
        return JSONResponse(await run_in_threadpool(self._find(request).about))

    async def new_project(self, request: Request) -> Response:
        """Create a project."""
        studio = self._find(request)
        project = await run_in_threadpool(studio.projects.new)
        studio.open(project.id)
        return JSONResponse(studio.shown(project), 201)

    async def project(self, request: Request) -> Response:
        """A project's state."""
        studio, project = self._project(request)
        return JSONResponse(studio.shown(project))

    async def delete_project(self, request: Request) -> Response:
        """Remove a project with all its files."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.delete, project)
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        """Server-sent events: the state, then all changes."""
        studio, project = self._project(request)

        def first() -> dict[str, Any]:
            return {"state": studio.shown(project), "jobs": studio.work.book(project).listed()}

        stream = studio.work.hub(project).listen(first)
        return StreamingResponse(stream, media_type="text/event-stream")

    async def save(self, request: Request) -> Response:
        """Save the document."""
        studio, project = self._project(request)
        tree = await _json(request)
        base = _number(request, "base")
        revision = await run_in_threadpool(studio.save, project, base, tree)
        return JSONResponse({"revision": revision})

    async def put_picture(self, request: Request) -> Response:
        """Receive a picture."""
        studio, project = self._project(request)
        name = request.query_params.get("name", "picture")[:200]
        path = await self._received(request, studio, project, name)
        await run_in_threadpool(studio.pictures.add, project, path, name)
        return JSONResponse({}, 201)

    async def picture(self, request: Request) -> Response:
        """The picture for the page: decoded, upright, as JPEG."""
        _, project = self._project(request)
        picture = project.state.picture
        if picture is None:
            raise HTTPException(404)
        side = min(4096, max(64, _number(request, "side", 1600)))
        data = await run_in_threadpool(_small, project.folder / picture.file, side)
        return Response(data, media_type="image/jpeg")

    async def put_people(self, request: Request) -> Response:
        """Receive a pose file with the people of the picture."""
        studio, project = self._project(request)
        name = request.query_params.get("name", "people.json")[:200]
        path = await self._received(request, studio, project, name)
        await run_in_threadpool(studio.pictures.find_people, project, path)
        return JSONResponse({}, 202)

    async def find_people(self, request: Request) -> Response:
        """Find the people of the picture again."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.pictures.find_people, project)
        return JSONResponse({}, 202)

    async def find_mask(self, request: Request) -> Response:
        """Find one person's mask again."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.pictures.find_mask, project, request.path_params["key"])
        return JSONResponse({}, 202)

    async def put_mask(self, request: Request) -> Response:
        """Receive an image of keys, one byte per pixel."""
        studio, project = self._project(request)
        height, width = _number(request, "height"), _number(request, "width")
        data = await _body(request, MOST_MASK)
        name = await run_in_threadpool(studio.pictures.add_mask, project, data, height, width)
        return JSONResponse({"mask": name}, 201)

    async def mask(self, request: Request) -> Response:
        """An image of keys as grey levels."""
        _, project = self._project(request)
        name = request.path_params["name"]
        path = project.folder / "masks" / f"{name}.png"
        if not is_word(name) or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, headers={"cache-control": "private, max-age=31536000, immutable"})

    async def post_driver(self, request: Request) -> Response:
        """Receive a driver: a file, or a folder sent as one."""
        studio, project = self._project(request)
        name = request.query_params.get("name", "driver")[:200]
        folder = request.query_params.get("folder") == "1"
        path = await self._received(request, studio, project, name + ".bundle" * folder)
        driver = await run_in_threadpool(studio.drivers.add, project, path, name, folder)
        return JSONResponse({"driver": driver}, 201)

    async def find_driver(self, request: Request) -> Response:
        """Find a driver's people again."""
        studio, project = self._project(request)
        driver = project.state.driver(request.path_params["driver"])
        await run_in_threadpool(studio.drivers.read, project, driver)
        return JSONResponse({}, 202)

    async def driver_clip(self, request: Request) -> Response:
        """A driver's small pictures."""
        _, project = self._project(request)
        driver = project.state.driver(request.path_params["driver"])
        path = project.folder / "drivers" / f"{driver.id}.clip"
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, media_type="application/octet-stream")

    async def driver_tracks(self, request: Request) -> Response:
        """A driver's skeletons."""
        from posecast.studio.tasks.drivers import driver_tracks

        _, project = self._project(request)
        driver = project.state.driver(request.path_params["driver"])
        path = project.folder / "drivers" / f"{driver.id}.json"
        if not path.is_file():
            raise HTTPException(404)
        return JSONResponse(await run_in_threadpool(driver_tracks, str(path)))

    async def preview(self, request: Request) -> Response:
        """Stream small frames of the current cast; condition maps with `kind=maps`."""
        studio, project = self._project(request)
        side = _number(request, "side", 320)
        if side not in PREVIEW_SIDES:
            raise InputError(f"side: expected {PREVIEW_SIDES[0]} to {PREVIEW_SIDES[-1]}")
        task = "condition_maps" if request.query_params.get("kind") == "maps" else "preview"
        files = await run_in_threadpool(write_files, project)
        arguments = {"files": files, "side": side, "first": _number(request, "from", 0)}
        stream = _streamed(studio, project, task, arguments)
        # An error before the first piece becomes an error response.
        first = await anext(stream, b"")
        return StreamingResponse(_chained(first, stream), media_type="application/octet-stream")

    async def make(self, request: Request) -> Response:
        """Make a video."""
        studio, project = self._project(request)
        tree = await _json(request)
        if not isinstance(tree, dict):
            raise InputError("expected model, size and settings")
        result = await run_in_threadpool(
            studio.videos.make,
            project,
            str(tree.get("model")),
            tree.get("size"),
            tree.get("settings"),
        )
        return JSONResponse({"result": result}, 202)

    async def go_on(self, request: Request) -> Response:
        """Resume a stopped video."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.videos.go_on, project, request.path_params["result"])
        return JSONResponse({}, 202)

    async def delete_result(self, request: Request) -> Response:
        """Remove a video."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.videos.delete, project, request.path_params["result"])
        return JSONResponse({})

    async def result_clip(self, request: Request) -> Response:
        """The frames of a video made so far, small, for the page's player."""
        _, project = self._project(request)
        result = project.state.result(request.path_params["result"])
        shown = project.folder / "results" / result.id / "shown"
        paths = sorted(shown.glob("frame_*.jpg"))
        about = {
            "fps": result.fps or 25.0,
            "step": 1,
            "frames": len(paths),
            "height": result.height,
            "width": result.width,
        }
        pictures = (path.read_bytes() for path in paths)
        return StreamingResponse(
            clips.stream(about, pictures), media_type="application/octet-stream"
        )

    async def video(self, request: Request) -> Response:
        """A finished video with its sound."""
        _, project = self._project(request)
        result = project.state.result(request.path_params["result"])
        path = project.folder / "results" / result.id / "video.mp4"
        if result.state != DONE or not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, media_type="video/mp4")

    async def download(self, request: Request) -> Response:
        """A finished video in any format; frames as a ZIP file."""
        studio, project = self._project(request)
        result = project.state.result(request.path_params["result"])
        kind = request.query_params.get("as", "mp4")
        stem = f"{project.id}-{result.name.lower().replace(' ', '-')}"
        return await _given(
            stem, lambda then: studio.videos.download(project, result.id, kind, then)
        )

    async def export(self, request: Request) -> Response:
        """The cast for another system, as a ZIP file."""
        studio, project = self._project(request)
        system = request.query_params.get("for", "")
        stem = f"{project.id}-{system}"
        return await _given(stem, lambda then: studio.videos.export(project, system, then))

    async def file(self, request: Request) -> Response:
        """A file of the current cast: the sheet, the people or the masks."""
        _, project = self._project(request)
        name = request.path_params["name"]
        if name not in (SHEET, PEOPLE, MASKS):
            raise HTTPException(404)
        await run_in_threadpool(write_files, project)
        path = project.folder / name
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path, filename=name)

    async def stop(self, request: Request) -> Response:
        """Stop a job, or all jobs of a target."""
        studio, project = self._project(request)
        await run_in_threadpool(studio.work.book(project).stop, request.path_params["job"])
        return JSONResponse({})

    async def _received(
        self, request: Request, studio: Studio, project: Project, name: str
    ) -> Path:
        return await receive(
            request.stream(), project.folder / "inputs", name, studio.work.limits.upload
        )


def _number(request: Request, name: str, otherwise: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and otherwise is not None:
        return otherwise
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 12:
        raise InputError(f"{name}: expected a whole number")
    return int(text)


async def _body(request: Request, most: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise InputError(f"over {most / 2**20:.0f} MB; expected less")
    return bytes(data)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await _body(request, MOST_JSON) or b"{}")
    except (ValueError, RecursionError) as error:
        raise InputError("expected JSON") from error


def _small(path: Path, side: int) -> bytes:
    from posecast.media.images import read_image

    return clips.picture(read_image(path), side)


def _zipped(folder: Path) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return memory.getvalue()


async def _given(stem: str, start: Callable[[Callable[[str, Any], None]], None]) -> Response:
    """A job's output as an attachment; a folder as a ZIP file.

    Raises:
        InputError: the job failed.
    """
    how, value = await _awaited(start)
    if how != "done":
        raise InputError(str(value))
    if Path(value).is_dir():
        data = await run_in_threadpool(_zipped, Path(value))
        return _attachment(data, f"{stem}.zip", "application/zip")
    return FileResponse(value, filename=f"{stem}{Path(value).suffix}")


def _attachment(data: bytes, name: str, kind: str) -> Response:
    return Response(
        data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


async def _awaited(start: Callable[[Callable[[str, Any], None]], None]) -> tuple[str, Any]:
    """The final message of a job that calls back from another thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[str, Any]] = loop.create_future()

    def then(how: str, value: Any) -> None:
        loop.call_soon_threadsafe(
            lambda: None if future.done() else future.set_result((how, value))
        )

    await run_in_threadpool(start, then)
    return await future


async def _streamed(
    studio: Studio, project: Project, task: str, arguments: dict[str, Any]
) -> AsyncIterator[bytes]:
    """Yield the pieces of a task as they come; closing the stream stops the task.

    Raises:
        InputError: the task failed.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    def hear(kind: str, value: Any) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, (kind, value))

    job = studio.work.book(project).start(
        studio.work.lanes.quick, task, task, arguments, hear, hear
    )
    try:
        while True:
            kind, value = await queue.get()
            if kind == "failed":
                raise InputError(plainly(str(value), project.folder))
            if kind in ("done", "stopped"):
                return
            yield value
    finally:
        studio.work.book(project).stop(job)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()  # type: ignore[attr-defined]
