"""How far a network looks, found by experiment."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from insarflow.errors import ModelError
from insarflow.learn.models import Network

MAX_PROBE = 4096


@dataclass(frozen=True)
class Reach:
    """Farthest input pixels that an output pixel depends on, rows or columns: toward 0, and away from it."""

    left: int
    right: int


def reach(network: Network) -> Reach:
    """Find how far a network looks, over all the places an output pixel can have relative to its pooling grid.

    Parameters
    ----------
    network
        With a true ``spec.stride``; ``spec.reach`` is not believed. Evaluation mode is used whatever its mode.

    Returns
    -------
    Reach
        In pixels.

    Raises
    ------
    ModelError
        If a pixel reaches everything within 2048 pixels, as with a layer that looks at the whole tile.

    Notes
    -----
    One line of the input is NaN, and the outputs that become NaN depend on it. As 0 times NaN is NaN, this holds for
    any weights, also through dead ReLUs and maxima not taken, where a gradient would be 0. In double precision, since
    fast float32 convolutions (Winograd) may spread a NaN over their tile.

    Examples
    --------
    >>> from insarflow.learn.models import build_model
    >>> reach(build_model("resunet"))
    Reach(left=37, right=37)
    """
    probe = copy.deepcopy(network).double().eval()
    stride = network.spec.stride
    size = 16 * stride
    while size <= MAX_PROBE:
        centre = size // 2 // stride * stride
        found = [_touched(probe, size, centre + phase, axis) for phase in range(stride) for axis in (-2, -1)]
        if all(first > 0 and last < size - 1 for _, first, last in found):
            return Reach(left=max(last - at for at, _, last in found), right=max(at - first for at, first, _ in found))
        size *= 2
    raise ModelError(
        f"{type(network).__name__} must look at a bounded neighbourhood, but a pixel reaches {MAX_PROBE // 2} pixels: "
        "a layer looks at the whole tile"
    )


def _touched(probe: Network, size: int, at: int, axis: int) -> tuple[int, int, int]:
    """``(at, first, last)``: the outputs that a line of NaN at `at` touches, in a strip along `axis`."""
    channels = next(probe.parameters()).shape[1]
    x = torch.zeros(1, channels, size, 2 * probe.spec.stride, dtype=torch.float64)
    x[..., at, :] = torch.nan
    with torch.inference_mode():
        out: Tensor = probe(x if axis == -2 else x.mT)
    lines = torch.isnan(out if axis == -2 else out.mT)[0, 0].any(dim=1).nonzero()
    return at, int(lines.min()), int(lines.max())
