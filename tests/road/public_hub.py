"""A hub of our own on this machine: small files under every public name that we fetch."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from posecast.models.public_files import ANIMATEANYONE, SD15, PublicFile
from posecast.models.unet import UNet
from tests.models.peer_cases import case
from tests.models.test_conversion import write_weights
from tests.training.public_start import (
    CONFIG,
    OLD_VAE,
    UNET,
    small_encoder,
    small_vae,
    write_motion,
)

ANIMATEANYONE_CONFIG = case(unet={"cross_attention_dim": CONFIG["cross_attention_dim"]})
"""Its sizes: the public files come without, for they are of Stable Diffusion 1.5's."""


def write_hub(folder: Path) -> dict[str, tuple[PublicFile, ...]]:
    """Lay the files out as the hub serves them; the two lists of them, pinned to what they hold."""
    made = _write_files(folder / "made")
    lists = {"SD15": SD15, "ANIMATEANYONE": ANIMATEANYONE}
    pinned = {}
    for name, files in lists.items():
        pinned[name] = tuple(_publish(file, made, folder) for file in files)
    return pinned


def _publish(file: PublicFile, made: Path, hub: Path) -> PublicFile:
    content = (made / file.repo / file.name).read_bytes()
    place = hub / file.repo / "resolve" / file.revision / file.name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return replace(file, sha256=digest, git_blob="", size=len(content))


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address at which a folder is served until the block ends."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _write_files(folder: Path) -> Path:
    """Every public file, as its publisher names things in it."""
    torch.manual_seed(0)
    unet = folder / "stable-diffusion-v1-5" / "stable-diffusion-v1-5" / "unet"
    unet.mkdir(parents=True)
    (unet / "config.json").write_text(json.dumps(CONFIG))
    _save(UNet(**UNET).state_dict(), unet / "diffusion_pytorch_model.safetensors")
    motion = folder / "guoyww" / "animatediff"
    motion.mkdir(parents=True)
    write_motion(motion / "mm_sd_v15_v2.ckpt")
    vae = folder / "stabilityai" / "sd-vae-ft-mse"
    _write_vae(vae)
    encoder = folder / "lambdalabs" / "sd-image-variations-diffusers" / "image_encoder"
    _write_encoder(encoder)
    write_weights(folder / "patrolli" / "AnimateAnyone", ANIMATEANYONE_CONFIG)
    return folder


def _write_vae(folder: Path) -> None:
    """With the names that its attention had when it was published."""
    vae = small_vae()
    vae.save_config(folder)
    state = vae.state_dict()
    for new, old in OLD_VAE.items():
        state = {name.replace(new, old): value for name, value in state.items()}
    _save(state, folder / "diffusion_pytorch_model.safetensors")


def _write_encoder(folder: Path) -> None:
    encoder = small_encoder()
    encoder.config.save_pretrained(folder)
    positions = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    torch.save({**encoder.state_dict(), **positions}, folder / "pytorch_model.bin")


def _save(state: dict[str, Tensor], path: Path) -> None:
    save_file({name: value.contiguous() for name, value in state.items()}, path)
