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
from numba.core import cgutils

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
def sharpen(patch, alpha, shares, smoothing, clipped, plane, row, size):  # type: ignore[no-untyped-def]
    """``Z S^alpha`` in place, `S` being ``|Z|`` or its mean over a window around each bin.

    Parameters
    ----------
    patch
        The spectrum `Z`.
    shares
        See `window_shares`.
    smoothing
        Bins along a side of the window.
    clipped
        Windows end at the first and last bin; otherwise the spectrum goes round.
    plane
        Scratch of ``(side + smoothing - 1) ** 2`` elements and eight, zero at first.
    row
        Scratch of one row of it, and eight.
    size
        `insarflow.kernels.lanes.octaves` of the side.
    """
    if smoothing > 1:
        width, margin = (1 << len(size)) + smoothing - 1, smoothing // 2
        groups = (width + LANES - 1) // LANES
        spread_amplitude(patch, plane, margin * width + margin, width, size)
        if not clipped:
            wrap(plane, margin, width, size)
        if alpha == np.float32(1.0):
            scale_by_mean(patch, plane, width, smoothing, groups, row, shares, alpha, size)
        else:
            scale_by_mean_power(patch, plane, width, smoothing, groups, row, shares, alpha, size)
    elif alpha == np.float32(0.5):
        scale_by_root(patch, alpha, size)
    elif alpha == np.float32(1.0):
        scale_by_amplitude(patch, alpha, size)
    else:
        scale_by_power(patch, alpha, size)


@lanes_function
def wrap(builder: ir.IRBuilder, plane: Memory, margin: ir.Value, width: ir.Value, size: int) -> None:
    """Fill the margins of a square plane with what lies at the other end: of its rows, then of its columns."""
    along, across = ir.Constant(width.type, 1), width
    for step, other in ((along, across), (across, along)):
        with repeat(builder, width) as line, repeat(builder, margin) as loop:
            near = plane.at(builder.mul(line.index, other)).at(builder.mul(loop.index, step))
            far = near.at(builder.mul(step, ir.Constant(width.type, size)))
            inner = builder.mul(margin, step)
            builder.store(builder.load(far.start), near.start)
            builder.store(builder.load(near.at(inner).start), far.at(inner).start)


def _scale_by(gain: Callable[[Lanes, Lanes], Lanes]) -> Any:
    """Multiply every bin by a function of its squared magnitude and of the exponent."""

    def scale(builder: ir.IRBuilder, patch: Memory, exponent: ir.Value, size: int) -> None:
        alpha = Lanes.all(builder, exponent)
        with repeat(builder, size * size // LANES) as loop:
            _scale(patch.at(loop.index, PAIR), lambda re, im: gain(re * re + im * im, alpha))

    return lanes_function(scale)


scale_by_root = _scale_by(lambda power, alpha: power.sqrt().sqrt())
scale_by_amplitude = _scale_by(lambda power, alpha: power.sqrt())
scale_by_power = _scale_by(lambda power, alpha: _power(power, alpha * 0.5))


@lanes_function
def spread_amplitude(
    builder: ir.IRBuilder, patch: Memory, plane: Memory, at: ir.Value, width: ir.Value, size: int
) -> None:
    """Write the amplitude of bin ``(kx, ky)`` to row `kx`, column `ky` of a plane, which begin at `at`."""
    with repeat(builder, size // LANES) as group, repeat(builder, size) as kx:
        bins = patch.at(group.index, PAIR * size).at(kx.index, PAIR)
        re, im = bins.load(), bins.load(LANES)
        to = plane.at(at).at(group.index, LANES).at(builder.mul(kx.index, width))
        to.store((re * re + im * im).sqrt())


def _scale_by_mean(gain: Callable[[Lanes, Lanes], Lanes]) -> Any:
    """Multiply every bin by a function of the mean amplitude of its window and of the exponent."""

    def scale(
        builder: ir.IRBuilder, patch: Memory, plane: Memory, width: ir.Value, smoothing: ir.Value, groups: ir.Value,
        row: Memory, shares: Memory, exponent: ir.Value, size: int,
    ) -> None:  # fmt: skip
        alpha = Lanes.all(builder, exponent)
        with repeat(builder, size) as kx:
            # Sums of columns first; the last ones may begin in the plane's next row and are not used.
            with repeat(builder, groups) as group:
                lines = plane.at(builder.mul(kx.index, width)).at(group.index, LANES)
                row.at(group.index, LANES).store(_sum(builder, lines, width, smoothing))
            with repeat(builder, size // LANES) as group:
                share = shares.at(kx.index, size).at(group.index, LANES).load()
                mean = _sum(builder, row.at(group.index, LANES), ir.Constant(width.type, 1), smoothing) * share
                _scale(patch.at(group.index, PAIR * size).at(kx.index, PAIR), lambda re, im: gain(mean, alpha))

    return lanes_function(scale)


scale_by_mean = _scale_by_mean(lambda mean, alpha: mean)
scale_by_mean_power = _scale_by_mean(lambda mean, alpha: _power(mean, alpha))


def _sum(builder: ir.IRBuilder, first: Memory, stride: ir.Value, count: ir.Value) -> Lanes:
    total = cgutils.alloca_once_value(builder, Lanes.all(builder, 0.0).value)
    with repeat(builder, count) as loop:
        more = first.load(builder.mul(loop.index, stride))
        builder.store((Lanes(builder, builder.load(total)) + more).value, total)
    return Lanes(builder, builder.load(total))


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
