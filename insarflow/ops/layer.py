"""Arrays whose tasks are made when somebody asks for their blocks.

A stack of some hundred dates by some ten delays has ten times as many cells as interferograms. A graph that lists the
blocks of all takes minutes to make and to optimise; here a layer knows a rule, and dask asks it for the blocks that are
wanted, each of which names what it needs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from math import prod
from typing import Any, Final, Protocol

import dask.array as da
import numpy as np
from dask._task_spec import GraphNode, Task
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph, Layer, MaterializedLayer

from insarflow.ops.cells import missing_block

Chunks = tuple[tuple[int, ...], ...]
Part = slice | int


NOTHING: Final = ("nothing",)
"""A key that no layer has."""


class Rule(Protocol):
    """What tells the task of a block; must be picklable."""

    def task(self, key: tuple[Any, ...]) -> GraphNode:
        """The task with this key, ``(name, *index of the block)``."""
        ...


class RuleLayer(Layer):
    """A graph layer of one array, whose tasks a rule makes."""

    has_legacy_tasks = False  # dask would make all tasks to find out

    def __init__(self, name: str, numblocks: tuple[int, ...], rule: Rule) -> None:
        super().__init__()
        self.name, self.numblocks, self.rule = name, numblocks, rule

    def __getitem__(self, key: Any) -> GraphNode:
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
        """The tasks of those of `keys` that are this layer's, those of its own that they need, and what each needs."""
        tasks: dict[Any, Any] = {}
        wanted = [key for key in keys if isinstance(key, tuple) and key[0] == self.name]
        while wanted:
            key = wanted.pop()
            if key not in tasks:
                tasks[key] = self.rule.task(key)
                wanted += [other for other in tasks[key].dependencies if other in self]
        needs = {key: set(task.dependencies) for key, task in tasks.items()}
        if tasks and not any(needs.values()):
            # Once nothing is needed, dask stops to cull and would run all tasks of the layers below.
            next(iter(needs.values())).add(NOTHING)
        return MaterializedLayer(tasks, self.annotations), needs


def array_by_rule(
    name: str, rule: Rule, chunks: Chunks, dtype: np.dtype, sources: Sequence[da.Array | Delayed] = ()
) -> da.Array:
    """Lazy array of which `rule` makes the tasks, out of blocks of `sources` or what these are."""
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
        Slices of the blocks along the last two axes; the first ones say where the array begins.
    absent
        Numbers of blocks along the leading axes that are missing, whatever the source holds.
    """

    source: Any
    lead: tuple[tuple[tuple[Part, ...], ...], ...]
    rows: tuple[slice, ...]
    cols: tuple[slice, ...]
    absent: frozenset[tuple[int, ...]] = frozenset()

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the source at which the array begins."""
        return self.rows[0].start, self.cols[0].start

    def task(self, key: tuple[Any, ...]) -> Task:
        """Read a block."""
        return Task(key, *self._call(key[1:]))

    def reads(self, block: Sequence[int]) -> tuple[Any, tuple[Part, ...]] | None:
        """Source, and index in it, of the block with these numbers; None if it is missing."""
        function, *arguments = self._call(block)
        return (arguments[0], arguments[1]) if function is read else None

    def _call(self, block: Sequence[int]) -> tuple[Any, ...]:
        edges = [
            (blocks[k].start - blocks[0].start, blocks[k].stop - blocks[0].start)
            for blocks, k in zip((self.rows, self.cols), block[-2:], strict=True)
        ]
        return self.call(block[:-2], *edges)

    def call(self, blocks: Sequence[int], rows: tuple[int, int], cols: tuple[int, int]) -> tuple[Any, ...]:
        """What gives a window of the array, as function and arguments: numbers of leading blocks, rows and columns."""
        lead = tuple(part for axis, k in zip(self.lead, blocks, strict=True) for part in axis[k])
        window = tuple(slice(o + a, o + b) for o, (a, b) in zip(self.origin, (rows, cols), strict=True))
        if tuple(blocks) not in self.absent:
            return read, self.source, (*lead, *window)
        shape = tuple(part.stop - part.start for part in (*lead, *window) if isinstance(part, slice))
        return missing_block, shape, np.dtype(self.source.dtype)


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


def rule_of(array: da.Array) -> Rule | None:
    """The rule that makes the tasks of an array, if there is one."""
    layer = array.dask.layers.get(array.name)
    return layer.rule if isinstance(layer, RuleLayer) else None


def reading_of(array: da.Array) -> Reading | None:
    """How the blocks of an array are read, if they are nothing but read, all from one source."""
    rule = rule_of(array)
    return rule if isinstance(rule, Reading) else None


def window_of(
    array: da.Array, cell: Sequence[int], rows: tuple[int, int], cols: tuple[int, int]
) -> tuple[Any, tuple[Part, ...]] | None:
    """Source, and index in it, of a window of one image, whatever blocks it touches; None if it is not just read.

    `cell` are positions along the leading axes, in blocks of one.
    """
    reads = getattr(rule_of(array), "reads", None)
    first = None if reads is None else reads((*cell, 0, 0))
    if first is None:
        return None
    source, (*lead, y, x) = first
    window = tuple(slice(part.start + a, part.start + b) for part, (a, b) in ((y, rows), (x, cols)))
    return source, (*lead, *window)


def sources_of(array: da.Array) -> Iterator[Any]:
    """Everything that tasks of an array read by a `Reading`."""
    for layer in array.dask.layers.values():
        if isinstance(layer, RuleLayer):
            held = (layer.rule, *vars(layer.rule).values())
            parts = (one for part in held for one in (part if isinstance(part, tuple | list) else (part,)))
            yield from (part.source for part in parts if isinstance(part, Reading))


def pieces(chunks: tuple[int, ...], lo: int, hi: int) -> list[tuple[int, slice]]:
    """The chunks that hold ``lo:hi``: (index, slice inside the chunk)."""
    stops = list(accumulate(chunks))
    starts = [0, *stops[:-1]]
    first, last = bisect_right(stops, lo), bisect_left(stops, hi)
    return [(k, slice(max(lo - starts[k], 0), min(hi, stops[k]) - starts[k])) for k in range(first, last + 1)]
