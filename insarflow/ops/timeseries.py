"""Time series of displacement from a network of unwrapped interferograms."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarflow.errors import MissingVariableError, NetworkError
from insarflow.kernels import timeseries as kernel
from insarflow.kernels.timeseries import Network
from insarflow.ops.attributes import looks_of, wavelength_of
from insarflow.ops.checks import check_choice, check_kind, check_number, check_on
from insarflow.ops.columns import Field, map_columns
from insarflow.ops.network import (
    Edges,
    baselines_of,
    check_connected,
    edges_of,
    images,
    reference_pixel,
    surroundings,
    take_reference,
)
from insarflow.schema import SPACE, recipe_of

Weights = Literal["coherence", "uniform"]

_RESULTS = {
    "displacement": ("date", "float32", "m", "displacement toward the satellite since the first date"),
    "displacement_std": ("date", "float32", "m", "standard deviation of the displacement"),
    "velocity": (None, "float32", "m/yr", "velocity toward the satellite"),
    "velocity_std": (None, "float32", "m/yr", "standard deviation of the velocity"),
    "residual_topography": (None, "float32", "m", "true height minus that of the terrain model used"),
    "residual_topography_std": (None, "float32", "m", "standard deviation of the residual topography"),
    "temporal_coherence": (None, "float32", "1", "magnitude of the mean phasor of the pairs' residuals"),
    "residual_rms": (None, "float32", "rad", "root mean square of the pairs' residuals"),
    "pairs": (None, "int32", "1", "number of interferograms used"),
    "closure_errors": (None, "int32", "1", "number of triplets of interferograms that do not close"),
    "unwrapping_flag": ("pair", "bool", "1", "the interferogram is suspected of an unwrapping error"),
}


def timeseries(
    ds: xr.Dataset,
    *,
    weights: Weights = "coherence",
    looks: float | None = None,
    residual_topography: bool = False,
    slant_range: float | xr.DataArray | None = None,
    reference: tuple[float, float] | None = None,
    troposphere: xr.DataArray | None = None,
    noise: float | None = None,
    drop_flagged: bool = False,
    connected: bool = True,
) -> xr.Dataset:
    """Displacement of every acquisition from the network of unwrapped interferograms (SBAS), and its velocity.

    Parameters
    ----------
    ds
        A stack with ``unwrapped`` (rad, NaN is missing), referenced to one place in all pairs, and the attribute
        ``wavelength`` (m).
    weights
        ``"coherence"``: inverse variance of the phase that ``coherence`` means; a pixel without coherence is missing.
        ``"uniform"``: all pairs alike.
    looks
        Independent looks, for the weights; by default the attribute ``effective_looks``, or the product of ``looks``.
    residual_topography
        Also estimate, from ``perpendicular_baseline``, how much higher the ground is than the terrain model that was
        used. Its phase is taken out of the displacement.
    slant_range
        Distance to the satellite, m, a number or on ``(y, x)``; by default the variable or attribute of that name.
    reference
        A point ``(x, y)`` in map coordinates, whose phase is subtracted from every pair.
    troposphere
        Delay in the air per acquisition, ``(date, y, x)``: one way, along the line of sight, m, positive for a longer
        path (a zenith delay divided by the cosine of the incidence). Its differences are subtracted.
        `insarflow.open_troposphere` reads those of GACOS.
    noise
        Standard deviation of the noise of one acquisition relative to the reference, m, for the errors; by default it
        is estimated in every pixel from the scatter of the dates about the line.
    drop_flagged
        Leave a pair out where ``unwrapping_flag`` is set.
    connected
        Whether pairs that do not join all dates are refused. If not, every component of the network has
        displacements since its own first date; the velocity is common.

    Returns
    -------
    Dataset
        Lazy if `ds` is, NaN where unknown. On ``(date, y, x)``, all acquisitions: ``displacement`` (m, toward the
        satellite, 0 at the first date of the component; NaN where the pairs of the pixel do not join a date to it) and
        ``displacement_std``. On ``(y, x)``: ``velocity`` and ``velocity_std`` (m/yr), ``residual_topography`` and
        ``residual_topography_std`` (m, if asked for), ``temporal_coherence`` (0..1), ``residual_rms`` (rad), ``pairs``
        (number used), ``closure_errors`` (triplets that miss closure by a cycle or more); on ``(pair, y, x)``:
        ``unwrapping_flag``, the pairs whose whole cycles explain these, and all where several do equally. Coordinate
        ``component`` numbers the parts of the network. Variables on ``(y, x)`` of the contract are carried along.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range, the wavelength, slant range, incidence or a baseline is
        unknown, `troposphere` lacks a date; while computing, if `reference` is NaN in a pair.
    MissingVariableError
        If there is no ``unwrapped`` or ``coherence``, or no ``perpendicular_baseline`` where it is needed.
    NetworkError
        If the network is not connected, or has fewer dates than unknowns.
    SchemaError
        If `ds` is no stack.

    Notes
    -----
    Weighted least squares per pixel: ``phase = B x + e`` with B the incidence matrix, ``d = -wavelength / (4 pi) x``,
    then ``d = offset + velocity * years + B_perp h / (R sin incidence)`` with one offset per component. No norm is
    minimised: what the pairs of a pixel do not determine is NaN.

    All pairs of a window are in memory at once, windows of at most 128 MB of them; what is only read from a store is
    read window by window. If ``unwrapped`` is computed lazily, the blocks of all pairs at one place are held: cut the
    stack into small chunks along y and x before what computes it.

    *Noise model.* Each acquisition has noise of its own, of one variance A: atmosphere, and the part of decorrelation
    that its pairs share. It closes in every triplet, and no number of pairs averages it away. What does not close is
    each pair's own, of variance S over its weight. S follows from the residuals of the network, A from the scatter of
    the dates about the line, motion that is not steady included. Displacements have the covariance
    ``A (1 + 1 1^T) + S (B^T W B)^-1``; velocity and topography follow from it. Pairs taken as independent would
    misstate the velocity error by several times. Errors are NaN where no degree of freedom is left and `noise` is None.

    References
    ----------
    Berardino et al. (2002), doi:10.1109/TGRS.2002.803792. Fattahi and Amelung (2013), doi:10.1109/TGRS.2012.2227761,
    for the topography. Pepe and Lanari (2006), doi:10.1109/TGRS.2006.873207, for the temporal coherence. Agram and
    Simons (2015), doi:10.1002/2014JB011271, for the noise. Yunjun, Fattahi and Amelung (2019),
    doi:10.1016/j.cageo.2019.104331, for unwrapping errors by closure.

    Examples
    --------
    >>> days = np.array([0, 6, 12, 18], "timedelta64[D]")
    >>> phase = xr.DataArray(-0.1 * np.ones((3, 1, 2, 2), "float32"), dims=("date", "delay", "y", "x"))
    >>> ds = xr.Dataset({"unwrapped": phase}, {"date": np.datetime64("2021-07-03", "ns") + days[:3],
    ...     "delay": days[1:2].astype("timedelta64[ns]"), "y": [1.0, 0.0], "x": [0.0, 1.0]}, {"wavelength": 0.0555})
    >>> series = timeseries(ds, weights="uniform")
    >>> (1000 * series["displacement"][:, 0, 0]).values.round(2)
    array([0.  , 0.44, 0.88, 1.32], dtype=float32)
    """
    edges = edges_of(ds, "unwrapped", to="timeseries")
    wavelength = wavelength_of(ds, to="timeseries")
    check_choice("weights", weights, get_args(Weights))
    for name, value in (
        ("residual_topography", residual_topography), ("drop_flagged", drop_flagged), ("connected", connected),
    ):  # fmt: skip
        check_kind(name, value, bool, "True or False")
    if weights == "coherence" and "coherence" not in ds:
        raise MissingVariableError(
            "timeseries needs the variable 'coherence' for weights='coherence', but the dataset holds "
            f"{sorted(map(str, ds.data_vars))}: pass weights='uniform'"
        )
    looks = looks_of(ds, looks) if weights == "coherence" else 1.0
    if noise is not None and check_number("noise", noise) <= 0:
        raise ValueError(f"noise must be more than 0 m, instead got noise={noise}")
    if connected:
        check_connected(edges, to="timeseries", remedy="form pairs that join them, or pass connected=False")
    _check_dates(edges, residual_topography)
    baselines = _check_baselines(edges, baselines_of(ds, edges, to="timeseries")) if residual_topography else None
    inputs: dict[str, Any] = {"phase": images(ds, "unwrapped")}
    if weights == "coherence":
        inputs["coherence"] = images(ds, "coherence")
    if troposphere is not None:
        inputs["delay"] = _delays(troposphere, ds, edges)
    at = reference_pixel(ds, "unwrapped", reference)
    if at is not None:
        inputs["at"] = at
    lever = None
    if residual_topography:
        lever = _lever(ds, slant_range)
        if isinstance(lever, xr.DataArray):
            inputs["lever"] = lever.data
    kept = {key: v for key, v in _RESULTS.items() if residual_topography or not key.startswith("residual_topography")}
    sizes = {"date": len(edges.dates), "pair": len(edges.pairs)}
    results = map_columns(
        _series, *inputs.values(), cells=edges.cells,
        fields=[Field((sizes[along],) if along else (), dtype) for along, dtype, *_ in kept.values()],
        given=list(inputs), names=edges.names, kept=list(kept), lever=None if "lever" in inputs else lever,
        options={"net": Network(edges.pairs, edges.years, baselines), "wavelength": wavelength, "looks": looks,
                 "noise": noise, "drop": drop_flagged},
    )  # fmt: skip
    recipe = recipe_of(ds).then(
        "timeseries", weights=weights, looks=looks, residual_topography=residual_topography,
        reference=None if reference is None else [float(v) for v in reference], troposphere=troposphere is not None,
        noise=noise, drop_flagged=drop_flagged, pairs=len(edges.pairs),
    )  # fmt: skip
    return _labelled(ds, edges, dict(zip(kept, results, strict=True))).assign_attrs(ds.attrs, recipe=recipe.to_json())


def _series(
    *columns: np.ndarray, given: list[str], names: list[str], kept: list[str], lever: float | None,
    options: dict[str, Any],
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Block function: the results that are kept, of a window."""
    inputs: dict[str, Any] = dict(zip(given, columns, strict=True))
    if "at" in inputs:
        inputs["phase"] = take_reference(inputs["phase"], inputs.pop("at"), names)
    arm = inputs.pop("lever", lever)
    series = vars(kernel.invert_network(**inputs, **options)).copy()
    if arm is not None:
        series["residual_topography"] = (series["height"] * arm).astype(np.float32)
        series["residual_topography_std"] = (series["height_std"] * arm).astype(np.float32)
    return tuple(series[name] for name in kept)


