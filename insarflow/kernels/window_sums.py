"""Window sums whose cost does not depend on the window, and whose bits do not depend on where the array is cut.

Along y, rows are grouped into blocks of the window's height, at global multiples of it. A window that starts inside a
block is the sum from there to the block's end (suffix) plus the sum from the next block's start (prefix), as in van
Herk's running maxima; nothing is ever subtracted, so no window knows of what lies outside it. Along x a window is a
tree of sums of 2, 3 or 5 parts, the same tree for every pixel.

A pixel has four summed quantities, `PLANES`: real and imaginary part of the correlation, power of the reference and
of the secondary. A row of sums holds four pixels of each in turn. Missing pixels and those beyond the array's border
are zero in all four.
"""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels.doubles import (
    FOUR,
    Doubles,
    Floats,
    Sum,
    greater,
    lesser,
    load,
    load_complex,
    load_one,
    prefetch,
    store,
    whole,
)
from insarflow.kernels.lanes import Memory, lanes_function, repeat

STRIP = 1024
"""Columns summed before the next strip, so that a window's rows stay in the second-level cache."""

CHUNK = 256
"""Columns of a strip whose terms are formed at once, in the first-level cache."""

PLANES = 4
"""Real and imaginary part of the correlation, power of the reference and of the secondary."""

GROUP = PLANES * FOUR
"""Numbers of a row of sums for four pixels."""

ROW = PLANES * STRIP + 24
"""Distance of rows of sums; no power of two, whose rows would fall into the same lines of the cache."""


def correlation_of(re: Doubles, im: Doubles, first: Doubles, second: Doubles) -> Floats:
    """Coherence of four sums; NaN where both images are dark."""
    return ((re * re + im * im) / (first * second)).floats().sqrt().at_most(1.0)


def plan_sums(window: int) -> np.ndarray:
    """How a sum of `window` neighbours is built: sums of 2, 3 or 5 parts; 0 sets one part aside, to be added last."""
    plan = []
    while window > 1:
        parts = next((k for k in (5, 3, 2) if window % k == 0), 0)
        plan.append(parts)
        window = window // parts if parts else window - 1
    return np.array(plan or [1], np.int64)


@lanes_function
def form_sums(
    builder: ir.IRBuilder, first: Memory, second: Memory | None, start: ir.Value, x: ir.Value, width: ir.Value,
    edge: Memory, groups: ir.Value, parts: int, sums: Memory, to: ir.Value, step: ir.Value, plane: ir.Value,
    holes: Memory, row: ir.Value,
) -> None:  # fmt: skip
    """Terms of pixels, summed over ``log2(parts)`` (1, 2, 3 or 5) neighbours, from pixel `x` of a row on.

    The row of `width` pixels begins at `start`; pixels before and beyond it count as zero. Four pixels of a quantity
    go to ``sums[to + step * group + plane * quantity]``. Counts missing pixels in ``holes[4 * row:]``.
    """
    wide = parts.bit_length() - 1
    needed = builder.mul(builder.add(groups, whole(1)), whole(FOUR))
    before = lesser(builder, greater(builder, builder.neg(x), whole(0)), needed)
    stop = greater(builder, lesser(builder, builder.sub(width, x), needed), before)
    inside = builder.and_(builder.icmp_signed("==", before, whole(0)), builder.icmp_signed("==", stop, needed))
    sources, below = [], []
    for k, image in enumerate(image for image in (first, second) if image is not None):
        origin = image.at(start).at(x, 2)
        copied = edge.at(needed, 2 * k)
        with builder.if_then(builder.not_(inside), likely=False):
            cgutils.memset(builder, copied.start, builder.mul(needed, whole(8)), 0)
            target = copied.at(before, 2).start
            cgutils.raw_memcpy(builder, target, origin.at(before, 2).start, builder.sub(stop, before), 8)
        sources.append(Memory(builder, builder.select(inside, origin.start, copied.start)))
        below.append(origin.at(width, 2))
    previous, missing = [Sum(builder) for _ in range(PLANES)], Sum(builder)
    one = Doubles.all(builder, 1.0)
    with repeat(builder, groups if wide == 1 else builder.add(groups, whole(1))) as group:
        index = group.index
        terms, absent = terms_of(builder, [source.at(index, 2 * FOUR) for source in sources])
        missing.become(missing.now + one.where(absent))
        for image in below:
            prefetch(image.at(index, 2 * FOUR))
        if wide > 1:  # what is written belongs to the group before; at first it is overwritten by what comes next
            index = greater(builder, builder.sub(index, whole(1)), whole(0))
        target = sums.at(to).at(index, step)
        for q, term in enumerate(terms):
            store(term if wide == 1 else _neighbours(wide, previous[q].now, term), target.at(plane, q))
            previous[q].become(term)
    store(load(holes.at(row, FOUR)) + missing.now, holes.at(row, FOUR))


