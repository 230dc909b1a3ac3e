"""How far a network looks, found by watching it work and by experiment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import torch
from torch import nn

from insarflow.errors import ModelError
from insarflow.segment.reach.calls import Calls
from insarflow.segment.reach.inspection import Inspection, inspect
from insarflow.segment.reach.probing import Probe, looks_beyond, moves, spans
from insarflow.segment.reach.redraw import redraw
from insarflow.segment.reach.rest import Rest
from insarflow.segment.reach.subject import RefusedError, Subject, subject_of
from insarflow.segment.windows import round_up

MAX_PROBE = 4096
"""Longest strip, pixels."""

_WIDTH: Final = 16
_CELLS: Final = 2
"""Narrowest strip, pixels and cells of the stride: torch 2.13 gives wrong gradients of normalisations of one column."""


@dataclass(frozen=True)
class Reach:
    """What a network looks at for one output pixel.

    Attributes
    ----------
    stride
        Windows must start at multiples of it for their outputs to agree; inputs must have multiples of it as sizes,
        unless the network pads them. Pixels.
    left, right
        Farthest input pixels, in rows or columns: toward 0, and away from it. Of what remains when each part that
        looks at the whole tile is held fixed.
    whole_tile
        The parts that look at the whole tile, each by its path in the network and what it is. With any, no halo makes
        tiles seamless.
    """

    stride: int
    left: int
    right: int
    whole_tile: tuple[str, ...] = ()

    @property
    def halo(self) -> int:
        """Margin that a window needs on each side, pixels: the farther of both reaches, as a multiple of the stride."""
        return round_up(max(self.left, self.right), self.stride)


def reach(model: nn.Module | str | Path, *, channels: int | None = None) -> Reach:
    """Find the stride of a network, how far it looks, and which of its parts look at the whole tile.

    Parameters
    ----------
    model
        A network that maps ``(batch, channel, y, x)`` to ``(batch, class, y, x)``, or to a dict with that under
        ``"out"``; or the name of a network or of a model, or the path of a ``.safetensors`` file. It is not changed:
        a copy is examined, in evaluation mode and double precision.
    channels
        Of the input; by default those of its first `torch.nn.Conv2d`.

    Returns
    -------
    Reach
        In pixels; the same for all weights.

    Raises
    ------
    ValueError
        If `channels` is no positive whole number.
    ModelError
        If `model` is no network, accepts no tiles of different sizes, gives an output of another size or one that is
        random, looks farther than 2047 pixels, depends on the place of a pixel in its tile, or the two ways disagree.

    Notes
    -----
    Two ways must agree. *Inspection* watches every call of a torch function on three tiles, of which one is higher
    and one wider. From the sizes of all features follows the stride; a sum, mean, maximum, normalisation, product or
    resizing over a dimension that grows with the tile looks at the whole tile. *Probing* knows only the answers: in
    thin strips, a line of the input is set to huge values and the outputs that change are noted; the gradients of a
    line of the output are noted; the union is the reach, over all places that a pixel can have relative to the
    stride. The input is moved, and the output must move with it. Far pixels must matter if, and only if, inspection
    found parts that look at the whole tile.

    A dead ReLU or a zero hides what a network with other weights would look at, so weights are drawn anew. Those of
    convolutions are products of one number per input channel, per output channel and per place in the kernel, which
    makes a convolution of any width as fast as one of a single channel. A value put back at the place of a maximum is
    also put at all places of its cell.

    A part that looks at the whole tile is held fixed by giving its mean over one tile instead, plus whichever inputs
    lie on the pixels of its output: of an attention or a normalisation remains what a pixel brings itself.

    Examples
    --------
    >>> from insarflow.learn.models import build_model
    >>> reach(build_model("resunet"))
    Reach(stride=4, left=37, right=37, whole_tile=())
    """
    with torch.random.fork_rng(devices=[]):
        subject = subject_of(model, channels)
        factors = redraw(subject.network, 0, signed=False)
        inspection = inspect(subject, factors)
        plain = Calls(subject.network, factors)
        _check_repeats(subject, plain, inspection.unit)
        stride = _accepted_stride(subject, plain, inspection)
        rest = Rest(subject, factors, inspection)
        anywhere = Rest(subject, factors, inspection, anywhere=True)
        probe, size, left, right = _measure(subject, rest, anywhere, stride, inspection)
        _check_far(probe._replace(calls=plain), size, left, right, inspection)
        _check_stride(probe, stride, max(left, right), inspection)
    names = dict.fromkeys(call.words(mixer.axes) for call, mixer in inspection.mixers.items())
    return Reach(stride, left, right, tuple(names))


def _check_repeats(subject: Subject, calls: Calls, unit: int) -> None:
    x = subject.field(unit, unit)
    with torch.no_grad():
        first, second = (subject.answer(x, calls) for _ in range(2))
    if not torch.allclose(first, second, rtol=1e-9, atol=0, equal_nan=True):
        raise ModelError(
            f"{subject.name} must give the same output for the same input, but it is random in evaluation mode: pass "
            "training=self.training to functional dropout, and draw no noise there"
        )


def _accepted_stride(subject: Subject, calls: Calls, inspection: Inspection) -> int:
    """Smallest multiple of the features' stride by which tiles may grow."""
    unit = inspection.unit
    for stride in range(inspection.stride, unit, inspection.stride):
        if _accepts(subject, calls, unit + stride, unit) and _accepts(subject, calls, unit, unit + stride):
            return stride
    return max(unit, inspection.stride)


