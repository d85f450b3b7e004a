"""Starting weights from folders: a model of ours, or public ones, part by part."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from posecast.errors import InputError
from posecast.models.guider import Guiders
from posecast.models.initialisation import mix_in_warp
from posecast.models.public_names import from_animateanyone
from posecast.models.unet import UNet
from posecast.weights import SAFETENSORS, read_tensors

MOTION = "motion_modules."
WARP = "warp_"
"""What a folder may lack of a U-Net: modules that a later stage brings."""
IDLE_PARTS = ("conv_norm_out.", "conv_out.")
"""What a ReferenceNet leaves out of a whole U-Net."""
# diffusers' names of a motion module's layers, and the original's, which are ours.
_ADAPTER_NAMES = {
    "attn1.": "attention_blocks.0.",
    "attn2.": "attention_blocks.1.",
    "norm1.": "norms.0.",
    "norm2.": "norms.1.",
    "norm3.": "ff_norm.",
}
_ADAPTER_LAYER = re.compile(r"(?<=\.transformer_blocks\.\d\.)(attn1|attn2|norm1|norm2|norm3)\.")


def load_part(module: nn.Module, folder: Path, left_out: tuple[str, ...] = ()) -> None:
    """Load a folder's safetensors into a module; only what later stages bring may be lacking there.

    That is motion modules, what takes in a warped reference (`mix_in_warp`), and whole guiders.
    Submodules named in `left_out` (guiders trained without) are passed over. A ReferenceNet takes
    what it has of a whole U-Net.

    Raises `InputError`: no weights there, or a name or a shape that does not fit.
    """
    found = _read(folder)
    found = {name: value for name, value in found.items() if name.split(".")[0] not in left_out}
    own = module.state_dict()
    if isinstance(module, Guiders):
        learnt = {name.split(".")[0] for name in found}
        found |= {name: value for name, value in own.items() if name.split(".")[0] not in learnt}
    kept = {name: v for name, v in found.items() if name in own or not name.startswith(IDLE_PARTS)}
    _check_fit(folder, kept, own)
    for name in own:
        if name not in kept and MOTION not in name and not name.startswith(WARP):
            raise InputError.at(folder, "lacks this weight", name)
    module.load_state_dict(kept, strict=False)
    if isinstance(module, UNet) and module.warp_in is not None and f"{WARP}in.weight" not in kept:
        mix_in_warp(module)


def load_motion(module: nn.Module, folder: Path) -> None:
    """Load a motion adapter's safetensors (AnimateDiff's, or diffusers' layout) into a U-Net.

    Raises `InputError`: no weights there, a name or a shape that does not fit, or one lacking.
    """
    found = {motion_name(name): value for name, value in from_animateanyone(_read(folder)).items()}
    found = {name: value for name, value in found.items() if not name.endswith(".pos_embed.pe")}
    own = {name: value for name, value in module.state_dict().items() if MOTION in name}
    _check_fit(folder, found, own)
    for name in own:
        if name not in found:
            raise InputError.at(folder, "lacks this weight", name)
    module.load_state_dict(found, strict=False)


def motion_name(name: str) -> str:
    """Our name of a weight of diffusers' `MotionAdapter`; other names stay."""
    if MOTION not in name:
        return name
    return _ADAPTER_LAYER.sub(lambda match: _ADAPTER_NAMES[match[0]], name)


def _read(folder: Path) -> dict[str, Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError.at(folder, "holds no safetensors weights")
    found: dict[str, Tensor] = {}
    for file in files:
        found |= read_tensors(file, "safetensors weights", formats=(SAFETENSORS,))
    return found


def _check_fit(folder: Path, found: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    for name, value in found.items():
        if name not in own:
            raise InputError.at(folder, "this model has no such weight", name)
        if value.shape != own[name].shape:
            expected = tuple(own[name].shape)
            raise InputError.at(folder, f"is {tuple(value.shape)}, expected {expected}", name)