def _neighbours(parts: int, x: Doubles, following: Doubles) -> Doubles:
    """Sums of 2, 3 or 5 neighbours from each of `x` on."""
    pairs = x + x.shifted(following, 1)
    if parts == 2:
        return pairs
    if parts == 3:
        return pairs + x.shifted(following, 2)
    return (pairs + (x.shifted(following, 2) + x.shifted(following, 3))) + following


def terms_of(builder: ir.IRBuilder, sources: list[Memory]) -> tuple[list[Doubles], ir.Value]:
    """The four quantities of four pixels, and which of these are missing."""
    re, im = load_complex(sources[0])
    power = re * re + im * im
    if len(sources) == 1:
        # Unit phasors, and their number twice: the square root of its square is what the length is divided by.
        there = builder.and_(power > 0.0, power < math.inf)
        one = Doubles.all(builder, 1.0)
        length = Doubles(builder, builder.select(there, power.value, one.value)).sqrt()
        return [(re / length).where(there), (im / length).where(there), one.where(there), one.where(there)], (
            builder.not_(power < math.inf)
        )
    other_re, other_im = load_complex(sources[1])
    other = other_re * other_re + other_im * other_im
    there = power + other < math.inf
    cross = re * other_re + im * other_im, im * other_re - re * other_im
    return [x.where(there) for x in (*cross, power, other)], builder.not_(there)


@lanes_function
def add_parts(
    builder: ir.IRBuilder, work: Memory, x: ir.Value, size: ir.Value, count: ir.Value, rest: ir.Value, to: ir.Value,
    step: ir.Value, plane: ir.Value, to_plane: ir.Value, groups: ir.Value,
) -> None:  # fmt: skip
    """Sums of `count` (1, 2, 3 or 5) numbers that are `size` apart, and of `rest`, if that is not negative."""
    alone = builder.icmp_signed("<", rest, whole(0))
    for parts, added in ((1, False), (2, False), (3, False), (5, False), (1, True)):
        here = builder.icmp_signed("==", count, whole(parts))
        if parts == 1:
            here = builder.and_(here, builder.not_(alone) if added else alone)
        with builder.if_then(here), repeat(builder, groups) as group:
            target = work.at(to).at(group.index, step)
            for q in range(PLANES):
                source = work.at(x).at(group.index, FOUR).at(plane, q)
                terms = [load(source.at(size, k)) for k in range(parts)]
                if added:
                    terms.append(load(work.at(rest).at(group.index, FOUR).at(plane, q)))
                store(_sum(terms), target.at(to_plane, q))


def _sum(terms: list[Doubles]) -> Doubles:
    """Sum of 1, 2, 3 or 5 numbers in pairs."""
    if len(terms) == 1:
        return terms[0]
    total = terms[0] + terms[1]
    if len(terms) == 5:
        total = total + (terms[2] + terms[3])
    return total if len(terms) == 2 else total + terms[-1]


@lanes_function
def add_weighted(
    builder: ir.IRBuilder, work: Memory, x: ir.Value, weights: Memory, count: ir.Value, plane: ir.Value, to: ir.Value,
    groups: ir.Value,
) -> None:  # fmt: skip
    """Weighted sums of `count` neighbours of each quantity, into a row."""
    with repeat(builder, groups) as group:
        source, totals = work.at(x).at(group.index, FOUR), [Sum(builder) for _ in range(PLANES)]
        for total in totals:
            total.become(Doubles.all(builder, 0.0))
        with repeat(builder, count) as part:
            weight = load_one(weights, part.index)
            for q, total in enumerate(totals):
                total.become(total.now + load(source.at(part.index).at(plane, q)) * weight)
        for q, total in enumerate(totals):
            store(total.now, work.at(to).at(group.index, GROUP), q * FOUR)


@lanes_function
def clear(builder: ir.IRBuilder, work: Memory, at: ir.Value) -> None:
    """A row of zeros."""
    cgutils.memset(builder, work.at(at).start, whole(8 * ROW), 0)


@lanes_function
def accumulate(builder: ir.IRBuilder, work: Memory, to: ir.Value, row: ir.Value, groups: ir.Value) -> None:
    """Add a row of sums to another."""
    with repeat(builder, builder.mul(groups, whole(PLANES))) as four:
        target = work.at(to).at(four.index, FOUR)
        store(load(target) + load(work.at(row).at(four.index, FOUR)), target)


