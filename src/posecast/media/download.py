"""Published files (weights of other people's networks): found, or downloaded once and checked."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from posecast.errors import InputError
from posecast.media.atomic import whole_file

_BLOCK = 1 << 20
_TIMEOUT = 30.0
"""Seconds without a byte after which a download is given up."""
_USER_AGENT = {"User-Agent": "posecast"}


@dataclass(frozen=True)
class PublishedFile:
    """A file on the web, and what its bytes must be."""

    name: str
    """Its name in a folder that the user gives."""
    url: str
    sha256: str
    """The hexadecimal digest, or the beginning of it where no more is published."""
    size: int | None = None
    """Bytes, where known: a file that was cut off is then found without reading it."""


def hub_url(repository: str, name: str, revision: str = "main") -> str:
    """Where the Hugging Face hub (or the mirror that HF_ENDPOINT names) keeps a file."""
    host = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    return f"{host}/{repository}/resolve/{revision}/{name}"


def cache_folder() -> Path:
    """Where downloads are kept: POSECAST_CACHE, else `posecast` in the user's cache folder."""
    own = os.environ.get("POSECAST_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "posecast"


def find_or_download(
    file: PublishedFile, folder: str | Path | None = None, kind: str = "weights"
) -> Path:
    """The path of a file in `folder`; without a folder, in the cache, downloaded if need be.

    In the cache it lies in the subfolder `kind`. A folder that is given must hold the file:
    nothing is downloaded into it, and its bytes are not compared (they may be the user's own).

    Raises:
        InputError: it is not there and cannot be downloaded, or is not the published file.
        OSError: the disk is full or fails.
    """
    if folder is not None:
        path = Path(folder) / file.name
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected {file.name}, published at {file.url}")
        return path
    path = cache_folder() / kind / file.name
    if is_at_hand(file, kind):
        return path
    _download(file, path)
    return path


def is_at_hand(file: PublishedFile, kind: str = "weights") -> bool:
    """Whether `find_or_download` would find a file in the cache, without a download."""
    path = cache_folder() / kind / file.name
    return path.is_file() and file.size in (None, path.stat().st_size)


def sha256_of(path: str | Path) -> str:
    """The hexadecimal digest of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(file: PublishedFile, path: Path) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off"):
        raise _unreachable(file, path, "HF_HUB_OFFLINE is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        try:
            found = _fetch(file, part)
        # A full disk is an OSError too; it keeps its own message.
        except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            raise _unreachable(file, path, str(error) or type(error).__name__) from error
        if not found.startswith(file.sha256):
            raise InputError(
                f"{file.url}: is not the published {file.name} (sha256 {found[:16]}..., expected "
                f"{file.sha256[:16]}...); nothing was kept"
            )


def _fetch(file: PublishedFile, out: Path) -> str:
    """Copy a download to `out` and return its digest; a progress bar where a terminal watches."""
    from tqdm import tqdm

    request = urllib.request.Request(file.url, headers=_USER_AGENT)
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer, out.open("wb") as stream:
        announced = answer.headers.get("Content-Length", "")
        total = int(announced) if announced.isdigit() else file.size
        with tqdm(desc=file.name, total=total, unit="B", unit_scale=True, disable=None) as bar:
            while block := answer.read(_BLOCK):
                stream.write(block)
                digest.update(block)
                done += len(block)
                bar.update(len(block))
    if total is not None and done != total:
        raise ConnectionError(f"cut off after {done} of {total} bytes")
    return digest.hexdigest()


def _unreachable(file: PublishedFile, path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: {file.name} is not there and cannot be downloaded ({reason}); get it from "
        f"{file.url} and put it there"
    )
