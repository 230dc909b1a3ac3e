"""Whether another process sees the files of a stack as this one does."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import xarray as xr

from insarflow.errors import InsarError
from insarflow.ops.layer import sources_of
from insarflow.stack.archive import file_version
from insarflow.stack.location import ROOT, Folder, Location
from insarflow.stack.raster import Raster


@dataclass(frozen=True)
class Witness:
    """A file or store that a stack is read from, as it is in the process that laid out the work.

    Attributes
    ----------
    where
        A store, or a file.
    version
        What is another for other content, wherever the place is mounted.
    """

    where: Location | Path
    version: Hashable

    def problem(self) -> str | None:
        """What is wrong with it in this process; None if it is the same."""
        try:
            found = _version(self.where)
        except (OSError, InsarError) as error:
            return f"source={str(self.where)!r} cannot be seen ({type(error).__name__})"
        return None if found == self.version else f"source={str(self.where)!r} is of another time or size"


def witnesses(ds: xr.Dataset, most: int = 8) -> tuple[Witness, ...]:
    """Up to `most` of the places that the lazy variables of a stack are read from, each once; no pixel is read."""
    return tuple(islice(_all(ds), most))


def _all(ds: xr.Dataset) -> Iterator[Witness]:
    seen: set[Location | Path] = set()
    for name in ds.data_vars:
        if ds[name].chunks:
            # Of a product each image has files of its own: two of each variable stand for all.
            for where, version in islice(_places(sources_of(ds[name].data)), 2):
                if where not in seen:
                    seen.add(where)
                    yield Witness(where, version)


def _places(sources: Iterator[Any]) -> Iterator[tuple[Location | Path, Hashable]]:
    for source in sources:
        where = getattr(source, "where", None)
        if isinstance(where, Location):
            yield where, _version(where)
        for part in getattr(source, "parts", ()):
            raster = getattr(part[0] if isinstance(part, tuple) else part, "raster", None)
            if isinstance(raster, Raster):
                yield raster.path, (raster.size, raster.modified)


def _version(where: Location | Path) -> Hashable:
    """Without the path, which links may lead to from elsewhere."""
    if isinstance(where, Path):
        return file_version(where)
    return file_version(where.path / ROOT) if isinstance(where, Folder) else where.version()
