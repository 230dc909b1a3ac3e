"""The stack on disk: open, build and append; `create_stack`, `write_stack` and `append_pairs` too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from insarflow.errors import ProductError, StoreError
from insarflow.stack.append import append_pairs as append_pairs
from insarflow.stack.readers.geotiff import read_geotiff_pairs
from insarflow.stack.replace import check_output, is_zarr
from insarflow.stack.sources import SourceLike, as_path, find_sources
from insarflow.stack.stored import open_store
from insarflow.stack.subset import subset
from insarflow.stack.write import create_stack as create_stack
from insarflow.stack.write import write_stack as write_stack
from insarflow.types import DateLike, DelayLike, Pair


def open_stack(
    source: SourceLike,
    *,
    bbox: Sequence[float] | None = None,
    aoi: str | Path | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    track: int | None = None,
) -> xr.Dataset:
    """Open a stack, lazily: a store, or folders, zip files and GeoTIFFs of a product that a reader knows.

    Parameters
    ----------
    source
        A Zarr store written by this package; or what `insarflow.stack.readers` reads: a folder (searched with its
        subfolders and the zip files in it), a zip file (never unpacked), a GeoTIFF, a glob such as
        ``"ifgs/*/*_unw.tif"``, or several of these. ``~`` is the home folder.
    bbox, aoi, start, end, delays, track
        Open only a part: see `insarflow.stack.subset.subset`.

    Returns
    -------
    Dataset
        Follows `insarflow.schema`; sorted by date and delay, one block per shard; ``valid`` is in memory.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    StoreError
        If `source` is a Zarr store of another tool, of a newer version, or damaged.
    ProductError
        If `source` is missing, or no reader knows it.
    SelectionError
        If nothing is left.
    """
    ds = _open(find_sources(source))
    return subset(ds, bbox=bbox, aoi=aoi, start=start, end=end, delays=delays, track=track)


def build_stack(
    source: SourceLike,
    out: str | Path,
    *,
    exact: bool = False,
    overwrite: bool = False,
    fsync: bool = False,
    bbox: Sequence[float] | None = None,
    aoi: str | Path | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    track: int | None = None,
) -> Path:
    """Read a product and write it as a stack store.

    Parameters
    ----------
    source
        As `open_stack`.
    out
        As `write_stack`.
    exact, overwrite, fsync
        As `write_stack`.
    bbox, aoi, start, end, delays, track
        As `open_stack`.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        Those of `open_stack` and `write_stack`.
    """
    check_output(as_path(out, "out"), overwrite=overwrite)
    ds = open_stack(source, bbox=bbox, aoi=aoi, start=start, end=end, delays=delays, track=track)
    return write_stack(ds, out, exact=exact, overwrite=overwrite, fsync=fsync)


def append_stack(
    source: SourceLike,
    path: str | Path,
    *,
    fsync: bool = False,
    bbox: Sequence[float] | None = None,
    aoi: str | Path | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    track: int | None = None,
) -> list[Pair]:
    """Read a product and add to a store the interferograms that it does not hold; see `insarflow.append_pairs`.

    Parameters
    ----------
    source, bbox, aoi, start, end, delays, track
        As `open_stack`.
    path, fsync
        As `insarflow.append_pairs`.

    Returns
    -------
    list of Pair
        Those added, sorted.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        Those of `open_stack` and `insarflow.append_pairs`.
    """
    ds = open_stack(source, bbox=bbox, aoi=aoi, start=start, end=end, delays=delays, track=track)
    return append_pairs(ds, path, fsync=fsync)


def _open(paths: list[Path]) -> xr.Dataset:
    stores = [p for p in paths if is_zarr(p)]
    if stores and len(paths) > 1:
        raise ProductError(f"a store must be opened by itself, instead got source={str(stores[0])!r} among others")
    if stores:
        return open_store(stores[0])
    hollow = next((p for p in paths if p.suffix == ".zarr"), None)
    if hollow is not None:
        inside = next((str(path) for path in sorted(hollow.glob("*.zarr")) if is_zarr(path)), None)
        remedy = f": open {inside!r} in it" if inside else ": it is no store, or damaged"
        raise StoreError(f"source={str(hollow)!r} holds no Zarr metadata (zarr.json){remedy}")
    return read_geotiff_pairs(paths)
