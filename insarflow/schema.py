"""The stack contract, in one place: dimensions, variables, dtypes, units, signs, glossary.

A stack is an `xarray.Dataset` with dimensions ``(date, delay, y, x)``. ``date`` is the earlier acquisition
(``datetime64[ns]``), ``delay`` the time to the later one (``timedelta64[ns]``, whole days).

Signs
-----
- A pair is (earlier, later) and ``igram = earlier * conj(later)``: positive phase is an increase of range, motion
  *away* from the satellite.
- Displacement is positive *toward* the satellite: ``d = -wavelength / (4 pi) * phase``.
- ``los_east/north/up`` is the unit vector from the ground to the satellite.
- ``perpendicular_baseline`` is positive along (line of sight x velocity) of the earlier acquisition, so that
  d phase / d height = -4 pi B / (wavelength R sin incidence).
- NaN is the only "missing"; a phase of exactly 0 is a measurement.

Glossary
--------
igram        complex wrapped interferogram (unit magnitude where the product gives phase only)
coherence    magnitude of the complex correlation of the two images, 0..1
unwrapped    interferometric phase without its 2 pi ambiguity, rad
components   connected components of unwrapped phase, inside which its cycles are trusted (0 is none)
reference    the earlier acquisition of a pair; an operation of that name makes phase relative to a place
secondary    the later acquisition of a pair
delay        temporal baseline of a pair (never an atmospheric delay)
looks        samples averaged per output sample
support      number of interferograms that show a pixel moving
incidence    angle between the line of sight and the ellipsoid's normal at the ground, rad
aspect       azimuth of steepest descent, rad clockwise from true north
layover      range that other terrain shares: the radar sees both as one
shadow       terrain that other terrain, or its own slope, hides from the radar
active       layover or shadow of a slope that is itself too steep; what only other terrain does is passive
sensitivity  part of a motion down the slope that the line of sight sees, with its sign, -1..1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.types import Recipe

SCHEMA_VERSION: Final = 2
DIMS: Final = ("date", "delay", "y", "x")
SPACE: Final = ("y", "x")
CELLS: Final = ("date", "delay")
PAIR: Final = "pair"
"""Dimension of a stack that is laid out as a list of pairs: see `insarflow.to_pairs`."""


@dataclass(frozen=True)
class Variable:
    """What the contract says of one variable; `flags` are what its bits mean, from the lowest on."""

    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    flags: tuple[str, ...] = ()

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes by the CF conventions, as JSON values."""
        attrs: dict[str, Any] = {"units": self.units, "long_name": self.long_name}
        if self.flags:
            attrs |= {"flag_masks": [1 << k for k in range(len(self.flags))], "flag_meanings": " ".join(self.flags)}
        return attrs


VARIABLES: Final = {
    "igram": Variable(DIMS, "complex64", "1", "wrapped interferogram, earlier * conj(later)"),
    "coherence": Variable(DIMS, "float32", "1", "interferometric coherence"),
    "unwrapped": Variable(DIMS, "float32", "rad", "unwrapped phase, positive away from the satellite"),
    "components": Variable(DIMS, "uint16", "1", "connected components of the unwrapped phase, 0 is none"),
    "amplitude": Variable(DIMS, "float32", "1", "amplitude"),
    "probability": Variable(DIMS, "float32", "1", "probability of slope movement"),
    "probability_std": Variable(
        DIMS, "float32", "1", "standard deviation of the probability over constants added to the phase"
    ),
    "support": Variable(SPACE, "int32", "1", "interferograms in which the pixel moves"),
    "los_rate": Variable(SPACE, "float32", "m yr-1", "speed along the line of sight, positive toward the satellite"),
    "perpendicular_baseline": Variable(CELLS, "float32", "m", "perpendicular baseline"),
    "valid": Variable(CELLS, "bool", "1", "an interferogram exists for this date and delay"),
    "fingerprint": Variable(CELLS, "uint64", "1", "hash of the files that an interferogram was read from"),
    "dem": Variable(SPACE, "float32", "m", "terrain height"),
    "slope": Variable(SPACE, "float32", "rad", "slope of the terrain"),
    "aspect": Variable(SPACE, "float32", "rad", "downhill azimuth, clockwise from north"),
    "profile_curvature": Variable(SPACE, "float32", "m-1", "curvature along the slope, positive where convex"),
    "plan_curvature": Variable(SPACE, "float32", "m-1", "curvature of the contour line, positive where convex"),
    "incidence": Variable(SPACE, "float32", "rad", "ellipsoidal incidence angle"),
    "local_incidence": Variable(SPACE, "float32", "rad", "angle between the line of sight and the terrain's normal"),
    "los_east": Variable(SPACE, "float32", "1", "line of sight, ground to satellite, east component"),
    "los_north": Variable(SPACE, "float32", "1", "line of sight, ground to satellite, north component"),
    "los_up": Variable(SPACE, "float32", "1", "line of sight, ground to satellite, up component"),
    "layover": Variable(SPACE, "bool", "1", "layover"),
    "shadow": Variable(SPACE, "bool", "1", "radar shadow"),
    "layover_shadow": Variable(
        SPACE,
        "uint8",
        "1",
        "layover and shadow, of the own slope (active) or of other terrain only (passive)",
        ("active_layover", "passive_layover", "active_shadow", "passive_shadow"),
    ),
    "water": Variable(SPACE, "bool", "1", "water"),
}

