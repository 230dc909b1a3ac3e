"""What a network does with space, seen by watching it work on tiles of three sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NoReturn

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from insarflow.errors import ModelError
from insarflow.segment.reach.calls import Call, Calls, replaced, tensors
from insarflow.segment.reach.mixing import Label, Operation, Shape, label, mixed, stretched
from insarflow.segment.reach.redraw import Factors
from insarflow.segment.reach.subject import OtherSizeError, RefusedError, Subject

UNITS: Final = (32, 64, 96, 80, 112, 144, 128, 224, 256, 240, 512)
"""Sides of the smallest tile, tried in this order: strides divide one of them, and small ones cost little."""


@dataclass(frozen=True)
class Mixer:
    """How the tensors of a call that looks at the whole tile lie in space."""

    axes: Label
    given: tuple[tuple[Label, ...], ...]
    gives: tuple[tuple[Label, ...], ...]


@dataclass(frozen=True)
class Inspection:
    """What three runs of a network show.

    Attributes
    ----------
    unit
        Side of a tile that the network accepts, pixels; so is its double.
    stride
        Smallest shift that is a whole number of pixels of every feature map.
    mixers
        The calls that look at the whole tile and matter to the output, in their order.
    unpools
        Whether values are put back at the places of maxima.
    """

    unit: int
    stride: int
    mixers: dict[Call, Mixer]
    unpools: bool


@dataclass
class _Seen:
    """One call in one run."""

    given: list[Shape] = field(default_factory=list)
    gives: list[Shape] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


_Run = dict[Call, _Seen]


def inspect(subject: Subject, factors: Factors) -> Inspection:
    """Watch a network on a tile, a higher and a wider one.

    Parameters
    ----------
    subject
        The network.
    factors
        Of its weights.

    Raises
    ------
    ModelError
        If it accepts no tiles of these sizes, works otherwise on each, or stretches an image from corner to corner.
    """
    best: tuple[int, int, list[_Run]] | None = None
    refusal: Exception | None = None
    for unit in UNITS:
        try:
            runs = _three_runs(subject, factors, unit)
        except RefusedError as error:
            refusal = refusal or error
            continue
        ratios = [*_ratios(runs, unit)]
        stride = math.lcm(*(r.numerator for r in ratios))
        if best is None or stride < best[1]:
            best = unit, stride, runs
        # A tile that the stride does not divide shows as ratios like 64 / 21.
        if all(1 in (r.numerator, r.denominator) for r in ratios) and stride < unit:
            break
    if best is None:
        _refuse(subject, refusal)
    unit, stride, runs = best
    mixers = {c: m for c, m in _mixers(runs).items() if _matters(subject, factors, unit, c)}
    _check_corners(subject, runs)
    unpools = any("unpool" in o.name for seen in runs[0].values() for o in seen.operations)
    return Inspection(unit, stride, mixers, unpools)


class _Recorder(Calls):
    """Notes all calls of one run, and the elementary operations in each."""

    def __init__(self, subject: Subject, factors: Factors) -> None:
        super().__init__(subject.network, factors)
        self.run: _Run = {}
        self._now: _Seen | None = None

    def on_call(self, call: Call, given: list[Tensor], run: Callable[[], object]) -> object:
        self._now = seen = _Seen(given=[tuple(t.shape) for t in given])
        try:
            result = run()
        finally:
            self._now = None
        seen.gives = [tuple(t.shape) for t in tensors(result)]
        if seen.gives:
            self.run[call] = seen
        return result

    def note(self, operation: Operation) -> None:
        """Add an operation to the call it belongs to: to one of its own, where torch hides which."""
        if self._now is None:
            seen = self.run[self.name(operation.name)] = _Seen()
            seen.operations.append(operation)
        else:
            self._now.operations.append(operation)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Passes every elementary operation to a recorder."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = recorder

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here, and to tell the compiler so, torch would load it, which takes seconds.
        return False

    def __torch_dispatch__(
        self,
        function: torch._ops.OpOverload[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        result = function(*args, **(kwargs or {}))
        names = [a.name for a in function._schema.arguments]
        given = {k: tuple(v.shape) if isinstance(v, Tensor) else v for k, v in zip(names, args, strict=False)}
        given |= {k: tuple(v.shape) if isinstance(v, Tensor) else v for k, v in (kwargs or {}).items()}
        output = next(tensors(result), None)
        shape = None if output is None else tuple(output.shape)
        self._recorder.note(Operation(function._schema.name.partition("::")[2], given, shape))
        return result


class _Spoiled(Calls):
    """Replaces what one call gives by NaN."""

    def __init__(self, subject: Subject, factors: Factors, call: Call) -> None:
        super().__init__(subject.network, factors)
        self._call = call

    def on_call(self, call: Call, given: list[Tensor], run: Callable[[], object]) -> object:
        result = run()
        if call != self._call:
            return result
        return replaced(result, [_spoil(t) for t in tensors(result)])


def _spoil(tensor: Tensor) -> Tensor:
    return torch.full_like(tensor, torch.nan) if tensor.is_floating_point() or tensor.is_complex() else tensor


def _three_runs(subject: Subject, factors: Factors, unit: int) -> list[_Run]:
    runs = []
    for size in ((unit, unit), (2 * unit, unit), (unit, 2 * unit)):
        recorder, x = _Recorder(subject, factors), subject.field(*size)
        with torch.no_grad(), _Operations(recorder):
            subject.answer(x, recorder)
        runs.append(recorder.run)
    if not runs[0].keys() == runs[1].keys() == runs[2].keys():
        call = next(iter((runs[0].keys() ^ runs[1].keys()) | (runs[0].keys() ^ runs[2].keys())))
        raise RefusedError(f"it calls {call.function} in {call.path} on tiles of some sizes only")
    return runs


def _ratios(runs: list[_Run], unit: int) -> Iterator[Fraction]:
    """How many pixels of the input each feature map's pixel stands for."""
    for call in runs[0]:
        for shapes in zip(*(r[call].gives for r in runs), strict=False):
            plain, higher, wider = shapes
            for axis, along in enumerate(label(shapes)):
                longer = {"y": higher, "x": wider}.get(along)
                if longer is not None:
                    yield Fraction(unit, abs(longer[axis] - plain[axis]))


