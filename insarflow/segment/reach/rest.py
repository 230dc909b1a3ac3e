"""A network in whose run all that looks at the whole tile is held fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from insarflow.segment.reach.calls import Call, Calls, replaced, tensors
from insarflow.segment.reach.inspection import Inspection, Mixer
from insarflow.segment.reach.mixing import Label
from insarflow.segment.reach.redraw import Factors
from insarflow.segment.reach.subject import Subject


class Rest(Calls):
    """Holds the calls that look at the whole tile.

    Parameters
    ----------
    subject
        The network.
    factors
        Of its weights.
    inspection
        Of the same network.
    anywhere
        Whether a value that is put back at the place of a maximum (`torch.nn.functional.max_unpool2d`) is put at all
        places of its cell: with other inputs it would come to each of them.

    Notes
    -----
    What a held call gives is a number, its mean in a run on one tile, plus those of its inputs that lie on the pixels
    of its output: a pixel keeps what it brings itself, and gets nothing from others.
    """

    def __init__(self, subject: Subject, factors: Factors, inspection: Inspection, *, anywhere: bool = False) -> None:
        super().__init__(subject.network, factors)
        self._mixers: Mapping[Call, Mixer] = inspection.mixers
        self._anywhere = anywhere
        self._means: dict[Call, list[float]] = {}
        if self._mixers:
            with torch.no_grad():
                subject.answer(subject.field(inspection.unit, inspection.unit), self)

    def on_call(self, call: Call, given: list[Tensor], run: Callable[[], object]) -> object:
        """Hold the call, if it looks at the whole tile."""
        result = run()
        if self._anywhere and call.function == "max_unpool2d" and isinstance(result, Tensor):
            return functional.interpolate(given[0], result.shape[2:])
        mixer = self._mixers.get(call)
        if mixer is None:
            return result
        gives = [*tensors(result)]
        means = self._means.get(call) or self._means.setdefault(call, [_mean(t.detach()) for t in gives])
        inputs = [*zip(given, mixer.given, strict=True)]
        return replaced(
            result, [_held(t, mean, at, inputs) for t, mean, at in zip(gives, means, mixer.gives, strict=True)]
        )


def _mean(tensor: Tensor) -> float:
    return 0.0 if tensor.is_complex() else float(tensor.double().mean())


def _held(out: Tensor, mean: float, at: tuple[Label, ...], inputs: list[tuple[Tensor, tuple[Label, ...]]]) -> Tensor:
    if not out.is_floating_point() and not out.is_complex():
        return torch.zeros_like(out)
    held = torch.full_like(out, mean, requires_grad=False)
    for tensor, where in inputs:
        if any(at) and where == at and tensor.shape == out.shape:
            held = held + tensor
    return held
