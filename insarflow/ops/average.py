"""Average D-InSAR: many short interferograms of one delay -> one of less noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarflow.constants import DAYS_PER_YEAR
from insarflow.kernels import stacking as kernel
from insarflow.kernels.phase_fit import Order
from insarflow.ops.attributes import mapped, wavelength_of
from insarflow.ops.block_sums import IMAGES
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_choice, check_image, check_kind, check_on
from insarflow.ops.columns import Field, map_columns
from insarflow.ops.deramp import deramp
from insarflow.ops.directions import fold_directions
from insarflow.ops.network import edges_between
from insarflow.ops.overlap import map_overlap
from insarflow.ops.reference import Statistic, reference
from insarflow.schema import CELLS, DIMS, SPACE, recipe_of, require
from insarflow.types import Tile

Weighting = Literal["uniform", "coherence"]


def average(
    ds: xr.Dataset,
    *,
    order: Order | None = "plane",
    point: Sequence[float] | None = None,
    mask: xr.DataArray | str | None = None,
    statistic: Statistic = "mean",
    weights: Weighting = "uniform",
    pool: bool = False,
) -> xr.Dataset:
    """Average the interferograms of a period, each deramped and referenced before.

    Parameters
    ----------
    ds
        A stack with ``igram`` (or, to pool delays, ``unwrapped``), ``(date, delay, y, x)``.
    order
        Ramp that is taken out of every interferogram: `deramp`. None for none; nothing is done where the recipe says
        that it was.
    point, mask, statistic
        What every interferogram is made relative to: `reference`. By default its own circular mean. Where the recipe
        says that this was done, it is done again only for a `point` or `mask`.
    weights
        ``"uniform"``, or ``"coherence"``: pixel by pixel, which needs that variable.
    pool
        Average over the delays, too: of ``unwrapped`` phase divided by the delay.

    Returns
    -------
    Dataset
        Lazy if `ds` is. ``pairs`` (int32) says how many interferograms a pixel has. Not pooled, ``(delay, y, x)``:
        ``igram`` (complex64, magnitude one), whose phase is the circular mean, and ``resultant`` (float32, 0..1), the
        length of the mean phasor: 1 where all agree, about ``1 / sqrt(pairs)`` where none do. Pooled, ``(y, x)``:
        ``rate`` and its standard deviation ``rate_std`` (float32, rad per day, positive away from the satellite) and,
        if `ds` has the attribute ``wavelength``, ``velocity`` and ``velocity_std`` (float32, m per year, positive
        toward the satellite). NaN where there is no interferogram, the errors also where there is one alone.

    Raises
    ------
    TypeError, MissingVariableError, ValueError
        If a variable is missing or has other dimensions, or an argument is of the wrong kind; of what is pooled, if
        dates or delays are unknown or a delay is not positive.
    NetworkError
        If there is no interferogram to pool.
    InsarError
        While computing, if an interferogram has no pixel at the reference.

    Notes
    -----
    Every interferogram carries an arbitrary constant, so an unreferenced mean is noise; there is none here. Delays are
    averaged one by one because they show other movements: a slope that turns the phase by a quarter in 12 days turns
    it by half in 24, and faster ones are lost in the longer. Their wrapped phases have no common mean; rates of
    unwrapped phase have.

    Noise of independent interferograms falls with the square root of their number; those that share an acquisition are
    not independent. The pooled rate, ``sum(w phase / T) / sum(w)`` with the delay T, is that of `stacking_rate` with
    other weights, and so is its error: each acquisition has noise of its own, of one variance, which all its pairs
    share and which is estimated in every pixel from their scatter about the rate. Errors of unwrapping and motion that
    is not steady add to the scatter; noise that grows steadily with time looks like motion and does not.

    Not pooled, sums fold present cells in a tree of fixed order (`insarflow.ops.fold`), few blocks in memory. Pooled,
    the error takes all pairs of a pixel at once: their blocks at one place are held, as by `insarflow.timeseries`, so
    cut long stacks into small chunks along y and x. Either way any chunking gives the same bits.

    References
    ----------
    Yao et al. (2021), doi:10.1016/j.jag.2021.102489; Chen et al. (2022), doi:10.3390/rs14081848. For the error see
    `stacking_rate`.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=6, delays=[6, 12], movers=1)
    >>> mean = average(ds)
    >>> dict(mean.sizes), mean["pairs"].max(("y", "x")).values
    ({'delay': 2, 'y': 64, 'x': 64}, array([5, 4], dtype=int32))
    """
    check_kind("pool", pool, bool, "True or False")
    name = "unwrapped" if pool else "igram"
    check_choice("weights", weights, get_args(Weighting))
    require(ds, name, *(["coherence"] if weights == "coherence" else []), to="average")
    image = check_image(ds[name], name, IMAGES[name])
    if set(image.dims) != set(DIMS):
        raise ValueError(
            f"average needs {name} with the dims {DIMS}, instead got dims={tuple(map(str, image.dims))}: see "
            "insarflow.from_pairs"
        )
    kept = [n for n in (name, "coherence", "valid", mask if isinstance(mask, str) else name) if n in ds]
    flat = _relative(ds[list(dict.fromkeys(kept))], order, point, mask, statistic)
    image = check_image(flat[name], name, IMAGES[name]).transpose(*DIMS)
    weight = None
    if weights == "coherence":
        weight = check_on(flat["coherence"], "coherence", "float32", image).data
    if pool:
        result = _pooled(image, weight, present_cells(flat.assign(unwrapped=image), name), ds)
    else:
        result = _per_delay(image, weight, present_cells(flat.assign(igram=image), name))
    recipe = recipe_of(flat).then("average", weights=weights, pool=pool)
    return result.assign_attrs({**ds.attrs, "recipe": recipe.to_json()})


def _relative(
    ds: xr.Dataset,
    order: Order | None,
    point: Sequence[float] | None,
    mask: xr.DataArray | str | None,
    statistic: Statistic,
) -> xr.Dataset:
    """The stack, deramped and referenced unless it is."""
    done = recipe_of(ds)
    if order is not None and not done.of("deramp"):
        ds = deramp(ds, order=order)
    if point is not None or mask is not None or not done.of("reference"):
        ds = reference(ds, point=point, mask=mask, statistic=statistic)
    return ds


def _per_delay(image: xr.DataArray, weight: Any, present: np.ndarray | None) -> xr.Dataset:
    mean, count = fold_directions(image.data, weight, (0,), present, "average")
    attrs = mapped(image)
    fields = {
        "igram": (map_overlap(_unit, mean, depth=0, dtype="complex64"), "1", "mean interferogram, of magnitude one"),
        "resultant": (map_overlap(_length, mean, depth=0, dtype="float32"), "1", "length of the mean phasor"),
        "pairs": (count, "1", "number of interferograms"),
    }
    coords, dims = _left(image, ("date",)), ("delay", *SPACE)
    return xr.Dataset(
        {
            key: xr.DataArray(data, coords, dims, attrs={**attrs, "units": units, "long_name": words})
            for key, (data, units, words) in fields.items()
        }
    )


def _left(image: xr.DataArray, gone: Sequence[str]) -> dict[Any, Any]:
    return {key: c for key, c in image.coords.items() if not set(c.dims) & set(gone)}


def _unit(mean: np.ndarray, *, tile: Tile) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.ascontiguousarray(mean).view(np.float32).reshape(*mean.shape, 2)
        unit = parts / np.hypot(parts[..., :1], parts[..., 1:])
    return np.ascontiguousarray(unit).view(np.complex64)[..., 0]


def _length(mean: np.ndarray, *, tile: Tile) -> np.ndarray:
    length: np.ndarray = np.minimum(np.hypot(mean.real, mean.imag), np.float32(1))
    return length


def _pooled(image: xr.DataArray, weight: Any, present: np.ndarray | None, ds: xr.Dataset) -> xr.Dataset:
    edges = edges_between(*_times(image), present, to="average")
    rate, error, count = map_columns(
        _mean_rate, image.data, *([] if weight is None else [weight]), cells=edges.cells,
        fields=[Field((), "float32"), Field((), "float32"), Field((), "int32")], pairs=edges.pairs, years=edges.years,
    )  # fmt: skip
    words = {
        "rate": (rate, "rad/day", "mean rate of the phase, positive away from the satellite"),
        "rate_std": (error, "rad/day", "standard deviation of the mean rate"),
    }
    if "wavelength" in ds.attrs:
        to_speed = np.float32(-wavelength_of(ds, to="average") / (4 * np.pi) * DAYS_PER_YEAR)
        text = "mean speed along the line of sight, positive toward the satellite"
        words["velocity"] = (rate * to_speed, "m/yr", text)
        words["velocity_std"] = (error * abs(to_speed), "m/yr", "standard deviation of the mean speed")
    words["pairs"] = (count, "1", "number of interferograms")
    coords, attrs = _left(image, CELLS), mapped(image)
    return xr.Dataset(
        {
            key: xr.DataArray(data, coords, SPACE, attrs={**attrs, "units": units, "long_name": text})
            for key, (data, units, text) in words.items()
        }
    )


def _times(image: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Dates and delays of a stack, which tell the acquisitions that its pairs share."""
    dates, delays = (image[dim].values for dim in CELLS)
    if dates.dtype.kind != "M" or delays.dtype.kind != "m":
        raise ValueError(
            "average needs dates and delays to pool, as datetime64 and timedelta64, instead got "
            f"date of {dates.dtype} and delay of {delays.dtype}: assign them with ds.assign_coords"
        )
    days = delays / np.timedelta64(1, "D")
    if not (days > 0).all():
        raise ValueError(f"delay must be positive to be pooled, instead got {days.tolist()} days: swap dates and signs")
    return dates, delays


def _mean_rate(
    phase: np.ndarray, *weight: np.ndarray, pairs: np.ndarray, years: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Block function: mean rate per day, its error, and the number of pairs."""
    rate, error, count = kernel.stacking_rate(phase, *weight, pairs=pairs, years=years, method="mean")
    per_day = np.float32(1 / DAYS_PER_YEAR)
    return rate * per_day, error * per_day, count