def _mixers(runs: list[_Run]) -> dict[Call, Mixer]:
    found = {}
    for call, seen in runs[0].items():
        others = [r[call] for r in runs]
        operations = zip(*(s.operations for s in others), strict=False)
        axes = {axis for same in operations for axis in mixed(same)}
        if axes:
            found[call] = Mixer(
                "".join(a for a in "yx" if a in axes),
                tuple(label([s.given[k] for s in others]) for k in range(len(seen.given))),
                tuple(label([s.gives[k] for s in others]) for k in range(len(seen.gives))),
            )
    return found


def _matters(subject: Subject, factors: Factors, unit: int, call: Call) -> bool:
    x = subject.field(unit, unit)
    with torch.no_grad():
        plain = subject.answer(x, Calls(subject.network, factors))
        spoiled = subject.answer(x, _Spoiled(subject, factors, call))
    return not torch.equal(plain, spoiled)


def _check_corners(subject: Subject, runs: list[_Run]) -> None:
    calls = [
        f"{call.path} ({call.layer or call.function})"
        for call in runs[0]
        if any(map(stretched, zip(*(r[call].operations for r in runs), strict=False)))
    ]
    if calls:
        raise ModelError(
            f"{subject.name} must treat every pixel alike, but {', '.join(calls)} interpolates with "
            "align_corners=True, so that what it does depends on the place in the tile and its size: train with "
            "align_corners=False"
        )


def _refuse(subject: Subject, refusal: Exception | None) -> NoReturn:
    if isinstance(refusal, OtherSizeError):
        raise ModelError(str(refusal)) from refusal
    raise ModelError(
        f"{subject.name} must accept tiles of different sizes with {subject.channels} channels, but of the sides "
        f"{list(UNITS)} and their doubles it accepts none; it says: {refusal}: pass channels= if its input has another "
        "number of them, and build it without a fixed size"
    ) from refusal
