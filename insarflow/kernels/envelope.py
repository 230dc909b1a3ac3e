"""Cholesky factors of symmetric matrices that are narrow around the diagonal, as the normal matrices of networks are.

In row `i` nothing stands before column ``first[i]``, in the matrix and in its factor. So a network of `n` dates, each
paired with the next few, costs in proportion to `n`, not to its cube.
"""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit


@jit
def factorise(matrix, first):  # type: ignore[no-untyped-def]
    """Replace the lower half of a positive definite matrix by its Cholesky factor, of its diagonal the reciprocals."""
    for i in range(matrix.shape[0]):
        for j in range(first[i], i + 1):
            total = matrix[i, j]
            for k in range(max(first[i], first[j]), j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = 1.0 / np.sqrt(total) if i == j else total * matrix[j, j]


@jit
def solve(factor, first, vector):  # type: ignore[no-untyped-def]
    """Replace `vector` by the solution of the system it is the right-hand side of."""
    n = factor.shape[0]
    for i in range(n):
        total = vector[i]
        for k in range(first[i], i):
            total -= factor[i, k] * vector[k]
        vector[i] = total * factor[i, i]
    for i in range(n - 1, -1, -1):
        vector[i] *= factor[i, i]
        for k in range(first[i], i):
            vector[k] -= factor[i, k] * vector[i]


@jit
def invert(factor, first, last, inverse):  # type: ignore[no-untyped-def]
    """Write those elements of the inverse that lie inside the envelope, the diagonal among them.

    Takahashi's recurrence, from the last row up: it needs no element outside. `last[i]` is the last row whose first
    column is at or before `i`.
    """
    for i in range(factor.shape[0] - 1, -1, -1):
        own = factor[i, i]
        for j in range(last[i], i, -1):
            if first[j] > i:
                continue
            total = 0.0
            for k in range(i + 1, last[i] + 1):
                if first[k] <= i:
                    total += factor[k, i] * inverse[max(j, k), min(j, k)]
            inverse[j, i] = -own * total
        total = own
        for k in range(i + 1, last[i] + 1):
            if first[k] <= i:
                total -= factor[k, i] * inverse[k, i]
        inverse[i, i] = own * total
