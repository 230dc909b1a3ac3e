"""Fit a slow phase to the block sums of an interferogram, without unwrapping it.

What is maximised is the resultant ``|sum t exp(-i phase)|`` over the blocks' sums of phasors t. A start comes from a
Fourier transform, which sees every plane at once; from there Gauss-Newton steps on the residual phase r, each block
with the weight ``|t| sin(r) / r``. These steps never lower the resultant, and blocks that do not follow, such as slopes
that move, lose their weight.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import scipy.fft

from insarflow.kernels._jit import jit

Order = Literal["plane", "quadratic"]

TERMS: Final[dict[Order, tuple[str, ...]]] = {
    "plane": ("constant", "slope_y", "slope_x"),
    "quadratic": ("constant", "slope_y", "slope_x", "curve_yy", "curve_yx", "curve_xx"),
}
"""Coefficients of a ramp, in rad and pixels from the image's centre."""

_MOST = 100
"""Gauss-Newton steps at most."""

_SMALL = 1e-6
"""Step below which no more is taken, rad."""

_HUBER = 1.345
"""Residuals beyond so many standard deviations count less in a fit of values."""


def fit_ramp(sums: np.ndarray, *, order: Order, shape: tuple[int, int]) -> np.ndarray:
    """Ramp of an interferogram.

    Parameters
    ----------
    sums
        `insarflow.kernels.block_sums.SUMS`, shape ``(y, x)``.
    order
        ``"plane"`` or ``"quadratic"``.
    shape
        ``(y, x)`` of the image, pixels.

    Returns
    -------
    ndarray
        float64: the coefficients `TERMS`, then the resultant's length, 0..1; NaN without a pixel. What the pixels do
        not tell, such as the slope across a single row, is 0.
    """
    there = sums["weight"] > 0
    if not there.any():
        return np.full(len(TERMS[order]) + 1, np.nan)
    design, means = _centred(_design(sums[there], order, shape), sums["weight"][there])
    table = np.where(there, sums["sum"], 0)
    bends = [np.zeros(3)] if order == "plane" else [np.zeros(3), _bend(table)]
    starts = [_start(table, bend, there, design) for bend in bends]
    found, length = _refined(sums["sum"][there], design, starts)
    found[0] = np.angle(np.exp(1j * (found[0] - (found[1:] * means).sum())))
    return np.append(_per_pixel(found, shape), length / sums["weight"][there].sum())


def fit_values(sums: np.ndarray, *, order: Order, shape: tuple[int, int]) -> np.ndarray:
    """Ramp of real values such as unwrapped phase, by least squares in which outliers count less.

    As `fit_ramp`; after the coefficients comes the standard deviation of the blocks' residuals.
    """
    there = sums["weight"] > 0
    if not there.any():
        return np.full(len(TERMS[order]) + 1, np.nan)
    blocks = sums[there]
    weight = blocks["weight"].copy()
    design, means = _centred(_design(blocks, order, shape), weight)
    values = blocks["sum"].real / weight
    found, share = np.zeros(design.shape[1]), np.ones(weight.size)
    for _ in range(_MOST):
        step = _solved(*_normal(design, values - _times(design, found), weight * share))
        found = found + step
        residual = np.abs(values - _times(design, found))
        scale = 1.4826 * float(np.median(residual))
        share = np.minimum(1.0, _HUBER * scale / np.maximum(residual, 1e-30))
        if np.abs(step).sum() < _SMALL or scale < _SMALL:
            break
    found[0] -= (found[1:] * means).sum()
    spread = np.sqrt((weight * residual**2).sum() / weight.sum())
    return np.append(_per_pixel(found, shape), spread)


def fit_stratified(sums: np.ndarray, *, limit: float, plane: bool, shape: tuple[int, int]) -> np.ndarray:
    """Phase per km of height of an interferogram, together with a constant, and a plane if asked for.

    Parameters
    ----------
    sums
        As for `fit_ramp`, with heights in m.
    limit
        Steepest phase that is looked for, rad per km.

    Returns
    -------
    ndarray
        float64: rad per km, the resultant's length (0..1), and the standard deviation of the blocks' height, m.
    """
    there = sums["weight"] > 0
    if not there.any():
        return np.full(3, np.nan)
    blocks, table = sums[there], np.where(there, sums["sum"], 0)
    weight = blocks["weight"] / blocks["weight"].sum()
    mean = float((weight * blocks["height"]).sum())
    spread = float(np.sqrt((weight * (blocks["height"] - mean) ** 2).sum()))
    if spread == 0.0:
        return np.array([np.nan, np.nan, 0.0])
    high = (blocks["height"] - mean) / spread
    heights = np.where(there, (sums["height"] - mean) / spread, 0.0)
    reach = limit * spread / 1000.0
    columns = np.ascontiguousarray(_design(blocks, "plane", shape)[:, : 3 if plane else 1])
    design = np.ascontiguousarray(np.column_stack((columns, high)))
    rates = [_steepest([(blocks["sum"], high)], reach)]
    if plane:
        rates.append(_steepest(_differences(table, heights), reach))
    starts = []
    for rate in rates:
        flat = table * np.exp(-1j * rate * heights)
        first = _start(flat, np.zeros(3), there, columns) if plane else np.zeros(1)
        starts.append(np.append(first, rate))
    found, length = _refined(blocks["sum"], design, starts)
    return np.array([found[-1] / spread * 1000.0, length / blocks["weight"].sum(), spread])


