"""Goldstein's weight on the spectrum of one patch.

A spectrum of ``side * side`` bins comes as ``(side / 8, side)`` times eight complex numbers (see
`insarflow.kernels.lanes`): bins ``ky = 8 group .. 8 group + 7`` of row `kx` stand at ``(group, kx)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from insarflow.kernels._jit import part
from insarflow.kernels.columns import PAIR
from insarflow.kernels.lanes import LANES, WHOLE, Lanes, Memory, lanes_function, repeat


def window_shares(side: int, smoothing: int, *, clipped: bool) -> np.ndarray:
    """Weight of one bin in the mean over a window of ``smoothing * smoothing`` bins around each.

    Returns
    -------
    ndarray
        float32, shape ``(side, side)``; empty without smoothing.
    """
    if smoothing == 1:
        return np.zeros((0, 0), np.float32)
    bins, margin = np.arange(side), smoothing // 2
    inside = np.minimum(bins + margin, side - 1) - np.maximum(bins - margin, 0) + 1
    counts = inside if clipped else np.full(side, smoothing)
    return (1.0 / np.outer(counts, counts)).astype(np.float32)


@part
def sharpen(work, patch, alpha, shares, smoothing, clipped, plane, row, size):  # type: ignore[no-untyped-def]
    """``Z S^alpha`` in place, `S` being ``|Z|`` or its mean over a window around each bin.

    Parameters
    ----------
    work
        The array in which everything has its place.
    patch
        Place of the spectrum `Z`.
    shares
        Of `window_shares`.
    smoothing
        A tuple as long as a side of the window, so that the sums are compiled for it.
    clipped
        Windows end at the first and last bin; otherwise the spectrum goes round.
    plane
        Of ``(side + smoothing - 1) ** 2`` elements and eight, zero at first.
    row
        Of one row of it, and eight.
    size
        `insarflow.kernels.lanes.octaves` of the side.
    """
    if len(smoothing) > 1:
        width, margin = (1 << len(size)) + len(smoothing) - 1, len(smoothing) // 2
        groups = (width + LANES - 1) // LANES
        spread_amplitude(work, patch, plane + margin * width + margin, width, size)
        if not clipped:
            wrap(work, plane, margin, width, size)
        if alpha == np.float32(1.0):
            scale_by_mean(work, patch, plane, width, smoothing, groups, row, shares, alpha, size)
        else:
            scale_by_mean_power(work, patch, plane, width, smoothing, groups, row, shares, alpha, size)
    elif alpha == np.float32(0.5):
        scale_by_root(work, patch, alpha, size)
    elif alpha == np.float32(1.0):
        scale_by_amplitude(work, patch, alpha, size)
    else:
        scale_by_power(work, patch, alpha, size)


@lanes_function
def wrap(builder: ir.IRBuilder, work: Memory, plane: ir.Value, margin: ir.Value, width: ir.Value, size: int) -> None:
    """Fill the margins of a square plane with what lies at the other end: of its rows, then of its columns."""
    along, across = ir.Constant(width.type, 1), width
    for step, other in ((along, across), (across, along)):
        with repeat(builder, width) as line, repeat(builder, margin) as loop:
            near = work.at(plane).at(builder.mul(line.index, other)).at(builder.mul(loop.index, step))
            far = near.at(builder.mul(step, ir.Constant(width.type, size)))
            inner = builder.mul(margin, step)
            builder.store(builder.load(far.start), near.start)
            builder.store(builder.load(near.at(inner).start), far.at(inner).start)


def _scale_by(gain: Callable[[Lanes, Lanes], Lanes]) -> Any:
    """Multiply every bin by a function of its squared magnitude and of the exponent."""

    def scale(builder: ir.IRBuilder, work: Memory, patch: ir.Value, exponent: ir.Value, size: int) -> None:
        alpha = Lanes.all(builder, exponent)
        with repeat(builder, size * size // LANES) as loop:
            _scale(work.at(patch).at(loop.index, PAIR), lambda re, im: gain(re * re + im * im, alpha))

    return lanes_function(scale)


scale_by_root = _scale_by(lambda power, alpha: power.sqrt().sqrt())
scale_by_amplitude = _scale_by(lambda power, alpha: power.sqrt())
scale_by_power = _scale_by(lambda power, alpha: _power(power, alpha * 0.5))


@lanes_function
def spread_amplitude(
    builder: ir.IRBuilder, work: Memory, patch: ir.Value, plane: ir.Value, width: ir.Value, size: int
) -> None:
    """Write the amplitude of bin ``(kx, ky)`` to row `kx`, column `ky` of a plane, from the place `plane` on."""
    with repeat(builder, size // LANES) as group, repeat(builder, size) as kx:
        bins = work.at(patch).at(group.index, PAIR * size).at(kx.index, PAIR)
        re, im = bins.load(), bins.load(LANES)
        to = work.at(plane).at(group.index, LANES).at(builder.mul(kx.index, width))
        to.store((re * re + im * im).sqrt())


def _scale_by_mean(gain: Callable[[Lanes, Lanes], Lanes]) -> Any:
    """Multiply every bin by a function of the mean amplitude of its window and of the exponent."""

    def scale(
        builder: ir.IRBuilder, work: Memory, patch: ir.Value, plane: ir.Value, width: ir.Value, smoothing: int,
        groups: ir.Value, row: ir.Value, shares: ir.Value, exponent: ir.Value, size: int,
    ) -> None:  # fmt: skip
        alpha, bins = Lanes.all(builder, exponent), smoothing.bit_length() - 1
        with repeat(builder, size) as kx:
            # Sums of columns first; the last ones may begin in the plane's next row and are not used.
            with repeat(builder, groups) as group:
                lines = work.at(plane).at(builder.mul(kx.index, width)).at(group.index, LANES)
                work.at(row).at(group.index, LANES).store(_sum(lines, width, bins))
            with repeat(builder, size // LANES) as group:
                share = work.at(shares).at(kx.index, size).at(group.index, LANES).load()
                line = work.at(row).at(group.index, LANES)
                mean = _sum(line, ir.Constant(width.type, 1), bins) * share
                place = work.at(patch).at(group.index, PAIR * size).at(kx.index, PAIR)
                _scale(place, lambda re, im: gain(mean, alpha))

    return lanes_function(scale)


scale_by_mean = _scale_by_mean(lambda mean, alpha: mean)
scale_by_mean_power = _scale_by_mean(lambda mean, alpha: _power(mean, alpha))


def _sum(first: Memory, stride: ir.Value, count: int) -> Lanes:
    total = first.load()
    for k in range(1, count):
        total = total + first.at(stride, k).load()
    return total


def _scale(bins: Memory, gain: Callable[[Lanes, Lanes], Lanes]) -> None:
    re, im = bins.load(), bins.load(LANES)
    factor = gain(re, im)
    bins.store(re * factor)
    bins.store(im * factor, LANES)


def _power(x: Lanes, exponent: Lanes) -> Lanes:
    """``x ** exponent`` for finite x >= 0 and an exponent of 0 to 1, to 4e-6: the C library has none for lanes."""
    builder = x.builder

    def whole(number: int) -> ir.Value:
        return ir.Constant(WHOLE, [number] * LANES)

    def as_floats(bits: ir.Value) -> Lanes:
        return Lanes(builder, builder.bitcast(bits, x.value.type))

    bits = builder.bitcast(x.value, WHOLE)
    octave = builder.ashr(builder.sub(bits, whole(0x3F3504F3)), whole(23))  # x = 2^octave m, m of sqrt(1/2) to sqrt(2)
    m = as_floats(builder.sub(bits, builder.shl(octave, whole(23))))
    t = (m - 1.0) / (m + 1.0)
    s = t * t
    logarithm = t * (s * (s * (s * 0.41219858 + 0.57707802) + 0.96179669) + 2.88539008)
    y = exponent * (Lanes(builder, builder.sitofp(octave, x.value.type)) + logarithm)
    n = (y + 0.5).floor()
    f = (y - n) * math.log(2)
    series = f * (1 / 720) + 1 / 120
    for factor in (1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = f * series + factor
    return series * as_floats(builder.shl(builder.add(builder.fptosi(n.value, WHOLE), whole(127)), whole(23)))
