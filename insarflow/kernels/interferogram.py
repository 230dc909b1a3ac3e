"""Two images in, multilooked interferogram and coherence out, in one pass over memory."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from insarflow.kernels._jit import jit
from insarflow.kernels.coherence import coherence as sliding_coherence
from insarflow.kernels.coherence import window_reads
from insarflow.kernels.doubles import FOUR, Doubles, doubles_of, load, prefetch, store, whole
from insarflow.kernels.lanes import LANES, Lanes, Memory, Total, lanes_function, repeat
from insarflow.kernels.multilook import enough, fold, multilook
from insarflow.kernels.phase import direction
from insarflow.kernels.window_sums import PLANES, correlation_of
from insarflow.types import Looks, Tile, Window

Estimate = Literal["block", "sliding"]

PAIR = np.dtype([("igram", np.complex64), ("coherence", np.float32)])
"""What a pair gives for each block of pixels."""

CHUNK = 512
"""Columns summed before the next ones, so that the four sums stay in the first-level cache."""

BAND = 128
"""Rows whose sliding coherence is formed before it is averaged, so that it never leaves the cache."""

BATCH = 4
"""Rows whose products are added in registers."""

AHEAD = 64
"""Pixels of a row that are asked for before their turn."""

SIXTEEN = 2 * LANES
"""Numbers of eight pixels."""


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
        is left out of all sums, and so is one too bright for its power to be a float32 (magnitudes above 1e19).
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
    an order that depends on the looks alone: of four rows in single precision, or double with a phase; then in double.
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
    origin = tile.core.y0 * looks.y - tile.read.y0, tile.core.x0 * looks.x - tile.read.x0
    needed = enough(min_valid, looks.y * looks.x)
    x, y = a.view(np.float32), b.view(np.float32)
    blocks = max(1, CHUNK // looks.x)
    sums, scales = np.empty((2, PLANES, blocks * looks.x + LANES)), np.empty(blocks + LANES)
    _blocks(
        x, y, turn, x.reshape(-1), y.reshape(-1), origin, (looks.y, looks.x), folds(looks.x) % 2, needed,
        sums, scales, np.empty(3 * FOUR, np.float32), out.view(np.float32),
    )  # fmt: skip
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
            gamma = multilook(band, looks=looks, min_valid=min_valid)
            out["coherence"][first - tile.core.y0 : last - tile.core.y0] = gamma


def folds(looks: int) -> int:
    """Times that `insarflow.kernels.multilook.fold` changes from one array to the other."""
    twos = (looks & -looks).bit_length() - 1
    return twos + (looks >> twos > 1)


@jit
def _blocks(a, b, turn, flat_a, flat_b, origin, looks, folded, enough, sums, scales, spare, out):  # type: ignore[no-untyped-def]
    """Interferogram and block coherence, a number of blocks at a time.

    `folded` is which of the two `sums` holds those of blocks in the end, `spare` room for the last results of a row.
    """
    (looks_y, looks_x), rows, cols = looks, out.shape[0], out.shape[1] // 3
    size, plane = looks_y * looks_x, sums.shape[2]
    blocks, first_sums, last_sums = scales.size - LANES, sums[0], sums[folded]
    flat, flat_last = first_sums.reshape(-1), last_sums.reshape(-1)
    flat_out = out.reshape(-1)
    holes = np.empty(FOUR)
    scales[:] = 1.0 / size
    for i in range(rows):
        top = origin[0] + i * looks_y
        for first in range(0, cols, blocks):
            m = blocks if blocks < cols - first else cols - first
            n = m * looks_x
            left = origin[1] + first * looks_x
            holes[:] = 0.0
            if turn is not None:
                first_sums[:] = 0.0
                for r in range(top, top + looks_y):
                    holes[0] += _add_turned(a[r, 2 * left :], b[r, 2 * left :], turn[r, left:], n, first_sums)
            else:
                for r in range(0, looks_y, BATCH):
                    at, batch = (top + r) * a.shape[1] + 2 * left, looks_y - r
                    batch = BATCH if batch > BATCH else batch
                    add_products(flat_a, flat_b, at, a.shape[1], batch, n, r, flat, plane, holes)
            some = holes[0] + holes[1] + holes[2] + holes[3] != 0.0  # NaN is, too
            if some:
                _count(a, b, turn, (top, left), looks, enough, scales[:m])
            for q in range(PLANES):
                fold(first_sums[q], sums[1, q], n, looks_x, (0,))
            finish(flat_last, plane, scales, m, flat_out, 3 * (i * cols + first), spare)
            if some:
                scales[:] = 1.0 / size


@lanes_function
def add_products(
    builder: ir.IRBuilder, first: Memory, second: Memory, at: ir.Value, stride: ir.Value, rows: ir.Value, n: ir.Value,
    more: ir.Value, sums: Memory, plane: ir.Value, holes: Memory,
) -> None:  # fmt: skip
    """Products of a few rows, from the number `at` of both images on, in planes of `sums`; added to these if `more`.

    `holes` becomes NaN if a pixel is missing.
    """
    rest = builder.and_(n, whole(LANES - 1))
    done = builder.sub(n, rest)
    copies = cgutils.alloca_once(builder, ir.FloatType(), size=whole(2 * BATCH * SIXTEEN))
    images = []
    for k, image in enumerate((first, second)):
        end, copied = image.at(at).at(done, 2), Memory(builder, copies).at(BATCH * SIXTEEN * k)
        with builder.if_then(builder.icmp_signed(">", rest, whole(0))), repeat(builder, rows) as row:
            place = copied.at(row.index, SIXTEEN)
            cgutils.memset(builder, place.start, whole(4 * SIXTEEN), 0)
            cgutils.raw_memcpy(builder, place.start, end.at(row.index, stride).start, rest, 8)
        images.append((image.at(at), copied))
    nothing = Lanes.all(builder, 0.0)
    missing = Total(builder, nothing)
    with repeat(builder, builder.ashr(builder.add(n, whole(LANES - 1)), whole(3))) as group:
        column = builder.mul(group.index, whole(LANES))
        fits = builder.icmp_signed("<", column, done)
        step = builder.select(fits, stride, whole(SIXTEEN))
        sources = [
            Memory(builder, builder.select(fits, image.at(column, 2).start, copied.start)) for image, copied in images
        ]
        totals = [Total(builder, nothing) for _ in range(PLANES)]
        for total in totals:
            total.become(nothing)
        with repeat(builder, rows) as row:
            places = [source.at(row.index, step) for source in sources]
            (a, b), (c, d) = (place.load_complex() for place in places)
            power, other = a * a + b * b, c * c + d * d
            both = power + other
            there = builder.fcmp_ordered("<", both.value, Lanes.all(builder, math.inf).value)
            for total, term in zip(totals, (a * c + b * d, b * c - a * d, power, other), strict=True):
                total.become(total.now + term.where(there))
            missing.become(missing.now + both * 0.0)
            for place in places:
                prefetch(place.at(2 * AHEAD))
        added = builder.icmp_signed(">", more, whole(0))
        for q, total in enumerate(totals):
            for half, place in zip(doubles_of(total.now), (sums.at(column), sums.at(column).at(FOUR)), strict=True):
                before = builder.select(added, load(place.at(plane, q)).value, Doubles.all(builder, 0.0).value)
                store(Doubles(builder, before) + half, place.at(plane, q))
    for half in doubles_of(missing.now):
        store(load(holes) + half, holes)


@lanes_function
def finish(
    builder: ir.IRBuilder, sums: Memory, plane: ir.Value, scales: Memory, m: ir.Value, out: Memory, at: ir.Value,
    spare: Memory,
) -> None:  # fmt: skip
    """Interferogram and coherence of `m` blocks, as `PAIR`, to number `at` on, from sums and the inverse of counts."""
    rest = builder.and_(m, whole(FOUR - 1))
    done = builder.sub(m, rest)
    with repeat(builder, builder.ashr(builder.add(m, whole(FOUR - 1)), whole(2))) as group:
        column = builder.mul(group.index, whole(FOUR))
        scale = load(scales.at(column))
        re, im, first, second = (load(sums.at(column).at(plane, q)) * scale for q in range(PLANES))
        a, b, length = re.floats(), im.floats(), correlation_of(re, im, first, second)
        fits = builder.icmp_signed("<", column, done)
        place = Memory(builder, builder.select(fits, out.at(at).at(column, 3).start, spare.start))
        store(a.chosen(b, [0, 4, 1, 5]).chosen(length, [0, 1, 4, 2]), place)
        store(a.chosen(b, [5, 2, 6, 3]).chosen(length, [0, 5, 1, 2]), place, FOUR)
        store(a.chosen(b, [3, 7, 3, 7]).chosen(length, [6, 0, 1, 7]), place, 2 * FOUR)
    cgutils.raw_memcpy(builder, out.at(at).at(done, 3).start, spare.start, builder.mul(rest, whole(3)), 4)


@jit
def _count(a, b, turn, origin, looks, enough, scales):  # type: ignore[no-untyped-def]
    """One over the number of pixels of each block that are missing nowhere; NaN if these are not enough."""
    for j in range(scales.size):
        count = 0
        for r in range(origin[0], origin[0] + looks[0]):
            for c in range(origin[1] + j * looks[1], origin[1] + (j + 1) * looks[1]):
                there = np.isfinite(a[r, 2 * c]) and np.isfinite(a[r, 2 * c + 1])
                there = there and np.isfinite(b[r, 2 * c]) and np.isfinite(b[r, 2 * c + 1])
                if turn is not None:
                    there = there and np.isfinite(turn[r, c])
                count += there
        scales[j] = 1.0 / count if count >= enough else np.nan


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
        cosine, sine = direction(np.float64(turn[c]))
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
            cosine, sine = direction(np.float64(angle[c]))
            re, im = np.float64(x[2 * c]), np.float64(x[2 * c + 1])
            y[2 * c] = re * cosine + im * sine
            y[2 * c + 1] = im * cosine - re * sine
