"""Motion in the map's directions from motion along several lines of sight, pixel by pixel."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit


def decompose(
    motion: np.ndarray, sight: np.ndarray, error: np.ndarray | None = None, *, max_condition: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least squares for two or three components of motion.

    Parameters
    ----------
    motion
        Motion toward the satellite, shape ``(track, y, x)``; NaN is missing.
    sight
        Components of the unit vectors from the ground to the satellites, shape ``(component, track, y, x)``.
    error
        Standard deviation of `motion`, same shape; None: tracks count alike and errors are NaN.
    max_condition
        Where the matrix of the unit vectors has a larger condition number, all is NaN.

    Returns
    -------
    components, errors
        float32, ``(component, y, x)``. NaN where there are fewer tracks than components.
    condition
        float32, ``(y, x)``: condition number; NaN where there are too few tracks.
    """
    parts, _, height, width = sight.shape
    out = np.full((2, parts, height, width), np.nan, np.float32)
    condition = np.full((height, width), np.nan, np.float32)
    none = np.zeros((0, 0, 0), np.float64)
    room = (np.empty((parts, parts)), np.empty((parts, parts)), np.empty((parts, parts)), np.empty(parts))
    _decompose(
        np.asarray(motion, np.float64), np.asarray(sight, np.float64),
        none if error is None else np.asarray(error, np.float64), max_condition, *room, out, condition,
    )  # fmt: skip
    return out[0], out[1], condition


@jit
def _decompose(  # type: ignore[no-untyped-def]
    motion, sight, error, max_condition, plain, normal, turn, right, out, condition
):
    parts, tracks = sight.shape[0], sight.shape[1]
    weighted = error.shape[0] > 0
    for i in range(motion.shape[1]):
        for j in range(motion.shape[2]):
            used = 0
            plain[:], normal[:], right[:] = 0.0, 0.0, 0.0
            for t in range(tracks):
                weight = 1.0 / error[t, i, j] ** 2 if weighted else 1.0
                there = np.isfinite(motion[t, i, j]) and np.isfinite(weight)
                for a in range(parts):
                    there = there and np.isfinite(sight[a, t, i, j])
                if not there:
                    continue
                used += 1
                for a in range(parts):
                    right[a] += weight * sight[a, t, i, j] * motion[t, i, j]
                    for b in range(parts):
                        product = sight[a, t, i, j] * sight[b, t, i, j]
                        plain[a, b] += product
                        normal[a, b] += weight * product
            if used < parts:
                continue
            _diagonalise(plain, turn)
            low, high = plain[0, 0], plain[0, 0]
            for a in range(1, parts):
                low, high = min(low, plain[a, a]), max(high, plain[a, a])
            condition[i, j] = np.sqrt(high / low) if low > 0 else np.inf
            if condition[i, j] > max_condition:
                continue
            _diagonalise(normal, turn)
            _solve(normal, turn, right, weighted, i, j, out)


@jit
def _solve(values, turn, right, weighted, i, j, out):  # type: ignore[no-untyped-def]
    """Components and errors from the eigenvalues (diagonal of `values`) and eigenvectors of the normal matrix."""
    parts = right.shape[0]
    for a in range(parts):
        total, variance = 0.0, 0.0
        for k in range(parts):
            along = 0.0
            for b in range(parts):
                along += turn[b, k] * right[b]
            total += turn[a, k] * along / values[k, k]
            variance += turn[a, k] * turn[a, k] / values[k, k]
        out[0, a, i, j] = total
        out[1, a, i, j] = np.sqrt(variance) if weighted else np.nan


@jit
def _diagonalise(matrix, turn):  # type: ignore[no-untyped-def]
    """Jacobi's rotations: eigenvalues on the diagonal of `matrix`, eigenvectors in the columns of `turn`."""
    n = matrix.shape[0]
    for a in range(n):
        for b in range(n):
            turn[a, b] = 1.0 if a == b else 0.0
    for _ in range(12):
        for p in range(n):
            for q in range(p + 1, n):
                # Smaller entries would change no eigenvalue in double precision.
                if abs(matrix[p, q]) <= 1e-17 * (abs(matrix[p, p]) + abs(matrix[q, q])):
                    continue
                theta = (matrix[q, q] - matrix[p, p]) / (2.0 * matrix[p, q])
                t = (1.0 if theta >= 0 else -1.0) / (abs(theta) + np.sqrt(theta * theta + 1.0))
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for k in range(n):
                    x, y = matrix[k, p], matrix[k, q]
                    matrix[k, p], matrix[k, q] = c * x - s * y, s * x + c * y
                for k in range(n):
                    x, y = matrix[p, k], matrix[q, k]
                    matrix[p, k], matrix[q, k] = c * x - s * y, s * x + c * y
                for k in range(n):
                    x, y = turn[k, p], turn[k, q]
                    turn[k, p], turn[k, q] = c * x - s * y, s * x + c * y
