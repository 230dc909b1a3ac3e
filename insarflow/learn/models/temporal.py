"""Attention over the interferograms of one place, each with its date and its delay."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

HEADS: Final = 16
_MODEL: Final = 256
_KEY: Final = 4
_PERIODS: Final = (1000.0, 100.0)
"""What the wavelengths of dates and of delays end at, days over two pi: years, and a few months."""

_SMALL: Final = 1e-5


class Attended(NamedTuple):
    """What attention makes of a series.

    Attributes
    ----------
    features
        ``(batch, channel, y, x)``.
    weights
        How much each interferogram counts for each head, ``(batch, time, head, y, x)``: 0 where it is not there.
    """

    features: Tensor
    weights: Tensor


class TemporalAttention(nn.Module):
    """Lightweight temporal attention at every pixel, which knows date and delay of each interferogram.

    Parameters
    ----------
    width
        Channels.

    Notes
    -----
    Sixteen heads of 16 channels; a head has one learned query for all places, so that its weights follow from the keys
    of the interferograms alone. Half of a head's channels are told the date and half the delay (`encode_when`); so two
    numbers take no more parameters than one. Interferograms that are not there enter no sum, neither of the attention
    nor of the normalisation before it. Their order does not matter.

    References
    ----------
    Garnot and Landrieu (2020), "Lightweight temporal self-attention for classifying satellite images time series",
    arXiv:2007.00586.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = SeriesNorm(HEADS, width)
        self.expand = nn.Conv2d(width, _MODEL, kernel_size=1)
        self.query = nn.Parameter(torch.empty(HEADS, _KEY))
        self.key = nn.Conv2d(_MODEL, HEADS * _KEY, kernel_size=1)
        self.dropout = nn.Dropout(0.1)
        self.merge = nn.Sequential(
            nn.Conv2d(_MODEL, width, kernel_size=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Dropout(0.2)
        )
        self.norm_merged = SeriesNorm(HEADS, width)
        for drawn in (self.query, self.key.weight):
            nn.init.normal_(drawn, std=math.sqrt(2 / _KEY))

    def forward(self, x: Tensor, when: Tensor, there: Tensor) -> Attended:
        """Of features ``(batch, time, channel, y, x)``; `when` and `there` as `UTAE` takes them."""
        batch, time, _, height, width = x.shape
        values = self.expand(self.norm(x, there).flatten(0, 1)).view(batch, time, -1, height, width)
        told = encode_when(when, _MODEL // HEADS).repeat(1, 1, HEADS)
        values = values + told[..., None, None].to(values.dtype)
        keys = self.key(values.flatten(0, 1)).view(batch, time, HEADS, _KEY, height, width)
        scores = torch.einsum("bthkyx,hk->bthyx", keys, self.query.to(keys.dtype)) / math.sqrt(_KEY)
        scores = scores.masked_fill(~there[..., None, None, None], -torch.inf)
        weights = self.dropout(scores.softmax(dim=1))
        merged = self.merge(weighted(values, weights))
        alone = there.new_ones(batch, 1)
        return Attended(self.norm_merged(merged[:, None], alone)[:, 0], weights)


class SeriesNorm(nn.Module):
    """Group normalisation at every pixel, over the interferograms that are there.

    Parameters
    ----------
    groups, width
        Of channels; and all of them.
    """

    def __init__(self, groups: int, width: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """Normalised ``(batch, time, channel, y, x)``, of the same."""
        batch, time, _, height, width = x.shape
        grouped = x.reshape(batch, time, self.groups, -1, height, width)
        grouped = grouped.to(torch.promote_types(x.dtype, torch.float32))
        mask = there[:, :, None, None, None, None].to(grouped.dtype)
        count = mask.sum(dim=1, keepdim=True) * grouped.shape[3]
        mean = (grouped * mask).sum(dim=(1, 3), keepdim=True) / count
        centred = grouped - mean
        variance = (centred.square() * mask).sum(dim=(1, 3), keepdim=True) / count
        normal = (centred / torch.sqrt(variance + _SMALL)).flatten(2, 3).to(x.dtype)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]


def weighted(x: Tensor, weights: Tensor) -> Tensor:
    """Sums over time ``(batch, channel, y, x)``; each head's weights are those of its channels."""
    batch, time, _, height, width = x.shape
    return (x.reshape(batch, time, HEADS, -1, height, width) * weights[:, :, :, None]).sum(dim=1).flatten(1, 2)


def encode_when(when: Tensor, width: int) -> Tensor:
    """Sines and cosines of dates, then as many of delays.

    Parameters
    ----------
    when
        ``(batch, time, 2)``: days since 2014-01-01 of the earlier image, and delay in days.
    width
        Of the result; a multiple of four.

    Returns
    -------
    Tensor
        ``(batch, time, width)``.
    """
    steps = torch.arange(width // 4, device=when.device, dtype=when.dtype) / (width // 4)
    told = []
    for days, period in zip(when.unbind(-1), _PERIODS, strict=True):
        angle = days[..., None] / period**steps
        told += [torch.sin(angle), torch.cos(angle)]
    return torch.cat(told, dim=-1)
