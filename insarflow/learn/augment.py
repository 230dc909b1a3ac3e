"""Random changes of training batches: what other acquisitions, atmospheres and map orientations could have shown.

Each transform is called with a batch ``(image, mask)`` and an optional `torch.Generator`, and works on the device of
the image. The first channels are always ``coherence, cos, sin``; more may follow, whose names say how they move with
the scene. Names ending in ``_east`` and ``_north`` are the parts of a vector, ``aspect`` is an azimuth (rad, clockwise
from north, the direction of steepest descent); all others are numbers that only change their place. North is up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional

from insarflow.learn import phase
from insarflow.learn.phase import CHANNELS
from insarflow.simulate.truth import MISSING

Batch = tuple[Tensor, Tensor]
"""``image`` (float, ``(batch, channel, y, x)``) and ``mask`` (``(batch, y, x)``)."""


class Transform(Protocol):
    """A random change of a batch."""

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """The batch, changed; numbers are drawn from `generator`, by default torch's own."""
        ...


@dataclass(frozen=True)
class Chain:
    """Transforms one after the other."""

    transforms: Sequence[Transform]

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """The batch after all of them."""
        for transform in self.transforms:
            image, mask = transform(image, mask, generator)
        return image, mask


@dataclass(frozen=True)
class RandomOffset:
    """Add a constant to the phase of each sample, all alike likely: it carries no information."""

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One rotation a sample."""
        angle = _uniform(len(image), image, generator) * 2 * torch.pi
        return phase.offset(image, angle), mask


@dataclass(frozen=True)
class RandomRamp:
    """Add a plane to the phase of each sample, as an orbit error would; slopes deviate by `spread`, rad per pixel."""

    spread: float = 0.01

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """Two slopes a sample."""
        slopes = _normal((2, len(image)), image, generator) * self.spread
        return phase.ramp(image, slopes[0], slopes[1]), mask


@dataclass(frozen=True)
class RandomConjugation:
    """Exchange the two acquisitions of a whole batch, every other time.

    Refused with channels that tell up from down the slope: a pair whose dates are exchanged would slide uphill, and no
    change of the terrain makes that right.
    """

    channels: Sequence[str] = CHANNELS

    def __post_init__(self) -> None:
        told = [name for name in _checked(self.channels) if name == "dem" or _directional(name)]
        if told:
            raise ValueError(
                f"channels must not tell up from down the slope if dates are exchanged, instead got {told}: leave "
                "RandomConjugation out"
            )

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """Conjugate or not."""
        return (phase.conjugate(image) if _coin(generator) else image), mask


@dataclass(frozen=True)
class RandomTurn:
    """Turn a whole batch by quarters and mirror it: the values of the phase stay, directions turn with the scene.

    With terrain that has a direction (``dem``, ``aspect``) the line of sight must be among the channels, as
    ``los_east`` and ``los_north``: otherwise the network could not know that it has turned too, and movers would slide
    uphill.
    """

    channels: Sequence[str] = CHANNELS

    def __post_init__(self) -> None:
        names = _checked(self.channels)
        sloping = [name for name in names if name in ("dem", "aspect") or name.startswith("aspect_")]
        if sloping and not {"los_east", "los_north"} <= set(names):
            raise ValueError(
                f"channels must have los_east and los_north if scenes with {sloping} are turned, instead got "
                f"{tuple(names)}: add them, or leave RandomTurn out"
            )

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One of the eight orientations."""
        turns = int(torch.randint(4, (), device=_place(generator), generator=generator))
        return turn(image, mask, turns=turns, mirror=_coin(generator), channels=self.channels)


@dataclass(frozen=True)
class RandomAtmosphere:
    """Add turbulent delay: an isotropic Gaussian field whose power falls as wavenumber to the minus `exponent`.

    Attributes
    ----------
    rms
        Standard deviation of the phase, rad; each sample draws its own, from 0 to twice this.
    exponent
        Of the two-dimensional spectrum: 8/3 to 11/3 for the troposphere.

    References
    ----------
    Hanssen (2001), Radar Interferometry, doi:10.1007/0-306-47633-9.
    """

    rms: float = 0.5
    exponent: float = 11 / 3

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One field a sample."""
        strength = 2 * self.rms * _uniform(len(image), image, generator)
        field = power_law((len(image), *image.shape[-2:]), self.exponent, like=image, generator=generator)
        return phase.rotate(image, strength[:, None, None] * field), mask


@dataclass(frozen=True)
class RandomStratification:
    """Add delay that grows with height, of normally distributed rate: `spread` is its deviation, rad/km.

    The channel ``dem`` must be heights in m.
    """

    channels: Sequence[str]
    spread: float = 1.0

    def __post_init__(self) -> None:
        if "dem" not in _checked(self.channels):
            raise ValueError(f"channels must have dem, heights in m, instead got {tuple(self.channels)}")

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One rate a sample."""
        rate = self.spread / 1000 * _normal((len(image),), image, generator)
        height = torch.nan_to_num(image[:, list(self.channels).index("dem")])
        height = height - height.mean((-2, -1), keepdim=True)
        return phase.rotate(image, rate[:, None, None] * height), mask


