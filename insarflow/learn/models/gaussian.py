"""Gaussian means of images."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional


def gaussian(sigma: float, reach: float) -> Tensor:
    """Weights of a mean along an axis, of sum 1: standard deviation in pixels, and where it ends in these."""
    last = math.ceil(reach * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-last, last + 1) / sigma) ** 2)
    return weights / weights.sum()


def float32(device: torch.device) -> AbstractContextManager[object]:
    """Within it, layers are not brought to fewer bits, whatever surrounds it."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def blurred(x: Tensor, weights: Tensor) -> Tensor:
    """Images ``(batch, channel, y, x)`` averaged along both axes, with zeros beyond the border.

    In float32 whatever the network runs in: processors do this a thousand times slower in bfloat16.
    """
    channels, reach = x.shape[1], weights.numel() // 2
    down = weights.float().view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    with float32(x.device):
        mean = functional.conv2d(x.float(), down, padding=(reach, 0), groups=channels)
        mean = functional.conv2d(mean, down.transpose(2, 3), padding=(0, reach), groups=channels)
    return mean.to(x.dtype)
