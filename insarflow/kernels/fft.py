"""Fourier transform of many columns at once, on separate real and imaginary planes.

Stockham's self-sorting algorithm along axis 0 (radix 4, one radix-2 pass for odd powers). The other axis is
contiguous, so every butterfly is a vector operation over a whole row.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit


def twiddles(size: int) -> np.ndarray:
    """``exp(-2 pi i k / size)`` for k < size, shape ``(2, size)`` float32: real part, imaginary part.

    Parameters
    ----------
    size
        Power of two.
    """
    angle = -2.0 * np.pi * np.arange(size) / size
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


@jit
def fft_columns(re, im, work_re, work_im, table):  # type: ignore[no-untyped-def]
    """Forward transform of every column of ``re + i im``, in place; ``work_*`` are scratch planes of the same shape.

    The inverse (unscaled) is the same call with the planes exchanged: ``fft_columns(im, re, ...)``.
    """
    size, width = re.shape
    n = size
    stride = 1
    a_re, a_im, b_re, b_im = re, im, work_re, work_im
    in_place = True
    while n > 1:
        radix = 4 if n % 4 == 0 else 2
        m = n // radix
        turn = size // n
        for p in range(m):
            w1r, w1i = table[0, p * turn], table[1, p * turn]
            w2r, w2i = table[0, 2 * p * turn % size], table[1, 2 * p * turn % size]
            w3r, w3i = table[0, 3 * p * turn % size], table[1, 3 * p * turn % size]
            for q in range(stride):
                if radix == 4:
                    r0, r1 = q + stride * p, q + stride * (p + m)
                    r2, r3 = q + stride * (p + 2 * m), q + stride * (p + 3 * m)
                    o = q + stride * 4 * p
                    for c in range(width):
                        sr, si = a_re[r0, c] + a_re[r2, c], a_im[r0, c] + a_im[r2, c]
                        dr, di = a_re[r0, c] - a_re[r2, c], a_im[r0, c] - a_im[r2, c]
                        tr, ti = a_re[r1, c] + a_re[r3, c], a_im[r1, c] + a_im[r3, c]
                        jr, ji = a_im[r3, c] - a_im[r1, c], a_re[r1, c] - a_re[r3, c]
                        b_re[o, c], b_im[o, c] = sr + tr, si + ti
                        ur, ui = dr - jr, di - ji
                        b_re[o + stride, c] = w1r * ur - w1i * ui
                        b_im[o + stride, c] = w1r * ui + w1i * ur
                        ur, ui = sr - tr, si - ti
                        b_re[o + 2 * stride, c] = w2r * ur - w2i * ui
                        b_im[o + 2 * stride, c] = w2r * ui + w2i * ur
                        ur, ui = dr + jr, di + ji
                        b_re[o + 3 * stride, c] = w3r * ur - w3i * ui
                        b_im[o + 3 * stride, c] = w3r * ui + w3i * ur
                else:
                    r0, r1, o = q + stride * p, q + stride * (p + m), q + stride * 2 * p
                    for c in range(width):
                        ur, ui = a_re[r0, c] - a_re[r1, c], a_im[r0, c] - a_im[r1, c]
                        b_re[o, c], b_im[o, c] = a_re[r0, c] + a_re[r1, c], a_im[r0, c] + a_im[r1, c]
                        b_re[o + stride, c] = w1r * ur - w1i * ui
                        b_im[o + stride, c] = w1r * ui + w1i * ur
        a_re, b_re = b_re, a_re
        a_im, b_im = b_im, a_im
        in_place = not in_place
        n = m
        stride *= radix
    if not in_place:
        for r in range(size):
            for c in range(width):
                re[r, c] = work_re[r, c]
                im[r, c] = work_im[r, c]


@jit
def transpose_square(re, im):  # type: ignore[no-untyped-def]
    """Transpose both square planes in place."""
    for r in range(re.shape[0]):
        for c in range(r):
            re[r, c], re[c, r] = re[c, r], re[r, c]
            im[r, c], im[c, r] = im[c, r], im[r, c]
