"""Starting weights from folders: a model of ours, or public ones, part by part."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from posecast.errors import InputError

NEW_PARTS = ("motion_modules.",)
"""What a model of images lacks when it becomes a model of clips."""
IDLE_PARTS = ("conv_norm_out.", "conv_out.")
"""What a ReferenceNet leaves out of a whole U-Net."""


def load_part(module: nn.Module, folder: Path, left_out: tuple[str, ...] = ()) -> list[str]:
    """Load the safetensors of a folder into a module; return the names that the folder lacks.

    Submodules named in `left_out` (guiders trained without) are passed over.

    Raises `InputError`: no weights there, a shape or a name that does not fit, or lacking weights
    other than those of motion modules.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError.at(folder, "holds no safetensors weights")
    found: dict[str, Tensor] = {}
    for file in files:
        try:
            found |= load_file(file)
        except Exception as error:  # safetensors raises its own type for a cut or foreign file
            raise InputError.at(file, f"not readable as safetensors: {error}") from None
    found = {name: value for name, value in found.items() if name.split(".")[0] not in left_out}
    own = module.state_dict()
    _check(folder, found, own)
    module.load_state_dict({name: found[name] for name in own if name in found}, strict=False)
    return [name for name in own if name not in found]


def _check(folder: Path, found: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    for name, value in found.items():
        if name not in own:
            if name.startswith(IDLE_PARTS) or name.endswith("pos_embed.pe"):
                continue
            raise InputError.at(folder, "this model has no such weight", name)
        if value.shape != own[name].shape:
            expected = tuple(own[name].shape)
            raise InputError.at(folder, f"is {tuple(value.shape)}, expected {expected}", name)
    only_motion = all("motion_modules." in name for name in found)
    for name in own:
        if name not in found and not only_motion and not any(part in name for part in NEW_PARTS):
            raise InputError.at(folder, "lacks this weight", name)
