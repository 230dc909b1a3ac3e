"""Small changes of scale and direction: complex numbers are interpolated, never angles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from insarflow.learn.orientation import Batch, redirected
from insarflow.learn.phase import CHANNELS

FLAGS: Final = ("layover", "shadow", "layover_shadow", "water")
"""Channels of which the nearest pixel is taken."""

_LEAST: Final = 1e-3
"""Weight of a phase whose coherence is lower: it would be lost otherwise."""


def warp(
    image: Tensor, mask: Tensor, factor: Tensor, theta: Tensor, *, channels: Sequence[str] = CHANNELS, missing: int
) -> Batch:
    """Enlarge each sample and turn it about its centre.

    Parameters
    ----------
    image, mask
        Shapes ``(batch, channel, y, x)`` and ``(batch, y, x)``.
    factor
        Above 1 makes things larger, shape ``(batch,)``.
    theta
        rad, counter-clockwise, shape ``(batch,)``.
    channels
        Names of the channels.
    missing
        Mask of pixels that hold no data.

    Returns
    -------
    Batch
        Of the same shapes. The phase is that of interpolated ``coherence * exp(i phase)``; coherence is interpolated by
        itself, both over the pixels that are there; other channels by themselves, an azimuth as a vector; mask and
        flags are those of the nearest pixel. Where that is missing or lies outside, coherence and phasor are 0 and
        the mask is `missing`; what lies outside is as at the edge in the other channels.
    """
    grid = _places(image, factor, theta)

    def sample(values: Tensor, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
        moved: Tensor = grid_sample(values, grid, mode=mode, padding_mode=padding, align_corners=False)
        return moved

    coherence, phasor = image[:, :1], image[:, 1:3]
    there = (phasor != 0).any(1, keepdim=True).to(image)
    mixed = sample(coherence.clamp_min(_LEAST) * phasor)
    length = mixed.norm(dim=1, keepdim=True)
    usable = (sample(there, "nearest") > 0) & (length > 0)
    unit = mixed / length.clamp_min(1e-12)
    mean = sample(coherence * there) / sample(there).clamp_min(1e-6)
    first = torch.cat((mean, unit), 1).where(usable, torch.zeros((), device=image.device, dtype=image.dtype))
    rest = [_other(image[:, k : k + 1], channels[k], sample) for k in range(len(CHANNELS), image.shape[1])]
    moved = sample(mask[:, None].to(image), "nearest")[:, 0].to(mask.dtype)
    new = redirected(torch.cat([first, *rest], 1), channels, torch.cos(theta), torch.sin(theta), mirror=False)
    return new, moved.masked_fill(~usable[:, 0], missing)


def _places(image: Tensor, factor: Tensor, theta: Tensor) -> Tensor:
    """Where each pixel comes from, as `grid_sample` counts."""
    cos, sin = torch.cos(theta) / factor, torch.sin(theta) / factor
    height, width = image.shape[-2:]
    stretch = height / width
    rows = [torch.stack((cos, -sin * stretch, 0 * cos), 1), torch.stack((sin / stretch, cos, 0 * cos), 1)]
    grid: Tensor = affine_grid(torch.stack(rows, 1), [len(image), 1, height, width], align_corners=False).to(image)
    return grid


def _other(values: Tensor, name: str, sample: Callable[..., Tensor]) -> Tensor:
    """A channel after the first three, moved."""
    if name == "aspect":
        return torch.atan2(sample(torch.sin(values), padding="border"), sample(torch.cos(values), padding="border"))
    return sample(values, "nearest" if name in FLAGS else "bilinear", "border")
