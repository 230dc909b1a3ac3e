"""Random changes of training batches: what other acquisitions, atmospheres and map orientations could have shown.

Each transform is called with a batch ``(image, mask)`` and an optional `torch.Generator`, and works on the device of
the image. The first channels are always ``coherence, cos, sin``; more may follow, whose names say how they move with
the scene, see `insarflow.learn.orientation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from insarflow.learn import phase
from insarflow.learn.orientation import Batch, checked, is_directional, turn
from insarflow.learn.phase import CHANNELS
from insarflow.learn.warp import warp
from insarflow.simulate.truth import MISSING


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
        told = [name for name in checked(self.channels) if name == "dem" or is_directional(name)]
        if told:
            raise ValueError(
                f"channels must not tell up from down the slope if dates are exchanged, instead got {told}: leave "
                "RandomConjugation out"
            )

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """Conjugate or not."""
        return (phase.conjugate(image) if self.exchanges(generator) else image), mask

    def exchanges(self, generator: Generator | None = None) -> bool:
        """Draw whether acquisitions are exchanged."""
        return _coin(generator)


@dataclass(frozen=True)
class RandomTurn:
    """Turn a whole batch by quarters and mirror it: the values of the phase stay, directions turn with the scene.

    With terrain that has a direction (``dem``, ``aspect``) the line of sight must be among the channels, as
    ``los_east`` and ``los_north``: otherwise the network could not know that it has turned too, and movers would slide
    uphill.
    """

    channels: Sequence[str] = CHANNELS

    def __post_init__(self) -> None:
        names = checked(self.channels)
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
    """Add turbulent delay: an isotropic Gaussian field with a power-law spectrum.

    Attributes
    ----------
    rms
        Standard deviation of the phase, rad; each sample draws its own, from 0 to twice this.
    exponent
        Of the two-dimensional spectrum: -11/3 to -8/3 for the troposphere.

    References
    ----------
    Hanssen (2001), Radar Interferometry, doi:10.1007/0-306-47633-9.
    """

    rms: float = 0.5
    exponent: float = -11 / 3

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
        if "dem" not in checked(self.channels):
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

    For images that are not filtered; `RandomDegradation` is for those that are.
    """

    looks: int
    least: float = 0.5

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """One factor a sample."""
        factor = self.least + (1 - self.least) * _uniform(len(image), image, generator)
        return phase.decorrelate(image, factor, looks=self.looks, generator=generator), mask


class RandomDegradation(RandomDecorrelation):
    """The same on filtered images: they get worse, but without the statistics of a real pair, whose noise is smooth."""


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
        return self.warped(image, mask, 1, generator)

    def warped(self, image: Tensor, mask: Tensor, alike: int, generator: Generator | None = None) -> Batch:
        """One scale and angle for every so many successive samples, `alike`: the members of a series."""
        draws = (2 * _uniform((2, len(image) // alike), image, generator) - 1).repeat_interleave(alike, 1)
        factor, theta = torch.exp(draws[0] * math.log1p(self.scale)), draws[1] * self.angle
        return warp(image, mask, factor, theta, channels=self.channels, missing=self.missing)


def power_law(
    shape: tuple[int, int, int], exponent: float, *, like: Tensor, generator: Generator | None = None
) -> Tensor:
    """Isotropic Gaussian fields of unit variance in the mean, whose power spectrum is ``k ** exponent``.

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
    gain = k ** (exponent / 2)
    noise = torch.fft.rfft2(_normal((shape[0], height, width), like, generator).float())
    field = torch.fft.irfft2(noise * gain, s=(height, width))
    twice = torch.full_like(gain, 2.0)  # half a spectrum stands for both halves
    twice[:, 0] = 1.0
    if width % 2 == 0:
        twice[:, -1] = 1.0
    variance = (twice * gain**2).sum() / (height * width)
    cut: Tensor = (field / variance.sqrt())[:, : shape[1], : shape[2]].to(like)
    return cut


def _uniform(shape: int | tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(shape, device=like.device, generator=generator)


def _normal(shape: tuple[int, ...], like: Tensor, generator: Generator | None) -> Tensor:
    return torch.randn(shape, device=like.device, generator=generator)


def _coin(generator: Generator | None) -> bool:
    return bool(torch.rand((), device=_place(generator), generator=generator) < 0.5)


def _place(generator: Generator | None) -> torch.device | str:
    return "cpu" if generator is None else generator.device
