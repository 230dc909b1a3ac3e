"""What tells one version of a product's files from another: their sizes, times and first bytes, or all their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT

from insarflow.schema import CELLS, VARIABLES, describe
from insarflow.stack.archive import digest_file, read_starts
from insarflow.stack.raster import Raster
from insarflow.types import Pair

_START: Final = 4096
"""First bytes of a file that are looked at, which hold a GeoTIFF's header."""

_OF: Final = {False: "size, time and first bytes of each file", True: "all bytes of each file"}
"""What fingerprints are made of, by whether whole files are hashed."""


class Identity:
    """Hashes of files.

    Parameters
    ----------
    files
        All of them; each is opened once, now.
    whole
        Whether they are read to their end.

    Raises
    ------
    OSError, ProductError
        If one cannot be read.
    """

    def __init__(self, files: Iterable[Raster], *, whole: bool) -> None:
        ordered = sorted(files, key=lambda raster: raster.path)
        self.whole = whole
        self._starts = dict(zip((r.path for r in ordered), read_starts((r.path for r in ordered), _START), strict=True))
        self._sizes = {raster.path: raster.size for raster in ordered}
        self._contents: dict[Path, bytes] = {}
        if whole:
            with ThreadPoolExecutor(CPU_COUNT) as pool:
                self._contents = dict(zip(self._starts, pool.map(digest_file, self._starts), strict=True))

    def product(self, root: Path) -> str:
        """Hash of all files' names, sizes and first bytes; the same for a folder and its zip file."""
        digest = hashlib.sha256()
        for path, start in self._starts.items():
            digest.update(f"{path.relative_to(root)}\0{self._sizes[path]}\0".encode() + start)
        return digest.hexdigest()

    def pair(self, roles: Mapping[str, Iterable[Raster]]) -> int:
        """Fingerprint of an interferogram's files, wherever they lie: 64 bits, never 0."""
        digest = hashlib.sha256()
        for role, raster in chain.from_iterable(((role, r) for r in roles[role]) for role in sorted(roles)):
            known = self._contents.get(raster.path) or f"{raster.modified}\0".encode() + self._starts[raster.path]
            digest.update(f"{role}\0{raster.size}\0".encode() + known)
        return int.from_bytes(digest.digest()[:8]) or 1

    def note(self, ds: xr.Dataset, headers: Mapping[Pair, Mapping[str, Iterable[Raster]]]) -> xr.Dataset:
        """Note in a stack the ``fingerprint`` of each of its interferograms; 0 where there is none."""
        values = np.zeros([ds.sizes[dim] for dim in CELLS], np.uint64)
        for pair, roles in headers.items():
            cell = ds.indexes["date"].get_loc(pair.reference), ds.indexes["delay"].get_loc(pair.delay)
            values[cell] = self.pair(roles)
        fingerprint = describe(xr.DataArray(values, dims=CELLS), "fingerprint")
        ds = ds.assign(fingerprint=fingerprint.assign_attrs(of=_OF[self.whole]))
        return ds[[name for name in VARIABLES if name in ds]]
