"""Eight float32 at once inside compiled loops.

LLVM vectorises a loop over a row by itself, but neither a Fourier transform held in registers nor a transposition. For
these, vector instructions are written here in LLVM's portable form, which any processor runs and which compiles in a
fraction of the time that loops take. Lanes do not mix, so a column's bits do not depend on the lane that it is in.

Eight complex numbers are sixteen elements of an array: eight real parts, then eight imaginary parts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Self, TypeVar

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8
_LANE, _INDEX = ir.IntType(32), ir.IntType(64)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
WHOLE = ir.VectorType(ir.IntType(32), LANES)
"""Type of eight whole numbers."""
# A product and a sum may become one fused instruction: the same one for every pixel, and NaN stays NaN.
_FUSE = ("contract",)


def octaves(size: int) -> tuple[int, ...]:
    """A tuple of length log2 `size`: a power of two as a type, so that loops are compiled for it."""
    return (0,) * (size.bit_length() - 1)


class Lanes:
    """Eight float32 of a function that is being generated: arithmetic with it emits instructions."""

    KIND = _FLOATS

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def all(cls, builder: ir.IRBuilder, number: ir.Value | float) -> Self:
        """One number in every lane."""
        if not isinstance(number, ir.Value):
            exact = float(np.float32(number)) if cls.KIND is _FLOATS else number
            return cls(builder, ir.Constant(cls.KIND, [exact] * cls.KIND.count))
        one = builder.insert_element(ir.Constant(cls.KIND, ir.Undefined), number, ir.Constant(_LANE, 0))
        return cls(builder, one).chosen(cls(builder, one), [0] * cls.KIND.count)

    def __add__(self, other: Lanes | float) -> Self:
        return type(self)(self.builder, self.builder.fadd(self.value, self._operand(other), flags=_FUSE))

    def __sub__(self, other: Lanes | float) -> Self:
        return type(self)(self.builder, self.builder.fsub(self.value, self._operand(other), flags=_FUSE))

    def __mul__(self, other: Lanes | float) -> Self:
        return type(self)(self.builder, self.builder.fmul(self.value, self._operand(other), flags=_FUSE))

    def __truediv__(self, other: Lanes | float) -> Self:
        return type(self)(self.builder, self.builder.fdiv(self.value, self._operand(other)))

    def __neg__(self) -> Self:
        return type(self)(self.builder, self.builder.fneg(self.value))

    def sqrt(self) -> Self:
        """Square root."""
        return self._call("sqrt")

    def floor(self) -> Self:
        """Next whole number below."""
        return self._call("floor")

    def abs(self) -> Self:
        """Magnitude."""
        return self._call("fabs")

    def larger(self, other: Lanes) -> Self:
        """The larger of two numbers, the other one if they do not compare."""
        more = self.builder.fcmp_ordered(">", self.value, other.value)
        return type(self)(self.builder, self.builder.select(more, self.value, other.value))

    def chosen(self, other: Lanes, lanes: list[int]) -> Self:
        """Lanes of this one (0 to 7) and of `other` (8 to 15)."""
        mask = ir.Constant(ir.VectorType(_LANE, len(lanes)), lanes)
        return type(self)(self.builder, self.builder.shuffle_vector(self.value, other.value, mask))

    def is_zero(self) -> ir.Value:
        """Mask of the lanes that are 0; NaN is not."""
        return self.builder.fcmp_ordered("==", self.value, self.all(self.builder, 0.0).value)

    def where(self, mask: ir.Value) -> Self:
        """These numbers where the mask is set, 0 elsewhere."""
        return type(self)(self.builder, self.builder.select(mask, self.value, self.all(self.builder, 0.0).value))

    def _operand(self, other: Lanes | float) -> ir.Value:
        return other.value if isinstance(other, Lanes) else self.all(self.builder, other).value

    def _call(self, name: str) -> Self:
        kind = ir.FunctionType(self.KIND, [self.KIND])
        suffix = f"v{self.KIND.count}{'f32' if self.KIND.element == ir.FloatType() else 'f64'}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.{suffix}")
        return type(self)(self.builder, self.builder.call(function, [self.value]))


T = TypeVar("T", bound=Lanes)


class Total(Generic[T]):
    """Numbers that a loop adds to or replaces."""

    def __init__(self, builder: ir.IRBuilder, first: T) -> None:
        self.builder, self._kind = builder, type(first)
        self.place = cgutils.alloca_once_value(builder, first.value)

    @property
    def now(self) -> T:
        """The present numbers."""
        return self._kind(self.builder, self.builder.load(self.place))

    def become(self, value: T) -> None:
        """Replace them."""
        self.builder.store(value.value, self.place)


class Memory:
    """Memory of a function that is being generated, from the address of a float32 on."""

    def __init__(self, builder: ir.IRBuilder, start: ir.Value) -> None:
        self.builder, self.start = builder, start

    def at(self, index: ir.Value | int, size: ir.Value | int = 1) -> Memory:
        """The same, from the element ``index * size`` on."""
        number, step = (ir.Constant(_INDEX, k) if isinstance(k, int) else k for k in (index, size))
        offset = self.builder.mul(number, step)
        return Memory(self.builder, self.builder.gep(self.start, [offset]))

    def load(self, index: ir.Value | int = 0) -> Lanes:
        """The lanes that begin at the element `index`."""
        return Lanes(self.builder, self.builder.load(self._lanes(index), align=4))

    def load_complex(self) -> tuple[Lanes, Lanes]:
        """Real and imaginary parts of eight complex64."""
        first, second = self.load(), self.load(LANES)
        re, im = (first.chosen(second, list(range(k, 2 * LANES, 2))) for k in (0, 1))
        return re, im

    def store(self, lanes: Lanes, index: ir.Value | int = 0) -> None:
        """Write lanes from the element `index` on."""
        self.builder.store(lanes.value, self._lanes(index), align=4)

    def one(self, index: ir.Value | int) -> Lanes:
        """The element `index` in every lane."""
        return Lanes.all(self.builder, self.builder.load(self.at(index).start))

    def _lanes(self, index: ir.Value | int) -> ir.Value:
        return self.builder.bitcast(self.at(index).start, _FLOATS.as_pointer())


def lanes_function(generate: Callable[..., None]) -> Any:
    """Make a function that emits vector instructions callable from compiled loops.

    Parameters
    ----------
    generate
        Called with an `ir.IRBuilder` and the arguments: float32 arrays as `Memory`, `octaves` as the number they stand
        for, None as None, other numbers as `ir.Value`.
    """

    def typed(typing_context, *kinds):  # type: ignore[no-untyped-def]
        def emit(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            def seen(kind: Any, value: ir.Value) -> Any:
                if isinstance(kind, types.Array):
                    return Memory(builder, cgutils.create_struct_proxy(kind)(context, builder, value=value).data)
                if kind is types.none:
                    return None
                return 1 << len(kind) if isinstance(kind, types.UniTuple) else value

            generate(builder, *(seen(k, v) for k, v in zip(signature.args, arguments, strict=True)))
            return context.get_dummy_value()

        return types.void(*kinds), emit

    parameters = list(inspect.signature(generate).parameters.values())[1:]
    context = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    typed.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    typed.__name__, typed.__doc__ = generate.__name__, generate.__doc__
    return intrinsic(typed)


def repeat(builder: ir.IRBuilder, times: ir.Value | int) -> AbstractContextManager[Any]:
    """``with repeat(builder, n) as loop:`` emits its body once, run for ``loop.index`` from 0 to n - 1."""
    count = ir.Constant(_INDEX, times) if isinstance(times, int) else times
    loop: AbstractContextManager[Any] = cgutils.for_range(builder, count)
    return loop
