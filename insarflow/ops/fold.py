"""Many images -> few: a tree over the interferograms that exist, for every block of pixels.

Every spatial block folds its images in a tree: a few at a time into a part, a few parts into one, and so on. A step is
ready as soon as the worker that made its last part is done, so parts do not pile up and a worker holds a few blocks
for any number of images. In a chain, image after image, they would: whenever blocks come faster than the one task that
may take the next, the free workers run ahead.

The tree is one of cells, not of chunks, so the order of additions and with it every bit is the same for any chunking.
The graph is a rule (`insarflow.ops.layer`): it names no cell without an interferogram, and what a store holds is read
by the task that adds it, one image after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import dask.array as da
import numpy as np
from dask._task_spec import Task, TaskRef
from dask.base import tokenize

from insarflow.ops.layer import Chunks, Reading, array_by_rule, reading_of
from insarflow.ops.overlap import in_threads, spatial_parts
from insarflow.types import Window

AT_ONCE: Final = 4
"""Images or parts that one step of a tree takes."""

Cell = tuple[int, ...]
"""Position along the leading dimensions."""

Images = Iterator[tuple[np.ndarray, ...]]
"""For each cell of a step, in turn, its ``(y, x)`` block of every array."""


@dataclass(frozen=True)
class _Step:
    """A node of a tree: a function of images, of parts, or of one part or None and the block's shape."""

    function: Callable[..., Any]
    cells: tuple[Cell, ...] = ()
    parts: tuple[int, ...] = ()
    root: bool = False


class Tree:
    """The steps in which images become few; what a part is, its functions know."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []

    def images(self, function: Callable[[Images], Any], cells: Sequence[Cell]) -> list[int]:
        """Steps that make parts of the images of some cells, a few each; their numbers."""
        return [self._add(_Step(function, cells=tuple(batch))) for batch in _batches(cells)]

    def reduce(self, function: Callable[[list[Any]], Any], parts: Sequence[int]) -> int:
        """Merge parts, a few at a time, into one; the number of the last step."""
        left = list(parts)
        while len(left) > 1:
            left = [self._add(_Step(function, parts=tuple(batch))) for batch in _batches(left)]
        return left[0]

    def close(self, function: Callable[[list[Any]], Any], part: int) -> int:
        """Make another kind of part of one."""
        return self._add(_Step(function, parts=(part,)))

    def root(self, function: Callable[[Any, tuple[int, int]], Any], part: int | None) -> int:
        """Finish: `function` gets the last part, or None if there is no image, and the shape of the block."""
        return self._add(_Step(function, parts=() if part is None else (part,), root=True))

    def _add(self, step: _Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


@dataclass(frozen=True)
class Field:
    """One result: what is taken of a finished part, ``(y, x)``, and its dtype."""

    take: Callable[[Any], np.ndarray]
    dtype: str


def groups_of(shape: tuple[int, ...], along: Sequence[int], present: np.ndarray | None) -> dict[Cell, list[Cell]]:
    """For every position along the other leading dimensions, the cells that are folded into it, in order.

    Parameters
    ----------
    shape
        Of the leading dimensions.
    along
        Axes that are folded.
    present
        bool, of `shape`: which cells hold an interferogram; all by default.
    """
    kept = [axis for axis in range(len(shape)) if axis not in along]
    groups: dict[Cell, list[Cell]] = {index: [] for index in product(*(range(shape[axis]) for axis in kept))}
    cells = product(*map(range, shape)) if present is None else map(tuple, np.argwhere(present).tolist())
    for cell in cells:
        groups[tuple(cell[axis] for axis in kept)].append(cell)
    return groups


def fold(
    tree: Tree,
    roots: np.ndarray,
    *arrays: np.ndarray | da.Array,
    fields: Mapping[str, Field],
    name: str,
) -> dict[str, Any]:
    """Fold images as a tree says.

    Parameters
    ----------
    tree
        Functions must be picklable and leave their arguments as they are.
    roots
        Numbers of the last steps, in the shape of the result's leading dimensions.
    *arrays
        Of one shape ``(..., y, x)``; NumPy or dask, any chunks.
    fields
        The results, by name.
    name
        Of the tasks.

    Returns
    -------
    dict of ndarray or dask.array.Array
        Of shape ``(*roots.shape, y, x)``, lazy if one of the arrays is, in the first one's spatial chunks. All fields
        of a block come from one tree. NumPy arrays are folded at once, in parts, by as many threads as dask would use.
    """
    if any(isinstance(array, da.Array) for array in arrays):
        return _lazily(tree, roots, [da.asarray(array) for array in arrays], fields, name)
    return _eagerly(tree, roots, [np.asarray(array) for array in arrays], fields)


def _eagerly(
    tree: Tree, roots: np.ndarray, arrays: list[np.ndarray], fields: Mapping[str, Field]
) -> dict[str, np.ndarray]:
    shape = arrays[0].shape[-2:]
    out = {key: np.empty((*roots.shape, *shape), field.dtype) for key, field in fields.items()}

    def part_of(number: int, window: tuple[slice, slice]) -> Any:
        step = tree.steps[number]
        if step.cells:
            return step.function(tuple(a[cell][window] for a in arrays) for cell in step.cells)
        return step.function([part_of(part, window) for part in step.parts])

    def work(part: Window) -> None:
        window = slice(part.y0, part.y1), slice(part.x0, part.x1)
        for index in np.ndindex(roots.shape):
            step = tree.steps[roots[index]]
            finished = step.function(part_of(step.parts[0], window) if step.parts else None, part.shape)
            for key, field in fields.items():
                out[key][index][window] = field.take(finished)

    in_threads(work, spatial_parts(shape))
    return out


def _lazily(
    tree: Tree, roots: np.ndarray, arrays: list[da.Array], fields: Mapping[str, Field], name: str
) -> dict[str, da.Array]:
    spatial = arrays[0].chunks[-2:]
    arrays = [a if a.chunks[-2:] == spatial else a.rechunk((*a.chunks[:-2], *spatial)) for a in arrays]
    steps = [(step.function, step.cells, step.parts, step.root) for step in tree.steps]
    token = tokenize(arrays, steps, roots)
    places = [[_places(chunks) for chunks in a.chunks[:-2]] for a in arrays]
    sources = [_Source(a.name, _reading(a), place) for a, place in zip(arrays, places, strict=True)]
    rule = _Steps(tree.steps, sources, spatial)
    layer = f"{name}-{token}"
    unread = [a for a, source in zip(arrays, sources, strict=True) if source.reading is None]
    parts = array_by_rule(layer, rule, ((1,) * len(steps), *spatial), np.dtype(object), unread)
    ones = tuple((1,) * n for n in roots.shape)
    return {
        key: array_by_rule(
            f"{name}-{key}-{token}", _Take(layer, roots, field), (*ones, *spatial), np.dtype(field.dtype), [parts]
        )
        for key, field in fields.items()
    }


def _reading(array: da.Array) -> Reading | None:
    """How the images of an array are read, if they are blocks of their own."""
    return reading_of(array) if all(max(chunks) == 1 for chunks in array.chunks[:-2]) else None


@dataclass(frozen=True)
class _Source:
    """Where images come from: the array's name, how it is read if it is, and of every position its block and place."""

    name: str
    reading: Reading | None
    places: list[list[tuple[int, int]]]


