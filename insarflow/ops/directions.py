"""Mean direction of the phase over interferograms: what circular statistics and averages fold."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

from insarflow.kernels.phase_statistics import add_directions
from insarflow.ops.fold import Field, Images, Tree, fold, groups_of


class _Sums(NamedTuple):
    """What is known of a block from some images."""

    total: np.ndarray
    """Sum of weighted unit phasors, complex128."""
    weights: np.ndarray | None
    """Sum of weights, float64; None where all are one."""
    number: np.ndarray
    """Number of images that have a direction, int32."""


class _Resultant(NamedTuple):
    mean: np.ndarray
    number: np.ndarray


def fold_directions(
    igram: np.ndarray | da.Array,
    coherence: np.ndarray | da.Array | None,
    along: Sequence[int],
    present: np.ndarray | None,
    name: str,
) -> tuple[Any, Any]:
    """Mean unit phasor of interferograms along leading axes, and how many have a direction.

    Parameters
    ----------
    igram
        complex64, shape ``(..., y, x)``. NaN and 0 have no direction and are left out.
    coherence
        Weights of the phasors, float32, same shape: not positive or NaN leaves a pixel out. None for weight one.
    along
        Axes that are folded.
    present
        bool, shape of the leading axes: cells that are looked at; None for all.
    name
        Of the tasks.

    Returns
    -------
    mean, count
        complex64, NaN where there is no direction, and int32. Shape: the other leading axes, then ``(y, x)``. Lazy if
        an input is. Sums are in double precision in one order, so any chunking gives the same bits.
    """
    groups = groups_of(igram.shape[:-2], along, present)
    tree = Tree()
    roots = [tree.root(_finish, tree.reduce(_merge, tree.images(_add, g)) if g else None) for g in groups.values()]
    kept = tuple(n for axis, n in enumerate(igram.shape[:-2]) if axis not in along)
    arrays = [igram] if coherence is None else [igram, coherence]
    fields = {"mean": Field(attrgetter("mean"), "complex64"), "count": Field(attrgetter("number"), "int32")}
    folded = fold(tree, np.array(roots, np.int64).reshape(kept), *arrays, fields=fields, name=name)
    return folded["mean"], folded["count"]


def _add(images: Images) -> _Sums:
    sums: _Sums | None = None
    for igram, *weights in images:
        if sums is None:
            total, count = np.zeros(igram.shape, np.complex128), np.zeros(igram.shape, np.int32)
            sums = _Sums(total, np.zeros(igram.shape) if weights else None, count)
        add_directions(igram, weights[0] if weights else None, *sums)
    if sums is None:
        raise ValueError("images must hold an interferogram, instead got none")
    return sums


def _merge(parts: list[_Sums]) -> _Sums:
    total, number = parts[0].total.copy(), parts[0].number.copy()
    weights = None if parts[0].weights is None else parts[0].weights.copy()
    for part in parts[1:]:
        total += part.total
        number += part.number
        if weights is not None:
            weights += part.weights
    return _Sums(total, weights, number)


def _finish(sums: _Sums | None, shape: tuple[int, int]) -> _Resultant:
    if sums is None:
        return _Resultant(np.full(shape, complex(np.nan, np.nan), np.complex64), np.zeros(shape, np.int32))
    with np.errstate(invalid="ignore"):
        weights = sums.number if sums.weights is None else sums.weights
        mean = sums.total.view(np.float64).reshape(*shape, 2) / weights[..., None]
    return _Resultant(mean.astype(np.float32).view(np.complex64)[..., 0], sums.number)
