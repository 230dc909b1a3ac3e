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

# The middle one and those on one side, fitted by least squares to the autocorrelation of these windows; the lags up to
# 3, which decide how many looks are independent, count twice.
_AZIMUTH_TAPS = (
    (0.7923, 0.4267, -0.0127, 0.0146, 0.0319, -0.0437, 0.0263, -0.0036, -0.0049),
    (0.7891, 0.4259, -0.0320, -0.0039, 0.0562, -0.0487, 0.0096, 0.0185, -0.0167),
    (0.7904, 0.4247, -0.0335, -0.0022, 0.0552, -0.0495, 0.0116, 0.0168, -0.0160),
)
_RANGE_TAPS = (
    (0.9223, 0.2522, -0.0496, 0.0553, -0.0489, 0.0404, -0.0310, 0.0213, -0.0110),
    (0.8519, 0.3543, -0.0727, 0.0590, -0.0146, -0.0192, 0.0338, -0.0305, 0.0157),
    (0.8027, 0.4123, -0.0457, 0.0127, 0.0442, -0.0530, 0.0270, 0.0017, -0.0098),
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
        float32, shape ``(2, REACH + 1)``: the middle and one side of a symmetric filter along the track (row
        0) and along range (row 1). Autocorrelation is that of the sensor within 0.016 at any lag.

    Raises
    ------
    ValueError
        If there is no such subswath.

    Notes
    -----
    The power spectrum of speckle is the square of the Hamming window over the processed bandwidth. Its steps at the
    band's ends need a long filter; sixteen neighbours leave errors of a hundredth, most of them
    at lags beyond eight. Independent samples in windows of 3 by 10 are right within 1 %.

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
