"""Put a trained model into the package, in float16.

    python scripts/ship_embedded.py runs/embedded/clips/model

Writes src/posecast/assets/models/embedded and keeps the hand-written model card (README.md) there.
Refuses weights that are not finite, and files over 16 MB.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch

from posecast.models.folder import load_animator, save_animator

PLACE = Path(__file__).parents[1] / "src/posecast/assets/models/embedded"
LIMIT = 16 * 2**20


def main(folder: Path) -> None:
    """Ship the model in `folder`."""
    animator = load_animator(folder)
    for name, value in animator.state_dict().items():
        if value.is_floating_point() and not torch.isfinite(value.half()).all():
            sys.exit(f"{folder}: {name} is not finite in float16")
    card = PLACE / "README.md"
    text = card.read_text(encoding="utf-8") if card.exists() else None
    if PLACE.exists():
        shutil.rmtree(PLACE)
    save_animator(animator, PLACE, dtype=torch.float16)
    if text is not None:
        card.write_text(text, encoding="utf-8")
    for file in sorted(PLACE.rglob("*.safetensors")):
        size = file.stat().st_size
        print(f"{file.relative_to(PLACE)}: {size / 2**20:.2f} MB")
        if size > LIMIT:
            sys.exit(f"{file} is over 16 MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
