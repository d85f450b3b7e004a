"""Blocks of the people networks: MobileNet-v2 bottlenecks (arXiv 1801.04381) and separable ones."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Conv(nn.Conv2d):
    """A convolution with a bias, then ReLU6 unless `active` is false.

    With a stride of 2 the padding is the same on both sides. `uneven` pads one pixel less at the
    left and top, as TensorFlow's "same" does for even sides.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        active: bool = True,
        uneven: bool = False,
        padding: int | None = None,
    ) -> None:
        even = kernel // 2 if padding is None else padding
        super().__init__(
            channels,
            out,
            kernel,
            stride,
            padding=0 if uneven else even,
            groups=channels if depthwise else 1,
        )
        self._active = active
        near = (kernel - 2) // 2
        self._uneven = (near, kernel - 2 - near) * 2 if uneven else None

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if self._uneven:
            features = functional.pad(features, self._uneven)
        features = super().forward(features)
        return functional.relu6(features, inplace=True) if self._active else features


class Bottleneck(nn.Module):
    """A widening 1x1 convolution, a depthwise one and a narrowing one; residual if shapes fit."""

    def __init__(
        self, channels: int, inner: int, out: int, kernel: int, stride: int = 1, *, uneven: bool
    ) -> None:
        super().__init__()
        self.widen = Conv(channels, inner)
        self.filter = Conv(inner, inner, kernel, stride, depthwise=True, uneven=uneven)
        self.narrow = Conv(inner, out, active=False)
        self._added = channels == out and stride == 1

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out = self.narrow(self.filter(self.widen(features)))
        return features + out if self._added else out


class Separable(nn.Sequential):
    """A depthwise 3x3 convolution, then a 1x1 one."""

    def __init__(
        self,
        channels: int,
        out: int,
        stride: int = 1,
        *,
        filter_active: bool = True,
        active: bool = True,
        uneven: bool = False,
    ) -> None:
        super().__init__(
            Conv(
                channels,
                channels,
                3,
                stride,
                depthwise=True,
                active=filter_active,
                uneven=uneven,
            ),
            Conv(channels, out, active=active),
        )


class Residual(nn.Module):
    """A separable convolution added to its input, then ReLU6, or PReLU if `learnt`.

    With a stride of 2 the input is pooled, and padded with zero channels to the output's width.
    """

    def __init__(
        self,
        channels: int,
        out: int | None = None,
        stride: int = 1,
        *,
        filter_active: bool = True,
        learnt: bool = False,
    ) -> None:
        super().__init__()
        out = channels if out is None else out
        self.branch = Separable(
            channels,
            out,
            stride,
            filter_active=filter_active,
            active=False,
            uneven=stride == 2,
        )
        self.active = nn.PReLU(out) if learnt else nn.ReLU6(inplace=True)
        self._stride = stride
        self._wider = out - channels

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        kept = functional.max_pool2d(features, 2) if self._stride == 2 else features
        if self._wider:
            kept = functional.pad(kept, (0, 0, 0, 0, 0, self._wider))
        return torch.as_tensor(self.active(kept + self.branch(features)))


def bottlenecks(
    channels: int, rows: tuple[tuple[int, int, int], ...], stride: int, *, uneven: bool = False
) -> nn.Sequential:
    """A sequence of bottlenecks, one per row ``(inner, out, kernel)``; only the first strides.

    `uneven` is the first one's padding (see `Conv`).
    """
    blocks = []
    for inner, out, kernel in rows:
        uneven = uneven and stride == 2
        blocks.append(Bottleneck(channels, inner, out, kernel, stride, uneven=uneven))
        channels, stride = out, 1
    return nn.Sequential(*blocks)


def doubled(features: torch.Tensor) -> torch.Tensor:
    """Upsample to twice the height and width, bilinearly."""
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


def depth_to_space(features: torch.Tensor) -> torch.Tensor:
    """Twice the height and width with a quarter of the channels, in TensorFlow's channel order."""
    n, channels, height, width = features.shape
    parts = features.reshape(n, 2, 2, channels // 4, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(n, channels // 4, 2 * height, 2 * width)
