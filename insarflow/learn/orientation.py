"""Which way is east: what turning or mirroring an image does to channels that hold a direction.

The phase is a change of range: its values stay, it is never negated. Names of channels that end in ``_east`` and
``_north`` are the parts of a vector, ``aspect`` is an azimuth (rad, clockwise from north, the direction of steepest
descent); all others are numbers that only change their place. North is up, east to the right.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from insarflow.learn.phase import CHANNELS

Batch = tuple[Tensor, Tensor]
"""``image`` (float, ``(batch, channel, y, x)``) and ``mask`` (``(batch, y, x)``)."""


def turn(image: Tensor, mask: Tensor, *, turns: int, mirror: bool, channels: Sequence[str] = CHANNELS) -> Batch:
    """Turn a batch by quarters, counter-clockwise, then exchange east and west if `mirror`.

    Parameters
    ----------
    image, mask
        Shapes ``(batch, channel, y, x)`` and ``(batch, y, x)``.
    turns
        Number of quarters.
    channels
        Names of the channels.

    Returns
    -------
    Batch
        Phase as it was; vectors and azimuths in the new frame.
    """
    image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
    if mirror:
        image, mask = image.flip(-1), mask.flip(-1)
    quarter = turns % 4
    return redirected(image, channels, (1, 0, -1, 0)[quarter], (0, 1, 0, -1)[quarter], mirror=mirror), mask


def redirected(image: Tensor, channels: Sequence[str], cos: Tensor | int, sin: Tensor | int, *, mirror: bool) -> Tensor:
    """Vectors and azimuths turned counter-clockwise, then mirrored east to west; the rest as it is."""
    names = checked(channels)
    if image.shape[1] != len(names):
        raise ValueError(f"image must have the channels {tuple(names)}, instead got {image.shape[1]} channels")
    if not any(map(is_directional, names)):
        return image
    cosine, sine = (torch.as_tensor(v, device=image.device).to(image).reshape(-1, 1, 1) for v in (cos, sin))
    sign = -1 if mirror else 1
    parts = list(image.unbind(1))
    for at, name in enumerate(names):
        if name == "aspect":
            parts[at] = torch.remainder(sign * (parts[at] - torch.atan2(sine, cosine)), 2 * torch.pi)
        elif name.endswith("_east"):
            other = names.index(name.removesuffix("_east") + "_north")
            east, north = parts[at], parts[other]
            parts[at], parts[other] = sign * (east * cosine - north * sine), east * sine + north * cosine
    return torch.stack(parts, 1)


def is_directional(name: str) -> bool:
    """Whether a channel holds a direction."""
    return name == "aspect" or name.endswith(("_east", "_north", "_up"))


def checked(channels: Sequence[str]) -> list[str]:
    """Names of channels that begin with `CHANNELS`, differ, and hold vectors whole.

    Raises
    ------
    ValueError
        Naming what is wrong.
    """
    names = list(channels)
    if tuple(names[: len(CHANNELS)]) != CHANNELS or len(set(names)) != len(names):
        raise ValueError(f"channels must begin with {CHANNELS} and differ, instead got {tuple(names)}")
    ends = {"_east": "_north", "_north": "_east"}
    alone = [
        n for n in names for end, other in ends.items() if n.endswith(end) and n.removesuffix(end) + other not in names
    ]
    if alone:
        raise ValueError(f"channels must have both parts of a vector, _east and _north, instead got one of {alone}")
    return names
