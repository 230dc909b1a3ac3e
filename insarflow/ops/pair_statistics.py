"""Statistics of every pixel over the interferograms of a stack."""

from __future__ import annotations

import numpy as np
import xarray as xr

from insarflow.kernels import pair_statistics as kernel
from insarflow.ops.checks import refuse_wrapped
from insarflow.ops.columns import Field, map_columns
from insarflow.ops.network import edges_of, images, surroundings
from insarflow.schema import DIMS, SPACE, recipe_of


def pair_statistics(ds: xr.Dataset, name: str = "coherence") -> xr.Dataset:
    """Mean, median and standard deviation of a variable over all interferograms, pixel by pixel.

    Parameters
    ----------
    ds
        A stack.
    name
        A real variable on ``(date, delay, y, x)``, such as ``coherence`` or ``amplitude``; NaN is left out. Cells that
        an in-memory ``valid`` says are absent are not read.

    Returns
    -------
    Dataset
        On ``(y, x)``, lazy if `ds` is: ``mean``, ``median`` and ``std`` (float32, the variable's unit, computed in
        double precision, NaN without a value) and ``pairs`` (int32, number of values). The median of an even number
        of values is the mean of the middle two; ``std`` divides by the number of values (of the population).

    Raises
    ------
    TypeError, ValueError
        If the variable is not real, has other dimensions, or says that it is wrapped phase.
    MissingVariableError, SchemaError, NetworkError
        If there is no such variable, `ds` is no stack, or holds no interferogram.

    Examples
    --------
    >>> values = np.array([0.2, 0.4, 0.9, np.nan], "float32").reshape(2, 2, 1, 1)
    >>> ds = xr.Dataset({"coherence": (("date", "delay", "y", "x"), values)}, {"y": [0.0], "x": [0.0],
    ...     "date": np.array(["2021-07-03", "2021-07-09"], "datetime64[ns]"),
    ...     "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]")})
    >>> statistics = pair_statistics(ds)
    >>> [round(float(statistics[key].item()), 3) for key in ("mean", "median", "std")]
    [0.5, 0.4, 0.294]
    """
    edges = edges_of(ds, name, to="pair_statistics")
    if set(ds[name].dims) != set(DIMS):
        raise ValueError(f"{name} must have the dimensions {DIMS}, instead got dims={tuple(map(str, ds[name].dims))}")
    if ds[name].dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, instead got {ds[name].dtype}")
    refuse_wrapped(ds[name], name, to="averaged")
    fields = [Field((), dtype) for dtype in ("float32", "float32", "float32", "int32")]
    results = map_columns(kernel.pair_statistics, images(ds, name), fields=fields, cells=edges.cells)
    coords, _, attrs = surroundings(ds, name)
    units = ds[name].attrs.get("units", "1")
    words = [(units, f"mean of {name}"), (units, f"median of {name}"), (units, f"standard deviation of {name}")]
    words.append(("1", f"number of interferograms with {name}"))
    statistics = xr.Dataset(
        {
            key: xr.Variable(SPACE, data, {**attrs, "units": unit, "long_name": f"{text} over the interferograms"})
            for key, data, (unit, text) in zip(("mean", "median", "std", "pairs"), results, words, strict=True)
        },
        coords,
        ds.attrs,
    )
    return statistics.assign_attrs(recipe=recipe_of(ds).then("pair_statistics", name=name).to_json())
