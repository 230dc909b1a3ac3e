"""Loss of correlation between two acquisitions: phase noise and the coherence that belongs to it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import gammainccinv, gammaincinv, ndtr

from insarflow.kernels._jit import jit, part
from insarflow.kernels.elementary import RUN, gaussians, workspace
from insarflow.kernels.noise import stream_key
from insarflow.types import Tile

_DEGREE, _FAR = 9, 6.7
_LEAST = np.float32(1e-6)


def decorrelate(
    igram: np.ndarray, coherence: np.ndarray, *, factor: float, looks: int, seed: int, tile: Tile | None = None
) -> np.ndarray:
    """An interferogram and its coherence as if the secondary image had lost a part of its correlation.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``, multilooked and not yet filtered; NaN is missing.
    coherence
        float32, same shape: its sample coherence.
    factor
        What is left of the correlation, 0..1.
    looks
        Independent looks of both, 2 to 1000.
    seed
        The noise is a function of this and the pixel's place alone.
    tile
        Place in the whole array.

    Returns
    -------
    ndarray
        complex64: phase of the new interferogram, magnitude the new coherence. NaN where either input is missing
        or the interferogram is 0 and so has no phase.

    Notes
    -----
    With images scaled to unit sample power and the sample interferogram Z = <s1 s2*>, the secondary becomes
    ``s2' = k s2 + q n``, ``q = sqrt((1 - k^2) / P)``, with independent noise n; P, the sample power of s2 before
    scaling, is drawn from its marginal distribution. Splitting n along s1, along the part of s2 orthogonal to s1, and
    the rest, the averages over L looks are::

        Z'  = k Z + q a / sqrt(L)
        P2' = k^2 + q^2 (|a|^2 + |b|^2 + G) / L + 2 k q Re(conj(Z) a + sqrt(1 - |Z|^2) b) / sqrt(L)

    with a, b circular Gaussians of unit power, and G and L P Gamma-distributed with shapes L - 2 and L.

    That P is drawn without regard to Z, since the true coherence is not known, leaves the mean of the new coherence
    right within 2 % and the spread of its phase within 4 %; the spread of the new coherence is right within 4 % for
    factors up to 0.5 and up to 13 % too small for a factor near 1 where coherence is high.

    Gamma-distributed numbers are Gaussian ones through `gamma_quantile`.

    References
    ----------
    Goodman (1963), doi:10.1214/aoms/1177704250, for the complex Wishart distribution.
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    out = np.empty(igram.shape, np.complex64)
    cols = place.shape[1]
    others = gamma_quantile(looks - 2) * np.float32(np.cbrt((looks - 2) / looks))
    power = gamma_quantile(looks)
    work = *workspace(), np.empty((6, RUN), np.float32)
    for index in np.ndindex(igram.shape[:-2]):
        key = stream_key(seed, place.cell(index))
        _decorrelate(
            np.ascontiguousarray(igram[index]).view(np.float32), np.ascontiguousarray(coherence[index]),
            np.float32(factor), np.float32(1 / np.sqrt(2 * looks)), others, power, key,
            place.core.y0 * cols + place.core.x0, cols, *work, out[index].view(np.float32),
        )  # fmt: skip
    return out


@lru_cache(maxsize=64)
def gamma_quantile(shape: int) -> np.ndarray:
    """Polynomial whose cube, of a standard Gaussian number, is Gamma-distributed with a mean of one.

    Returns
    -------
    ndarray
        float32, ten coefficients, lowest order first; zeros for shape 0. The distribution is right within 1e-4
        (Kolmogorov's distance) for shape 1 and 2e-5 above, its mean and variance within 1e-5.

    References
    ----------
    Wilson and Hilferty (1931), doi:10.1073/pnas.17.12.684: the cube root of a Gamma-distributed number is nearly
    Gaussian; this goes on from there to a higher degree.
    """
    if shape == 0:
        return np.zeros(_DEGREE + 1, np.float32)
    x = _FAR * np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    quantile = np.where(x < 0, gammaincinv(shape, ndtr(x)), gammainccinv(shape, ndtr(-x)))
    weight = np.exp(-x * x / 4) + 1e-3
    terms = chebyshev.chebvander(x / _FAR, _DEGREE)
    fit = np.linalg.lstsq(terms * weight[:, None], np.cbrt(quantile / shape) * weight, rcond=None)[0]
    coefficients: np.ndarray = (chebyshev.cheb2poly(fit) / _FAR ** np.arange(_DEGREE + 1)).astype(np.float32)
    return coefficients


@part
def _cubed(x, c):  # type: ignore[no-untyped-def]
    p = c[5] + x * (c[6] + x * (c[7] + x * (c[8] + x * c[9])))
    p = c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * (c[4] + x * p))))
    p = p if p > 0 else np.float32(0.0)
    return p * p * p


@jit
def _decorrelate(  # type: ignore[no-untyped-def]
    z, gamma, factor, scale, others, power, key, first, width, words, floats, normal, out
):
    unit = np.float32(1.0)
    cols = gamma.shape[1]
    for r in range(gamma.shape[0]):
        for left in range(0, cols, RUN):
            n = min(RUN, cols - left)
            counter = np.uint64(first + r * width + left) * np.uint64(3)
            for pair in range(3):
                spread = scale if pair < 2 else unit
                gaussians(
                    key, counter + np.uint64(pair), np.uint64(3), spread, words, floats,
                    normal[2 * pair, :n], normal[2 * pair + 1, :n],
                )  # fmt: skip
            _mixed(
                z[r, 2 * left : 2 * (left + n)], gamma[r, left : left + n], factor, others, power, normal,
                out[r, 2 * left : 2 * (left + n)],
            )  # fmt: skip


@part
def _mixed(z, gamma, factor, others, power, normal, out):  # type: ignore[no-untyped-def]
    one, zero, two = np.float32(1.0), np.float32(0.0), np.float32(2.0)
    lost = one - factor * factor
    for k in range(gamma.size):
        re, im, g = z[2 * k], z[2 * k + 1], gamma[k]
        # In double, where the square of no float32 is too large or too small.
        length = np.float32(np.sqrt(np.float64(re) * np.float64(re) + np.float64(im) * np.float64(im)))
        g = zero if g < zero else g
        g = one if g > one else g
        re, im = (re / length) * g, (im / length) * g
        a, b, d, e = normal[0, k], normal[1, k], normal[2, k], normal[3, k]
        gain = _cubed(normal[5, k], power)
        rest = np.sqrt(lost / (gain if gain > _LEAST else _LEAST))
        along = re * a + im * b + np.sqrt(one - g * g) * d
        total = factor * factor + two * factor * rest * along
        total += rest * rest * (a * a + b * b + d * d + e * e + _cubed(normal[4, k], others))
        norm = one / np.sqrt(total if total > _LEAST else _LEAST)
        out[2 * k] = (factor * re + rest * a) * norm
        out[2 * k + 1] = (factor * im + rest * b) * norm
