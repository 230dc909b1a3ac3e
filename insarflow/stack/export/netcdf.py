"""One NetCDF file by the CF conventions, which most programs for gridded data open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from insarflow.errors import StoreError
from insarflow.schema import PAIR, VARIABLES
from insarflow.stack.export.hdf5 import storage, write_window
from insarflow.stack.export.layers import PHASE, WORDS, Layer, Stack, as_written, read, software
from insarflow.stack.export.output import new_file
from insarflow.stack.export.pool import Stop, Tell, each, say_nothing
from insarflow.stack.layout import DAY_ATTRS
from insarflow.types import JsonValue, Window

CONVENTIONS: Final = "CF-1.8"

_ALONG: Final = "pair_name date delay secondary"
"""Coordinates of a pair."""


def write_netcdf(stack: Stack, path: Path, *, overwrite: bool = False, tell: Tell = say_nothing) -> Path:
    """Write a stack to a NetCDF-4 file, window by window.

    Parameters
    ----------
    stack
        From `insarflow.stack.export.layers.stack_of`.
    path
        File to make; it appears whole or not at all.
    overwrite
        Whether to replace a file that is there.
    tell
        Shows progress.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ModuleNotFoundError
        If h5netcdf is not installed: ``pip install insarflow[export]``.
    OutputExistsError
        If `path` is there.
    StoreError
        If it cannot be written.

    Notes
    -----
    Images lie along ``(pair, y, x)``: three dimensions are what readers draw, and a cube of dates and delays is mostly
    empty. ``phase`` is float32 in rad, from -pi to pi, NaN where missing; flags are int8 with ``flag_meanings``, bits
    uint8 with ``flag_masks``, too.
    Coordinates of a pair are its name (``pair_name``; CF has no coordinate of text named as its dimension), the earlier
    (``date``) and the later day (``secondary``) and ``delay``, so that `insarflow.from_pairs` makes a stack of
    ``xr.open_dataset(path, decode_coords="all").drop_vars("pair_name")``. All values read back equal, wrapped phase as
    ``phase``; of attributes, lists become arrays, and what is no text or number is JSON text. At most a window of each
    image and worker is in memory.
    """
    import h5netcdf
    import h5py

    with new_file(path, overwrite=overwrite) as partial:
        try:
            _frame(stack).to_netcdf(partial, engine="h5netcdf", format="NETCDF4")
            with h5netcdf.File(partial, "r+") as file:
                for name in (*stack.images, *stack.static):
                    _declare(file, name, stack)
            with h5py.File(partial, "r+") as file:

                def write(job: tuple[int, Sequence[Layer], Window], stop: Stop) -> None:
                    k, layers, window = job
                    for layer in layers:
                        stop()
                        lead = () if layer.pair is None else (k,)
                        write_window(file[layer.word], lead, window, as_written(read(layer.data, window)))

                windows = list(stack.windows())
                jobs = ((k, layers, window) for k, layers in enumerate(stack.groups()) for window in windows)
                each(jobs, write, tell, count=stack.count * len(windows))
        except RuntimeError as error:  # how HDF5 says that a disk is full
            raise StoreError(f"path={str(path)!r} cannot be written: {error}") from error
    return path


def _frame(stack: Stack) -> xr.Dataset:
    """All but the images: coordinates, baselines, attributes."""
    pairs = stack.pairs
    dates = {
        "date": (PAIR, pairs["date"].values, {"long_name": "acquisition day of the earlier image"}),
        "secondary": (PAIR, pairs["secondary"].values, {"long_name": "acquisition day of the later image"}),
        "delay": (PAIR, pairs["delay"].values, {"long_name": "temporal baseline"}),
    }
    names = [pair.name for pair in stack.names]
    frame = xr.Dataset(
        {"perpendicular_baseline": (PAIR, stack.baselines, {"units": "m", "long_name": "perpendicular baseline"})},
        coords={
            "y": pairs["y"],
            "x": pairs["x"],
            "spatial_ref": pairs["spatial_ref"],
            "pair_name": (PAIR, names, {"long_name": "earlier and later acquisition day"}),
            **dates,
        },
        attrs={
            "title": "Stack of radar interferograms",
            "source": software(),
            **{name: _attribute(value) for name, value in stack.facts().items()},
            "Conventions": CONVENTIONS,
        },
    )
    for name in ("y", "x"):
        frame[name].encoding = {"_FillValue": None}
    day = DAY_ATTRS["date"]
    for name in ("date", "secondary"):
        frame[name].encoding = {**day, "dtype": "int64"}
    frame["delay"].encoding = {"units": "days", "dtype": "int64"}
    return frame


def _attribute(value: JsonValue) -> JsonValue:
    """An attribute as NetCDF has it: text, a number, several of one of these; anything else becomes JSON text."""
    items = value if isinstance(value, list) else [value]
    if items and all(isinstance(item, str) for item in items):
        return value
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in items)
    return value if items and numbers and max(map(abs, items)) < 2**63 else json.dumps(value)


def _declare(file: Any, name: str, stack: Stack) -> None:
    """Make the variable of an image, without its pixels."""
    known, lead = VARIABLES[name], name in stack.images
    dtype = _dtype(name)
    sizes = (stack.pairs.sizes[PAIR], *stack.grid.shape) if lead else stack.grid.shape
    kept = storage(sizes, dtype)
    del kept["shape"]
    fill = np.float32(np.nan) if dtype.kind == "f" else None
    variable = file.create_variable(
        WORDS.get(name, name), (PAIR, "y", "x") if lead else ("y", "x"), fillvalue=fill, **kept
    )
    wrapped = name == "igram"
    attrs: dict[str, Any] = {
        "long_name": PHASE if wrapped else known.long_name,
        "units": "rad" if wrapped else known.units,
        "grid_mapping": "spatial_ref",
    }
    if lead:
        attrs["coordinates"] = _ALONG
    if np.dtype(known.dtype).kind == "b":
        # The last is xarray's, which makes booleans of them again.
        attrs |= {"flag_values": np.array([0, 1], np.int8), "flag_meanings": f"no_{name} {name}", "dtype": "bool"}
        del attrs["units"]
    if known.flags:
        attrs |= {"flag_masks": np.array(known.attrs["flag_masks"], dtype), "flag_meanings": " ".join(known.flags)}
        del attrs["units"]
    variable.attrs.update(attrs)


def _dtype(name: str) -> np.dtype:
    kind = np.dtype(VARIABLES[name].dtype)
    return np.dtype({"c": "float32", "b": "int8"}.get(kind.kind, kind.name))
