"""Four doubles at once inside compiled loops; see `insarflow.kernels.lanes`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels.lanes import Lanes, Memory, Total

FOUR = 4
_LANE, _INDEX = ir.IntType(32), ir.IntType(64)
_DOUBLES = ir.VectorType(ir.DoubleType(), FOUR)
_FLOATS = ir.VectorType(ir.FloatType(), FOUR)


class Doubles(Lanes):
    """Four doubles of a function that is being generated."""

    KIND = _DOUBLES

    def __lt__(self, other: float) -> Any:
        return self.builder.fcmp_ordered("<", self.value, self.all(self.builder, other).value)

    def __gt__(self, other: float) -> Any:
        return self.builder.fcmp_ordered(">", self.value, self.all(self.builder, other).value)

    def shifted(self, following: Doubles, lanes: int) -> Doubles:
        """The four that begin some lanes further on, the rest from the vector that follows."""
        return self.chosen(following, [k + lanes for k in range(FOUR)])

    def floats(self) -> Floats:
        """Rounded to float32."""
        return Floats(self.builder, self.builder.fptrunc(self.value, _FLOATS))


class Floats(Doubles):
    """Four float32."""

    KIND = _FLOATS

    def at_most(self, limit: float) -> Floats:
        """The limit where a number is above it; NaN stays."""
        return Floats(self.builder, self.builder.select(self > limit, self.all(self.builder, limit).value, self.value))


class Sum(Total[Doubles]):
    """Four doubles that a loop adds to or replaces, zero at first."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        super().__init__(builder, Doubles.all(builder, 0.0))


def load(memory: Memory, index: ir.Value | int = 0) -> Doubles:
    """The four doubles that begin at the element `index`."""
    builder = memory.builder
    place = builder.bitcast(memory.at(index).start, _DOUBLES.as_pointer())
    return Doubles(builder, builder.load(place, align=8))


def load_one(memory: Memory, index: ir.Value) -> Doubles:
    """The double at the element `index` in all lanes."""
    return Doubles.all(memory.builder, memory.builder.load(memory.at(index).start))


def store(lanes: Lanes, memory: Memory, index: ir.Value | int = 0) -> None:
    """Write lanes from the element `index` on."""
    place = memory.builder.bitcast(memory.at(index).start, lanes.KIND.as_pointer())
    memory.builder.store(lanes.value, place, align=4 if lanes.KIND is _FLOATS else 8)


def load_complex(memory: Memory) -> tuple[Doubles, Doubles]:
    """Real and imaginary parts of four complex64."""
    builder = memory.builder
    eight = builder.load(builder.bitcast(memory.start, ir.VectorType(ir.FloatType(), 2 * FOUR).as_pointer()), align=4)
    re, im = (
        builder.shuffle_vector(eight, eight, ir.Constant(ir.VectorType(_LANE, FOUR), [2 * k + p for k in range(FOUR)]))
        for p in (0, 1)
    )
    return Doubles(builder, builder.fpext(re, _DOUBLES)), Doubles(builder, builder.fpext(im, _DOUBLES))


def doubles_of(lanes: Lanes) -> tuple[Doubles, Doubles]:
    """Eight float32 as two times four doubles."""
    builder = lanes.builder
    halves = (lanes.chosen(lanes, list(range(k, k + FOUR))).value for k in (0, FOUR))
    low, high = (Doubles(builder, builder.fpext(half, _DOUBLES)) for half in halves)
    return low, high


def whole(number: int) -> ir.Constant:
    """A constant index."""
    return ir.Constant(_INDEX, number)


def lesser(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The smaller of two whole numbers."""
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def greater(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    """The larger of two whole numbers."""
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def prefetch(memory: Memory) -> None:
    """Ask for the line of the cache that holds this address, which need not exist."""
    builder = memory.builder
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _LANE, _LANE, _LANE])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [builder.bitcast(memory.start, byte), *(ir.Constant(_LANE, k) for k in (0, 2, 1))])