@dataclass(frozen=True)
class _Read:
    """A block that the step reads itself: a function and its arguments."""

    function: Callable[..., np.ndarray]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class _Steps:
    """The rule of the tasks of a fold; keys are (name, number of the step, block row, block column)."""

    steps: list[_Step]
    sources: list[_Source]
    spatial: Chunks

    def task(self, key: tuple[Any, ...]) -> Task:
        """A step, for one block."""
        name, number, r, c = key
        step = self.steps[number]
        parts = [TaskRef((name, part, r, c)) for part in step.parts]
        if step.root:
            return Task(key, _finish, step.function, (self.spatial[0][r], self.spatial[1][c]), *parts)
        if not step.cells:
            return Task(key, _merge, step.function, *parts)
        reads: list[tuple[_Read | None, Cell]] = []
        blocks: list[TaskRef] = []
        for cell, source in product(step.cells, self.sources):
            at = [axis[k] for axis, k in zip(source.places, cell, strict=True)]
            block = (source.name, *(k for k, _ in at), r, c)
            if source.reading is None:
                blocks.append(TaskRef(block))
                reads.append((None, tuple(place for _, place in at)))
            else:
                read = source.reading.task(block)
                reads.append((_Read(read.func, read.args), tuple(place for _, place in at)))
        return Task(key, _add, step.function, len(self.sources), reads, *blocks)


@dataclass(frozen=True)
class _Take:
    """The rule of the tasks that take a field of the finished parts."""

    layer: str
    roots: np.ndarray
    field: Field

    def task(self, key: tuple[Any, ...]) -> Task:
        """One block of the field."""
        root = int(self.roots[key[1:-2]])
        return Task(key, _lift, self.field, self.roots.ndim, TaskRef((self.layer, root, *key[-2:])))


def _add(
    function: Callable[[Images], Any], arrays: int, reads: list[tuple[_Read | None, Cell]], *blocks: np.ndarray
) -> Any:
    left = iter(blocks)

    def image(read: _Read | None, place: Cell) -> np.ndarray:
        block: np.ndarray = next(left) if read is None else read.function(*read.arguments)
        its: np.ndarray = block[place]
        return its

    def images() -> Images:
        for k in range(0, len(reads), arrays):
            yield tuple(image(*one) for one in reads[k : k + arrays])

    return function(images())


def _merge(function: Callable[[list[Any]], Any], *parts: Any) -> Any:
    return function(list(parts))


def _finish(function: Callable[[Any, tuple[int, int]], Any], shape: tuple[int, int], *parts: Any) -> Any:
    return function(parts[0] if parts else None, shape)


def _lift(field: Field, ndim: int, part: Any) -> np.ndarray:
    block: np.ndarray = field.take(part).astype(field.dtype, copy=False)[(None,) * ndim]
    return block


def _batches(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[i : i + AT_ONCE] for i in range(0, len(items), AT_ONCE)]


def _places(chunks: tuple[int, ...]) -> list[tuple[int, int]]:
    """For every position along an axis: its chunk, and the position inside it."""
    return [(k, p) for k, size in enumerate(chunks) for p in range(size)]