class _Out:
    """A row of the result; what is beyond its end goes to the four numbers of `spare`, to be copied at last."""

    def __init__(self, builder: ir.IRBuilder, out: Memory, at: ir.Value, n: ir.Value, spare: Memory) -> None:
        self.builder, self.n, self.spare = builder, n, spare
        self.wanted = builder.icmp_signed(">=", at, whole(0))
        self.row = out.at(at)

    def write(self, group: ir.Value, sums: list[Doubles]) -> None:
        """Coherence of four sums."""
        length = correlation_of(*sums)
        start = self.builder.mul(group, whole(FOUR))
        fits = self.builder.icmp_signed("<=", self.builder.add(start, whole(FOUR)), self.n)
        place = self.builder.select(self.builder.and_(fits, self.wanted), self.row.at(start).start, self.spare.start)
        store(length, Memory(self.builder, place))

    def finish(self) -> None:
        """Copy what was beyond the last whole group."""
        rest = self.builder.and_(self.n, whole(FOUR - 1))
        size = self.builder.select(self.wanted, rest, whole(0))
        target = self.row.at(self.builder.sub(self.n, rest))
        cgutils.raw_memcpy(self.builder, target.start, self.spare.start, size, 4)


def _groups(builder: ir.IRBuilder, n: ir.Value) -> ir.Value:
    return builder.ashr(builder.add(n, whole(FOUR - 1)), whole(2))


@lanes_function
def emit(
    builder: ir.IRBuilder, work: Memory, prefix: ir.Value, row: ir.Value, suffix: ir.Value, n: ir.Value, out: Memory,
    at: ir.Value, spare: Memory,
) -> None:  # fmt: skip
    """Add a row to the prefix and write the coherence of the windows that end in it."""
    result = _Out(builder, out, at, n, spare)
    with repeat(builder, _groups(builder, n)) as group:
        total, added, later = (work.at(k).at(group.index, GROUP) for k in (prefix, row, suffix))
        sums = []
        for q in range(0, GROUP, FOUR):
            so_far = load(total, q) + load(added, q)
            store(so_far, total, q)
            sums.append(so_far + load(later, q))
        result.write(group.index, sums)
    result.finish()


@lanes_function
def emit_pair(
    builder: ir.IRBuilder, work: Memory, a: ir.Value, b: ir.Value, c: ir.Value, d: ir.Value, e: ir.Value, f: ir.Value,
    height: int, n: ir.Value, out: Memory, upper: ir.Value, lower: ir.Value, spare: Memory,
) -> None:  # fmt: skip
    """Coherence of two windows of ``log2(height)`` (3 or 5) rows that share all but one.

    A window that is not wanted is at a negative place.
    """
    above = _Out(builder, out, upper, n, spare)
    below = _Out(builder, out, lower, n, spare.at(FOUR))
    high = height.bit_length() - 1
    with repeat(builder, _groups(builder, n)) as group:
        rows = [work.at(k).at(group.index, GROUP) for k in (a, b, c, d, e, f)[: high + 1]]
        first, second = [], []
        for q in range(0, GROUP, FOUR):
            x = [load(row, q) for row in rows]
            shared = x[1] + x[2] if high == 3 else (x[1] + x[2]) + (x[3] + x[4])
            first.append(x[0] + shared)
            second.append(shared + x[-1])
        above.write(group.index, first)
        below.write(group.index, second)
    above.finish()
    below.finish()


@lanes_function
def emit_weighted(
    builder: ir.IRBuilder, work: Memory, oldest: ir.Value, weights: Memory, count: ir.Value, n: ir.Value, out: Memory,
    at: ir.Value, spare: Memory,
) -> None:  # fmt: skip
    """Coherence of weighted sums of `count` rows, which are in a ring that begins with number `oldest`."""
    result = _Out(builder, out, at, n, spare)
    with repeat(builder, _groups(builder, n)) as group:
        column, totals = work.at(group.index, GROUP), [Sum(builder) for _ in range(PLANES)]
        for total in totals:
            total.become(Doubles.all(builder, 0.0))
        with repeat(builder, count) as k:
            slot = builder.add(oldest, k.index)
            slot = builder.select(builder.icmp_signed("<", slot, count), slot, builder.sub(slot, count))
            weight, row = load_one(weights, k.index), column.at(slot, ROW)
            for q, total in enumerate(totals):
                total.become(total.now + load(row, q * FOUR) * weight)
        result.write(group.index, [total.now for total in totals])
    result.finish()
