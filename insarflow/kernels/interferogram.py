"""Two images in, multilooked interferogram and coherence out, in one pass over memory."""

from __future__ import annotations

from typing import Literal

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels._jit import jit
from insarflow.kernels.coherence import coherence as sliding_coherence
from insarflow.kernels.coherence import window_reads
from insarflow.kernels.doubles import FOUR, Doubles, Sum, load, prefetch, store, whole
from insarflow.kernels.lanes import Memory, lanes_function, repeat
from insarflow.kernels.multilook import enough, fold, multilook
from insarflow.kernels.window_sums import PLANES, correlation, terms_of
from insarflow.types import Looks, Tile, Window

Estimate = Literal["block", "sliding"]

PAIR = np.dtype([("igram", np.complex64), ("coherence", np.float32)])
"""What a pair gives for each block of pixels."""

CHUNK = 256
"""Columns summed before the next ones, so that the four sums stay in the first-level cache."""

BAND = 128
"""Rows whose sliding coherence is formed before it is averaged, so that it never leaves the cache."""

BATCH = 4
"""Rows whose products are added in registers."""

HALF_PI = (1.5707963267341256, 6.077100506303966e-11)
"""Half of pi in two parts, the first with so few bits that its multiples are exact."""


def interferogram(
    reference: np.ndarray,
    secondary: np.ndarray,
    *phase: np.ndarray,
    looks: Looks,
    coherence: Estimate = "block",
    window: Looks = Looks(5, 5),  # noqa: B008 - frozen
    min_valid: float = 0.5,
    tile: Tile | None = None,
) -> np.ndarray:
    """Multilooked ``reference * conj(secondary)`` and its coherence.

    Parameters
    ----------
    reference, secondary
        complex64, shape ``(..., y, x)``; the part ``tile.read`` of the whole. A pixel missing (NaN) in either image
        is left out of all sums.
    phase
        Geometric phase of the interferogram, rad, float32 or float64, same shape, if it is to be removed before
        anything is summed.
    looks
        Rows and columns of a block.
    coherence
        ``"block"``: from the same block as the interferogram. ``"sliding"``: in a window around each pixel, then the
        mean over the block.
    window
        Window of the sliding estimate.
    min_valid
        A block with a smaller valid fraction becomes NaN.
    tile
        Place in the whole array: ``tile.core`` in blocks, ``tile.read`` in pixels.

    Returns
    -------
    ndarray
        Structured, fields ``igram`` (complex64) and ``coherence`` (float32, 0..1), shape
        ``(..., y // looks.y, x // looks.x)``; incomplete blocks are dropped.

    Notes
    -----
    ``igram = sum(a conj(b) exp(-i phase)) / n``; block coherence ``|sum(..)| / sqrt(sum|a|^2 sum|b|^2)``. Sums are in
    double precision, in an order that depends on the looks alone.
    """
    if tile is None:
        shape = reference.shape[-2:]
        blocks = Window(0, 0, shape[0] // looks.y, shape[1] // looks.x)
        tile = Tile(Window(0, 0, *shape), blocks, (shape[0], shape[1]))
    out = np.empty((*reference.shape[:-2], *tile.core.shape), PAIR)
    for index in np.ndindex(reference.shape[:-2]):
        a, b = (np.ascontiguousarray(image[index]) for image in (reference, secondary))
        turn = np.ascontiguousarray(phase[0][index]) if phase else None
        _pair(a, b, turn, looks, coherence, window, min_valid, tile, out[index])
    return out


def pair_reads(start: int, stop: int, size: int, *, looks: int, window: int | None) -> tuple[int, int]:
    """Input range of the blocks ``start:stop``, with the windows of the sliding estimate if there is one."""
    if window is None:
        return start * looks, stop * looks
    return window_reads(start * looks, stop * looks, size, window=window)


def _pair(
    a: np.ndarray, b: np.ndarray, turn: np.ndarray | None, looks: Looks, coherence: Estimate, window: Looks,
    min_valid: float, tile: Tile, out: np.ndarray,
) -> None:  # fmt: skip
    igram, gamma = np.empty(out.shape, np.complex64), np.empty(out.shape, np.float32)
    origin = tile.core.y0 * looks.y - tile.read.y0, tile.core.x0 * looks.x - tile.read.x0
    needed = enough(min_valid, looks.y * looks.x)
    x, y = a.view(np.float32), b.view(np.float32)
    _blocks(x, y, turn, x.reshape(-1), y.reshape(-1), origin, (looks.y, looks.x), needed, igram.view(np.float32), gamma)
    if coherence == "sliding":
        step = max(1, BAND // looks.y)
        for first in range(tile.core.y0, tile.core.y1, step):
            last = min(first + step, tile.core.y1)
            wide = Window(first * looks.y, tile.core.x0 * looks.x, (last - first) * looks.y, tile.core.width * looks.x)
            top, bottom = window_reads(wide.y0, wide.y1, tile.shape[0], window=window.y)
            read = Window(top, tile.read.x0, bottom - top, tile.read.width)
            rows = slice(top - tile.read.y0, bottom - tile.read.y0)
            turned = a[rows]
            if turn is not None:
                turned = np.empty_like(turned)
                _turn_image(a[rows].view(np.float32), turn[rows], turned.view(np.float32))
            band = sliding_coherence(turned, b[rows], window=window, tile=Tile(read, wide, tile.shape))
            gamma[first - tile.core.y0 : last - tile.core.y0] = multilook(band, looks=looks, min_valid=min_valid)
    out["igram"], out["coherence"] = igram, gamma


@jit
def _blocks(a, b, turn, flat_a, flat_b, origin, looks, enough, igram, gamma):  # type: ignore[no-untyped-def]
    """Interferogram and block coherence."""
    looks_y, looks_x = looks
    blocks = max(1, CHUNK // looks_x)
    sums, spare = np.empty((4, blocks * looks_x + FOUR)), np.empty((4, blocks * looks_x + FOUR))
    counts, holes = np.empty(blocks), np.empty(FOUR)
    for i in range(gamma.shape[0]):
        top = origin[0] + i * looks_y
        for first in range(0, gamma.shape[1], blocks):
            m = min(blocks, gamma.shape[1] - first)
            n = m * looks_x
            left = origin[1] + first * looks_x
            holes[:] = 0.0
            if turn is not None:
                sums[:] = 0.0
                for r in range(top, top + looks_y):
                    holes[0] += _add_turned(a[r, 2 * left :], b[r, 2 * left :], turn[r, left:], n, sums)
            else:
                for r in range(0, looks_y, BATCH):
                    at, size = (top + r) * a.shape[1] + 2 * left, min(BATCH, looks_y - r)
                    add_products(flat_a, flat_b, at, a.shape[1], size, n, r, sums, sums.shape[1], holes)
            counts[:] = looks_y * looks_x
            if holes.any():
                _count(a, b, turn, (top, left), looks, counts[:m])
            for q in range(4):
                total = fold(sums[q], spare[q], n, looks_x)
                for j in range(m):
                    spare[q, j] = total[j]
            z, length = igram[i, 2 * first :], gamma[i, first:]
            for j in range(m):
                scale = 1.0 / counts[j] if counts[j] >= enough else np.nan
                re, im = spare[0, j] * scale, spare[1, j] * scale
                z[2 * j] = re
                z[2 * j + 1] = im
                length[j] = correlation(re, im, spare[2, j] * scale, spare[3, j] * scale)


@lanes_function
def add_products(
    builder: ir.IRBuilder, first: Memory, second: Memory, at: ir.Value, stride: ir.Value, rows: ir.Value, n: ir.Value,
    more: ir.Value, sums: Memory, plane: ir.Value, holes: Memory,
) -> None:  # fmt: skip
    """Products of a few rows, from the number `at` of both images on, in planes of `sums`; added to these if `more`."""
    rest = builder.and_(n, whole(FOUR - 1))
    copies = cgutils.alloca_once(builder, ir.FloatType(), size=whole(4 * BATCH * FOUR))
    images = []
    for k, image in enumerate((first, second)):
        end, copied = image.at(at).at(builder.sub(n, rest), 2), Memory(builder, copies).at(2 * BATCH * FOUR * k)
        with builder.if_then(builder.icmp_signed(">", rest, whole(0))), repeat(builder, rows) as row:
            place = copied.at(row.index, 2 * FOUR)
            cgutils.memset(builder, place.start, whole(8 * FOUR), 0)
            cgutils.raw_memcpy(builder, place.start, end.at(row.index, stride).start, rest, 8)
        images.append((image.at(at), copied))
    missing, one = Sum(builder), Doubles.all(builder, 1.0)
    with repeat(builder, builder.ashr(builder.add(n, whole(FOUR - 1)), whole(2))) as group:
        column = builder.mul(group.index, whole(FOUR))
        whole_group = builder.icmp_signed("<=", builder.add(column, whole(FOUR)), n)
        step = builder.select(whole_group, stride, whole(2 * FOUR))
        sources = [
            Memory(builder, builder.select(whole_group, image.at(column, 2).start, copied.start))
            for image, copied in images
        ]
        totals = [Sum(builder) for _ in range(PLANES)]
        for total in totals:
            total.become(Doubles.all(builder, 0.0))
        with builder.if_then(builder.icmp_signed(">", more, whole(0))):
            for q, total in enumerate(totals):
                total.become(load(sums.at(column).at(plane, q)))
        with repeat(builder, rows) as row:
            terms, absent = terms_of(builder, [source.at(row.index, step) for source in sources])
            for total, term in zip(totals, terms, strict=True):
                total.become(total.now + term)
            missing.become(missing.now + one.where(absent))
            for source in sources:
                prefetch(source.at(row.index, step).at(stride, BATCH))
        for q, total in enumerate(totals):
            store(total.now, sums.at(column).at(plane, q))
    store(load(holes) + missing.now, holes)


@jit
def _count(a, b, turn, origin, looks, counts):  # type: ignore[no-untyped-def]
    """Number of pixels of each block that are missing nowhere."""
    for j in range(counts.size):
        counts[j] = 0.0
        for r in range(origin[0], origin[0] + looks[0]):
            for c in range(origin[1] + j * looks[1], origin[1] + (j + 1) * looks[1]):
                there = np.isfinite(a[r, 2 * c]) and np.isfinite(a[r, 2 * c + 1])
                there = there and np.isfinite(b[r, 2 * c]) and np.isfinite(b[r, 2 * c + 1])
                if turn is not None:
                    there = there and np.isfinite(turn[r, c])
                counts[j] += there


@jit
def _product(ar, ai, br, bi):  # type: ignore[no-untyped-def]
    """Correlation and powers of a pixel, all zero if it is missing, and whether it is."""
    power, other = ar * ar + ai * ai, br * br + bi * bi
    there = power + other < np.inf
    re, im = ar * br + ai * bi, ai * br - ar * bi
    return re if there else 0.0, im if there else 0.0, power if there else 0.0, other if there else 0.0, not there


@jit
def _add_turned(a, b, turn, n, sums):  # type: ignore[no-untyped-def]
    re, im, first, second = sums[0], sums[1], sums[2], sums[3]
    holes = 0
    for c in range(n):
        ar, ai, br, bi = np.float64(a[2 * c]), np.float64(a[2 * c + 1]), np.float64(b[2 * c]), np.float64(b[2 * c + 1])
        cosine, sine = _direction(np.float64(turn[c]))
        u, v, p, q, hole = _product(ar * cosine + ai * sine, ai * cosine - ar * sine, br, bi)
        re[c] += u
        im[c] += v
        first[c] += p
        second[c] += q
        holes += hole
    return holes


@jit
def _turn_image(a, turn, out):  # type: ignore[no-untyped-def]
    """An image times ``exp(-i turn)``."""
    for r in range(turn.shape[0]):
        x, angle, y = a[r], turn[r], out[r]
        for c in range(turn.shape[1]):
            cosine, sine = _direction(np.float64(angle[c]))
            re, im = np.float64(x[2 * c]), np.float64(x[2 * c + 1])
            y[2 * c] = re * cosine + im * sine
            y[2 * c + 1] = im * cosine - re * sine


@jit
def _direction(angle):  # type: ignore[no-untyped-def]
    """Cosine and sine to 2e-9, from arithmetic alone so that loops become vector instructions; |angle| < 1e7 rad."""
    quarter = np.floor(angle * (1 / (HALF_PI[0] + HALF_PI[1])) + 0.5)
    x = (angle - quarter * HALF_PI[0]) - quarter * HALF_PI[1]
    s = x * x
    sine = x * (1 + s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s * (1 / 362880)))))
    cosine = 1 + s * (-1 / 2 + s * (1 / 24 + s * (-1 / 720 + s * (1 / 40320 - s * (1 / 3628800)))))
    turn = quarter - 4 * np.floor(quarter * 0.25)
    swapped = turn == 1.0 or turn == 3.0
    along, across = (sine if swapped else cosine), (cosine if swapped else sine)
    return (-along if turn == 1.0 or turn == 2.0 else along), (-across if turn >= 2.0 else across)
