"""A U-Net that is given several interferograms of one place, with temporal attention."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec
from insarflow.learn.models.temporal import TemporalAttention, weighted

ENCODER: Final = (64, 64, 64, 128)
DECODER: Final = (32, 32, 64, 128)
"""Widths, from the highest resolution to the lowest."""

_GROUPS: Final = 4


class UTAE(Network):
    """U-TAE: 1,087,260 parameters with ten input channels and 20 classes, 1,077,699 with three and one.

    Parameters
    ----------
    in_channels
        Number of channels of one interferogram.
    classes
        Number of logits for each pixel.

    Notes
    -----
    Every interferogram goes through one encoder; at an eighth of the resolution attention over the series makes one map
    of all (`TemporalAttention`), and its weights, interpolated, make one of the encoder's features on each level, which
    the decoder joins. The encoder normalises by group over the whole tile. Borders are reflected.

    Unlike in the paper, an interferogram has a date and a delay, encoded separately without further parameters; what is
    missing is said by a mask and not by a value; and the last layer has no ReLU, so that a logit can be negative.

    References
    ----------
    Garnot and Landrieu (2021), "Panoptic segmentation of satellite image time series with convolutional temporal
    attention networks", doi:10.1109/ICCV48922.2021.00483.
    """

    spec: ClassVar[Spec] = Spec(stride=8, reach=67, whole_tile=True, kind="series")
    heads: ClassVar[tuple[str, ...]] = ("head.0", "head.1")
    least: ClassVar[int] = 16

    def __init__(self, in_channels: int = 3, *, classes: int = 1) -> None:
        super().__init__()
        high, last = ENCODER[0], ENCODER[-1]
        self.first = nn.Sequential(*_grouped(in_channels, high), *_grouped(high, high))
        self.down = nn.ModuleList(_Down(inside, outside) for inside, outside in pairwise(ENCODER))
        self.attention = TemporalAttention(last)
        self.up = nn.ModuleList(
            _Up(inside, outside, skip)
            for (inside, outside), skip in zip(pairwise(DECODER[::-1]), ENCODER[-2::-1], strict=True)
        )
        self.last = _layer(DECODER[0], DECODER[0])
        self.head = nn.Sequential(_conv(DECODER[0], classes), nn.BatchNorm2d(classes))

    def forward(self, image: Tensor, when: Tensor, there: Tensor) -> Tensor:
        """Logits ``(batch, class, y, x)`` of a series.

        Parameters
        ----------
        image
            Float ``(batch, time, channel, y, x)``. What stands where nothing is there does not matter.
        when
            Float ``(batch, time, 2)``: days since 2014-01-01 of the earlier image, and delay in days.
        there
            Bool ``(batch, time)``: False for a date that is missing, or was added to make series equally long.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride, or below 16; if shapes do not fit; or if of a
            series nothing is there.
        """
        _check_series(image, when, there)
        self.check_sides(image)
        series = there.shape
        image = torch.where(there[:, :, None, None, None], image, 0.0)
        when = torch.where(there[:, :, None], when, 0.0)
        x = self.first(image.flatten(0, 1))
        levels = [x]
        for down in self.down:
            x = down(x)
            levels.append(x)
        low = levels.pop()
        x, weights = self.attention(low.view(*series, *low.shape[1:]), when, there)
        for up in self.up:
            level = levels.pop()
            size = level.shape[-2:]
            finer = functional.interpolate(weights.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
            x = up(x, weighted(level.view(*series, *level.shape[1:]), finer.view(*series, *finer.shape[1:])))
        logits: Tensor = self.head(self.last(x))
        return logits


class _Down(nn.Module):
    """Half of the resolution, then two convolutions, of which the second is added to the first."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.down = _grouped(inside, inside, size=4, stride=2)
        self.first = _grouped(inside, outside)
        self.second = _grouped(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.down(x))
        out: Tensor = x + self.second(x)
        return out


class _Up(nn.Module):
    """Twice the resolution, joined with the encoder's features, then two convolutions as on the way down."""

    def __init__(self, inside: int, outside: int, skip: int) -> None:
        super().__init__()
        self.skip = _layer(skip, skip, size=1)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(inside, outside, kernel_size=4, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU()
        )
        self.first = _layer(outside + skip, outside)
        self.second = _layer(outside, outside)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.first(torch.cat((self.up(x), self.skip(skip)), dim=1))
        out: Tensor = x + self.second(x)
        return out


def _check_series(image: Tensor, when: Tensor, there: Tensor) -> None:
    series = image.shape[:2]
    if image.ndim != 5 or when.shape != (*series, 2) or there.shape != series or there.dtype != torch.bool:
        raise ValueError(
            "image, when and there must be (batch, time, channel, y, x), (batch, time, 2) and boolean (batch, time), "
            f"instead got {tuple(image.shape)}, {tuple(when.shape)} and {there.dtype} {tuple(there.shape)}"
        )
    if not there.is_meta and not bool(there.any(dim=1).all()):
        raise ValueError(
            "there must be True at least once in each series, instead got one of which nothing is there: leave it out"
        )


def _conv(inside: int, outside: int, *, size: int = 3, stride: int = 1) -> nn.Conv2d:
    padding = (size - 1) // 2
    return nn.Conv2d(inside, outside, kernel_size=size, stride=stride, padding=padding, padding_mode="reflect")


def _layer(inside: int, outside: int, *, size: int = 3) -> nn.Sequential:
    return nn.Sequential(_conv(inside, outside, size=size), nn.BatchNorm2d(outside), nn.ReLU())


def _grouped(inside: int, outside: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inside, outside, size=size, stride=stride), nn.GroupNorm(_GROUPS, outside), nn.ReLU())
