"""What a point looks like in Sentinel-1's images: why neighbouring samples of speckle are alike."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import part

REACH = 8
"""Samples on either side of a point, along each axis, that it is seen in."""

AZIMUTH_RATE, RANGE_RATE = 1 / 2.0555563e-3, 64.345238e6
"""Lines and samples per second."""

AZIMUTH_BAND, RANGE_BAND = (327.0, 313.0, 314.0), (56.5e6, 48.3e6, 42.8e6)
"""Processed bandwidth in hertz of the subswaths IW1, IW2, IW3."""

AZIMUTH_WEIGHT, RANGE_WEIGHT = (0.70, 0.75, 0.75), (0.75, 0.75, 0.75)
"""Coefficient a of the Hamming window ``a + (1 - a) cos(2 pi f / band)`` over each band."""

# The middle one and those on one side, fitted by least squares to the autocorrelation of these windows.
_AZIMUTH_TAPS = (
    (0.7902, 0.4272, -0.0129, 0.0135, 0.0359, -0.0501, 0.0331, -0.0090, -0.0023),
    (0.7879, 0.4253, -0.0316, -0.0057, 0.0621, -0.0568, 0.0176, 0.0125, -0.0137),
    (0.7890, 0.4241, -0.0331, -0.0040, 0.0610, -0.0576, 0.0196, 0.0108, -0.0131),
)
_RANGE_TAPS = (
    (0.9260, 0.2481, -0.0456, 0.0517, -0.0466, 0.0385, -0.0293, 0.0198, -0.0099),
    (0.8472, 0.3584, -0.0774, 0.0643, -0.0201, -0.0148, 0.0307, -0.0285, 0.0147),
    (0.8003, 0.4125, -0.0458, 0.0113, 0.0492, -0.0606, 0.0348, -0.0045, -0.0066),
)


def taps(subswath: int) -> np.ndarray:
    """Filter that gives white speckle the spectrum of a subswath and leaves its power as it is.

    Parameters
    ----------
    subswath
        1, 2 or 3: IW1, IW2, IW3.

    Returns
    -------
    ndarray
        float32, shape ``(2, REACH + 1)``: the middle and one side of a symmetric filter along lines' direction of
        flight (row 0) and along range (row 1). Autocorrelation is that of the sensor within 0.014 at any lag.

    Raises
    ------
    ValueError
        If there is no such subswath.

    Notes
    -----
    The power spectrum of speckle is the square of the Hamming window over the processed bandwidth. Its steps at the
    band's ends need a long filter; sixteen neighbours leave errors of a hundredth.

    References
    ----------
    The figures are those of the products' annotation (``processingBandwidth``, ``windowCoefficient``).
    """
    if subswath not in (1, 2, 3):
        raise ValueError(f"subswath must be 1, 2 or 3 (IW1, IW2, IW3), instead got subswath={subswath!r}")
    sides = np.array([_AZIMUTH_TAPS[subswath - 1], _RANGE_TAPS[subswath - 1]])
    power = sides[:, 0] ** 2 + 2 * (sides[:, 1:] ** 2).sum(axis=1)
    filters: np.ndarray = (sides / np.sqrt(power)[:, None]).astype(np.float32)
    return filters


@part
def filtered_row(row, side, out):  # type: ignore[no-untyped-def]
    """Filter a row of interleaved complex numbers along itself.

    Parameters
    ----------
    row
        float32, of ``2 * (n + 2 * REACH)`` elements.
    side
        Middle and one side of the filter, as `taps` gives them.
    out
        float32, of ``2 * n`` elements: the result.
    """
    size = out.size
    for k in range(size):
        out[k] = side[0] * row[2 * REACH + k]
    for j in range(1, REACH + 1):
        weight, before, after = side[j], row[2 * (REACH - j) :], row[2 * (REACH + j) :]
        for k in range(size):
            out[k] += weight * (before[k] + after[k])


@part
def filtered_rows(rows, newest, side, out):  # type: ignore[no-untyped-def]
    """Filter across the latest ``2 * REACH + 1`` rows.

    Parameters
    ----------
    rows
        float32, shape ``(2 * REACH + 1, n)``: row number r of an image lies in row ``r % (2 * REACH + 1)``.
    newest
        Number of the newest row.
    side
        Middle and one side of the filter.
    out
        float32, of n elements: the row ``newest - REACH``, filtered.
    """
    count = 2 * REACH + 1
    middle = rows[(newest - REACH) % count]
    for k in range(out.size):
        out[k] = side[0] * middle[k]
    for j in range(1, REACH + 1):
        weight, before, after = side[j], rows[(newest - REACH - j) % count], rows[(newest - REACH + j) % count]
        for k in range(out.size):
            out[k] += weight * (before[k] + after[k])
