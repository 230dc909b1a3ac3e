"""A stack, or a part of it, to files that other programs open: what ``insarflow export`` does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xarray as xr
from dask.base import tokenize

from insarflow.ops.checks import check_choice
from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES
from insarflow.stack.export.cog import write_cog
from insarflow.stack.export.layers import Stack, software, stack_of, with_pixels
from insarflow.stack.export.mintpy import check_mintpy, write_mintpy
from insarflow.stack.export.netcdf import write_netcdf
from insarflow.stack.export.output import check_export, check_file, new_export
from insarflow.stack.export.pool import Tell, say_nothing
from insarflow.stack.export.qgis import check_inventory, write_project
from insarflow.stack.export.stac import write_catalogue
from insarflow.stack.replace import is_zarr
from insarflow.stack.sources import SourceLike, as_path
from insarflow.stack.store import open_stack
from insarflow.stack.write import is_cut, write_stack
from insarflow.stack.zipping import zip_store
from insarflow.workflows.selection import Selection, check_not_source


@dataclass(frozen=True)
class Export:
    """What is exported, and where to.

    Attributes
    ----------
    ds
        The stack, as it was given.
    stack
        What of it leaves, pair by pair.
    out
        File or folder to make.
    identity
        Token of all that the result depends on.
    inventory
        GeoPackage to draw in a project.
    overwrite
        Whether to replace what an earlier export made.
    tell
        Shows progress.
    """

    ds: xr.Dataset
    stack: Stack
    out: Path
    identity: str
    inventory: Path | None
    overwrite: bool
    tell: Tell


@dataclass(frozen=True)
class Format:
    """A kind of result.

    Attributes
    ----------
    what
        In a few words, for help.
    write
        Makes it.
    folder
        Whether it is a folder, and not a file.
    """

    what: str
    write: Callable[[Export], object]
    folder: bool = True


def _cog(export: Export) -> None:
    with new_export(export.out, export.identity, overwrite=export.overwrite) as folder:
        write_cog(export.stack, folder, tell=export.tell)


def _qgis(export: Export) -> None:
    with new_export(export.out, export.identity, overwrite=export.overwrite) as folder:
        write_cog(export.stack, folder, tell=export.tell)
        write_project(export.stack, folder, inventory=export.inventory)


def _stac(export: Export) -> None:
    with new_export(export.out, export.identity, overwrite=export.overwrite) as folder:
        write_cog(export.stack, folder, tell=export.tell)
        write_catalogue(export.stack, folder, name=export.out.resolve().name)


def _netcdf(export: Export) -> None:
    write_netcdf(export.stack, export.out, overwrite=export.overwrite, tell=export.tell)


def _mintpy(export: Export) -> None:
    write_mintpy(export.stack, export.out, export.identity, overwrite=export.overwrite, tell=export.tell)


def _zip(export: Export) -> None:
    """A store of what is exported, beside the file and then in it; interrupted, it goes on in the store."""
    wanted = {*export.stack.images, *export.stack.static}
    kept = [name for name in VARIABLES if name in export.ds and (VARIABLES[name].dims == CELLS or name in wanted)]
    place = export.out.resolve()
    export.tell(0, 1)
    store = write_stack(export.ds[kept], place.with_name(f".{place.stem}.zarr"), overwrite=True)
    try:
        zip_store(store, export.out, overwrite=export.overwrite)
    finally:
        shutil.rmtree(store)
    export.tell(1, 1)


FORMATS: Final[Mapping[str, Format]] = {
    "cog": Format("a cloud-optimised GeoTIFF per image", _cog),
    "netcdf": Format("one NetCDF file by the CF conventions", _netcdf, folder=False),
    "qgis": Format("GeoTIFFs and a QGIS project", _qgis),
    "mintpy": Format("what MintPy begins with", _mintpy),
    "stac": Format("GeoTIFFs and a STAC catalogue", _stac),
    "zip": Format("the stack itself in one file, which insarflow and zarr open", _zip, folder=False),
}
"""What a stack can be exported to. A new format is a line here."""


@dataclass(frozen=True)
class Exported:
    """What `export_stack` wrote.

    Attributes
    ----------
    interferograms
        In the result.
    files
        Number of files.
    size
        Bytes.
    """

    interferograms: int
    files: int
    size: int


def export_source(
    source: SourceLike,
    out: str | Path,
    *,
    to: str,
    variables: Sequence[str] | None = None,
    inventory: str | Path | None = None,
    selection: Selection | None = None,
    overwrite: bool = False,
    tell: Tell = say_nothing,
) -> Exported:
    """Export a stack or product, or a part of it.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens.
    selection
        Part of the source that is wanted.
    out, to, variables, inventory, overwrite, tell
        As `export_stack`.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    InsarError
        If the source is no good, and as `export_stack`.
    """
    check_not_source(out, source)
    prepare(out, to=to, inventory=inventory, overwrite=overwrite)
    if to == "zip" and not selection and variables is None and isinstance(source, str | Path) and is_zarr(Path(source)):
        zip_store(source, out, overwrite=overwrite)  # as it is, nothing is decoded
        return Exported(int(open_stack(source)["valid"].sum()), 1, Path(out).stat().st_size)
    ds = open_stack(source, **(selection or {}))
    return export_stack(ds, out, to=to, variables=variables, inventory=inventory, overwrite=overwrite, tell=tell)


def export_stack(
    ds: xr.Dataset,
    out: str | Path,
    *,
    to: str,
    variables: Sequence[str] | None = None,
    inventory: str | Path | None = None,
    overwrite: bool = False,
    tell: Tell = say_nothing,
) -> Exported:
    """Export a stack.

    Parameters
    ----------
    ds
        A stack, lazy or not. It is computed window by window, interferograms that exist alone, in threads of this
        process.
    out
        Folder, or file for ``"netcdf"`` and ``"zip"``, to make. It appears whole or not at all; GeoTIFFs that an
        interrupted export has finished are not made again.
    to
        One of `FORMATS`: ``"cog"``, ``"netcdf"``, ``"qgis"``, ``"mintpy"``, ``"stac"``, ``"zip"``.
    variables
        Contract names of what is exported: by default all that the stack holds, for MintPy not the wrapped phase.
    inventory
        GeoPackage of polygons to draw in a QGIS project.
    overwrite
        Whether to replace what an earlier export made.
    tell
        Called with how much is done, and how much is wanted.

    Returns
    -------
    Exported
        How much was written.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    SchemaError
        If `ds` is no stack, or has no CRS.
    InsarError
        If it lacks what the format needs, or the output exists or cannot be written.

    Notes
    -----
    Wrapped phase leaves as radians (float32, positive away from the satellite); magnitudes of interferograms do not,
    but in a zip, which holds a store as `insarflow.write_stack` makes it.

    `insarflow.open_stack` reads the GeoTIFFs of ``"cog"``, ``"qgis"`` and ``"stac"`` as the same stack again, bit by
    bit but for interferograms (of magnitude 1, their phase within 5e-7 rad), with its attributes that are text,
    numbers or lists of these, and its recipe. ``xr.open_dataset`` reads equal values from the NetCDF file.

    Examples
    --------
    >>> import tempfile, insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=2, delays=[6], movers=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = export_stack(ds, Path(folder) / "geotiffs", to="cog", variables=["igram", "dem"])
    ...     sorted(path.name for path in Path(folder, "geotiffs").glob("*.tif"))
    ['20210703_20210709_phase.tif', 'dem.tif']
    """
    place = prepare(out, to=to, inventory=inventory, overwrite=overwrite)
    stack = chosen(ds, to, variables)
    if is_cut(ds) or "valid" not in ds:
        stack = with_pixels(stack)
    gpkg = None if inventory is None else Path(inventory)
    identity = tokenize(ds, to, stack.images, stack.static, str(gpkg), software())
    FORMATS[to].write(Export(ds, stack, place, identity, gpkg, overwrite, tell))
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return Exported(len(stack.names), len(files), sum(file.stat().st_size for file in files))


def prepare(out: str | Path, *, to: str, inventory: str | Path | None = None, overwrite: bool = False) -> Path:
    """Where an export goes, if it may.

    Raises
    ------
    TypeError, ValueError
        If there is no such format, or it draws no polygons.
    OutputExistsError, ProductError
        If the output exists, or `inventory` is no GeoPackage.
    """
    check_choice("to", to, tuple(FORMATS))
    place = as_path(out, "out")
    if to == "zip" and place.suffix.lower() != ".zip":
        raise ValueError(f"out must be a file that ends in .zip, instead got out={str(out)!r}")
    if FORMATS[to].folder:
        check_export(place, overwrite=overwrite)
    else:
        check_file(place, overwrite=overwrite)
    if inventory is not None:
        if to != "qgis":
            raise ValueError(f"inventory goes with to='qgis', which draws it, instead got to={to!r}: leave it out")
        check_inventory(as_path(inventory, "inventory"))
    return place


def chosen(ds: xr.Dataset, to: str, variables: Sequence[str] | None) -> Stack:
    """What of a stack is exported: the variables asked for, or what the format takes of itself.

    Raises
    ------
    TypeError, SchemaError, MissingVariableError
        As `insarflow.stack.export.layers.stack_of` and the format.
    """
    if to == "mintpy" and variables is None:
        variables = [n for n, v in VARIABLES.items() if n in ds and v.dims in (DIMS, SPACE) and n != "igram"]
    stack = stack_of(ds, variables)
    if to == "mintpy":
        check_mintpy(stack)
    return stack
