"""Arrays whose tasks are made when somebody asks for their blocks.

A stack of some hundred dates by some ten delays has ten times as many cells as interferograms. A graph that lists the
blocks of all takes minutes to make and to optimise; here a layer knows a rule, and dask asks it for the blocks that are
wanted, each of which names what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from math import prod
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask._task_spec import Task
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, Layer, MaterializedLayer

Chunks = tuple[tuple[int, ...], ...]
Part = slice | int


class Rule(Protocol):
    """What tells the task of a block; must be picklable."""

    def task(self, key: tuple[Any, ...]) -> Task:
        """The task with this key, ``(name, *index of the block)``."""
        ...


class RuleLayer(Layer):
    """A graph layer of one array, whose tasks a rule makes."""

    has_legacy_tasks = False  # dask would make all tasks to find out

    def __init__(self, name: str, numblocks: tuple[int, ...], rule: Rule) -> None:
        super().__init__()
        self.name, self.numblocks, self.rule = name, numblocks, rule

    def __getitem__(self, key: Any) -> Task:
        if key not in self:
            raise KeyError(key)
        return self.rule.task(key)

    def __contains__(self, key: object) -> bool:
        return (
            isinstance(key, tuple)
            and len(key) == len(self.numblocks) + 1
            and key[0] == self.name
            and all(isinstance(k, int) and 0 <= k < n for k, n in zip(key[1:], self.numblocks, strict=True))
        )

    def __iter__(self) -> Iterator[Any]:
        return product((self.name,), *map(range, self.numblocks))

    def __len__(self) -> int:
        return prod(self.numblocks)

    def is_materialized(self) -> bool:
        """No: tasks are made when they are asked for."""
        return False

    def get_output_keys(self) -> set[Any]:
        """All keys."""
        return set(self)

    def cull(self, keys: set[Any], all_hlg_keys: Any) -> tuple[Layer, dict[Any, set[Any]]]:
        """The tasks of those of `keys` that are this layer's, and what each needs."""
        tasks = {key: self.rule.task(key) for key in keys if isinstance(key, tuple) and key[0] == self.name}
        return MaterializedLayer(tasks, self.annotations), {key: set(t.dependencies) for key, t in tasks.items()}


def array_by_rule(name: str, rule: Rule, chunks: Chunks, dtype: np.dtype, sources: Sequence[da.Array] = ()) -> da.Array:
    """Lazy array of which `rule` makes the tasks, out of blocks of `sources`."""
    layer = RuleLayer(name, tuple(map(len, chunks)), rule)
    dependencies: list[Any] = list(sources)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=dependencies)
    return da.Array(graph, name, chunks=chunks, meta=np.empty((0,) * len(chunks), dtype))


@dataclass(frozen=True)
class Reading:
    """Blocks that are slices of something that can be sliced, such as an array on disk.

    Attributes
    ----------
    source
        Gives an ndarray for ``source[slices or numbers]``; picklable.
    lead
        For each leading axis and block along it, its part of the index.
    rows, cols
        Slices of the blocks along the last two axes.
    """

    source: Any
    lead: tuple[tuple[tuple[Part, ...], ...], ...]
    rows: tuple[slice, ...]
    cols: tuple[slice, ...]

    def cell(self, blocks: Sequence[int]) -> tuple[Part, ...]:
        """Index along the source's leading axes of the blocks with these numbers."""
        return tuple(part for axis, k in zip(self.lead, blocks, strict=True) for part in axis[k])

    def task(self, key: tuple[Any, ...]) -> Task:
        """Read a block."""
        index = (*self.cell(key[1:-2]), self.rows[key[-2]], self.cols[key[-1]])
        return Task(key, read, self.source, index)


def read(source: Any, index: tuple[Part, ...]) -> np.ndarray:
    """A window of a `Reading`'s source."""
    return np.asarray(source[index])


def read_blocks(source: Any, chunks: Any, name: str) -> da.Array:
    """Lazy array of something with ``shape``, ``dtype`` and slices, at least two-dimensional.

    As `dask.array.from_array`, but operations that look at neighbours read their own windows (`reading_of`).
    """
    sizes: Chunks = da.core.normalize_chunks(chunks, shape=source.shape, dtype=source.dtype)
    edges = [[slice(*pair) for pair in pairwise(accumulate(n, initial=0))] for n in sizes]
    lead = tuple(tuple((part,) for part in axis) for axis in edges[:-2])
    reading = Reading(source, lead, tuple(edges[-2]), tuple(edges[-1]))
    return array_by_rule(name, reading, sizes, np.dtype(source.dtype))


def reading_of(array: da.Array) -> Reading | None:
    """How the blocks of an array are read, if they are nothing but read."""
    layer = array.dask.layers.get(array.name)
    rule = layer.rule if isinstance(layer, RuleLayer) else None
    return rule if isinstance(rule, Reading) else None


def sources_of(array: da.Array) -> Iterator[Any]:
    """Everything that tasks of an array read by a `Reading`."""
    for layer in array.dask.layers.values():
        rule = layer.rule if isinstance(layer, RuleLayer) else None
        yield from (part.source for part in (rule, *getattr(rule, "inputs", ())) if isinstance(part, Reading))


def reordered(array: da.Array, orders: Sequence[np.ndarray]) -> da.Array:
    """`array` with its leading axes, one number deep, in another order; no task is added to what is read."""
    reading = reading_of(array)
    if reading is None or any(max(c) > 1 for c in array.chunks[:-2]):
        for axis, order in enumerate(orders):
            array = da.take(array, order, axis=axis)
        return array
    lead = tuple(tuple(axis[k] for k in order) for axis, order in zip(reading.lead, orders, strict=True))
    name = f"reordered-{tokenize(array, [o.tolist() for o in orders])}"
    return array_by_rule(name, Reading(reading.source, lead, reading.rows, reading.cols), array.chunks, array.dtype)
