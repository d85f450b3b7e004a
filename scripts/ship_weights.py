"""Put a trained network into the package, in float16: the embedded model, or the cut-out's mender.

    python scripts/ship_weights.py runs/embedded/clips/model
    python scripts/ship_weights.py runs/cutout/mender/model

Of several models it puts the mean of their weights there; one that is named twice counts twice.
Writes to src/posecast/assets and keeps the hand-written model card (README.md) there. Refuses
weights that are not finite, and files over 16 MB.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from posecast.cutout.mending import load_mender
from posecast.models.folder import load_animator, save_animator

ASSETS = Path(__file__).parents[1] / "src/posecast/assets"
LIMIT = 16 * 2**20
N = TypeVar("N", bound=nn.Module)


def main(folders: list[Path]) -> None:
    """Ship the network in a folder, or the mean of several."""
    folder = folders[0]
    if (folder / "mender").is_dir():
        mender = mean_of([load_mender(one / "mender") for one in folders])
        refuse_overflow(mender, folder)
        place = ASSETS / "cutout/mender"
        mender.half().save_pretrained(place)
    else:
        animator = mean_of([load_animator(one) for one in folders])
        refuse_overflow(animator, folder)
        place = ASSETS / "models/embedded"
        card = place / "README.md"
        text = card.read_text(encoding="utf-8") if card.exists() else None
        if place.exists():
            shutil.rmtree(place)
        save_animator(animator, place, dtype=torch.float16)
        if text is not None:
            card.write_text(text, encoding="utf-8")
    for file in sorted(place.rglob("*.safetensors")):
        size = file.stat().st_size
        print(f"{file.relative_to(place)}: {size / 2**20:.2f} MB")
        if size > LIMIT:
            sys.exit(f"{file} is over 16 MB")


def mean_of(networks: list[N]) -> N:
    """The first network with the mean of all networks' weights."""
    states = [network.state_dict() for network in networks]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(dim=0)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
    networks[0].load_state_dict(mean)
    return networks[0]


def refuse_overflow(network: nn.Module, folder: Path) -> None:
    """Exit with a message if a weight is not finite in float16."""
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value.half()).all():
            sys.exit(f"{folder}: {name} is not finite in float16")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
