"""Downloads from the public hub: model folders of ours by id, and the files of public weights.

`huggingface_hub` does the transfers and shows the progress. A download of its own that breaks
begins anew in the next process (version 2.4 removes what has come), hours for files of gigabytes:
the parts of public files are therefore kept and gone on with here, and files are checked against
the size and sha256 that the hub states.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecast.errors import InputError

LAYOUT = ("model_index.json", "*/config.json", "*/*_config.json", "*/*.safetensors")
"""What is fetched of a model folder: nothing that could carry code."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CHUNK = 1 << 22


@dataclass(frozen=True)
class PublicFile:
    """A file on the hub and where it goes: the first of `names` that is there."""

    repo: str
    names: tuple[str, ...]
    into: str = "."
    """Folder under the weights' folder; the file's own path in its repository follows."""


_CHECKPOINTS = ("denoising_unet", "reference_unet", "pose_guider", "motion_module")
_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_VAE = "stabilityai/sd-vae-ft-mse"
_ENCODER = "lambdalabs/sd-image-variations-diffusers"
_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_ENCODERS = (
    PublicFile(_VAE, ("config.json",), "vae"),
    PublicFile(_VAE, _WEIGHTS, "vae"),
    PublicFile(_ENCODER, ("image_encoder/config.json",)),
    PublicFile(_ENCODER, ("image_encoder/model.safetensors", "image_encoder/pytorch_model.bin")),
)
ANIMATEANYONE = (
    *(PublicFile("patrolli/AnimateAnyone", (f"{name}.pth",)) for name in _CHECKPOINTS),
    *_ENCODERS,
)
SD15 = (
    PublicFile(_SD15, ("unet/config.json",)),
    PublicFile(_SD15, tuple(f"unet/{name}" for name in _WEIGHTS)),
    PublicFile("guoyww/animatediff", ("mm_sd_v15_v2.ckpt",)),
    *_ENCODERS,
)


def is_hub_id(name: str) -> bool:
    """Whether this is `owner/name`, as the hub names its repositories."""
    return _HUB_ID.fullmatch(name) is not None


def fetch_model(repo: str, endpoint: str | None = None) -> Path:
    """The folder of a model in our layout, downloaded where it is not yet (the hub's own cache).

    Raises:
        InputError: no connection, no such repository, or no model of ours in it.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    with _failures(repo):
        index = Path(hf_hub_download(repo, "model_index.json", endpoint=endpoint))
    from posecast.models.config_file import read_json
    from posecast.models.folder import FORMAT  # which imports this file

    found = read_json(index).get("format")
    if found != FORMAT:
        raise InputError(f"{repo}: holds no model of posecast (format {found!r}, not {FORMAT!r})")
    with _failures(repo):
        return Path(snapshot_download(repo, allow_patterns=list(LAYOUT), endpoint=endpoint))


def fetch_files(files: tuple[PublicFile, ...], folder: Path, endpoint: str | None = None) -> None:
    """Download public files into a folder, checked; what is whole there already is kept.

    Raises:
        InputError: no connection, a file that the hub has no more, or one whose size or sha256 is
            not what the hub states (a download is removed then: the next try begins it anew).
    """
    infos: dict[str, tuple[str, dict[str, Any]]] = {}
    for file in files:
        if file.repo not in infos:
            infos[file.repo] = _stated(file.repo, endpoint)
        revision, stated = infos[file.repo]
        name = next((name for name in file.names if name in stated), None)
        if name is None:
            raise InputError(f"{file.repo}: has no {' or '.join(file.names)} (any more)")
        path = folder / file.into / name
        if path.is_file():
            problem = _difference(path, stated[name])
            if problem:  # perhaps the user's own: not ours to remove
                raise InputError.at(path, f"{problem}, says {file.repo}; move it away")
        else:
            _download(file.repo, name, revision, stated[name], path, endpoint)


def _download(
    repo: str, name: str, revision: str, stated: Any, path: Path, endpoint: str | None
) -> None:
    """Write `path`, whole and checked; what has come before a break stays beside it."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    path.parent.mkdir(parents=True, exist_ok=True)
    content = stated.lfs.sha256 if stated.lfs is not None else stated.blob_id
    part = path.with_name(f".{path.name}.{str(content)[:16]}.part")
    done = part.stat().st_size if part.exists() else 0
    if done == 0 or done != stated.size:
        url = hf_hub_url(repo, name, revision=revision, endpoint=endpoint)
        with _failures(repo), part.open("r+b" if done else "wb") as stream:
            stream.seek(done)
            headers = build_hf_headers()
            http_get(url, stream, resume_size=done, headers=headers, expected_size=stated.size)
    problem = _difference(part, stated)
    if problem:
        part.unlink()
        raise InputError.at(path, f"what came {problem}, says {repo}; fetch it again")
    os.replace(part, path)


def _stated(repo: str, endpoint: str | None) -> tuple[str, dict[str, Any]]:
    """The newest revision of a repository, and its files by name, with size and hashes."""
    from huggingface_hub import HfApi

    with _failures(repo):
        info = HfApi(endpoint=endpoint).model_info(repo, files_metadata=True)
    return info.sha or "main", {s.rfilename: s for s in info.siblings or ()}


def _difference(path: Path, stated: Any) -> str | None:
    """What is wrong with a file, by the size and sha256 that the hub states."""
    if stated.size is not None and path.stat().st_size != stated.size:
        return f"is {path.stat().st_size} bytes; expected {stated.size}"
    if stated.lfs is not None and _sha256(path) != stated.lfs.sha256:
        return f"has another sha256 than {stated.lfs.sha256}"
    return None


def _sha256(path: Path) -> str:
    from tqdm import tqdm  # slow to import

    digest = hashlib.sha256()
    size = path.stat().st_size
    # disable=None: only where standard error is a terminal.
    with (
        path.open("rb") as file,
        tqdm(
            total=size, unit="B", unit_scale=True, desc=f"checking {path.name}", disable=None
        ) as bar,
    ):
        while block := file.read(_CHUNK):
            digest.update(block)
            bar.update(len(block))
    return digest.hexdigest()


@contextmanager
def _failures(repo: str) -> Iterator[None]:
    """The hub's many errors as one line each."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(
            f"{repo}: asks for its terms to be accepted on the hub, and for `hf auth login` here"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            f"{repo}: no such model: there is no folder of that name here, and no public "
            "repository on the hub"
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise InputError(f"{repo}: lacks a file: {_last_line(error)}") from error
    except (
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        errors.HfHubHTTPError,
        errors.HTTPError,  # of the library below, whichever this version of the hub's uses
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # about a path here: the disk is full, say
        raise InputError(
            f"{repo}: cannot be fetched from the hub ({_last_line(error)}); what has come stays, "
            "and the next try goes on from there"
        ) from error


def _last_line(error: BaseException) -> str:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = str(root).strip() or type(root).__name__
    return text.splitlines()[-1][:200]
