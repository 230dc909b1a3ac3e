"""Network inputs ``[coherence, cos, sin]``: encoding, and the augmentations that leave the labels alone.

The augmentations are the batched torch twins of the phase kernels. They multiply the phasor, never the angle, so a
missing pixel (cos = sin = 0) stays at 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

CHANNELS: Final = ("coherence", "cos", "sin")
"""What `encode` gives, in this order."""


def encode(igram: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """Interferogram and coherence as network input.

    Parameters
    ----------
    igram
        complex64, shape ``(y, x)``; any magnitude. NaN is missing.
    coherence
        float32, shape ``(y, x)``, 0..1. NaN is missing.

    Returns
    -------
    ndarray
        float32, shape ``(3, y, x)``: coherence, cosine and sine of the phase. All three are 0 where either input is
        not finite, and where the interferogram is 0 and so has no phase.

    Examples
    --------
    >>> encode(np.array([[2j, np.nan]], np.complex64), np.array([[0.5, 0.5]], np.float32)).tolist()
    [[[0.5, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]]]
    """
    magnitude = np.abs(igram)
    usable = np.isfinite(magnitude) & np.isfinite(coherence) & (magnitude > 0)
    out = np.zeros((len(CHANNELS), *igram.shape), np.float32)
    np.copyto(out[0], coherence, where=usable)
    np.divide(igram.real, magnitude, out=out[1], where=usable)
    np.divide(igram.imag, magnitude, out=out[2], where=usable)
    return out


def offset(x: Tensor, angle: Tensor) -> Tensor:
    """Add a constant to the phase of each sample.

    Parameters
    ----------
    x
        Float, shape ``(batch, 3, y, x)``, as `CHANNELS`.
    angle
        Shape ``(batch,)``, rad.

    Returns
    -------
    Tensor
        As `x`.

    Raises
    ------
    ValueError
        If a shape is wrong.
    """
    _check(x, angle=angle)
    return _rotate(x, angle.to(x)[:, None, None])


def conjugate(x: Tensor) -> Tensor:
    """Negate the phase, as if the two acquisitions were swapped.

    Parameters
    ----------
    x
        Float, shape ``(batch, 3, y, x)``, as `CHANNELS`.

    Returns
    -------
    Tensor
        As `x`.

    Raises
    ------
    ValueError
        If the shape is wrong.
    """
    _check(x)
    return torch.cat((x[:, :2], -x[:, 2:]), dim=1)


def ramp(x: Tensor, slope_y: Tensor, slope_x: Tensor) -> Tensor:
    """Add a plane to the phase of each sample, 0 at its first pixel.

    Parameters
    ----------
    x
        Float, shape ``(batch, 3, y, x)``, as `CHANNELS`.
    slope_y, slope_x
        Shape ``(batch,)``, rad per pixel.

    Returns
    -------
    Tensor
        As `x`.

    Raises
    ------
    ValueError
        If a shape is wrong.
    """
    _check(x, slope_y=slope_y, slope_x=slope_x)
    rows = torch.arange(x.shape[-2], device=x.device, dtype=x.dtype)[:, None]
    columns = torch.arange(x.shape[-1], device=x.device, dtype=x.dtype)
    return _rotate(x, slope_y.to(x)[:, None, None] * rows + slope_x.to(x)[:, None, None] * columns)


def _rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Multiply each sample's phasor by ``exp(i angle)``, `angle` of shape (batch, y, x) or broadcasting to it."""
    coherence, cos, sin = x.unbind(1)
    by_cos, by_sin = torch.cos(angle), torch.sin(angle)
    return torch.stack((coherence, cos * by_cos - sin * by_sin, sin * by_cos + cos * by_sin), dim=1)


def _check(x: Tensor, **per_sample: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] != len(CHANNELS):
        raise ValueError(f"x must be of shape (batch, {len(CHANNELS)}, y, x), instead got {tuple(x.shape)}")
    for name, value in per_sample.items():
        if value.shape != x.shape[:1]:
            raise ValueError(f"{name} must be of shape {tuple(x.shape[:1])}, instead got {tuple(value.shape)}")
