"""A model folder to the hub: its files, nothing else that lies there, and a card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from posecast.errors import InputError
from posecast.media.images import read_image
from posecast.models.card import model_card
from posecast.models.hub import hub_failures
from posecast.models.model_files import MODEL_FILES, is_hub_id


def publish(
    folder: str | Path,
    repo: str,
    licence: str,
    pictures: Sequence[str | Path] = (),
    private: bool = False,
) -> str:
    """Put a model folder at `repo` (owner/name) in one commit; returns where it is.

    The repository is made where it is not there. The user's own token of the hub is used (`hf auth
    login`). `licence` and `pictures` are as in `model_card`.

    Raises:
        InputError: no model folder of ours, a picture that is none, no such name, no right to write
            there, or no connection.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    files = check_publishable(folder, repo, pictures)
    card = model_card(folder, repo, licence, pictures)
    shown = {f"images/{Path(picture).name}": Path(picture) for picture in pictures}
    operations = [
        CommitOperationAdd("README.md", card.encode("utf-8")),
        *(CommitOperationAdd(name, str(path)) for name, path in {**files, **shown}.items()),
    ]
    api = HfApi()
    with hub_failures(repo, "cannot be published on the hub"):
        api.create_repo(repo, private=private, exist_ok=True)
        made = api.create_commit(repo, operations, commit_message="Publish a model of Posecast")
    return str(made.commit_url)


def check_publishable(
    folder: str | Path, repo: str, pictures: Sequence[str | Path] = ()
) -> dict[str, Path]:
    """The files of a model folder by their names in a repository.

    Raises:
        InputError: as `publish`, for what needs no connection.
    """
    if not is_hub_id(repo):
        raise InputError(f"{repo}: expected the hub's owner/name")
    for picture in pictures:
        read_image(picture)
    names = [Path(picture).name for picture in pictures]
    if len(set(names)) < len(names):
        raise InputError(f"two pictures of one name: {', '.join(names)}")
    known = [re.compile(pattern) for pattern in MODEL_FILES]
    folder = Path(folder)
    inside = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    files = {n: p for n, p in inside.items() if any(k.fullmatch(n) for k in known)}
    if "model_index.json" not in files:
        raise InputError(f"{folder}: expected a model folder (it has no model_index.json)")
    return files
