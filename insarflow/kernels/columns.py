"""Steps of the Goldstein filter on eight columns of an image at once, between the transforms.

A block is `size` rows of eight complex numbers (see `insarflow.kernels.lanes`). Columns transformed along y are kept
the other way round: ``(size / 8, room)`` times eight complex numbers, the bins ``8 group .. 8 group + 7`` of column `c`
at ``(group, c)``. All of it stands in one array, `work`, from the places on that are given. `size` is passed as
`insarflow.kernels.lanes.octaves`.
"""

from __future__ import annotations

import math

from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels.lanes import LANES, Lanes, Memory, lanes_function, repeat

PAIR = 2 * LANES
"""Elements that eight complex numbers take."""

PLANES = 3
"""Sums of the result: real part, imaginary part, weight."""

INPUT, FILTER, UNIT = range(3)
"""Magnitude of the result: the input's, the filter's own, or one."""


@lanes_function
def load_columns(
    builder: ir.IRBuilder, image: Memory, at: ir.Value, stride: ir.Value, work: Memory, block: ir.Value,
    valid: ir.Value, size: int,
) -> None:  # fmt: skip
    """Read a block from pairs ``re, im`` of the image, missing ones as 0, and count the valid ones of each column."""
    count = cgutils.alloca_once_value(builder, Lanes.all(builder, 0.0).value)
    with repeat(builder, size) as loop:
        pairs, to = image.at(at).at(builder.mul(loop.index, stride)), work.at(block).at(loop.index, PAIR)
        re, im = pairs.load_complex()
        there = _finite(re, im)
        to.store(re.where(there))
        to.store(im.where(there), LANES)
        so_far = Lanes(builder, builder.load(count))
        builder.store((so_far + Lanes.all(builder, 1.0).where(there)).value, count)
    work.store(Lanes(builder, builder.load(count)), valid)


@lanes_function
def sum_columns(
    builder: ir.IRBuilder, image: Memory, at: ir.Value, stride: ir.Value, work: Memory, total: ir.Value, size: int
) -> None:
    """Add up eight columns of a real image."""
    so_far = cgutils.alloca_once_value(builder, Lanes.all(builder, 0.0).value)
    with repeat(builder, size) as loop:
        more = image.at(at).load(builder.mul(loop.index, stride))
        builder.store((Lanes(builder, builder.load(so_far)) + more).value, so_far)
    work.store(Lanes(builder, builder.load(so_far)), total)


@lanes_function
def copy_rows(
    builder: ir.IRBuilder, source: Memory, at: ir.Value, stride: ir.Value, work: Memory, to: ir.Value,
    to_stride: ir.Value, count: ir.Value, rows: ir.Value,
) -> None:  # fmt: skip
    """Copy `count` elements of each row."""
    with repeat(builder, rows) as loop:
        target = work.at(to).at(loop.index, to_stride)
        cgutils.raw_memcpy(builder, target.start, source.at(at).at(loop.index, stride).start, count, 4)