@dataclass(frozen=True)
class RandomDecorrelation:
    """Lower the coherence of each sample by a factor between `least` and 1, with the phase noise that belongs to it.

    For images that were not filtered; on filtered ones it is a disturbance without known statistics.
    """

    looks: int
    least: float = 0.5

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One factor a sample."""
        factor = self.least + (1 - self.least) * _uniform(len(image), image, generator)
        return phase.decorrelate(image, factor, looks=self.looks, generator=generator), mask


@dataclass(frozen=True)
class RandomWarp:
    """Rescale and turn each sample a little, by interpolating complex numbers; the mask by nearest neighbour.

    Attributes
    ----------
    scale
        Sizes change by a factor up to 1 plus this, or its inverse.
    angle
        Largest turn, rad.
    missing
        Mask of what lies outside.
    """

    scale: float = 0.1
    angle: float = 0.1
    channels: Sequence[str] = CHANNELS
    missing: int = MISSING

    def __post_init__(self) -> None:
        RandomTurn(self.channels)

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One scale and angle a sample."""
        draws = 2 * _uniform((2, len(image)), image, generator) - 1
        factor, theta = torch.exp(draws[0] * math.log1p(self.scale)), draws[1] * self.angle
        return warp(image, mask, factor, theta, channels=self.channels, missing=self.missing)


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
    return _redirected(image, channels, (1, 0, -1, 0)[quarter], (0, 1, 0, -1)[quarter], mirror=mirror), mask


def warp(
    image: Tensor, mask: Tensor, factor: Tensor, theta: Tensor, *, channels: Sequence[str] = CHANNELS, missing: int
) -> Batch:
    """Enlarge each sample by `factor` and turn it by `theta` rad, counter-clockwise, about its centre.

    Phase comes from interpolated ``coherence * exp(i phase)``; the other channels are interpolated by themselves (an
    azimuth as a vector); what lies outside is 0 in the first three channels, and `missing` in the mask.
    """
    cos, sin = torch.cos(theta) / factor, torch.sin(theta) / factor
    height, width = image.shape[-2:]
    stretch = height / width
    rows = [torch.stack((cos, -sin * stretch, 0 * cos), 1), torch.stack((sin / stretch, cos, 0 * cos), 1)]
    size = [len(image), 1, height, width]
    grid = functional.affine_grid(torch.stack(rows, 1), size, align_corners=False).to(image)

    def sample(values: Tensor, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
        moved: Tensor = functional.grid_sample(values, grid, mode=mode, padding_mode=padding, align_corners=False)
        return moved

    coherence, phasor = image[:, :1], image[:, 1:3]
    mixed = sample(coherence * phasor)
    length = mixed.norm(dim=1, keepdim=True)
    known = sample((phasor != 0).any(1, keepdim=True).to(image), "nearest") > 0
    unit = torch.where(known & (length > 0), mixed / length.clamp_min(1e-12), torch.zeros_like(mixed))
    first = torch.where((unit != 0).any(1, keepdim=True), sample(coherence), torch.zeros_like(coherence))
    inside = sample(torch.ones_like(coherence), "nearest")[:, 0] > 0
    moved = sample(mask[:, None].to(image), "nearest")[:, 0].to(mask.dtype)
    parts = [first, unit, *_sampled(image, channels, sample)]
    image = _redirected(torch.cat(parts, 1), channels, torch.cos(theta), torch.sin(theta), mirror=False)
    return image, torch.where(inside, moved, torch.full_like(moved, missing))


def power_law(
    shape: tuple[int, int, int], exponent: float, *, like: Tensor, generator: Generator | None = None
) -> Tensor:
    """Isotropic Gaussian fields of unit variance in the mean, whose spectrum is ``k ** -exponent``.

    Parameters
    ----------
    shape
        ``(batch, y, x)``.
    like
        Gives dtype and device.

    Notes
    -----
    A field twice as large is drawn and cut, as transforms make fields whose ends meet.
    """
    height, width = 2 * shape[1], 2 * shape[2]
    ky = torch.fft.fftfreq(height, device=like.device)[:, None]
    kx = torch.fft.rfftfreq(width, device=like.device)
    k = torch.hypot(ky, kx)
    k[0, 0] = torch.inf
    gain = k ** (-exponent / 2)
    noise = torch.fft.rfft2(_normal((shape[0], height, width), like, generator).float())
    field = torch.fft.irfft2(noise * gain, s=(height, width))
    twice = torch.full_like(gain, 2.0)  # half a spectrum stands for both halves
    twice[:, 0] = 1.0
    if width % 2 == 0:
        twice[:, -1] = 1.0
    variance = (twice * gain**2).sum() / (height * width)
    cut: Tensor = (field / variance.sqrt())[:, : shape[1], : shape[2]].to(like)
    return cut


def _redirected(
    image: Tensor, channels: Sequence[str], cos: Tensor | int, sin: Tensor | int, *, mirror: bool
) -> Tensor:
    """Vectors and azimuths turned counter-clockwise, then mirrored east to west; the rest as it is."""
    names = _checked(channels)
    if image.shape[1] != len(names):
        raise ValueError(f"image must have the channels {tuple(names)}, instead got {image.shape[1]} channels")
    if not any(map(_directional, names)):
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


def _sampled(image: Tensor, channels: Sequence[str], sample: object) -> list[Tensor]:
    """Channels after the first three, interpolated; what lies outside is as at the edge."""
    found = []
    for at, name in enumerate(list(channels)[len(CHANNELS) :], len(CHANNELS)):
        values = image[:, at : at + 1]
        if name == "aspect":
            east, north = (sample(f(values), padding="border") for f in (torch.sin, torch.cos))  # type: ignore[operator]
            found.append(torch.atan2(east, north))
        else:
            found.append(sample(values, padding="border"))  # type: ignore[operator]
    return found


def _directional(name: str) -> bool:
    return name == "aspect" or name.endswith(("_east", "_north", "_up"))


def _checked(channels: Sequence[str]) -> list[str]:
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


def _uniform(shape: int | tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(shape, device=like.device, generator=generator)


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(shape, device=like.device, generator=generator)


def _coin(generator: Generator | None) -> bool:
    return bool(torch.rand((), device=_place(generator), generator=generator) < 0.5)


def _place(generator: Generator | None) -> torch.device | str:
    return "cpu" if generator is None else generator.device
