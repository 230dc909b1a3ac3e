"""What a network looks at, found by experiments that do not know how it is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import Tensor

from insarflow.errors import ModelError
from insarflow.segment.reach.calls import Calls
from insarflow.segment.reach.subject import Subject
from insarflow.segment.windows import round_up

HIGH: Final = 1e30
LOW: Final = -1e20
"""What one half of a line is raised to and the other lowered to; where both meet, the first wins."""

ROUNDING: Final = 1e-12
"""Differences below this part of the largest output are rounding."""

MOVED: Final = 1e-9
"""The same between outputs that stand in different places of a tile."""

_BATCH: Final = 4
_AXES: Final = (-2, -1)


class Probe(NamedTuple):
    """A network as it is run, and the width of strips that it accepts, pixels."""

    subject: Subject
    calls: Calls
    width: int

    def strip(self, axis: int, length: int, *, seed: int = 0) -> Tensor:
        """Input of this length along `axis`, the other way as wide as need be."""
        x = self.subject.field(length, self.width, seed=seed)
        return x if axis == -2 else x.mT

    def run(self, x: Tensor) -> Tensor:
        """What the network answers."""
        return self.subject.answer(x, self.calls)


class Span(NamedTuple):
    """How far dependence goes in pixels, and whether it ends inside the strip."""

    left: int
    right: int
    ends: bool


def spans(probe: Probe, size: int, stride: int) -> Iterator[Span]:
    """Dependences in strips of `size` pixels, for all the places a pixel can have in a cell of `stride` pixels.

    Parameters
    ----------
    probe
        The network.
    size, stride
        Pixels.

    Yields
    ------
    Span
        First of outputs that change when a line of the input changes a lot, then of inputs with a gradient.
    """
    phases = range(size // 2 // stride * stride, size // 2 // stride * stride + stride)
    for axis in _AXES:
        yield from _changes(probe, probe.strip(axis, size), axis, phases)
    for axis in _AXES:
        yield from _gradients(probe, probe.strip(axis, size), axis, phases)


def looks_beyond(probe: Probe, size: int, left: int, right: int) -> bool:
    """Whether an output pixel in the middle of a strip depends on inputs beyond its reach."""
    return any(_looks_beyond(probe, axis, size, left, right) for axis in _AXES)


def moves(probe: Probe, shift: int, margin: int, stride: int) -> bool:
    """Whether the output moves by `shift` pixels when the input does, farther than `margin` from the border."""
    size = round_up(2 * margin + 2 * shift + 2 * stride, stride)
    for axis in _AXES:
        long = probe.strip(axis, size + shift)
        with torch.no_grad():
            before, after = (_upright(probe.run(long.narrow(axis, k, size)), axis) for k in (0, shift))
        kept = size - 2 * margin - shift
        one, other = before[:, :, margin + shift :][:, :, :kept], after[:, :, margin:][:, :, :kept]
        if _differ(one, other, MOVED).any():
            return False
    return True


def _changes(probe: Probe, x: Tensor, axis: int, phases: range) -> Iterator[Span]:
    size, half = x.shape[axis], (probe.width + 1) // 2
    with torch.no_grad():
        plain = probe.run(x)
        for first in range(phases.start, phases.stop, _BATCH):
            lines = phases[first - phases.start :][:_BATCH]
            changed = x.repeat(len(lines), 1, 1, 1)
            for k, line in enumerate(lines):
                row = changed[k].select(axis, line)
                row[:, :half], row[:, half:] = HIGH, LOW
            touched = _lines(_differ(probe.run(changed), plain, ROUNDING), axis)
            for k, line in enumerate(lines):
                found = _ends(touched[k])
                if found is not None:
                    low, high = found
                    yield Span(high - line, line - low, low > 0 and high < size - 1)


def _gradients(probe: Probe, x: Tensor, axis: int, phases: range) -> Iterator[Span]:
    size, nothing = x.shape[axis], True
    out = _weighted(probe, x.requires_grad_())
    for line in phases:
        found = _ends(_sources(out, x, axis, line))
        if found is not None:
            nothing = False
            low, high = found
            yield Span(line - low, high - line, low > 0 and high < size - 1)
    if nothing:
        raise ModelError(
            f"{probe.subject.name} must pass gradients from its output to its input, but there are none: take no_grad, "
            "detach, rounding and thresholds out of forward"
        )


def _looks_beyond(probe: Probe, axis: int, size: int, left: int, right: int) -> bool:
    middle = size // 2
    outside = torch.ones(size, dtype=torch.bool)
    outside[middle - left : middle + right + 1] = False
    x = probe.strip(axis, size).requires_grad_()
    out = _weighted(probe, x)
    if bool((_sources(out, x, axis, middle) & outside).any()):
        return True
    # What is counted or sorted passes no gradient.
    other = torch.where(outside[:, None] if axis == -2 else outside, 3 * probe.strip(axis, size, seed=1), x.detach())
    with torch.no_grad():
        changed = _lines(_differ(probe.run(other), probe.run(x.detach()), MOVED), axis)
    return bool(changed[0, middle])


def _weighted(probe: Probe, x: Tensor) -> Tensor:
    """Output times random weights, so that classes whose sum is always 1 do not cancel."""
    with torch.enable_grad():
        out = probe.run(x)
        generator = torch.Generator().manual_seed(0)
        return out * (0.5 + torch.rand(out.shape, generator=generator, dtype=out.dtype))


def _sources(out: Tensor, x: Tensor, axis: int, line: int) -> Tensor:
    """Which lines of the input a line of the output has a gradient with respect to."""
    if not out.requires_grad:
        return torch.zeros(x.shape[axis], dtype=torch.bool)
    (gradient,) = torch.autograd.grad(out.select(axis, line).sum(), x, retain_graph=True, allow_unused=True)
    return _lines(torch.zeros_like(x) if gradient is None else gradient != 0, axis)[0]


def _differ(one: Tensor, other: Tensor, part: float) -> Tensor:
    scale = float(other.abs().nan_to_num(0, 0, 0).max())
    return ~((one == other) | ((one - other).abs() <= part * scale))


def _upright(image: Tensor, axis: int) -> Tensor:
    return image if axis == -2 else image.mT


def _lines(image: Tensor, axis: int) -> Tensor:
    """``(batch, line)``: whether anything is set in each line across `axis`."""
    return _upright(image, axis).bool().any(dim=3).any(dim=1)


def _ends(lines: Tensor) -> tuple[int, int] | None:
    found = lines.nonzero()
    return (int(found.min()), int(found.max())) if len(found) else None
