"""East, north and up components of motion from several tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError
from insarflow.kernels import decompose as kernel
from insarflow.ops.checks import check_kind, check_number
from insarflow.ops.columns import Field, map_columns
from insarflow.schema import SPACE, require

_LOOK = ("los_east", "los_north", "los_up")

_NO_CELLS = np.zeros((0, 2), np.int64)


def decompose(
    ascending: xr.Dataset,
    descending: xr.Dataset,
    *others: xr.Dataset,
    name: str = "velocity",
    north: bool = False,
    max_condition: float = 10.0,
) -> xr.Dataset:
    """Decompose motion along the lines of sight of two or more tracks into east and up.

    Parameters
    ----------
    ascending, descending, *others
        Datasets on one grid with `name` (toward the satellite, ``(y, x)``; of a displacement choose a date first), the
        unit vector ``los_east``, ``los_north``, ``los_up`` (ground to satellite), and, best, the error
        ``{name}_std``: if all have it, tracks are weighted by it and the results have errors.
    name
        The variable to decompose.
    north
        Whether to solve for the north component as well, which takes three tracks. If not, it is taken to be 0: near-
        polar orbits hardly see it, at most a tenth or so of it comes into east and up.
    max_condition
        Where the condition number of the matrix of unit vectors is larger, the tracks look in too similar directions
        and the result is NaN.

    Returns
    -------
    Dataset
        On ``(y, x)``, lazy if the input is: ``east``, (``north``,) ``up`` and their errors ``east_std``, ... (float32,
        unit of the input; NaN where fewer tracks are known than components asked for), ``condition`` (float32).

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or `name` has other dimensions than ``(y, x)``.
    MissingVariableError
        If a track lacks `name` or its look vector.
    GridMismatchError
        If the tracks are not on one grid.

    Notes
    -----
    Least squares for ``v_track = los_east * east + los_north * north + los_up * up``, weights 1 / std^2; errors from
    the inverse of the normal matrix. Those of different tracks are independent: they are of different days.

    References
    ----------
    Wright, Parsons and Lu (2004), doi:10.1029/2003GL018827; Fuhrmann and Garthwaite (2019), doi:10.3390/rs11030241.

    Examples
    --------
    >>> def track(velocity, east):
    ...     images = {"velocity": velocity, "los_east": east, "los_north": -0.1, "los_up": 0.8}
    ...     return xr.Dataset({k: (("y", "x"), np.full((1, 1), v, "float32")) for k, v in images.items()})
    >>> motion = decompose(track(0.01, -0.6), track(0.038, 0.6))
    >>> round(float(motion["east"].item()), 4), round(float(motion["up"].item()), 4)
    (0.0233, 0.03)
    """
    tracks = [ascending, descending, *others]
    check_kind("name", name, str, "the name of a variable")
    check_kind("north", north, bool, "True or False")
    if check_number("max_condition", max_condition) < 1:
        raise ValueError(f"max_condition must be at least 1, instead got max_condition={max_condition}")
    if north and len(tracks) < 3:
        raise ValueError(f"north=True needs at least 3 tracks, instead got {len(tracks)}")
    for track in tracks:
        require(track, name, *_LOOK, to="decompose")
        for key in (name, *_LOOK):
            if set(track[key].dims) != set(SPACE):
                dims = tuple(map(str, track[key].dims))
                raise ValueError(f"{key} must have the dimensions {SPACE}, instead got dims={dims}: choose one image")
    _check_grids(tracks)
    parts = ("east", "north", "up") if north else ("east", "up")
    error = f"{name}_std" if all(f"{name}_std" in track for track in tracks) else None
    keys = [name, *(f"los_{part}" for part in parts), *([error] if error else [])]
    fields = [Field((), "float32")] * (2 * len(parts) + 1)
    results = map_columns(
        _components, *(track[key].transpose(*SPACE).data for key in keys for track in tracks), fields=fields,
        cells=_NO_CELLS, parts=len(parts), tracks=len(tracks), max_condition=float(max_condition),
    )  # fmt: skip
    first = tracks[0]
    units = str(first[name].attrs.get("units", "1"))
    mapping = first[name].encoding.get("grid_mapping", first[name].attrs.get("grid_mapping"))
    attrs = {"grid_mapping": mapping} if mapping else {}
    names = [*parts, *(f"{part}_std" for part in parts), "condition"]
    words = [f"{name}, {part} component" for part in parts]
    words += [f"standard deviation of the {part} component" for part in parts] + ["condition number of the geometry"]
    variables: dict[Any, Any] = {
        key: xr.Variable(SPACE, data, {**attrs, "units": "1" if key == "condition" else units, "long_name": text})
        for key, data, text in zip(names, results, words, strict=True)
        if error or not key.endswith("_std")
    }
    coords = {key: c for key, c in first.coords.items() if set(c.dims) <= set(SPACE)}
    return xr.Dataset(variables, coords, {"north": "solved for" if north else "taken to be 0"})


def _components(*images: np.ndarray, parts: int, tracks: int, max_condition: float) -> tuple[np.ndarray, ...]:
    stacked = np.stack(images).reshape(-1, tracks, *images[0].shape)
    error = stacked[1 + parts] if len(stacked) > 1 + parts else None
    found, errors, condition = kernel.decompose(stacked[0], stacked[1 : 1 + parts], error, max_condition=max_condition)
    return (*found, *errors, condition)


def _check_grids(tracks: list[xr.Dataset]) -> None:
    """Check that all tracks have the pixels of the first.

    Raises
    ------
    GridMismatchError
        Naming the first difference.
    """
    first = tracks[0]
    remedy = "put them on one grid first, for instance by open_stack(..., grid=...)"
    for number, track in enumerate(tracks[1:], 2):
        for dim in SPACE:
            if first.sizes[dim] != track.sizes[dim]:
                raise GridMismatchError(
                    f"track {number} must have the first one's grid, instead got {dim}={track.sizes[dim]} pixels for "
                    f"{first.sizes[dim]}: {remedy}"
                )
            if dim not in first.indexes or dim not in track.indexes:
                continue
            ours, theirs = first[dim].values, track[dim].values
            step = abs(ours[-1] - ours[0]) / max(1, ours.size - 1)
            if np.abs(ours - theirs).max() > 0.01 * step:
                raise GridMismatchError(
                    f"track {number} must have the first one's grid, instead got {dim} from {theirs[0]} to "
                    f"{theirs[-1]} for {ours[0]} to {ours[-1]}: {remedy}"
                )
        systems = [t["spatial_ref"].attrs.get("crs_wkt") for t in (first, track) if "spatial_ref" in t.coords]
        if len(systems) == 2 and None not in systems and systems[0] != systems[1]:
            raise GridMismatchError(
                f"track {number} must have the first one's coordinate reference system, instead got "
                f"{systems[1]!r:.60} for {systems[0]!r:.60}: {remedy}"
            )