def _halves(shape: tuple[int, int]) -> tuple[float, float]:
    return max((shape[0] - 1) / 2, 0.5), max((shape[1] - 1) / 2, 0.5)


def _design(blocks: np.ndarray, order: Order, shape: tuple[int, int]) -> np.ndarray:
    """Columns of the model at the blocks' places, from -1 to 1 over the image."""
    half_y, half_x = _halves(shape)
    y, x = blocks["y"] / half_y - (shape[0] - 1) / 2 / half_y, blocks["x"] / half_x - (shape[1] - 1) / 2 / half_x
    columns = [np.ones(y.size), y, x]
    if order == "quadratic":
        columns += [y * y, y * x, x * x]
    return np.ascontiguousarray(np.column_stack(columns))


def _centred(design: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The design with columns of mean 0 but for the constant, so that one that does not vary gets no part of it."""
    means = (design[:, 1:] * weight[:, None]).sum(axis=0) / weight.sum()
    return np.ascontiguousarray(np.column_stack((design[:, 0], design[:, 1:] - means))), means


def _per_pixel(found: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    half_y, half_x = _halves(shape)
    scales = [1.0, half_y, half_x, half_y**2, half_y * half_x, half_x**2]
    return found / scales[: found.size]


def _start(table: np.ndarray, bend: np.ndarray, there: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Coefficients of the plane that a Fourier transform of the table finds when `bend` is removed, for the design.

    Slopes and bends of the table are per block; each block's column of the design tells its place in the image.
    """
    i, j = np.meshgrid(*(np.arange(n, dtype=float) for n in table.shape), indexing="ij")
    curved = bend[0] * i * i + bend[1] * i * j + bend[2] * j * j
    slope_y, slope_x = _peak(table * np.exp(-1j * curved))
    phase = (curved + slope_y * i + slope_x * j)[there]
    # The phase is a polynomial of the block's number, the design one of its place: least squares turns one into other.
    return _solved(*_normal(design, phase, np.ones(phase.size)))


def _peak(table: np.ndarray) -> tuple[float, float]:
    """Slopes, rad per block along y and x, of the plane that agrees best with the phase of a table."""
    sizes = [scipy.fft.next_fast_len(2 * n) if n > 1 else 1 for n in table.shape]
    power = np.abs(scipy.fft.fft2(table, s=sizes))
    # Of equal ones the flattest: across a single row any slope is as good.
    peaks = np.argwhere(power >= power.max() * (1 - 1e-9))
    slopes = [2 * np.pi * np.fft.fftfreq(n)[k] for n, k in zip(sizes, peaks.T, strict=True)]
    best = int(np.argmin(slopes[0] ** 2 + slopes[1] ** 2))
    return float(slopes[0][best]), float(slopes[1][best])


def _bend(table: np.ndarray) -> np.ndarray:
    """Curvature of a table's phase: coefficients of i², i j and j².

    The phase of the product with the conjugate of a shifted copy is a plane, whose slopes are those of the curvature.
    """
    found, counts = np.zeros(3), np.zeros(3)
    for axis in (0, 1):
        lag = table.shape[axis] // 4
        if not lag:
            continue
        product = _lagged(table, axis, lag)
        slopes = _plane_of(product)
        found[[0, 1] if axis == 0 else [1, 2]] += np.array(slopes) / lag / ([2, 1] if axis == 0 else [1, 2])
        counts[[0, 1] if axis == 0 else [1, 2]] += 1
    return found / np.maximum(counts, 1)


def _lagged(table: np.ndarray, axis: int, lag: int) -> np.ndarray:
    """Phase differences of blocks `lag` apart, with the geometric mean of their weights."""
    late, early = _apart(table, axis, lag)
    product = late * np.conj(early)
    size = np.sqrt(np.abs(product))
    lagged: np.ndarray = np.divide(product, size, out=np.zeros_like(product), where=size > 0)
    return lagged


def _apart(table: np.ndarray, axis: int, lag: int) -> tuple[np.ndarray, np.ndarray]:
    return (table[lag:], table[:-lag]) if axis == 0 else (table[:, lag:], table[:, :-lag])


def _plane_of(table: np.ndarray) -> tuple[float, float]:
    """As `_peak`, refined."""
    there = table != 0
    if not there.any():
        return 0.0, 0.0
    i, j = np.nonzero(there)
    design = np.ascontiguousarray(np.column_stack((np.ones(i.size), i, j)))
    found, _ = _refined(table[there], design, [np.array([0.0, *_peak(table)])])
    return float(found[1]), float(found[2])


def _steepest(pieces: list[tuple[np.ndarray, np.ndarray]], reach: float) -> float:
    """Slope within ±`reach` at which phasors agree best with phase in proportion to a height, sums of pieces."""
    bins = 512
    widest = max(float(np.ptp(height)) for _, height in pieces)
    slopes = np.linspace(-reach, reach, 2 * int(np.ceil(reach * widest / (np.pi / 4))) + 1)
    total = np.zeros(slopes.size)
    for phasors, height in pieces:
        low, width = float(height.min()), max(float(np.ptp(height)), 1e-12) / bins
        at = np.minimum(((height - low) / width).astype(np.int64), bins - 1)
        sums = np.bincount(at, phasors.real, bins) + 1j * np.bincount(at, phasors.imag, bins)
        middles = low + (np.arange(bins) + 0.5) * width
        total += np.abs((np.exp(-1j * slopes[:, None] * middles) * sums).sum(axis=1))
    return float(slopes[np.argmax(total)])


def _differences(table: np.ndarray, height: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Differences of phase and of height between blocks some way apart along y and x: a plane in them is a constant."""
    pieces = []
    for axis in (0, 1):
        lag = max(1, table.shape[axis] // 8)
        if lag < table.shape[axis]:
            product = _lagged(table, axis, lag)
            late, early = _apart(height, axis, lag)
            there = product != 0
            pieces += [(product[there], (late - early)[there])] if there.any() else []
    return pieces or [(np.ones(1), np.zeros(1))]


def _refined(phasors: np.ndarray, design: np.ndarray, starts: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Coefficients from which no step raises the resultant, and its length; from the best of some starts."""
    sums = [_left(phasors, design, start) for start in starts]
    best = int(np.argmax(np.abs(sums)))
    found = starts[best].astype(np.float64)
    # The constant is best at once, so that the first residuals are around 0.
    found[0] += np.angle(sums[best])
    for _ in range(_MOST):
        normal, right = np.zeros((found.size, found.size)), np.zeros(found.size)
        _residuals(phasors, design, found, normal, right)
        step = _solved(normal, right)
        found += step
        if np.abs(step).sum() < _SMALL:
            break
    return found, float(np.abs(_left(phasors, design, found)))


def _left(phasors: np.ndarray, design: np.ndarray, found: np.ndarray) -> complex:
    """Sum of the phasors without the model's phase."""
    return complex((phasors * np.exp(-1j * _times(design, found))).sum())


def _times(design: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Values of a model; no library whose sums depend on the machine."""
    total = np.zeros(design.shape[0])
    for column, coefficient in zip(design.T, coefficients, strict=True):
        total += column * coefficient
    return total


def _normal(design: np.ndarray, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = design.shape[1]
    normal, right = np.empty((n, n)), np.empty(n)
    for a in range(n):
        right[a] = (weight * design[:, a] * values).sum()
        for b in range(n):
            normal[a, b] = (weight * design[:, a] * design[:, b]).sum()
    return normal, right


def _solved(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of normal equations, of least size where they leave it open."""
    solution: np.ndarray = np.linalg.pinv(normal, rcond=1e-11, hermitian=True) @ right
    return solution


@jit
def _residuals(phasors, design, found, normal, right):  # type: ignore[no-untyped-def]
    """Normal equations of a Gauss-Newton step, each block with the weight |t| sin(r) / r."""
    n = found.size
    for k in range(phasors.size):
        phase = 0.0
        for a in range(n):
            phase += design[k, a] * found[a]
        c, s = np.cos(phase), np.sin(phase)
        re = phasors[k].real * c + phasors[k].imag * s
        im = phasors[k].imag * c - phasors[k].real * s
        residual = np.arctan2(im, re)
        weight = im / residual if np.abs(residual) > 1e-6 else np.abs(re)
        for a in range(n):
            right[a] += im * design[k, a]
            for b in range(a + 1):
                normal[a, b] += weight * design[k, a] * design[k, b]
    for a in range(n):
        for b in range(a):
            normal[b, a] = normal[a, b]