def _labelled(ds: xr.Dataset, edges: Edges, results: dict[str, Any]) -> xr.Dataset:
    coords, static, attrs = surroundings(ds, "unwrapped")
    coords |= edges.coords() | {
        "date": ("date", edges.dates, {"long_name": "acquisition day", "standard_name": "time"}),
        "component": ("date", edges.components, {"long_name": "connected component of the network"}),
    }
    variables: dict[str, Any] = {}
    for name, data in results.items():
        along, _, units, words = _RESULTS[name]
        dims = (along, *SPACE) if along else SPACE
        variables[name] = xr.Variable(dims, data, {**attrs, "units": units, "long_name": words})
    return xr.Dataset({**variables, **static}, coords)


def _check_dates(edges: Edges, topography: bool) -> None:
    unknowns = ["velocity", "residual topography"] if topography else ["velocity"]
    free = len(edges.dates) - int(edges.components.max()) - 1
    if free < len(unknowns):
        raise NetworkError(
            f"timeseries needs at least {len(unknowns) + 1} connected dates for {' and '.join(unknowns)}, instead got "
            f"{[str(day)[:10] for day in edges.dates]} in {int(edges.components.max()) + 1} components"
        )


def _check_baselines(edges: Edges, baselines: np.ndarray) -> np.ndarray:
    """The baselines, if they tell topography from steady motion."""
    labels = edges.components
    ones = (labels[:, None] == np.unique(labels)).astype(float)
    centred = [v - ones @ np.linalg.lstsq(ones, v, rcond=None)[0] for v in (edges.years, baselines)]
    (tt, tb), (_, bb) = ([float(a @ b) for b in centred] for a in centred)
    if bb < 1e-6 or tb * tb > (1 - 1e-6) * tt * bb:
        raise ValueError(
            "perpendicular_baseline must vary, and otherwise than steadily with time, to tell residual topography from "
            f"motion, instead got {np.round(baselines, 2).tolist()} m per date"
        )
    return baselines


