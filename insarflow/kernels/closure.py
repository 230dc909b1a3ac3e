"""Closure phase: what three interferograms of three days leave."""

from __future__ import annotations

import math

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.types import Tile


def closure(first: np.ndarray, second: np.ndarray, both: np.ndarray, *, tile: Tile | None = None) -> np.ndarray:
    """Wrapped sum of two phases minus a third.

    Parameters
    ----------
    first, second, both
        complex64, one shape: interferograms of days 1 and 2, 2 and 3, 1 and 3. NaN is missing.
    tile
        Place in the whole array, which does not matter.

    Returns
    -------
    ndarray
        float32, rad, -pi to pi, computed in double precision: ``arg(first * second * conj(both))``; NaN where one is.
    """
    out = np.empty(first.shape, np.float32)
    one, two, three = (np.ascontiguousarray(image).reshape(-1) for image in (first, second, both))
    _closure(one, two, three, out.reshape(-1))
    return out


@jit
def _closure(first, second, both, out):  # type: ignore[no-untyped-def]
    for k in range(out.size):
        product = np.complex128(first[k]) * np.complex128(second[k]) * np.conj(np.complex128(both[k]))
        re, im = product.real, product.imag
        # atan2 would take NaN + 0i for a number with some signs of zero.
        out[k] = math.atan2(im, re) if re == re and im == im else np.nan
