"""Windows of a stack's images, as they lie in a store or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np

from insarflow.ops.layer import window_of
from insarflow.schema import DIMS
from insarflow.stack.codes import Code

Part = tuple[int, int]
"""First pixel along an axis, and the one after the last."""


@dataclass(frozen=True)
class Plane:
    """A window of an image.

    Attributes
    ----------
    numbers
        ``(y, x)``, as they lie on disk.
    code
        What they mean; None if they are what they say.
    """

    numbers: np.ndarray
    code: Code | None = None

    def values(self) -> np.ndarray:
        """The contract's values."""
        return self.numbers if self.code is None else self.code.decode(self.numbers)


class Planes:
    """The images of a stack, window by window.

    Parameters
    ----------
    sources
        Dimensions and data of each variable, by name.

    Notes
    -----
    A copy for another process, which is made by pickling, keeps nothing in memory; forked processes share what is kept.
    """

    def __init__(self, sources: Mapping[str, tuple[tuple[Any, ...], Any]]) -> None:
        self.sources = dict(sources)
        self._kept: dict[tuple[str, tuple[int, ...]], Plane] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}}

    def read(self, name: str, cell: tuple[int, int], rows: Part, cols: Part) -> Plane | None:
        """A window of a variable; None if it cannot just be read, but must be computed."""
        lead = self._lead(name, cell)
        kept = self._kept.get((name, lead))
        if kept is not None:
            return Plane(kept.numbers[slice(*rows), slice(*cols)], kept.code)
        data = self.sources[name][1]
        if not isinstance(data, da.Array):
            return Plane(_flat(data[(*lead, slice(*rows), slice(*cols))]))
        found = window_of(data, lead, rows, cols) if _one_by_one(data, len(lead)) else None
        if found is None:
            return None
        source, index = found
        code = getattr(source, "code", None)
        return Plane(_flat(source[index] if code is None else source.numbers(index)), code)

    def keep(self, cells: Iterable[tuple[int, int]], memory: int) -> int:
        """Hold images in memory, as they lie in the store, one after the other, as long as they fit.

        Parameters
        ----------
        cells
            Positions along date and delay.
        memory
            Bytes, at most.

        Returns
        -------
        int
            Bytes that are held.
        """
        for name, lead, cell in self._lazy(cells):
            height, width = self.sources[name][1].shape[-2:]
            corner = self.read(name, cell, (0, 1), (0, 1))
            held = sum(plane.numbers.nbytes for plane in self._kept.values())
            if corner is None or held + corner.numbers.itemsize * height * width > memory:
                continue
            whole = self.read(name, cell, (0, height), (0, width))
            if whole is not None:
                self._kept[name, lead] = Plane(np.ascontiguousarray(whole.numbers), whole.code)
        return sum(plane.numbers.nbytes for plane in self._kept.values())

    def _lazy(self, cells: Iterable[tuple[int, int]]) -> Iterator[tuple[str, tuple[int, ...], tuple[int, int]]]:
        """Images that are not in memory yet, those that all pairs share first."""
        lazy = [name for name, (_, data) in self.sources.items() if isinstance(data, da.Array)]
        places = {(name, self._lead(name, cell)): cell for cell in cells for name in lazy}
        for (name, lead), cell in sorted(places.items(), key=lambda place: len(place[0][1])):
            if (name, lead) not in self._kept:
                yield name, lead, cell

    def _lead(self, name: str, cell: tuple[int, int]) -> tuple[int, ...]:
        return cell if tuple(self.sources[name][0]) == DIMS else ()


def _flat(plane: Any) -> np.ndarray:
    values: np.ndarray = np.asarray(plane)
    return values.reshape(values.shape[-2:])


def _one_by_one(data: da.Array, lead: int) -> bool:
    return all(n == 1 for sizes in data.chunks[:lead] for n in sizes)
