"""The stack on disk: open, build and append; `create_stack`, `write_stack` and `append_pairs` too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from insarflow.stack.append import append_pairs as append_pairs
from insarflow.stack.codes import Kind, check_kind_of_coherence
from insarflow.stack.crs import CrsLike
from insarflow.stack.draft import check_place
from insarflow.stack.placement import resample_stack
from insarflow.stack.readers.geotiff import read_geotiff_pairs
from insarflow.stack.sources import SourceLike, as_location, find_store
from insarflow.stack.stored import open_store
from insarflow.stack.subset import subset
from insarflow.stack.target import GridLike, Method, ResolutionLike, Target, parse_target
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
    grid: GridLike | None = None,
    resolution: ResolutionLike | None = None,
    crs: CrsLike | None = None,
    method: Method | None = None,
    skip_bad: bool = False,
    hash_files: bool = False,
) -> xr.Dataset:
    """Open a stack, lazily: a store, or folders, zip files and GeoTIFFs of a product that a reader knows.

    Parameters
    ----------
    source
        A Zarr store written by this package: a folder, a URL that fsspec knows (``"s3://bucket/stack.zarr"``,
        ``"https://host/stack.zarr"``; extra ``cloud``), or a zip file that holds one at its root or in one folder. Or
        what `insarflow.stack.readers` reads: a folder (searched with its subfolders and the zip files in it), a zip
        file, a GeoTIFF, a glob such as ``"ifgs/*/*_unw.tif"``, or several of these. ``~`` is the home folder; a zip
        file is never unpacked.
    bbox, aoi, start, end, delays, track
        Open only a part: see `insarflow.stack.subset.subset`.
    grid
        Pixels that the images are brought to. ``"union"``: all that some image covers; ``"intersection"``: all that
        every image covers (the bounds of both in the CRS). Else a grid to copy: path of a GeoTIFF or a store, an xarray
        object with a georeference, or a `Grid`; interferograms that do not touch it are left out.
    resolution
        Size of a pixel in units of the CRS, one number or ``(y, x)``; by default that of the first image, in another
        CRS the side of a square of as much ground.
    crs
        What PROJ understands (``"EPSG:32632"``, ``32632``, WKT, a CRS object), or ``"utm"`` for the first image's zone
        (WGS 84); by default its CRS.
    method
        How values between pixels are found: ``"nearest"``, ``"bilinear"`` (the default, but nearest for SNAP's exports,
        which are made so) or ``"cubic"``.
    skip_bad
        Whether files that are damaged, named wrongly or there twice are left out, each with a `ProductWarning`, and
        listed in the attribute ``skipped_files``. Every file is then read once to its end, now.
    hash_files
        Whether the ``fingerprint`` of an interferogram, which tells one version of its files from another, is made of
        all their bytes, read now; by default, of their sizes, times and first bytes.

    Returns
    -------
    Dataset
        Follows `insarflow.schema`; sorted by date and delay, one block per shard; ``valid`` is in memory.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    StoreError
        If `source` is a Zarr store of another tool, of a newer version, damaged or unfinished; or a URL that cannot be
        reached, may not be read, or needs a package that is not installed.
    ProductError
        If `source` is missing, no reader knows it, or a file in it is bad.
    GridMismatchError
        If the images share no lattice of pixels and none of `grid`, `resolution` and `crs` is given, or they cannot be
        brought to what is asked for.
    SelectionError
        If nothing is left.

    Notes
    -----
    Without `grid`, `resolution` and `crs`, and with ``grid="union"`` or ``"intersection"`` alone if the images share a
    lattice, nothing is interpolated. Otherwise each image that is not on the lattice of the grid is interpolated once,
    from its own pixels (`insarflow.kernels.resample`): the complex interferogram, never its phase; coherence,
    amplitude, heights as real numbers; unwrapped phase with the whole cycles of the nearest pixel; booleans from the
    nearest pixel. A pixel is NaN where less than half of the weight is on pixels that are not. Where a pixel of the
    grid is larger than 1.25 of the image's, the (complex) mean over it is taken, so that nothing aliases, but
    ``"nearest"`` takes one pixel as it is. An interferogram of magnitude 1 keeps magnitude 1. Positions are within a
    hundredth of a pixel. The recipe's step ``resample`` tells all of it.
    """
    target = parse_target(grid, resolution, crs, method)
    ds = _open(source, target, skip_bad=skip_bad, hash_files=hash_files)
    return subset(ds, bbox=bbox, aoi=aoi, start=start, end=end, delays=delays, track=track)


def build_stack(
    source: SourceLike,
    out: str | Path,
    *,
    exact: bool = False,
    coherence: Kind = "uint8",
    overwrite: bool = False,
    fsync: bool = False,
    bbox: Sequence[float] | None = None,
    aoi: str | Path | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    track: int | None = None,
    grid: GridLike | None = None,
    resolution: ResolutionLike | None = None,
    crs: CrsLike | None = None,
    method: Method | None = None,
    skip_bad: bool = False,
    hash_files: bool = False,
) -> Path | str:
    """Read a product and write it as a stack store.

    Parameters
    ----------
    source
        As `open_stack`.
    out
        As `write_stack`.
    exact, coherence, overwrite, fsync
        As `write_stack`.
    bbox, aoi, start, end, delays, track, grid, resolution, crs, method, skip_bad, hash_files
        As `open_stack`.

    Returns
    -------
    Path or str
        `out`: a path, or a URL as it was given.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        Those of `open_stack` and `write_stack`.
    """
    check_kind_of_coherence(coherence, exact=exact)
    check_place(as_location(out, "out"), overwrite=overwrite)
    ds = open_stack(
        source,
        bbox=bbox,
        aoi=aoi,
        start=start,
        end=end,
        delays=delays,
        track=track,
        grid=grid,
        resolution=resolution,
        crs=crs,
        method=method,
        skip_bad=skip_bad,
        hash_files=hash_files,
    )
    return write_stack(ds, out, exact=exact, coherence=coherence, overwrite=overwrite, fsync=fsync)


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
    grid: GridLike | None = None,
    resolution: ResolutionLike | None = None,
    crs: CrsLike | None = None,
    method: Method | None = None,
    skip_bad: bool = False,
    hash_files: bool = False,
) -> list[Pair]:
    """Read a product and add to a store the interferograms that it does not hold; see `insarflow.append_pairs`.

    Parameters
    ----------
    source, bbox, aoi, start, end, delays, track, grid, resolution, crs, method, skip_bad, hash_files
        As `open_stack`; for images of another grid give the store's, ``grid=path``.
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
    ds = open_stack(
        source,
        bbox=bbox,
        aoi=aoi,
        start=start,
        end=end,
        delays=delays,
        track=track,
        grid=grid,
        resolution=resolution,
        crs=crs,
        method=method,
        skip_bad=skip_bad,
        hash_files=hash_files,
    )
    return append_pairs(ds, path, fsync=fsync)


def _open(source: SourceLike, target: Target | None, *, skip_bad: bool, hash_files: bool) -> xr.Dataset:
    found = find_store(source)
    if isinstance(found, list):
        return read_geotiff_pairs(found, target=target, skip_bad=skip_bad, hash_files=hash_files)
    ds = open_store(found)
    return ds if target is None else resample_stack(ds, target, name=f"source={str(found)!r}")