COORDINATE_ATTRS: Final = {
    "date": {"long_name": "acquisition day of the earlier image", "standard_name": "time"},
    "delay": {"long_name": "temporal baseline"},
}


def require(ds: xr.Dataset, *names: str, to: str, remedy: str = "") -> None:
    """Check that `ds` holds the variables an operation needs; `remedy` says how to make them.

    Raises
    ------
    TypeError
        If `ds` is no Dataset.
    MissingVariableError
        Naming the first one missing, the operation, and what the dataset has.
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"{to} needs an xarray.Dataset, instead got {type(ds).__name__}")
    for name in names:
        if name not in ds:
            way_out = remedy or ("estimate it with ds.insar.coherence(window=5)" if name == "coherence" else "")
            raise MissingVariableError(
                f"{to} needs the variable {name!r}, but the dataset holds {sorted(map(str, ds.data_vars))}"
                + (f"; {way_out}" if way_out else "")
            )


def validate(ds: xr.Dataset) -> xr.Dataset:
    """Return `ds` if it follows the stack contract.

    Only metadata is looked at; nothing is computed.

    Raises
    ------
    TypeError
        If `ds` is no Dataset.
    SchemaError
        Naming the first variable or coordinate that breaks the contract.
    """
    require(ds, to="the stack contract")
    for dim in DIMS:
        if dim not in ds.dims:
            raise SchemaError(f"a stack must have dimensions {DIMS}, instead got {tuple(map(str, ds.dims))}")
        if dim not in ds.coords:
            raise SchemaError(f"a stack must have coordinate values along {dim!r}, but there are none")
    for name, kind in (("date", "datetime64[ns]"), ("delay", "timedelta64[ns]")):
        if ds[name].dtype != np.dtype(kind):
            raise SchemaError(f"{name} must be {kind}, instead got {ds[name].dtype}: see insarflow.normalise_time")
    if 0 in ds.sizes.values():
        raise SchemaError(f"a stack must hold pixels and pairs, instead got sizes={dict(ds.sizes)}")
    days = ds["delay"].values / np.timedelta64(1, "D")
    if not ((days > 0) & (days == np.rint(days))).all():
        raise SchemaError(f"delay must be whole positive days, instead got {days.tolist()} days")
    for dim in CELLS:
        index = ds.indexes[dim]
        if not index.is_unique:
            raise SchemaError(f"{dim} must not repeat, instead got {list(index[index.duplicated()])}")
    for name, variable in VARIABLES.items():
        if name not in ds:
            continue
        if tuple(ds[name].dims) != variable.dims:
            raise SchemaError(f"{name} must have dims {variable.dims}, instead got {tuple(map(str, ds[name].dims))}")
        if ds[name].dtype != np.dtype(variable.dtype):
            raise SchemaError(f"{name} must be {variable.dtype}, instead got {ds[name].dtype}")
    return ds


def normalise_time(ds: xr.Dataset) -> xr.Dataset:
    """`ds` with ``date`` and ``delay`` in nanoseconds, whatever resolution they came in.

    Raises
    ------
    TypeError
        If `ds` is no Dataset.
    SchemaError
        If they are no times, for instance whole numbers.
    """
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"normalise_time needs an xarray.Dataset, instead got {type(ds).__name__}")
    for name, kind in (("date", "M"), ("delay", "m")):
        if name in ds.coords and ds[name].dtype.kind != kind:
            raise SchemaError(
                f"{name} must hold {'dates' if kind == 'M' else 'timedeltas'}, instead got {ds[name].dtype}: "
                "open the store with insarflow.open_stack, or with xr.open_zarr(..., decode_timedelta=True)"
            )
    times = {
        name: ds[name].astype(kind)
        for name, kind in (("date", "datetime64[ns]"), ("delay", "timedelta64[ns]"))
        if name in ds.coords and ds[name].dtype != np.dtype(kind)
    }
    return ds.assign_coords(times) if times else ds


def recipe_of(ds: xr.Dataset | xr.DataArray) -> Recipe:
    """The recipe in the attributes (empty if there is none).

    Raises
    ------
    SchemaError
        If the attribute holds something else.
    """
    try:
        return Recipe.from_json(ds.attrs["recipe"]) if "recipe" in ds.attrs else Recipe()
    except ValueError as error:
        raise SchemaError(f"{error}: remove the attribute 'recipe' if it is not insarflow's") from error


def describe(array: xr.DataArray, name: str) -> xr.DataArray:
    """`array` under its contract name, with the contract's units, long name and flags in the attributes."""
    return array.rename(name).assign_attrs(VARIABLES[name].attrs)
