"""Starting weights of a run: a model of ours, or public ones, part by part."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from posecast.errors import InputError
from posecast.models.guider import Guiders
from posecast.models.public_names import MOTION, from_animateanyone
from posecast.models.public_weights import read_motion_file, read_part
from posecast.models.unet import UNet

IDLE_PARTS = ("conv_norm_out.", "conv_out.")
"""What a ReferenceNet leaves out of a whole U-Net."""


def load_part(module: nn.Module, place: Path, left_out: tuple[str, ...] = ()) -> None:
    """Load a file or a folder of weights into a module, of any kind that `read_part` reads.

    Only what later stages bring may be lacking there: motion modules and whole guiders. A model of
    images passes over motion modules. Submodules named in `left_out` (guiders trained without) are
    passed over. A ReferenceNet takes what it has of a whole U-Net.

    Raises `InputError`: no weights there, or a name or a shape that does not fit.
    """
    found = read_part(place, module)
    found = {name: value for name, value in found.items() if name.split(".")[0] not in left_out}
    own = module.state_dict()
    if isinstance(module, Guiders):
        learnt = {name.split(".")[0] for name in found}
        found |= {name: value for name, value in own.items() if name.split(".")[0] not in learnt}
    kept = {name: v for name, v in found.items() if name in own or not name.startswith(IDLE_PARTS)}
    if isinstance(module, UNet) and not any(MOTION in name for name in own):
        kept = {name: value for name, value in kept.items() if MOTION not in name}
    _check_fit(place, kept, own)
    for name in own:
        if name not in kept and MOTION not in name:
            raise InputError.at(place, "lacks this weight", name)
    module.load_state_dict(kept, strict=False)


def load_motion(unet: nn.Module, place: Path) -> None:
    """Load motion modules into a U-Net: AnimateDiff's v2 file, an adapter of diffusers, or those of
    a whole U-Net.

    Raises `InputError`: no weights there, a name or a shape that does not fit, or one lacking.
    """
    own = {name: value for name, value in unet.state_dict().items() if MOTION in name}
    if not own:
        raise InputError("model.parts.motion: the stage images has no motion modules; leave it out")
    found = from_animateanyone(read_motion_file(place, unet))
    _check_fit(place, found, own)
    for name in own:
        if name not in found:
            raise InputError.at(place, "lacks this weight", name)
    unet.load_state_dict(found, strict=False)


def _check_fit(place: Path, found: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    for name, value in found.items():
        if name not in own:
            raise InputError.at(place, "this model has no such weight", name)
        if value.shape != own[name].shape:
            expected = tuple(own[name].shape)
            raise InputError.at(place, f"is {tuple(value.shape)}, expected {expected}", name)
