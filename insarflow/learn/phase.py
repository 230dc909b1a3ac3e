"""Network inputs ``[coherence, cos, sin]``: encoding, and the augmentations that leave the labels alone.

The augmentations are the batched torch twins of the phase kernels. They multiply the phasor, never the angle, so a
missing pixel (cos = sin = 0) stays at 0. Channels that follow the three are left as they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor

from insarflow.kernels.channels import fill_channels
from insarflow.kernels.codes import PHASE_MISSING, PHASE_STEP
from insarflow.kernels.decorrelate import gamma_quantile

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
        float32, shape ``(3, y, x)``, a view of ``(y, x, 3)``: coherence, cosine and sine of the phase. All three are 0
        where either input is not finite, and where the interferogram is 0 and so has no phase.

    Examples
    --------
    >>> encode(np.array([[2j, np.nan]], np.complex64), np.array([[0.5, 0.5]], np.float32)).tolist()
    [[[0.5, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]]]
    """
    out = np.empty((*igram.shape, len(CHANNELS)), np.float32)
    fill_channels(igram, coherence, out, np.empty(igram.shape, bool))
    return np.moveaxis(out, -1, 0)


def encode_codes(phase: Tensor, coherence: Tensor, *, missing: int) -> Tensor:
    """As `encode`, of the codes that a store keeps (`insarflow.kernels.codes`), on whatever device they are.

    Parameters
    ----------
    phase
        int16, shape ``(batch, y, x)``.
    coherence
        Codes as whole numbers of any dtype, same shape.
    missing
        The coherence's code of a missing pixel, the largest.

    Returns
    -------
    Tensor
        float32, shape ``(batch, 3, y, x)``, channels last; within 1e-6 of what `encode` makes of the decoded numbers.
    """
    there = (phase != PHASE_MISSING) & (coherence != missing)
    angle = phase.to(torch.float32) * PHASE_STEP
    channels = (coherence.to(torch.float32) / (missing - 1), torch.cos(angle), torch.sin(angle))
    return torch.stack([torch.where(there, c, 0.0) for c in channels], dim=-1).permute(0, 3, 1, 2)


def offset(x: Tensor, angle: Tensor) -> Tensor:
    """Add a constant to the phase of each sample.

    Parameters
    ----------
    x
        Float, shape ``(batch, channel, y, x)``, the first channels as `CHANNELS`.
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
    return rotate(x, angle.to(x)[:, None, None])


def conjugate(x: Tensor) -> Tensor:
    """Negate the phase, as if the two acquisitions were swapped.

    Parameters
    ----------
    x
        Float, shape ``(batch, channel, y, x)``, the first channels as `CHANNELS`.

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
    return torch.cat((x[:, :2], -x[:, 2:3], x[:, 3:]), dim=1)


def ramp(x: Tensor, slope_y: Tensor, slope_x: Tensor) -> Tensor:
    """Add a plane to the phase of each sample, 0 at its first pixel.

    Parameters
    ----------
    x
        Float, shape ``(batch, channel, y, x)``, the first channels as `CHANNELS`.
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
    return rotate(x, slope_y.to(x)[:, None, None] * rows + slope_x.to(x)[:, None, None] * columns)


def rotate(x: Tensor, angle: Tensor) -> Tensor:
    """Multiply the phasor of each pixel by ``exp(i angle)``.

    Parameters
    ----------
    x
        Float, shape ``(batch, channel, y, x)``, the first channels as `CHANNELS`.
    angle
        rad, shape ``(batch, y, x)`` or broadcasting to it.

    Returns
    -------
    Tensor
        As `x`.
    """
    coherence, cos, sin = x[:, :3].unbind(1)
    by_cos, by_sin = torch.cos(angle), torch.sin(angle)
    turned = torch.stack((coherence, cos * by_cos - sin * by_sin, sin * by_cos + cos * by_sin), dim=1)
    return turned if x.shape[1] == len(CHANNELS) else torch.cat((turned, x[:, 3:]), dim=1)


def decorrelate(x: Tensor, factor: Tensor, *, looks: int, generator: Generator | None = None) -> Tensor:
    """Lower the coherence of each sample by a factor, with the phase noise that belongs to it.

    Parameters
    ----------
    x
        Float, shape ``(batch, channel, y, x)``, the first channels as `CHANNELS`, of multilooked images that were not
        filtered.
    factor
        What is left of the correlation, 0..1, shape ``(batch,)``.
    looks
        Independent looks, at least 2.
    generator
        Where numbers are drawn from, by default torch's own.

    Returns
    -------
    Tensor
        As `x`; missing pixels stay missing.

    Raises
    ------
    ValueError
        If a shape or `looks` is wrong.

    Notes
    -----
    The twin of `insarflow.kernels.decorrelate.decorrelate`, where the formula stands.
    """
    _check(x, factor=factor)
    if looks < 2:
        raise ValueError(f"looks must be at least 2, instead got looks={looks}")
    coherence, cos, sin = x[:, :3].unbind(1)
    k = factor.to(x)[:, None, None]
    a_re, a_im, b_re, b_im = torch.randn((4, *coherence.shape), generator=generator, device=x.device).to(x) / (
        (2 * looks) ** 0.5
    )
    others = _gamma(looks - 2, coherence, generator) * ((looks - 2) / looks)
    rest = torch.sqrt((1 - k * k) / _gamma(looks, coherence, generator).clamp_min(1e-6))
    re, im = coherence * cos, coherence * sin
    along = re * a_re + im * a_im + torch.sqrt((1 - coherence**2).clamp_min(0)) * b_re
    total = k * k + 2 * k * rest * along + rest**2 * (a_re**2 + a_im**2 + b_re**2 + b_im**2 + others)
    scale = total.clamp_min(1e-12).rsqrt()
    new_re, new_im = (k * re + rest * a_re) * scale, (k * im + rest * a_im) * scale
    length = torch.hypot(new_re, new_im)
    there = ((cos != 0) | (sin != 0)).to(x)
    unit = there / length.clamp_min(1e-12)
    return torch.cat((torch.stack((length.clamp_max(1) * there, new_re * unit, new_im * unit), dim=1), x[:, 3:]), dim=1)


def _gamma(shape: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Gamma-distributed numbers of whole shape and mean 1, one for each pixel."""
    normal = torch.randn(like.shape, generator=generator, device=like.device).to(like)
    root = torch.zeros_like(like)
    for coefficient in gamma_quantile(shape).tolist()[::-1]:
        root = root * normal + coefficient
    return root.clamp_min(0) ** 3


def _check(x: Tensor, **per_sample: Tensor) -> None:
    if x.ndim != 4 or x.shape[1] < len(CHANNELS):
        wanted = f"(batch, {len(CHANNELS)} or more, y, x)"
        raise ValueError(f"x must be of shape {wanted}, instead got {tuple(x.shape)}")
    for name, value in per_sample.items():
        if value.shape != x.shape[:1]:
            raise ValueError(f"{name} must be of shape {tuple(x.shape[:1])}, instead got {tuple(value.shape)}")
