"""Augmentations by name, and what they do to a batch with weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Generator, Tensor

from insarflow.learn.augment import (
    Chain,
    RandomAtmosphere,
    RandomConjugation,
    RandomDecorrelation,
    RandomDegradation,
    RandomOffset,
    RandomRamp,
    RandomStratification,
    RandomTurn,
    RandomWarp,
    Transform,
)
from insarflow.learn.edge import RandomEdge
from insarflow.learn.phase import CHANNELS, conjugate
from insarflow.learn.samples import Batch
from insarflow.ops.checks import check_kind, check_number
from insarflow.simulate.truth import MISSING

Parameters = Mapping[str, float]
"""Of a loss or an augmentation, by name."""

_TRANSFORMS: Final[dict[str, type[Any]]] = {
    "offset": RandomOffset,
    "ramp": RandomRamp,
    "conjugation": RandomConjugation,
    "turn": RandomTurn,
    "atmosphere": RandomAtmosphere,
    "stratification": RandomStratification,
    "decorrelation": RandomDecorrelation,
    "degradation": RandomDegradation,
    "warp": RandomWarp,
    "edge": RandomEdge,
}
_GIVEN: Final = ("channels", "missing")
TRANSFORMS: Final = tuple(_TRANSFORMS)
"""Names that `build_transforms` knows."""

STANDARD: Final[Mapping[str, Parameters]] = MappingProxyType(
    {"offset": {}, "ramp": {"spread": 0.01}, "conjugation": {}, "turn": {}, "edge": {}}
)
"""A constant, an orbit error, the order of the dates, the map's orientation and the end of a region: none of them
carries information about movement."""


def build_transforms(names: Mapping[str, Parameters], channels: Sequence[str] = CHANNELS) -> Chain:
    """Transforms one after the other, by name.

    Parameters
    ----------
    names
        Name, one of `TRANSFORMS`, to parameters that differ from the transform's defaults, in the order of application.
    channels
        Names of the image's channels.

    Raises
    ------
    TypeError, ValueError
        Naming the transform or parameter that is unknown or wrong, and those there are.
    """
    return Chain([_build(name, given, channels) for name, given in names.items()])


def _build(name: str, given: Parameters, channels: Sequence[str]) -> Transform:
    if name not in _TRANSFORMS:
        raise ValueError(f"augmentations must be among {', '.join(TRANSFORMS)}, instead got {name!r:.80}")
    check_kind(f"augmentations.{name}", given, Mapping, "parameters by name")
    kind = _TRANSFORMS[name]
    every = [field.name for field in fields(kind)]
    known = [field for field in every if field not in _GIVEN]
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"parameters of augmentations.{name} must be among {known}, instead got {key!r:.80}")
        check_number(f"augmentations.{name}.{key}", value)
    extra = {"channels": tuple(channels)} if "channels" in every else {}
    try:
        built: Transform = kind(**given, **extra)
    except (TypeError, ValueError) as error:
        raise type(error)(f"augmentations.{name}: {error}") from error
    return built


def augmented(batch: Batch, transform: Transform, generator: Generator | None = None) -> Batch:
    """A batch after a transform of image and mask.

    Weights of pixels move with their pixels: the transform is given the pixels' numbers in the place of the mask, since
    it must not look at the mask, only move it. Numbers below 4 are states that it fills in.

    All members of a series are turned, mirrored, warped and cut alike, and their acquisitions exchanged together, which
    `Batch.when` tells: the later day is then the reference, and the delay below 0. What is added to the phase is each
    member's own.
    """
    if batch.when is not None:
        return _augmented_series(batch, transform, generator)
    if batch.weight.shape[-2:] != batch.mask.shape[-2:] or batch.mask.shape[-2:] == (1, 1):
        image, mask = transform(batch.image, batch.mask, generator)
        return Batch(image, mask, batch.weight)
    image, moved = transform(batch.image, _numbers(batch.mask), generator)
    return Batch(image, *_gathered(batch, moved))


_FIRST: Final = MISSING + 1


def _numbers(mask: Tensor) -> Tensor:
    """The number of every pixel of a sample, from `_FIRST` on."""
    height, width = mask.shape[-2:]
    numbers = torch.arange(_FIRST, _FIRST + height * width, device=mask.device).reshape(height, width)
    return numbers.expand(mask.shape)


def _gathered(batch: Batch, moved: Tensor) -> tuple[Tensor, Tensor]:
    """Mask and weight of the pixels whose numbers have moved."""
    filled = moved < _FIRST
    place = (moved - _FIRST).clamp_min(0).flatten(1)
    mask = batch.mask.flatten(1).gather(1, place).reshape(moved.shape)
    weight = batch.weight.expand(batch.mask.shape).flatten(1).gather(1, place).reshape(moved.shape)
    return torch.where(filled, moved.to(mask.dtype), mask), torch.where(filled, 0.0, weight)


def _augmented_series(batch: Batch, transform: Transform, generator: Generator | None) -> Batch:
    count, members = batch.image.shape[:2]
    image, moved, when = batch.image.flatten(0, 1), _numbers(batch.mask), batch.when
    for one in _each(transform):
        if isinstance(one, RandomConjugation):
            if when is not None and one.exchanges(generator):
                image, when = conjugate(image), torch.stack((when.sum(-1), -when[..., 1]), -1)
            continue
        each = moved.repeat_interleave(members, 0)
        if isinstance(one, RandomWarp):
            image, each = one.warped(image, each, members, generator)
        else:
            image, each = one(image, each, generator)
        each = each.reshape(count, members, *each.shape[1:])
        # A pixel is lost only if no member shows it.
        moved = each.amax(1)
        if bool(((each != moved[:, None]) & (each >= _FIRST)).any()):
            raise ValueError(f"a transform must move all members of a series alike, instead got {type(one).__name__}")
    mask, weight = _gathered(batch, moved)
    image = image.reshape(batch.image.shape)
    if batch.there is not None:
        image = torch.where(batch.there[..., None, None, None], image, 0.0)
    return Batch(image, mask, weight, when, batch.there)


def _each(transform: Transform) -> Iterator[Transform]:
    """The transforms of a chain, one by one."""
    for one in transform.transforms if isinstance(transform, Chain) else ():
        yield from _each(one)
    if not isinstance(transform, Chain):
        yield transform
