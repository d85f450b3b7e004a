"""Finds published files (such as network weights), or downloads them once and verifies them.

A file is pinned by the digest of its content. No more bytes than its size are accepted, an
interrupted download is resumed, and two processes that want the same file download it once.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.atomic import named, whole_file
from posecast.media.json_text import parse_json
from posecast.media.reading import open_regular, read_bytes

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_BYTES = 64 * 2**30
"""Limit for a file whose size is not known."""
_BLOCK = 1 << 20
_TIMEOUT = 30.0
"""Seconds without data after which a download is given up."""
_USER_AGENT = {"User-Agent": "posecast"}


@dataclass(frozen=True)
class PublishedFile:
    """A file on the web and the digest of its content; one of the two digests is given."""

    name: str
    """Its file name in a folder that the user gives."""
    url: str
    sha256: str = ""
    size: int | None = None
    """Size in bytes, if known."""
    git_blob: str = ""
    """Git's blob id of the content; hubs publish it for small files."""

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 and len(self.git_blob) != 40:
            raise ValueError(f"{self.name}: expected a whole sha256 or git blob id")

    @property
    def digest(self) -> str:
        """The digest that is given."""
        return self.sha256 or self.git_blob

    def difference(self, path: Path) -> str | None:
        """How the file at `path` differs from this one, in words; None if it does not."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"is {size} bytes; expected {self.size}"
        found = sha256_of(path) if self.sha256 else _git_blob_of(path)
        if found != self.digest:
            kind = "sha256" if self.sha256 else "git blob id"
            return f"has the {kind} {found[:16]}...; expected {self.digest[:16]}..."
        return None


def hub_url(repository: str, name: str, revision: str, endpoint: str | None = None) -> str:
    """URL of a file on the Hugging Face hub, or on the mirror named by HF_ENDPOINT."""
    host = endpoint or os.environ.get("HF_ENDPOINT", "") or "https://huggingface.co"
    return f"{host.rstrip('/')}/{repository}/resolve/{revision}/{name}"


def cache_folder() -> Path:
    """The folder of downloads: POSECAST_CACHE, else `posecast` in the user's cache folder."""
    own = os.environ.get("POSECAST_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "posecast"


def find_or_download(
    file: PublishedFile, folder: str | Path | None = None, kind: str = "weights"
) -> Path:
    """The path of a file in `folder`, or in the cache, where it is downloaded if missing.

    The cache has it in the subfolder `kind`. A given folder must hold the file: nothing is
    downloaded into it, and the content is not verified, as it may be the user's own.

    Raises:
        InputError: the file is missing and cannot be downloaded, or is not the published one.
        OSError: the disk is full or fails.
    """
    if folder is not None:
        path = Path(folder) / file.name
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected {file.name}, published at {file.url}")
        return path
    path = cache_folder() / kind / file.name
    ensure(file, path)
    return path


def ensure(file: PublishedFile, path: Path, headers: Mapping[str, str] | None = None) -> None:
    """Make sure that a file is in the cache and is the published one; else download it.

    The content is verified once, and a note beside the file records that. Raises as `download`.
    """
    if not _is_checked(file, path):
        download(file, path, headers)
        _note(file, path)


def is_at_hand(file: PublishedFile, kind: str = "weights") -> bool:
    """Whether `find_or_download` would find the file in the cache without a download."""
    return _is_checked(file, cache_folder() / kind / file.name)


def download(
    file: PublishedFile,
    path: Path,
    headers: Mapping[str, str] | None = None,
    most: int = MAX_BYTES,
) -> None:
    """Download a file to `path` and verify it; a partial download stays beside it to be resumed.

    `headers` are sent only to the named host, not to redirect targets. `most` limits a file of
    unknown size. A second process that wants the same file waits for the first.

    Raises:
        InputError: the download fails, or the content is not that of the published file.
        OSError: the disk is full or fails.
    """
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off"):
        raise _unreachable(file, path, "HF_HUB_OFFLINE is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{file.digest[:16]}.part")
    with named(path, part), _alone(part) as stream:
        if path.is_file() and file.difference(path) is None:
            part.unlink(missing_ok=True)  # another process has finished it
            return
        try:
            _receive(file, stream, headers or {}, most)
        # A full disk is an OSError too; it keeps its own message.
        except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            kept = stream.seek(0, os.SEEK_END)
            if not kept:
                part.unlink(missing_ok=True)
            raise _unreachable(file, path, str(error) or type(error).__name__, kept) from error
        problem = file.difference(part)
        if problem:
            part.unlink()
            raise InputError(
                f"{file.url}: is not the published {file.name} ({problem}); nothing was kept"
            )
        if fcntl is None:
            stream.close()  # Windows cannot rename an open file
        os.replace(part, path)


def sha256_of(path: str | Path) -> str:
    """The hexadecimal digest of a file's content, with a progress bar on a terminal."""
    return _digest_of(Path(path), hashlib.sha256())


def _git_blob_of(path: Path) -> str:
    # This identifies content as git does; it is not for security: sha256 is used if known.
    start = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    return _digest_of(path, start)


def _digest_of(path: Path, digest: Any) -> str:
    from tqdm import tqdm  # slow to import

    size, shown = path.stat().st_size, f"checking {path.name}"
    # disable=None: shown only if standard error is a terminal.
    with (
        open_regular(path) as stream,
        tqdm(total=size, unit="B", unit_scale=True, desc=shown, disable=None) as bar,
    ):
        while block := stream.read(_BLOCK):
            digest.update(block)
            bar.update(len(block))
    return str(digest.hexdigest())


@contextmanager
def _alone(part: Path) -> Iterator[Any]:
    """Open the file of an unfinished download, locked against other processes."""
    while True:
        with part.open("a+b") as stream:
            if fcntl is not None:
                fcntl.flock(stream, fcntl.LOCK_EX)
                if not _is_still(part, stream):
                    continue  # another process finished and removed it: start a new one
            yield stream
            return


def _is_still(part: Path, stream: Any) -> bool:
    """Whether a path still names the open file."""
    try:
        return os.path.samestat(part.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def _receive(file: PublishedFile, stream: Any, headers: Mapping[str, str], most: int) -> None:
    """Resume a download to its end, with a progress bar on a terminal."""
    from tqdm import tqdm

    done = stream.seek(0, os.SEEK_END)
    if file.size is not None and done >= file.size:
        return  # complete or damaged: the digest decides
    request = urllib.request.Request(file.url, headers=_USER_AGENT)
    if done:
        request.add_header("Range", f"bytes={done}-")
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if done and error.code == 416:  # nothing is missing
            error.close()
            return
        raise
    with answer:
        if done and answer.status != 206:  # the server sends the whole file again
            stream.truncate(0)
            done = 0
        announced = answer.headers.get("Content-Length", "")
        total = done + int(announced) if announced.isdigit() else None
        limit = file.size or min(total or most, most)
        with tqdm(
            desc=file.name, total=limit, initial=done, unit="B", unit_scale=True, disable=None
        ) as bar:
            # Write received data at once, so that an interruption or a kill loses nothing.
            while block := _next(answer, min(_BLOCK, limit - done + 1)):
                if done + len(block) > limit:
                    stream.truncate(0)
                    raise ConnectionError(f"more than the {limit} bytes of the published file")
                stream.write(block)
                stream.flush()
                done += len(block)
                bar.update(len(block))
    expected = file.size or total
    if expected is not None and done < expected:
        raise ConnectionError(f"cut off after {done} of {expected} bytes")


def _next(answer: Any, count: int) -> bytes:
    """Up to `count` received bytes. Network errors are raised as such, not as disk errors."""
    try:
        return bytes(answer.read1(count))
    except OSError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


def _note_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.checked")


def _noted(file: PublishedFile, path: Path) -> dict[str, Any]:
    found = path.stat()
    return {"content": file.digest, "size": found.st_size, "changed": found.st_mtime_ns}


def _note(file: PublishedFile, path: Path) -> None:
    with whole_file(_note_path(path)) as part:
        part.write_text(json.dumps(_noted(file, path)), encoding="utf-8")


def _is_checked(file: PublishedFile, path: Path) -> bool:
    """Whether the file exists and is the published one; verified if no note says so."""
    if not path.is_file():
        return False
    if _is_noted(file, path):
        return True
    if file.difference(path) is not None:
        return False
    _note(file, path)
    return True


def _is_noted(file: PublishedFile, path: Path) -> bool:
    note = _note_path(path)
    try:
        return note.is_file() and parse_json(read_bytes(note, 10_000), note) == _noted(file, path)
    except InputError:
        return False


def _unreachable(file: PublishedFile, path: Path, reason: str, kept: int = 0) -> InputError:
    stays = f"; {kept} bytes are kept, and the next try goes on from there" if kept else ""
    return InputError(
        f"{path}: {file.name} is not there and cannot be downloaded ({reason}){stays}; or get it "
        f"from {file.url} and put it there"
    )
