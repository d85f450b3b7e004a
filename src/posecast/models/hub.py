"""Downloads from the public hub: the files of public weights, and model folders of ours by id.

Files of public weights are pinned (`models.public_files`). A model that a user names is locked at
its first fetch: the revision and the digest of each file are written beside it, and every later use
is held to them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from posecast.errors import InputError
from posecast.media.atomic import whole_file
from posecast.media.download import cache_folder, download, ensure
from posecast.media.json_text import read_json
from posecast.models import config_file
from posecast.models.model_files import FORMAT, INDEX
from posecast.models.public_files import PublicFile

LAYOUT = (INDEX, "*/config.json", "*/*_config.json", "*/*.safetensors")
"""Files that are downloaded of a model folder; none of them can contain code."""
LOCK = "posecast.lock.json"
LOCK_FORMAT = "posecast/lock/1"
_NAME = re.compile(r"([A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]*", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_MAX_FILES, _MAX_SIZE = 100, 64 * 2**30


def fetch_files(files: tuple[PublicFile, ...], folder: Path, endpoint: str | None = None) -> None:
    """Download public files into a folder and check them; complete files are kept.

    Raises:
        InputError: no connection, or a file that is not the pinned one: what came is removed, what
            was there before is left alone.
    """
    for file in files:
        path = folder / file.into / file.name
        if path.is_file():
            problem = file.published(endpoint).difference(path)
            if problem:  # perhaps the user's own, so it is not removed
                raise InputError.at(path, f"{problem}, in the version of {file.repo}; move it away")
        else:
            download(file.published(endpoint), path, _authorization())


def fetch_model(repo: str, endpoint: str | None = None) -> Path:
    """The folder of a model in our layout, downloaded where it is not yet, in our own cache.

    The first download writes `LOCK` there and prints it; later ones must match it.

    Raises:
        InputError: no connection, no such repository, no model of ours in it, a lock that is none,
            or a file that is not the locked one.
    """
    folder = cache_folder() / "models" / repo.replace("/", "--")
    lock = folder / LOCK
    if lock.exists():
        files = _locked(lock, repo)
    else:
        files = _stated(repo, endpoint)
        first = next((file for file in files if file.name == INDEX), None)
        if first is None:
            raise InputError(f"{repo}: holds no model of posecast (it has no {INDEX})")
        ensure(first.published(endpoint), folder / first.name, _authorization())
        _check_format(repo, folder / first.name)
        _write_lock(lock, repo, files)
    for file in files:
        ensure(file.published(endpoint), folder / file.name, _authorization())
    return folder


def _check_format(repo: str, index: Path) -> None:
    found = config_file.read_json(index).get("format")
    if found != FORMAT:
        index.unlink()
        problem = f"holds no model of posecast (format {repr(found)[:80]}, not {FORMAT!r})"
        raise InputError(f"{repo}: {problem}")


def _stated(repo: str, endpoint: str | None) -> tuple[PublicFile, ...]:
    """The files of a repository's newest revision, as the hub states them."""
    from huggingface_hub import HfApi

    with hub_failures(repo):
        info: Any = HfApi(endpoint=endpoint).model_info(repo, files_metadata=True)
    files = tuple(
        PublicFile(
            repo,
            found.rfilename,
            sha256=found.lfs.sha256 if found.lfs is not None else "",
            git_blob="" if found.lfs is not None else str(found.blob_id),
            size=found.size,
            revision=info.sha or "main",
        )
        for found in info.siblings or ()
        if any(fnmatch(found.rfilename, pattern) for pattern in LAYOUT)
    )
    _check_files(repo, files)
    return files


def _check_files(where: str | Path, files: tuple[PublicFile, ...]) -> None:
    for file in files:
        digest = file.sha256 or file.git_blob
        sized = isinstance(file.size, int) and 0 <= file.size <= _MAX_SIZE
        if not (_NAME.fullmatch(file.name) and _SHA.fullmatch(digest) and sized):
            raise InputError.at(
                where, "is not stated with a plain name, size and digest", file.name
            )
    if len(files) > _MAX_FILES or sum(file.size or 0 for file in files) > _MAX_SIZE:
        raise InputError.at(where, f"more than {_MAX_FILES} files or {_MAX_SIZE // 2**30} GB")


def _write_lock(lock: Path, repo: str, files: tuple[PublicFile, ...]) -> None:
    stated = {
        file.name: {"size": file.size, "sha256": file.sha256, "git_blob": file.git_blob}
        for file in files
    }
    content = {
        "format": LOCK_FORMAT,
        "repo": repo,
        "revision": files[0].revision,
        "files": stated,
    }
    with whole_file(lock) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    line = f"posecast: note: {repo} is locked to {files[0].revision[:12]} in {lock}"
    print(f"{line}; remove that folder to take a newer one", file=sys.stderr)


def _locked(lock: Path, repo: str) -> tuple[PublicFile, ...]:
    content = read_json(lock, 2**20, "a lock of ours")
    try:
        if content["format"] != LOCK_FORMAT or content["repo"] != repo:
            raise ValueError
        files = tuple(
            PublicFile(repo, str(name), revision=str(content["revision"]), **stated)
            for name, stated in content["files"].items()
        )
        _check_files(lock, files)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError.at(
            lock, f"is not a lock file of {repo} ({LOCK_FORMAT}); remove it"
        ) from None
    return files


def _authorization() -> dict[str, str]:
    """The user's own token of the hub, where there is one."""
    from huggingface_hub import get_token

    token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


@contextmanager
def hub_failures(repo: str, failed: str = "cannot be fetched from the hub") -> Iterator[None]:
    """The hub's many errors as one line each; `failed` says what could not be done."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(
            f"{repo}: asks for its terms to be accepted on the hub, and for `hf auth login` here"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{repo}: no such model: there is not a folder of that name here, and no public "
            "repository on the hub"
        ) from error
    except (
        errors.OfflineModeIsEnabled,
        errors.HfHubHTTPError,
        errors.HTTPError,  # of the library below, whichever this version of the hub's uses
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # about a path here: the disk is full, say
        raise InputError(f"{repo}: {failed} ({_last_line(error)})") from error


def _last_line(error: BaseException) -> str:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = str(root).strip() or type(root).__name__
    return text.splitlines()[-1][:200]
