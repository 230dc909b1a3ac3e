"""Images whose blocks are computed once and kept: what is there after a stop need not be computed again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, product
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarflow.errors import StoreError

_AT_ONCE = 64
"""Blocks in one graph, if each has tasks of its own."""

_DAMAGE = (ValueError, TypeError, KeyError, RuntimeError, OSError)
"""What zarr raises over files that are missing, cut off or no Zarr."""


@dataclass(frozen=True)
class BlockStore:
    """Lazy images of one grid, and the Zarr arrays that keep their blocks.

    A block is one chunk, which one task writes whole, under a temporary name that is then changed: a file is a whole
    block or it is not there. A block is there once the files of all images are.

    Attributes
    ----------
    path
        Folder of the arrays. Whoever computes must see it, the workers of a cluster too.
    images
        By name; dask arrays ``(y, x)`` with the same chunks.
    alone
        Called with the rows and columns of a block, gives its images by another way than as a part of the whole:
        lazily, each of the block's shape.

    Notes
    -----
    Zarr's chunks are all alike, dask's need not be: every block lies in the corner of a chunk as large as the largest.
    """

    path: Path
    images: Mapping[str, da.Array]
    alone: Callable[[slice, slice], Mapping[str, da.Array]] | None = None

    def __post_init__(self) -> None:
        chunks = {image.chunks for image in self.images.values()}
        if len(chunks) != 1:
            raise ValueError(f"images must have the same chunks, instead got {sorted(chunks)}: rechunk them alike")

    def missing(self) -> list[tuple[int, int]]:
        """Blocks that are not there yet: (row of blocks, column of blocks)."""
        return [block for block in self._blocks() if not all(self._file(name, block).is_file() for name in self.images)]

    def count(self) -> int:
        """Number of blocks in all."""
        return sum(1 for _ in self._blocks())

    def largest(self) -> tuple[int, int]:
        """Rows and columns of the largest block."""
        rows, cols = next(iter(self.images.values())).chunks
        return max(rows), max(cols)

    def parts(self) -> list[list[tuple[int, int]]]:
        """Blocks that are not there yet, in groups that make graphs of bounded size."""
        todo = self.missing()
        # Blocks that are parts of a whole share what they are computed from: they must stay together.
        size = _AT_ONCE if self.alone else max(1, len(todo))
        return [todo[i : i + size] for i in range(0, len(todo), size)]

    def fill(self, blocks: Sequence[tuple[int, int]] | None = None) -> None:
        """Compute blocks, by default all that are not there yet, in one graph, on whatever dask computes on.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        self._make()
        todo = self.missing() if blocks is None else blocks
        if not todo:
            return
        name = f"write-block-{tokenize(str(self.path), todo)}"
        files = [self.path / image for image in self.images]
        graph: dict[Any, Any] = {}
        sources: dict[str, Any] = {}
        for k, block in enumerate(todo):
            arrays, at = self.sources(block)
            sources |= {array.name: array for array in arrays}
            graph[name, k] = (partial(_write, files, block), [(array.name, *at) for array in arrays])
        layer = HighLevelGraph.from_collections(name, graph, dependencies=list(sources.values()))
        da.Array(layer, name, chunks=((1,) * len(todo),), meta=np.empty(0, bool)).compute()
        lost = len(set(self.missing()) & set(todo))
        if lost:
            raise StoreError(f"{lost} blocks did not arrive in {self.path}: it must be on a disk that all workers see")

    def sources(self, block: tuple[int, int]) -> tuple[list[da.Array], tuple[int, int]]:
        """Arrays that hold a block, and which of their blocks it is."""
        if self.alone is None:
            return list(self.images.values()), block
        chunks = next(iter(self.images.values())).chunks
        starts = [sum(sizes[:k]) for sizes, k in zip(chunks, block, strict=True)]
        rows, cols = (slice(a, a + sizes[k]) for a, sizes, k in zip(starts, chunks, block, strict=True))
        found = self.alone(rows, cols)
        return [found[name].rechunk(-1) for name in self.images], (0, 0)

    def read(self, name: str) -> da.Array:
        """The image `name`, its blocks read from the files."""
        image = self.images[name]
        kept = _Kept(self.path / name, image)
        token = tokenize(str(self.path), name, image.name)
        array: da.Array = da.from_array(
            kept, chunks=image.chunks, name=f"block-{token}", lock=False, fancy=False, inline_array=True
        )
        return array

    def _blocks(self) -> Iterator[tuple[int, int]]:
        rows, cols = next(iter(self.images.values())).numblocks
        return product(range(rows), range(cols))

    def _file(self, name: str, block: tuple[int, int]) -> Path:
        return self.path / name / "c" / str(block[0]) / str(block[1])

    def _make(self) -> None:
        """Make the arrays that are not there."""
        try:
            for name, image in self.images.items():
                if (self.path / name / "zarr.json").is_file():
                    continue
                chunk = tuple(max(sizes) for sizes in image.chunks)
                zarr.create_array(
                    self.path / name,
                    shape=tuple(n * size for n, size in zip(image.numblocks, chunk, strict=True)),
                    chunks=chunk,
                    dtype=image.dtype,
                    fill_value=_nothing(image.dtype),
                )
        except _DAMAGE as error:
            raise StoreError(f"{self.path} cannot be written: {error}") from error


def _nothing(dtype: np.dtype) -> Any:
    return dtype.type(np.nan if dtype.kind == "f" else 0)


def _write(arrays: list[Path], block: tuple[int, int], values: list[np.ndarray]) -> np.ndarray:
    for path, value in zip(arrays, values, strict=True):
        try:
            array = zarr.open_array(path, mode="r+", zarr_format=3)
            # A block of nothing but the fill value is a result too.
            array = array.with_config({"write_empty_chunks": True})
            whole = np.full(array.chunks, array.fill_value, value.dtype)
            whole[: value.shape[0], : value.shape[1]] = value
            place = tuple(slice(k * n, (k + 1) * n) for k, n in zip(block, array.chunks, strict=True))
            array[place] = whole
        except _DAMAGE as error:
            raise StoreError(f"{path} cannot be written: {error}") from error
    return np.ones(1, bool)


class _Kept:
    """What dask slices: one block, or a part of it, at a time."""

    ndim = 2

    def __init__(self, path: Path, image: da.Array) -> None:
        self.path, self.shape, self.dtype = path, image.shape, image.dtype
        self.starts = [list(accumulate(sizes, initial=0))[:-1] for sizes in image.chunks]
        self.chunk = [max(sizes) for sizes in image.chunks]

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
        try:
            array = zarr.open_array(self.path, mode="r", zarr_format=3)
            full = [
                slice(*part.indices(n)) if isinstance(part, slice) else part
                for part, n in zip(index, self.shape, strict=True)
            ]
            return np.asarray(array[tuple(map(_padded, full, self.starts, self.chunk))])
        except _DAMAGE as error:
            raise StoreError(
                f"{self.path} is damaged: a block cannot be read at {index} ({error}); start anew with --overwrite"
            ) from error


def _padded(part: slice | int, starts: list[int], chunk: int) -> slice | int:
    """Where pixels of one block lie among chunks that are all alike."""
    first = part.start if isinstance(part, slice) else part
    block = bisect_right(starts, first) - 1
    shift = block * chunk - starts[block]
    if isinstance(part, slice):
        return slice(part.start + shift, part.stop + shift, part.step)
    return part + shift
