"""The public weights that `posecast fetch` downloads, pinned by content and commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posecast.media.download import PublishedFile, hub_url


@dataclass(frozen=True)
class PublicFile:
    """A file on the hub, what its content must be, and where it goes."""

    repo: str
    name: str
    sha256: str = ""
    git_blob: str = ""
    size: int | None = None
    revision: str = "main"
    """A commit; `main` where no public record states one: the digest holds all the same."""
    into: str = "."
    """Folder under the weights' folder; the file's own path in its repository follows."""

    def published(self, endpoint: str | None = None) -> PublishedFile:
        """Where it is, and what it is."""
        url = hub_url(self.repo, self.name, self.revision, endpoint)
        return PublishedFile(Path(self.name).name, url, self.sha256, self.size, self.git_blob)


# Where the digests are from (looked up on 2026-11-26):
# - AnimateAnyone: github.com/deshanj/Image2Life-FYP and jeonminkyu/AIFFELTHON have committed links
#   into the hub's cache, in which a file's name is its sha256 (reference_unet, motion_module;
#   denoising_unet). A download script on GitHub states pose_guider and, again, motion_module.
# - sd-image-variations: github.com/yuanqi99/sd-image-variations-diffusers mirrors the repository;
#   the commit, the config's blob and the pointer of the weights are in it.
# - sd-vae-ft-mse, Stable Diffusion 1.5, AnimateDiff: stated, with commit, by several projects on
#   GitHub that pin them; unet/config.json by a listing of the hub's cache.
_VAE = ("stabilityai/sd-vae-ft-mse", "31f26fdeee1355a5c34592e401dd41e45d25a493")
_ENCODER = (
    "lambdalabs/sd-image-variations-diffusers",
    "42bc0ee1726b141d49f519a6ea02ccfbf073db2e",
)
_SD15 = (
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
)
_ENCODERS = (
    PublicFile(
        _VAE[0],
        "config.json",
        sha256="92d3dfb746fca211a2c9e019e285f8597412211728dce3c5bcf4eda0f2d62e7e",
        size=547,
        revision=_VAE[1],
        into="vae",
    ),
    PublicFile(
        _VAE[0],
        "diffusion_pytorch_model.safetensors",
        sha256="a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
        size=334_643_276,
        revision=_VAE[1],
        into="vae",
    ),
    PublicFile(
        _ENCODER[0],
        "image_encoder/config.json",
        sha256="ba41139cc9dad159163a53e2aa847356b627f53fef988ad461659bd2d587d886",
        size=703,
        revision=_ENCODER[1],
    ),
    PublicFile(
        _ENCODER[0],
        "image_encoder/pytorch_model.bin",
        sha256="89d2aa29b5fdf64f3ad4f45fb4227ea98bc45156bbae673b85be1af7783dbabb",
        size=1_215_993_967,
        revision=_ENCODER[1],
    ),
)
_CHECKPOINTS = {
    "denoising_unet": "b9e5a2c34fac369e8a922972ca2210916c6af175a0dad907deccf6235816ad52",
    "reference_unet": "beddccb08d49a8b29b0f4d6d456c6521d4382a8d8d48884fa60ba8802509c214",
    "pose_guider": "1a8b7c1b4db92980fd977b4fd003c1396bbae9a9cdea00c35d452136d5e4f488",
    "motion_module": "0d11e01a281b39880da2efeea892215c1313e5713fca3d100a7fbb72ee312ef9",
}
ANIMATEANYONE = (
    *(
        PublicFile("patrolli/AnimateAnyone", f"{name}.pth", sha256=digest)
        for name, digest in _CHECKPOINTS.items()
    ),
    *_ENCODERS,
)
SD15 = (
    PublicFile(
        _SD15[0],
        "unet/config.json",
        git_blob="1a02ee8abc93e840ffbcb2d68b66ccbcb74b3ab3",
        size=743,
        revision=_SD15[1],
    ),
    PublicFile(
        _SD15[0],
        "unet/diffusion_pytorch_model.safetensors",
        sha256="19da7aaa4b880e59d56843f1fcb4dd9b599c28a1d9d9af7c1143057c8ffae9f1",
        size=3_438_167_540,
        revision=_SD15[1],
    ),
    PublicFile(
        "guoyww/animatediff",
        "mm_sd_v15_v2.ckpt",
        sha256="69ed0f5fef82b110aca51bcab73b21104242bc65d6ab4b8b2a2a94d31cad1bf0",
        size=1_817_888_431,
        revision="fdfe36afa161e51b3e9c24022b0e368d59e7345e",
    ),
    *_ENCODERS,
)