def _delays(troposphere: xr.DataArray, ds: xr.Dataset, edges: Edges) -> Any:
    check_kind("troposphere", troposphere, xr.DataArray, "an xarray.DataArray")
    if set(troposphere.dims) != {"date", *SPACE} or "date" not in troposphere.coords:
        raise ValueError(
            f"troposphere must have dims ('date', 'y', 'x') with dates, instead got dims={troposphere.dims}"
        )
    units = str(troposphere.attrs.get("units", "m"))
    if units not in ("m", "metre", "metres", "meter", "meters"):
        raise ValueError(f"troposphere must be in m, instead got units={units!r}: convert it")
    days = troposphere["date"].values.astype("datetime64[D]")
    wanted = edges.dates.astype("datetime64[D]")
    missing = [str(day) for day in wanted if day not in days]
    if missing:
        raise ValueError(f"troposphere must hold every date of the network, instead got none for {missing[:8]}")
    at = [int(np.flatnonzero(days == day)[0]) for day in wanted]
    chosen = troposphere.transpose("date", *SPACE).astype(np.float32)
    if at != list(range(len(days))):  # else what is only read is still known to be
        chosen = chosen.isel(date=at)
    check_on(chosen.isel(date=0, drop=True), "troposphere", "float32", ds["unwrapped"].isel(date=0, delay=0, drop=True))
    return chosen.data


def _lever(ds: xr.Dataset, slant_range: float | xr.DataArray | None) -> Any:
    """Metres of height per unit of the fit: slant range times the sine of the incidence."""
    if "incidence" not in ds:
        raise MissingVariableError(
            "timeseries needs the variable 'incidence' for residual_topography=True, but the dataset holds "
            f"{sorted(map(str, ds.data_vars))}"
        )
    distance: Any = slant_range
    if distance is None:
        distance = ds["slant_range"] if "slant_range" in ds else ds.attrs.get("slant_range")
    if distance is None:
        raise ValueError(
            "slant_range must be given (m) for residual_topography=True, because the dataset has neither a variable "
            "nor an attribute 'slant_range', instead got slant_range=None"
        )
    sine: Any = np.sin(ds["incidence"].transpose(*SPACE))
    if isinstance(distance, xr.DataArray):
        image = distance.transpose(*SPACE)
        return sine * check_on(image.astype(np.float32), "slant_range", "float32", sine)
    if check_number("slant_range", distance) <= 0:
        raise ValueError(f"slant_range must be more than 0 m, instead got slant_range={distance}")
    return sine * float(distance)