@lanes_function
def turn_to_columns(
    builder: ir.IRBuilder, work: Memory, block: ir.Value, columns: ir.Value, room: ir.Value, size: int
) -> None:
    """Write a block as eight columns."""
    with repeat(builder, size // LANES) as loop:
        group = work.at(columns).at(builder.mul(loop.index, room), PAIR)
        _transpose(work.at(block).at(loop.index, PAIR * LANES), group)


@lanes_function
def turn_to_block(
    builder: ir.IRBuilder, work: Memory, columns: ir.Value, room: ir.Value, block: ir.Value, size: int
) -> None:
    """Write eight columns as a block."""
    with repeat(builder, size // LANES) as loop:
        group = work.at(columns).at(builder.mul(loop.index, room), PAIR)
        _transpose(group, work.at(block).at(loop.index, PAIR * LANES))


@lanes_function
def clear_columns(
    builder: ir.IRBuilder, work: Memory, columns: ir.Value, place: ir.Value, count: ir.Value, room: ir.Value, size: int
) -> None:
    """Write zeros to `count` columns from number `place` on."""
    with repeat(builder, size // LANES) as group:
        to = work.at(columns).at(builder.add(builder.mul(group.index, room), place), PAIR)
        cgutils.memset(builder, to.start, builder.mul(count, ir.Constant(count.type, 4 * PAIR)), 0)


@lanes_function
def add_patch(
    builder: ir.IRBuilder, work: Memory, patch: ir.Value, columns: ir.Value, known: ir.Value, room: ir.Value,
    window: ir.Value, size: int,
) -> None:  # fmt: skip
    """Add a patch to columns, times the window's weight of each column.

    To the first `known` columns, that is; to the others, which hold nothing yet, it is written.
    """
    with repeat(builder, size // LANES) as group:
        source = work.at(patch).at(group.index, PAIR * size)
        to = work.at(columns).at(builder.mul(group.index, room), PAIR)
        with repeat(builder, size) as loop:
            part, total = source.at(loop.index, PAIR), to.at(loop.index, PAIR)
            weight = work.at(window).one(loop.index)
            there = builder.icmp_signed("<", loop.index, known)
            for k in (0, LANES):
                before = builder.select(there, total.load(k).value, Lanes.all(builder, 0.0).value)
                total.store(Lanes(builder, before) + part.load(k) * weight, k)


@lanes_function
def move_columns(
    builder: ir.IRBuilder, work: Memory, columns: ir.Value, start: ir.Value, count: ir.Value, room: ir.Value, size: int
) -> None:
    """Bring `count` columns, from number `start` on, to the beginning."""
    with repeat(builder, size // LANES) as group:
        to = work.at(columns).at(builder.mul(group.index, room), PAIR)
        size_moved = builder.mul(count, ir.Constant(count.type, 4 * PAIR))
        byte = ir.IntType(8).as_pointer()
        source, target = (builder.bitcast(memory.start, byte) for memory in (to.at(start, PAIR), to))
        cgutils.raw_memmove(builder, target, source, size_moved, 1)


@lanes_function
def add_rows(
    builder: ir.IRBuilder, work: Memory, block: ir.Value, sums: ir.Value, stride: ir.Value, top: ir.Value,
    window: ir.Value, size: int,
) -> None:  # fmt: skip
    """Add a block, times the window's weight of each row, to two planes; row `y` of them is at ``y % side``."""
    with repeat(builder, size) as loop:
        re = work.at(sums).at(_turning(builder, top, loop.index, size), stride)
        im = re.at(builder.mul(stride, ir.Constant(stride.type, size)))
        part, weight = work.at(block).at(loop.index, PAIR), work.at(window).one(loop.index)
        re.store(re.load() + part.load() * weight)
        im.store(im.load() + part.load(LANES) * weight)


@lanes_function
def add_line(builder: ir.IRBuilder, work: Memory, line: ir.Value, to: ir.Value, size: int) -> None:
    """Add `size` elements to others."""
    with repeat(builder, size // LANES) as loop:
        total = work.at(to).at(loop.index, LANES)
        total.store(total.load() + work.at(line).at(loop.index, LANES).load())


@lanes_function
def add_weights(
    builder: ir.IRBuilder, work: Memory, covered: ir.Value, plane: ir.Value, columns: ir.Value, top: ir.Value,
    window: ir.Value, size: int,
) -> None:  # fmt: skip
    """Add a row of weights, times the window's weight of each row, to a plane."""
    with repeat(builder, size) as loop:
        weight = work.at(window).one(loop.index)
        row = work.at(plane).at(_turning(builder, top, loop.index, size), columns)
        with repeat(builder, _groups(builder, columns)) as group:
            part = row.at(group.index, LANES)
            part.store(part.load() + work.at(covered).at(group.index, LANES).load() * weight)


@lanes_function
def clear(
    builder: ir.IRBuilder, work: Memory, at: ir.Value, count: ir.Value, stride: ir.Value, times: ir.Value
) -> None:
    """Write zeros to `count` elements, `times` times, `stride` apart."""
    with repeat(builder, times) as loop:
        size = builder.mul(count, ir.Constant(count.type, 4))
        cgutils.memset(builder, work.at(at).at(loop.index, stride).start, size, 0)


@lanes_function
def finish(
    builder: ir.IRBuilder, image: Memory, start: ir.Value, columns: ir.Value, work: Memory, sums: ir.Value,
    plane: ir.Value, line: ir.Value, amplitude: ir.Value, normalise: ir.Value, fill: ir.Value, out: Memory,
    to: ir.Value,
) -> None:  # fmt: skip
    """One row of the result, NaN where the image is missing, from the sums; `amplitude` is INPUT, FILTER or UNIT.

    `line` is where ``columns + 8`` pairs are put together.
    """
    zero, one, missing = (Lanes.all(builder, number) for number in (0.0, 1.0, math.nan))
    size = builder.mul(columns, ir.Constant(columns.type, 2))
    pairs = work.at(line)
    cgutils.raw_memcpy(builder, pairs.start, image.at(start).start, size, 4)

    def either(condition: ir.Value, one: Lanes, other: Lanes) -> Lanes:
        return Lanes(builder, builder.select(condition, one.value, other.value))

    def is_amplitude(kind: int) -> ir.Value:
        return builder.icmp_signed("==", amplitude, ir.Constant(amplitude.type, kind))

    with repeat(builder, _groups(builder, columns)) as group:
        given, total = pairs.at(group.index, PAIR), work.at(sums).at(group.index, LANES)
        re, im = given.load_complex()
        a, b, weight = total.load(), total.at(plane).load(), total.at(plane, 2).load()
        kept = builder.or_(weight.is_zero(), builder.and_(a.is_zero(), b.is_zero()))
        a = either(kept, either(fill, re, zero), a)
        b = either(kept, either(fill, im, zero), b)
        own = either(builder.or_(kept, builder.not_(_mask(builder, normalise))), one, one / weight)
        # Divided by the larger part first, because a square may be too large.
        large, got = re.abs().larger(im.abs()), a.abs().larger(b.abs())
        shrink, turned = either(large.is_zero(), zero, one / large), either(got.is_zero(), zero, one / got)
        x, y, c, d = re * shrink, im * shrink, a * turned, b * turned
        wanted = either(is_amplitude(INPUT), large * (x * x + y * y).sqrt(), one)
        gain = either(got.is_zero(), one, wanted * turned / (c * c + d * d).sqrt())
        gain = either(is_amplitude(FILTER), own, gain)
        there = _finite(re, im)
        u, v = either(there, a * gain, missing), either(there, b * gain, missing)
        given.store(u.chosen(v, [k // 2 + LANES * (k % 2) for k in range(LANES)]))
        given.store(u.chosen(v, [4 + k // 2 + LANES * (k % 2) for k in range(LANES)]), LANES)
    cgutils.raw_memcpy(builder, out.at(to).start, pairs.start, size, 4)


def _finite(re: Lanes, im: Lanes) -> ir.Value:
    """Mask of the lanes that are not missing."""
    return (re * 0.0 + im * 0.0).is_zero()


def _mask(builder: ir.IRBuilder, condition: ir.Value) -> ir.Value:
    """One condition in every lane."""
    kind = ir.VectorType(ir.IntType(1), LANES)
    return builder.select(condition, ir.Constant(kind, [1] * LANES), ir.Constant(kind, [0] * LANES))


def _groups(builder: ir.IRBuilder, columns: ir.Value) -> ir.Value:
    """Times eight columns, the last ones in part."""
    more = builder.add(columns, ir.Constant(columns.type, LANES - 1))
    return builder.sdiv(more, ir.Constant(columns.type, LANES))


def _turning(builder: ir.IRBuilder, top: ir.Value, index: ir.Value, size: int) -> ir.Value:
    return builder.and_(builder.add(top, index), ir.Constant(top.type, size - 1))


def _transpose(source: Memory, to: Memory) -> None:
    """Transpose eight times eight complex numbers."""
    for part in (0, LANES):
        rows = [source.load(PAIR * row + part) for row in range(LANES)]
        for half in (4, 2, 1):  # exchange the off-diagonal quarters, then theirs
            upper = [lane if not lane & half else LANES + lane - half for lane in range(LANES)]
            lower = [lane + half if not lane & half else LANES + lane for lane in range(LANES)]
            for row in range(LANES):
                if not row & half:
                    a, b = rows[row], rows[row | half]
                    rows[row], rows[row | half] = a.chosen(b, upper), a.chosen(b, lower)
        for row in range(LANES):
            to.store(rows[row], PAIR * row + part)
