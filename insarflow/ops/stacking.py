"""Rate of motion by stacking unwrapped interferograms."""

from __future__ import annotations

from typing import get_args

import numpy as np
import xarray as xr

from insarflow.kernels import stacking as kernel
from insarflow.kernels.stacking import Method
from insarflow.ops.attributes import wavelength_of
from insarflow.ops.checks import check_choice, check_number
from insarflow.ops.columns import Field, map_columns
from insarflow.ops.network import edges_of, images, reference_pixel, surroundings, take_reference
from insarflow.schema import SPACE, recipe_of


def stacking_rate(
    ds: xr.Dataset,
    *,
    method: Method = "least-squares",
    reference: tuple[float, float] | None = None,
    noise: float | None = None,
) -> xr.Dataset:
    """Rate of steady motion by stacking: all unwrapped interferograms in one average.

    Parameters
    ----------
    ds
        A stack with ``unwrapped`` (rad, NaN is missing), referenced to one place in all pairs, and the attribute
        ``wavelength`` (m). Its network need not be connected.
    method
        ``"least-squares"``: ``sum(phase * t) / sum(t^2)``, t the temporal baselines: phase over time, weighted by the
        square of time. ``"sum"``: ``sum(phase) / sum(t)``: weighted by time.
    reference
        A point ``(x, y)`` in map coordinates, whose phase is subtracted from every pair.
    noise
        Standard deviation of the noise of one acquisition relative to the reference, m, for the errors; by default it
        is estimated in every pixel from the scatter of the pairs about the rate.

    Returns
    -------
    Dataset
        On ``(y, x)``, lazy if `ds` is: ``velocity`` and ``velocity_std`` (float32, m/yr, toward the satellite, NaN
        where unknown) and ``pairs`` (int32, number used). Variables on ``(y, x)`` of the contract are carried along.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, or the wavelength is unknown; while computing, if
        `reference` is NaN in a pair.
    MissingVariableError, SchemaError, NetworkError
        If there is no ``unwrapped``, `ds` is no stack, or holds no interferogram.

    Notes
    -----
    Each acquisition has independent noise of one variance A (atmosphere, mainly), which all its pairs share, so the
    pairs' noise has the covariance ``A B B^T`` with B the incidence matrix, and a rate ``c^T phase`` the variance
    ``A |B^T c|^2``. In a chain of pairs the noise of all dates but the first and the last cancels in the sum; in a star
    that of the common date does not average away.

    References
    ----------
    Sandwell and Price (1998), Journal of Geophysical Research 103, 30183-30204; Wright, Parsons and Fielding (2001),
    doi:10.1029/2000GL012850.

    Examples
    --------
    >>> phase = xr.DataArray(-0.1 * np.ones((1, 1, 1, 2), "float32"), dims=("date", "delay", "y", "x"))
    >>> axes = {"date": np.array(["2021-07-03"], "datetime64[ns]"), "delay": np.array([6 * 86400 * 10**9], "m8[ns]")}
    >>> ds = xr.Dataset({"unwrapped": phase}, axes | {"y": [0.0], "x": [0.0, 1.0]}, {"wavelength": 0.0555})
    >>> stacking_rate(ds)["velocity"].values.round(4)
    array([[0.0269, 0.0269]], dtype=float32)
    """
    edges = edges_of(ds, "unwrapped", to="stacking_rate")
    wavelength = wavelength_of(ds, to="stacking_rate")
    check_choice("method", method, get_args(Method))
    if noise is not None and check_number("noise", noise) <= 0:
        raise ValueError(f"noise must be more than 0 m, instead got noise={noise}")
    at = reference_pixel(ds, "unwrapped", reference)
    scale = -wavelength / (4 * np.pi)
    velocity, error, count = map_columns(
        _rate, images(ds, "unwrapped"), *([] if at is None else [at]), cells=edges.cells,
        fields=[Field((), "float32"), Field((), "float32"), Field((), "int32")],
        pairs=edges.pairs, years=edges.years, method=method, names=edges.names, scale=scale,
        noise=None if noise is None else noise / abs(scale),
    )  # fmt: skip
    coords, static, attrs = surroundings(ds, "unwrapped")
    words = {
        "velocity": (velocity, "m/yr", "velocity toward the satellite"),
        "velocity_std": (error, "m/yr", "standard deviation of the velocity"),
        "pairs": (count, "1", "number of interferograms used"),
    }
    result = xr.Dataset(
        {key: xr.Variable(SPACE, data, {**attrs, "units": u, "long_name": w}) for key, (data, u, w) in words.items()}
        | static,
        coords,
        ds.attrs,
    )
    recipe = recipe_of(ds).then(
        "stacking_rate", method=method, noise=noise, pairs=len(edges.pairs),
        reference=None if reference is None else [float(v) for v in reference],
    )  # fmt: skip
    return result.assign_attrs(recipe=recipe.to_json())


def _rate(
    phase: np.ndarray, *at: np.ndarray, pairs: np.ndarray, years: np.ndarray, method: Method, names: list[str],
    scale: float, noise: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    if at:
        phase = take_reference(phase, at[0], names)
    rate, error, count = kernel.stacking_rate(phase, pairs=pairs, years=years, method=method, noise=noise)
    return rate * np.float32(scale), error * np.float32(abs(scale)), count
