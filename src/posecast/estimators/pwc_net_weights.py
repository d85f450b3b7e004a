"""Reads published weights of PWC-Net under the parameter names of each publisher.

NVIDIA's and those of sniklaus/pytorch-pwc are the same numbers, converted from Caffe. MMFlow's were
trained separately, with a cost volume that is not divided by the number of features. NVIDIA's
licence (CC BY-NC-SA 4.0) does not allow commercial use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor, nn

from posecast.errors import InputError
from posecast.media.download import PublishedFile, find_or_download
from posecast.weights import read_tensors

Publisher = Literal["nvidia", "sniklaus", "mmflow"]
PUBLISHERS: tuple[Publisher, ...] = ("nvidia", "sniklaus", "mmflow")
_COMMIT = "07df6eb8b22b83f4a62d18231ae4ecf9cbecce05"
PUBLISHED = PublishedFile(
    "pwc_net.pth.tar",
    f"https://raw.githubusercontent.com/NVlabs/PWC-Net/{_COMMIT}/PyTorch/pwc_net.pth.tar",
    git_blob="27da4cc96929c0474f8083364712df3a1c50c52e",
)
"""Fine-tuned on MPI Sintel; the git blob id is stated by the repository's tree."""
_LARGEST = 200 * 2**20
"""Largest file in bytes; published files have 38 MB, MMFlow's more, with the optimizer's state."""
_WORDS = ("One", "Two", "Thr", "Fou", "Fiv", "Six")
_UNUSED = ("deconv2",)
"""A layer that NVIDIA's network contains but does not use."""


class _Names(NamedTuple):
    """One layer's names: in our network, and in each publisher's files."""

    ours: str
    sniklaus: str
    nvidia: str
    mmflow: str


def find_file() -> Path:
    """NVIDIA's file from the cache or the web.

    Raises:
        InputError: it is missing and cannot be downloaded; the message states its address.
    """
    return find_or_download(PUBLISHED, kind="flow")


def read_state(path: Path, network: nn.Module) -> tuple[dict[str, Tensor], Publisher]:
    """The weights of a published file under our names, and the publisher.

    Raises:
        InputError: the file is not a weight file, or does not hold exactly those of PWC-Net.
    """
    found = read_tensors(path, "the weights of PWC-Net", largest=_LARGEST)
    # As pytorch-pwc's own code renames loaded parameters.
    found = {name.replace("net", "module", 1) if name[:3] == "net" else name: value
             for name, value in found.items() if name.partition(".")[0] not in _UNUSED}  # fmt: skip
    layers = list(_layers())
    first = layers[0]._asdict()
    publisher = next((p for p in PUBLISHERS if f"{first[p]}.weight" in found), None)
    if publisher is None:
        raise InputError.at(
            path,
            "does not hold PWC-Net under known names: NVIDIA's (conv1a.0.weight), "
            "pytorch-pwc's (moduleExtractor...) or MMFlow's (encoder.layers.0...)",
        )
    names = {
        f"{layer.ours}.{tensor}": f"{getattr(layer, publisher)}.{tensor}"
        for layer in layers
        for tensor in ("weight", "bias")
    }
    _check(path, found, {names[ours]: value for ours, value in network.state_dict().items()})
    return {ours: found[theirs].float() for ours, theirs in names.items()}, publisher


def _check(path: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name in sorted(set(found) ^ set(expected)):
        problem = "is missing" if name in expected else "is no weight of PWC-Net"
        raise InputError.at(path, problem, name)
    for name, value in found.items():
        if value.shape != expected[name].shape:
            shapes = f"{tuple(value.shape)}; expected {tuple(expected[name].shape)}"
            raise InputError.at(path, f"has the shape {shapes}", name)


def _layers() -> Iterator[_Names]:
    """Yield the names of every layer of the network."""
    for level, word in enumerate(_WORDS, start=1):
        # In NVIDIA's last level the first two letters are swapped.
        letters = ("a", "aa", "b") if level < len(_WORDS) else ("aa", "a", "b")
        for place, letter in enumerate(letters):
            yield _Names(
                f"pyramid.{level - 1}.{2 * place}",
                f"moduleExtractor.module{word}.{2 * place}",
                f"conv{level}{letter}.0",
                f"encoder.layers.{level - 1}.layers.{place}.conv",
            )
    for level in range(len(_WORDS), 1, -1):
        yield from _decoder(level)
    for place in range(7):
        last = place == 6
        yield _Names(
            f"context.{2 * place}",
            f"moduleRefiner.moduleMain.{2 * place}",
            f"dc_conv{place + 1}" + ("" if last else ".0"),
            f"decoder.post_processor.layers.{place}" + ("" if last else ".conv"),
        )


def _decoder(level: int) -> Iterator[_Names]:
    ours, theirs = f"decoders.{level}", f"module{_WORDS[level - 1]}"
    mmflow = f"decoder.decoders.level{level}"
    for place, word in enumerate(_WORDS[:5]):
        yield _Names(
            f"{ours}.dense.{place}",
            f"{theirs}.module{word}.0",
            f"conv{level}_{place}.0",
            f"{mmflow}.dense_net.layers.{place}.layers.conv",
        )
    yield _Names(
        f"{ours}.flow",
        f"{theirs}.moduleSix.0",
        f"predict_flow{level}",
        f"{mmflow}.predict_layer",
    )
    if level > 2:
        # pytorch-pwc assigns the upsampling layers to the next finer level.
        finer = f"module{_WORDS[level - 2]}"
        yield _Names(
            f"{ours}.up_flow",
            f"{finer}.moduleUpflow",
            f"deconv{level}",
            f"{mmflow}.upflow_layer",
        )
        yield _Names(
            f"{ours}.up_features",
            f"{finer}.moduleUpfeat",
            f"upfeat{level}",
            f"{mmflow}.upfeat_layer",
        )
