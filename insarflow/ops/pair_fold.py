"""Many pairs to one image, block by block, over the pairs that exist.

Every spatial block folds its pairs in a tree, a few parts at a time, so that parts do not pile up in memory, however
many pairs there are. The fold must not care about the order of the parts: whole numbers, minima, maxima.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

_AT_ONCE = 4
"""Parts that one step of a tree takes."""


def fold_pairs(
    images: np.ndarray | da.Array,
    exists: np.ndarray,
    dtype: np.dtype,
    first: Callable[..., np.ndarray],
    together: Callable[[list[np.ndarray]], np.ndarray],
    **kwargs: Any,
) -> Any:
    """Fold the pairs of a stack.

    Parameters
    ----------
    images
        Shape ``(date, delay, y, x)``; NumPy or dask, any chunks.
    exists
        Which cells hold a pair, bool, ``(date, delay)``; at least one.
    dtype
        Of the result.
    first
        ``first(block, cells, at=(date, delay), **kwargs) -> ndarray`` of the block's ``(y, x)``: `cells` are places in
        the block, which starts at `at`. Must be picklable, as `together`.
    together
        Makes one part of several, whatever their order.

    Returns
    -------
    ndarray or dask.array.Array
        Shape ``(y, x)``, in the chunks of the images.
    """
    if not isinstance(images, da.Array):
        return first(images, [tuple(cell) for cell in np.argwhere(exists).tolist()], at=(0, 0), **kwargs)
    name = f"fold-{tokenize(images, exists, dtype, first, together, kwargs)}"
    starts = [np.cumsum((0, *chunks)) for chunks in images.chunks[:2]]
    work = [
        ((i, j), [tuple(cell) for cell in np.argwhere(exists[a:b, c:d]).tolist()], (int(a), int(c)))
        for i, (a, b) in enumerate(zip(starts[0][:-1], starts[0][1:], strict=True))
        for j, (c, d) in enumerate(zip(starts[1][:-1], starts[1][1:], strict=True))
        if exists[a:b, c:d].any()
    ]
    graph: dict[Any, Any] = {}
    for block in np.ndindex(images.numblocks[2:]):
        keys = []
        for k, (lead, cells, at) in enumerate(work):
            key = (f"{name}-pairs", *block, 0, k)
            graph[key] = (_apply, first, (images.name, *lead, *block), cells, at, kwargs)
            keys.append(key)
        level = 0
        while len(keys) > 1:
            level += 1
            batches = [keys[k : k + _AT_ONCE] for k in range(0, len(keys), _AT_ONCE)]
            keys = [(f"{name}-pairs", *block, level, k) for k in range(len(batches))]
            graph |= {key: (together, batch) for key, batch in zip(keys, batches, strict=True)}
        graph[(name, *block)] = keys[0]
    sources: list[Any] = [images]
    layer = HighLevelGraph.from_collections(name, graph, dependencies=sources)
    return da.Array(layer, name, chunks=images.chunks[2:], meta=np.empty((0, 0), dtype))


def _apply(
    first: Callable[..., np.ndarray],
    block: np.ndarray,
    cells: list[tuple[int, int]],
    at: tuple[int, int],
    kwargs: dict[str, Any],
) -> np.ndarray:
    return first(block, cells, at=at, **kwargs)
