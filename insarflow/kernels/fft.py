"""Fourier transform of eight columns at once, written out for one size and held in registers.

The transform is a Python function of numbers that can be added and multiplied: of arrays in the tests, of vector
registers (`insarflow.kernels.lanes.Lanes`) when machine code is generated. Two passes over the data serve 16 to 128.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, overload

from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels.lanes import LANES, Memory, lanes_function

Complex = tuple[Any, Any]
"""Real and imaginary part."""

_RADIX = {8: 2, 16: 4, 32: 8, 64: 8, 128: 16}
"""Size of the transforms of the first pass, measured; the second pass does the rest."""


def dft(x: Sequence[Complex]) -> list[Complex]:
    """Forward transform, ``exp(-2 pi i j k / size)``; the size is a power of two up to 128.

    The inverse, unscaled, is the same with real and imaginary parts exchanged.
    """
    size = len(x)
    if size == 1:
        return list(x)
    if size == 2:
        return [_add(x[0], x[1]), _subtract(x[0], x[1])]
    if size == 4:
        a, b, c, d = _add(x[0], x[2]), _subtract(x[0], x[2]), _add(x[1], x[3]), _subtract(x[1], x[3])
        return [_add(a, c), (b[0] + d[1], b[1] - d[0]), _subtract(a, c), (b[0] - d[1], b[1] + d[0])]
    result = [x[0]] * size
    for k, part in _passes(x):
        result[k :: _RADIX[size]] = part
    return result


def _passes(x: Sequence[Complex]) -> Iterator[tuple[int, list[Complex]]]:
    """The transform in two passes; yields ``k`` and its results k, k + radix, k + 2 radix, ... as they come."""
    size = len(x)
    radix = _RADIX[size]
    stride = size // radix
    first = [dft(x[start::stride]) for start in range(stride)]
    for k in range(radix):
        yield k, dft([_turn(first[start][k], start * k, size) for start in range(stride)])


def _add(a: Complex, b: Complex) -> Complex:
    return a[0] + b[0], a[1] + b[1]


def _subtract(a: Complex, b: Complex) -> Complex:
    return a[0] - b[0], a[1] - b[1]


def _turn(z: Complex, k: int, size: int) -> Complex:
    """``z exp(-2 pi i k / size)``, with fewer operations where the angle is a multiple of 45 degrees."""
    re, im = z
    eighths = 8 * k / size
    if eighths in (0, 2, 4, 6):
        return ((re, im), (im, -re), (-re, -im), (-im, re))[int(eighths) // 2]
    c, s = math.cos(2 * math.pi * k / size), math.sin(2 * math.pi * k / size)
    if eighths == 1:
        return (re + im) * c, (im - re) * c
    if eighths == 3:
        return (im - re) * s, (re + im) * c
    return re * c + im * s, im * c - re * s


class _Rows(Sequence[Complex]):
    """Rows of eight complex numbers that are loaded when they are asked for, which needs fewer registers."""

    def __init__(self, re: Memory, im: Memory, size: int) -> None:
        self._re, self._im, self._size = re, im, size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Complex: ...
    @overload
    def __getitem__(self, index: slice) -> list[Complex]: ...
    def __getitem__(self, index: int | slice) -> Complex | list[Complex]:
        if isinstance(index, slice):
            return [self[k] for k in range(self._size)[index]]
        return self._re.load(2 * LANES * index), self._im.load(2 * LANES * index)


def _function(module: ir.Module, size: int) -> ir.Function:
    """The transform as a function of four addresses: real and imaginary parts to read, and to write.

    One copy serves all calls, which keeps the machine code and the time to make it short.
    """
    kind = ir.FunctionType(ir.VoidType(), [ir.FloatType().as_pointer()] * 4)
    function = cgutils.get_or_insert_function(module, kind, f"insarflow_fft_{size}")
    if function.is_declaration:
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        re, im, to_re, to_im = (Memory(builder, start) for start in function.args)
        for first, part in _passes(_Rows(re, im, size)):
            for row, (real, imaginary) in zip(range(first, size, _RADIX[size]), part, strict=True):
                to_re.store(real, 2 * LANES * row)
                to_im.store(imaginary, 2 * LANES * row)
        builder.ret_void()
    return function


@lanes_function
def fft_lanes(
    builder: ir.IRBuilder, work: Memory, source: ir.Value, to: ir.Value, inverse: ir.Value, size: int
) -> None:
    """Transform eight columns: `size` rows of eight complex numbers at `source`, to `to`, which may be the same.

    `inverse` is 0, or 1 for the inverse, unscaled; `size` is passed as `insarflow.kernels.lanes.octaves`.
    """
    first = builder.mul(inverse, ir.Constant(inverse.type, LANES))
    parts = first, builder.sub(ir.Constant(first.type, LANES), first)
    addresses = [work.at(place).at(part).start for place in (source, to) for part in parts]
    builder.call(_function(builder.module, size), addresses)
