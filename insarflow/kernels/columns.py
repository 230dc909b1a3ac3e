"""Steps of the Goldstein filter on eight columns of an image at once, between the transforms.

A block is `size` rows of eight complex numbers (see `insarflow.kernels.lanes`). Columns transformed along y are kept
the other way round: ``(size / 8, room)`` times eight complex numbers, the bins ``8 group .. 8 group + 7`` of column `c`
at ``(group, c)``. `size` is passed as `insarflow.kernels.lanes.octaves`.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels.lanes import LANES, Lanes, Memory, lanes_function, repeat

PAIR = 2 * LANES
"""Elements that eight complex numbers take."""


@lanes_function
def load_columns(
    builder: ir.IRBuilder, image: Memory, at: ir.Value, stride: ir.Value, block: Memory,
    valid: Memory, column: ir.Value, size: int,
) -> None:  # fmt: skip
    """Read a block from pairs ``re, im`` of the image, missing ones as 0, and count the valid ones of each column."""
    count = cgutils.alloca_once_value(builder, Lanes.all(builder, 0.0).value)
    with repeat(builder, size) as loop:
        pairs, to = image.at(at).at(builder.mul(loop.index, stride)), block.at(loop.index, PAIR)
        first, second = pairs.load(), pairs.load(LANES)
        re, im = (first.chosen(second, list(range(k, PAIR, 2))) for k in (0, 1))
        there = (re * 0.0 + im * 0.0).is_zero()
        to.store(re.where(there))
        to.store(im.where(there), LANES)
        so_far = Lanes(builder, builder.load(count))
        builder.store((so_far + Lanes.all(builder, 1.0).where(there)).value, count)
    valid.store(Lanes(builder, builder.load(count)), column)


@lanes_function
def sum_columns(
    builder: ir.IRBuilder, image: Memory, at: ir.Value, stride: ir.Value, total: Memory, column: ir.Value, size: int
) -> None:
    """Add up eight columns of a real image."""
    so_far = cgutils.alloca_once_value(builder, Lanes.all(builder, 0.0).value)
    with repeat(builder, size) as loop:
        more = image.at(at).load(builder.mul(loop.index, stride))
        builder.store((Lanes(builder, builder.load(so_far)) + more).value, so_far)
    total.store(Lanes(builder, builder.load(so_far)), column)


@lanes_function
def turn_to_columns(
    builder: ir.IRBuilder, block: Memory, columns: Memory, place: ir.Value, room: ir.Value, size: int
) -> None:
    """Write a block as the eight columns from number `place` on."""
    with repeat(builder, size // LANES) as loop:
        to = builder.add(builder.mul(loop.index, room), place)
        _transpose(block.at(loop.index, PAIR * LANES), columns.at(to, PAIR))


@lanes_function
def turn_to_block(
    builder: ir.IRBuilder, columns: Memory, place: ir.Value, room: ir.Value, block: Memory, size: int
) -> None:
    """Write the eight columns from number `place` on as a block."""
    with repeat(builder, size // LANES) as loop:
        at = builder.add(builder.mul(loop.index, room), place)
        _transpose(columns.at(at, PAIR), block.at(loop.index, PAIR * LANES))


@lanes_function
def clear_columns(
    builder: ir.IRBuilder, columns: Memory, place: ir.Value, count: ir.Value, room: ir.Value, size: int
) -> None:
    """Write zeros to `count` columns from number `place` on."""
    with repeat(builder, size // LANES) as group:
        to = columns.at(builder.add(builder.mul(group.index, room), place), PAIR)
        with repeat(builder, count) as loop:
            for k in (0, LANES):
                to.at(loop.index, PAIR).store(Lanes.all(builder, 0.0), k)


@lanes_function
def add_patch(
    builder: ir.IRBuilder, patch: Memory, columns: Memory, place: ir.Value, known: ir.Value, room: ir.Value,
    window: Memory, size: int,
) -> None:  # fmt: skip
    """Add a patch to the columns from number `place` on, times the window's weight of each column.

    To the first `known` columns, that is; to the others, which hold nothing yet, it is written.
    """
    rest = builder.sub(ir.Constant(known.type, size), known)
    with repeat(builder, size // LANES) as group:
        source = patch.at(group.index, PAIR * size)
        to = columns.at(builder.add(builder.mul(group.index, room), place), PAIR)
        with repeat(builder, known) as loop:
            part, total, weight = source.at(loop.index, PAIR), to.at(loop.index, PAIR), window.one(loop.index)
            for k in (0, LANES):
                total.store(total.load(k) + part.load(k) * weight, k)
        with repeat(builder, rest) as loop:
            column = builder.add(known, loop.index)
            part, weight = source.at(column, PAIR), window.one(column)
            for k in (0, LANES):
                to.at(column, PAIR).store(part.load(k) * weight, k)


@lanes_function
def move_columns(
    builder: ir.IRBuilder, columns: Memory, start: ir.Value, count: ir.Value, room: ir.Value, size: int
) -> None:
    """Bring `count` columns, from number `start` on, to the beginning."""
    with repeat(builder, size // LANES) as group:
        to = columns.at(builder.mul(group.index, room), PAIR)
        with repeat(builder, count) as loop:
            source = to.at(start, PAIR).at(loop.index, PAIR)
            for k in (0, LANES):
                to.at(loop.index, PAIR).store(source.load(k), k)


@lanes_function
def add_rows(
    builder: ir.IRBuilder, block: Memory, re: Memory, im: Memory, column: ir.Value, stride: ir.Value, top: ir.Value,
    window: Memory, size: int,
) -> None:  # fmt: skip
    """Add a block, times the window's weight of each row, to two planes; row `y` of them is at ``y % side``."""
    with repeat(builder, size) as loop:
        to = builder.add(builder.mul(_turning(builder, top, loop.index, size), stride), column)
        part, weight = block.at(loop.index, PAIR), window.one(loop.index)
        re.store(re.load(to) + part.load() * weight, to)
        im.store(im.load(to) + part.load(LANES) * weight, to)


@lanes_function
def add_weights(
    builder: ir.IRBuilder, covered: Memory, plane: Memory, groups: ir.Value, top: ir.Value, window: Memory, size: int
) -> None:
    """Add a row of weights, times the window's weight of each row, to a plane of eight times `groups` columns."""
    with repeat(builder, size) as loop:
        weight, stride = window.one(loop.index), builder.mul(groups, ir.Constant(groups.type, LANES))
        row = plane.at(builder.mul(_turning(builder, top, loop.index, size), stride))
        with repeat(builder, groups) as group:
            part = row.at(group.index, LANES)
            part.store(part.load() + covered.at(group.index, LANES).load() * weight)


@lanes_function
def clear(builder: ir.IRBuilder, plane: Memory, at: ir.Value, groups: ir.Value) -> None:
    """Write zeros to eight times `groups` elements."""
    with repeat(builder, groups) as group:
        plane.at(at).at(group.index, LANES).store(Lanes.all(builder, 0.0))


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
