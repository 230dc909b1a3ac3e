"""Statistics of a box around each cell: what a layer that looks at the whole tile becomes when it is made local.

A box has ``2 * side + 1`` cells along each axis and is cut to the image. All boxes are summed cell by cell in the same
order, never as differences of running sums, so a cell's result has the same bits in every tile that holds its box.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Sides = tuple[int, int]
"""Cells of a box on either side of its centre, ``(y, x)``."""


def box_mean(x: Tensor, sides: Sides) -> Tensor:
    """Mean over the box around each cell.

    Parameters
    ----------
    x
        Floating, shape ``(batch, channel, y, x)``.
    sides
        Cells on either side, 0 or more.

    Returns
    -------
    Tensor
        Like `x`. A box at the border is a rectangle of equally many cells in each of its rows, so the mean of the
        columns' means is its mean.

    Examples
    --------
    >>> box_mean(torch.tensor([[[[0.0, 3.0, 6.0, 0.0]]]]), (0, 1))
    tensor([[[[1.5000, 3.0000, 3.0000, 3.0000]]]])
    """
    dy, dx = sides
    x = functional.avg_pool2d(x, (2 * dy + 1, 1), stride=1, padding=(dy, 0), count_include_pad=False)
    return functional.avg_pool2d(x, (1, 2 * dx + 1), stride=1, padding=(0, dx), count_include_pad=False)


def box_max(x: Tensor, sides: Sides) -> Tensor:
    """Highest value in the box around each cell; shapes as of `box_mean`."""
    dy, dx = sides
    x = functional.max_pool2d(x, (2 * dy + 1, 1), stride=1, padding=(dy, 0))
    return functional.max_pool2d(x, (1, 2 * dx + 1), stride=1, padding=(0, dx))


class Box(nn.Module):
    """A layer that looks at the box around each cell; `sides` may be changed at any time.

    Parameters
    ----------
    sides
        Cells of the box on either side of its centre, ``(y, x)``.
    """

    def __init__(self, sides: Sides = (0, 0)) -> None:
        super().__init__()
        self.sides = sides

    def extra_repr(self) -> str:
        """Size of the box in cells, for `print`."""
        return f"box={2 * self.sides[0] + 1} x {2 * self.sides[1] + 1}"


class BoxMean(Box):
    """Local twin of ``AdaptiveAvgPool2d(1)`` and `SpatialMean`: a map instead of one value."""

    def forward(self, x: Tensor) -> Tensor:
        """Mean of each box, summed in float32 at least, like `x`."""
        return box_mean(_wide(x), self.sides).to(x.dtype)


class BoxMax(Box):
    """Local twin of ``AdaptiveMaxPool2d(1)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Maximum of each box, like `x`."""
        return box_max(x, self.sides)


class BoxNorm(Box):
    """Local twin of group, instance and layer normalisation: mean and variance of the box around each cell.

    Parameters
    ----------
    groups
        Groups of channels that share one mean and variance: 1 as in a layer, all as in an instance normalisation.
    weight, bias
        One number per channel, or None.
    eps
        Added to the variance.

    Notes
    -----
    The variance is the mean of the squares less the square of the mean, both in float64. Its relative error is at
    most about ``3 * n * 2**-53 * (1 + mean**2 / variance)``, where n is the height plus the width of the box plus the
    channels of a group: below 1e-6 for a box of 129 x 129 while the mean is below 3000 standard deviations.
    """

    def __init__(self, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = None if weight is None else nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``(batch, channel, y, x)``, like `x`, computed in float32 at least."""
        wide = _wide(x)
        mean, scale = self._statistics(x)
        grouped = self._grouped(wide)
        out = ((grouped - mean.to(wide.dtype)) * scale.to(wide.dtype)).flatten(1, 2)
        if self.weight is not None:
            out = out * self.weight.to(wide.dtype)[:, None, None]
        if self.bias is not None:
            out = out + self.bias.to(wide.dtype)[:, None, None]
        return out.to(x.dtype)

    def _grouped(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], self.groups, -1, *x.shape[-2:])

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and inverse standard deviation, float64 ``(batch, group, 1, y, x)``."""
        grouped = self._grouped(x.double())
        mean = box_mean(grouped.mean(2), self.sides)
        square = box_mean(grouped.square().mean(2), self.sides)
        # Not below 0: rounding may put the difference there, where the box is constant.
        variance = (square - mean.square()).clamp_min(0.0)
        return mean[:, :, None], (variance + self.eps).rsqrt()[:, :, None]


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
