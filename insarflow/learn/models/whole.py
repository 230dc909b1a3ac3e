"""Layers that look at the whole tile, as modules, so that they can be found and exchanged."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SpatialMean(nn.Module):
    """Mean of each channel over the whole tile, kept as a map of one cell.

    Notes
    -----
    The sum is made in float32 at least, also under autocast; the result has the input's dtype. Shrinkage thresholds
    and channel gates are made of it. As a module it has a name, which ``x.mean((-2, -1))`` inside a ``forward`` has
    not: only a module can be exchanged for a sliding mean.

    Examples
    --------
    >>> SpatialMean()(torch.arange(6.0).reshape(1, 1, 2, 3))
    tensor([[[[2.5000]]]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Mean ``(batch, channel, 1, 1)`` of floating ``(batch, channel, y, x)``."""
        return x.to(torch.promote_types(x.dtype, torch.float32)).mean((-2, -1), keepdim=True).to(x.dtype)