def _accepts(subject: Subject, calls: Calls, height: int, width: int) -> bool:
    try:
        with torch.no_grad():
            subject.answer(subject.field(height, width), calls)
    except RefusedError:
        return False
    return True


def _measure(
    subject: Subject, calls: Calls, anywhere: Calls, stride: int, inspection: Inspection
) -> tuple[Probe, int, int, int]:
    """How it was probed, in strips of which length, and the reach to the left and to the right."""
    size = round_up(max(64, 16 * stride), stride)
    while size <= MAX_PROBE:
        probe = Probe(subject, calls, _width(subject, calls, stride, size))
        left = right = 0
        runs = [probe, probe._replace(calls=anywhere)] if inspection.unpools else [probe]
        for span in chain.from_iterable(spans(run, size, stride) for run in runs):
            left, right = max(left, span.left), max(right, span.right)
            if not span.ends:
                break
        else:
            return probe, size, left, right
        size *= 2
    seen = f"inspection found only {_listed(inspection)}" if inspection.mixers else "inspection found nothing"
    raise ModelError(
        f"{subject.name} must look at a bounded neighbourhood, but a pixel reaches {MAX_PROBE // 2} pixels, and "
        f"{seen} that looks at the whole tile: leave out what does, or write it with torch's own reductions"
    )


def _width(subject: Subject, calls: Calls, stride: int, size: int) -> int:
    width = round_up(max(_WIDTH, _CELLS * stride), stride)
    while width <= size:
        if _accepts(subject, calls, size, width) and _accepts(subject, calls, width, size):
            return width
        width *= 2
    raise ModelError(
        f"{subject.name} must accept tiles whose sides are multiples of {stride}, but refuses {size} by {size}: build "
        "it without a fixed size"
    )


def _check_far(probe: Probe, size: int, left: int, right: int, inspection: Inspection) -> None:
    far = looks_beyond(probe, size, left, right)
    if far and not inspection.mixers:
        raise ModelError(
            f"{probe.subject.name} must be understood in two ways alike, but pixels beyond {max(left, right)} matter "
            "and inspection found nothing that looks at the whole tile: write it with torch's own reductions"
        )
    if inspection.mixers and not far:
        raise ModelError(
            f"{probe.subject.name} must be understood in two ways alike, but inspection found "
            f"{_listed(inspection)} to look at the whole tile, and no pixel beyond {max(left, right)} matters: leave "
            f"out what has no effect"
        )


def _check_stride(probe: Probe, stride: int, margin: int, inspection: Inspection) -> None:
    """Whether the output moves with the input by the features' stride, and by no part of it."""
    name, features = probe.subject.name, inspection.stride
    smaller = {features // p: True for p in range(2, features + 1) if features % p == 0 and _is_prime(p)}
    for drawn in _draws(probe, inspection):
        if not moves(drawn, features, margin, stride):
            _refuse_shift(drawn, stride, margin, features)
        smaller = {s: ok and moves(drawn, s, margin, stride) for s, ok in smaller.items()}
    found = [s for s, ok in smaller.items() if ok]
    # What is held fixed may be all that has the larger stride.
    if found and not inspection.mixers:
        raise ModelError(
            f"{name} must be understood in two ways alike, but its features have a stride of {features} pixels and its "
            f"output moves with the input by {min(found)}: leave out of forward what has no effect on the output"
        )


def _draws(probe: Probe, inspection: Inspection) -> Iterator[Probe]:
    """The network with the weights it has, then with others."""
    yield probe
    for seed in (1, 2):
        factors = redraw(probe.subject.network, seed, signed=True)
        yield probe._replace(calls=Rest(probe.subject, factors, inspection))


def _refuse_shift(probe: Probe, stride: int, margin: int, features: int) -> None:
    for multiple in range(2, 9):
        if moves(probe, multiple * features, margin, stride):
            raise ModelError(
                f"{probe.subject.name} must be understood in two ways alike, but its features have a stride of "
                f"{features} pixels and its output moves with the input by {multiple * features} only: make the sizes "
                "of its features follow from the input's"
            )
    raise ModelError(
        f"{probe.subject.name} must treat every pixel alike, but when the input moves by {features} pixels or a "
        "multiple of it, the output does not: leave out what depends on the place in the tile (coordinates, position "
        "embeddings, interpolation to sizes that are no multiples)"
    )


def _is_prime(number: int) -> bool:
    return all(number % k for k in range(2, number))


def _listed(inspection: Inspection) -> str:
    return ", ".join(dict.fromkeys(call.words(mixer.axes) for call, mixer in inspection.mixers.items()))
