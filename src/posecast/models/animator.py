"""The whole model of section 4.5: VAE, image encoder, ReferenceNet, guiders, denoising U-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from posecast.errors import InputError
from posecast.geometry.conditions import known_conditions
from posecast.models.attention import ReferenceFeatures
from posecast.models.autoencoder import PatchAutoencoder
from posecast.models.correspondence import GUIDER_KEYS, correspondence_features
from posecast.models.guider import Guiders, total_of
from posecast.models.initialisation import copy_start, warm_start
from posecast.models.memory_layout import channels_last
from posecast.models.motion import MotionSettings
from posecast.models.presets import PRESETS, AnimatorConfig, Settings
from posecast.models.unet import DeepFeatures, UNet
from posecast.models.views import Moves, view_moves, views

Maps = Mapping[str, Float[Tensor, "b _ _ _ _"]]
"""Guider name to its maps (batch, frames, channels, H, W); one frame is broadcast over time."""
ReferenceMaps = Mapping[str, Float[Tensor, "b _ _ _"]]
"""`pose` and `identity` of the reference itself (batch, channels, H, W)."""

LATENT_STRIDE = 8
"""Pixels a latent."""

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Animator(nn.Module):
    """All networks of one model; state passes between them only as arguments and results.

    The VAE is frozen and always in evaluation mode; everything else is trained according to its
    `requires_grad`. `config` is what shaped it; `scheduler` holds the noise schedule and prediction
    type.
    """

    def __init__(self, config: AnimatorConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(**config.unet, motion=config.motion)
        self.reference_net = UNet(**{**config.unet, "key_channels": 0}, role="reference")
        self.guiders = Guiders(config.guiders)
        self.vae: Any = None
        if config.vae is not None:
            vae_class = AutoencoderKL if config.vae_class == "AutoencoderKL" else PatchAutoencoder
            self.vae = vae_class(**config.vae).requires_grad_(False).eval()
        self.image_encoder: Any = None
        if config.image_encoder is not None:
            shape = CLIPVisionConfig(**config.image_encoder)
            self.image_encoder = CLIPVisionModelWithProjection(shape)
        self.scheduler = DDIMScheduler(**config.scheduler)
        channels_last(self)

    @property
    def device(self) -> torch.device:
        """Where the denoiser is now."""
        return next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The networks' precision, the denoiser's."""
        return next(self.unet.parameters()).dtype

    @classmethod
    def from_preset(cls, preset: str | AnimatorConfig) -> Animator:
        """A fresh model with its preset's starting weights (draws from torch's global generator).

        ValueError: no preset of that name.
        """
        if isinstance(preset, str):
            if preset not in PRESETS:
                raise ValueError(f"no preset {preset!r}; there are {sorted(PRESETS)}")
            preset = PRESETS[preset]()
        animator = cls(preset)
        if preset.start != "zero":
            warm_start(animator.unet, by_place="place" in preset.keyed_by)
            copy_start(animator.reference_net, animator.unet)
        return animator

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> Animator:
        """A model folder, the name of one in the package, or a hub id; in evaluation mode.

        InputError: no such model, a file missing, unknown, or not of the shape its config says.
        """
        from posecast.models.folder import load_animator

        return load_animator(folder, dtype)

    def save_pretrained(self, folder: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a model folder, completely or not at all; `dtype` casts the weights."""
        from posecast.models.folder import save_animator

        save_animator(self, folder, dtype)

    def add_motion(self, motion: Settings) -> None:
        """Add new motion modules to an image model, with zero output: its results do not change."""
        state = self.unet.state_dict()
        trainable = {name: p.requires_grad for name, p in self.unet.named_parameters()}
        unet = UNet(**self.config.unet, motion=motion)
        channels_last(nn.Module.to(unet, self.unet.device, self.unet.dtype))
        unet.load_state_dict(state, strict=False)
        for name, parameter in unet.named_parameters():
            parameter.requires_grad_(trainable.get(name, True))
        self.unet = unet
        self.config = replace(self.config, motion=motion)

    def train(self, mode: bool = True) -> Animator:
        """As every module's, but the frozen VAE stays in evaluation mode."""
        super().train(mode)
        if self.vae is not None:
            self.vae.eval()
        return self

    def embed(self, images: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b 1 dim"]:
        """Images in 0..1 to one appearance token each, resized to the encoder's own square.

        InputError, here and in `encode` and `decode`: the model was converted without that part.
        """
        self._check_part("image_encoder")
        size = self.image_encoder.config.image_size
        if images.shape[2:] != (size, size):
            # In float32: torch resizes no bfloat16 on CPU.
            resized = F.interpolate(
                images.float(),
                size=(size, size),
                mode="bicubic",
                align_corners=False,
                antialias=True,
            )
            images = resized.clamp(0, 1).to(images.dtype)
        mean, std = images.new_tensor([CLIP_MEAN, CLIP_STD]).view(2, 1, 3, 1, 1)
        return self.image_encoder(pixel_values=(images - mean) / std).image_embeds[:, None]

    @torch.no_grad()
    def encode(
        self,
        images: Float[Tensor, "b 3 H W"],
        slice_size: int = 16,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """Images in 0..1 (H, W multiples of 8) to scaled latents, `slice_size` at a time.

        The mode of the VAE's distribution; with a generator, a sample of it.
        """
        self._check_part("vae")
        scale, parts = self.vae.config.scaling_factor, images.split(slice_size)
        return torch.cat([scale * self._encode(2 * x - 1, generator) for x in parts])

    @torch.no_grad()
    def decode(
        self, latents: Float[Tensor, "b c h w"], slice_size: int = 16
    ) -> Float[Tensor, "b 3 H W"]:
        """Scaled latents to images in 0..1, `slice_size` at a time."""
        self._check_part("vae")
        scale = self.vae.config.scaling_factor
        images = [self._decode(x / scale) for x in latents.split(slice_size)]
        return (torch.cat(images) / 2 + 0.5).clamp(0, 1)

    @property
    def moves(self) -> Moves:
        """Where the views of the reference lie."""
        return view_moves(self.config.half_cells)

    def encode_reference(
        self, images: Float[Tensor, "b 3 H W"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "bv c h w"]:
        """As `encode`, of all views of each reference, which follow each other."""
        cell = LATENT_STRIDE // self.unet.config.cells
        return self.encode(views(images, self.moves, cell).flatten(0, 1), generator=generator)

    def reference_features(
        self,
        latents: Float[Tensor, "bv c h w"],
        appearance: Float[Tensor, "b t dim"],
        maps: ReferenceMaps | None = None,
    ) -> ReferenceFeatures:
        """The reference features for the denoiser, the same for all steps of a video.

        `latents` are those of `encode_reference`. `maps` (`pose`, `identity` of the reference
        itself) serve keyed reference attention only.
        """
        moves, guidance, correspondence = self.moves, None, None
        if maps and self.keyed:
            table, cell = known_conditions(), LATENT_STRIDE // self.unet.config.cells
            own = {
                name: views(values, moves, cell // table[name].stride)
                for name, values in maps.items()
            }
            features = self.guiders(self._keyed_guiders(own))
            guidance = total_of(features)
            correspondence = self._correspondence(features, own, moves)
        tokens = self.reference_net.reference_tokens(
            latents,
            appearance.repeat_interleave(len(moves), 0),
            None if guidance is None else guidance.flatten(0, 1),
        )
        together = {
            path: found.unflatten(0, (-1, len(moves))).flatten(1, 2)
            for path, found in tokens.items()
        }
        return ReferenceFeatures(together, correspondence)

    def prepare_reference(self, reference: ReferenceFeatures) -> ReferenceFeatures:
        """The features with the denoiser's keys and values, computed once for all steps."""
        return self.unet.project_reference(reference)

    def features(self, maps: Maps) -> dict[str, Float[Tensor, "b _ d h w"]]:
        """The features of each guider; maps without a guider are ignored."""
        table = known_conditions()
        return self.guiders({k: v for k, v in maps.items() if table[k].optional})

    def guidance(self, maps: Maps) -> Float[Tensor, "b f d h w"] | None:
        """Eq. 10: the sum of the guiders' features; None without maps."""
        return total_of(self.features(maps))

    @property
    def max_window(self) -> int | None:
        """Largest number of frames for the motion modules; None for an image model."""
        motion = self.config.motion
        return None if motion is None else MotionSettings(**motion).max_frames

    @property
    def keyed(self) -> bool:
        """Whether this model has keyed reference attention."""
        return self.unet.config.key_channels > 0

    def correspondence(
        self, maps: Maps, features: Mapping[str, Tensor] | None = None
    ) -> Float[Tensor, "b f keys h w"] | None:
        """Keyed attention's features of the targets; None if the extension is off.

        `features` are the guiders' features of these maps, if already computed.
        """
        if not self.keyed:
            return None
        if features is None:
            features = self.guiders(self._keyed_guiders(maps))
        return self._correspondence(self._keyed_guiders(features), maps)

    def _keyed_guiders(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The maps (or features) of guiders whose features keyed attention compares."""
        names = [name for name in GUIDER_KEYS if name in self.config.keyed_by]
        return {name: maps[name] for name in names if name in maps}

    def _correspondence(
        self,
        features: Mapping[str, Tensor],
        maps: Mapping[str, Tensor],
        moves: Moves = ((0.0, 0.0),),
    ) -> Float[Tensor, "b f keys h w"] | None:
        """Keyed attention's features, of the size of the guiders' features; None without maps."""
        table = known_conditions()
        whole = [n for n in maps if table[n].of == "frames" and table[n].stride == 1]
        drawn = maps[whole[0]] if whole else None
        if drawn is None:
            return None
        stride = LATENT_STRIDE // self.unet.config.cells
        size = (drawn.shape[3] // stride, drawn.shape[4] // stride)
        like = drawn.new_empty(*drawn.shape[:2], self.unet.config.widths[0], *size)
        body = maps.get("body")
        return correspondence_features(self.config.keyed_by, features, body, like, moves)

    def denoise(
        self,
        noisy: Float[Tensor, "b f c h w"],
        timestep: int | float | Tensor,
        *,
        appearance: Float[Tensor, "b t dim"],
        reference: ReferenceFeatures | None = None,
        guidance: Tensor | None = None,
        correspondence: Tensor | None = None,
    ) -> Float[Tensor, "b f c h w"]:
        """The prediction, of the type `scheduler.config.prediction_type`.

        `reference=None` is the unconditional half, with zeros for `appearance`.
        """
        return self.unet(noisy, timestep, appearance, reference, guidance, correspondence)

    def denoise_reusing(
        self,
        deep: DeepFeatures | None,
        noisy: Float[Tensor, "b f c h w"],
        timestep: int | float | Tensor,
        *,
        appearance: Float[Tensor, "b t dim"],
        reference: ReferenceFeatures | None = None,
        guidance: Tensor | None = None,
        correspondence: Tensor | None = None,
    ) -> tuple[Float[Tensor, "b f c h w"], DeepFeatures]:
        """As `denoise`, from another step's deep features (None: computed); also returns them."""
        inputs = (noisy, timestep, appearance, reference, guidance, correspondence)
        return self.unet(*inputs, deep=deep, return_deep=True)

    def forward(
        self,
        noisy: Float[Tensor, "b f c h w"],
        timestep: int | float | Tensor,
        reference_latents: Float[Tensor, "bv c h w"],
        appearance: Float[Tensor, "b 3 H W"] | Float[Tensor, "b t dim"],
        maps: Maps,
        reference_maps: ReferenceMaps | None = None,
        drop_reference: Bool[Tensor, " b"] | None = None,
        drop_guiders: Mapping[str, Bool[Tensor, " b"]] | None = None,
    ) -> Float[Tensor, "b f c h w"]:
        """One training prediction, through every network that trains (the call DDP wraps).

        `appearance`: the references' pictures, or what `embed` made of them before. Where
        `drop_reference` is True a sample is the unconditional half's: no reference tokens and
        zeros for appearance, the guiders as always. Where `drop_guiders` is True a guider
        contributes nothing, as if its map were left out.
        """
        appearance = self.embed(appearance) if appearance.ndim == 4 else appearance
        reference = self.reference_features(reference_latents, appearance, reference_maps)
        if drop_reference is not None and bool(drop_reference.any()):
            appearance = appearance * (~drop_reference)[:, None, None]
            reference = reference.without(drop_reference)
        features = self.features(maps)
        correspondence = self.correspondence(maps, features)
        for name, left_out in (drop_guiders or {}).items():
            if name in features:
                features[name] = features[name] * (~left_out)[:, None, None, None, None]
        guidance = total_of(features)
        return self.unet(noisy, timestep, appearance, reference, guidance, correspondence)

    def _check_part(self, part: str) -> None:
        if getattr(self, part) is None:
            raise InputError(
                f"this model has no {part}: convert the weights again, with a folder {part}/"
            )

    def _encode(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        encoded: Any = self.vae.encode(images)
        if isinstance(encoded, Tensor):
            return encoded
        likely = encoded.latent_dist
        return likely.mode() if generator is None else likely.sample(generator)

    def _decode(self, latents: Tensor) -> Tensor:
        decoded: Any = self.vae.decode(latents)
        return decoded if isinstance(decoded, Tensor) else decoded.sample
