"""Average D-InSAR: many short interferograms of one delay -> one of less noise."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import xarray as xr

from insarflow.constants import DAYS_PER_YEAR
from insarflow.kernels.phase_fit import Order
from insarflow.ops.attributes import mapped, wavelength_of
from insarflow.ops.block_sums import IMAGES
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_choice, check_image, check_kind, check_on
from insarflow.ops.deramp import deramp
from insarflow.ops.directions import fold_directions
from insarflow.ops.fold import Field, Images, Tree, fold, groups_of
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
        ``rate`` (float32, rad per day, positive away from the satellite) and, if `ds` has the attribute ``wavelength``,
        ``velocity`` (float32, m per year, positive toward the satellite). NaN where there is no interferogram.

    Raises
    ------
    TypeError, MissingVariableError, ValueError
        If a variable is missing or has other dimensions, or an argument is of the wrong kind.
    InsarError
        While computing, if an interferogram has no pixel at the reference.

    Notes
    -----
    Every interferogram carries an arbitrary constant, so an unreferenced mean is noise; there is none here. Delays are
    averaged one by one because they show other movements: a slope that turns the phase by a quarter in 12 days turns
    it by half in 24, and faster ones are lost in the longer. Their wrapped phases have no common mean; rates of
    unwrapped phase have.

    Noise of independent interferograms falls with the square root of their number; those that share an acquisition are
    not independent. Sums fold present cells in a tree of fixed order (`insarflow.ops.fold`): few blocks in memory, and
    the same bits for any chunking.

    References
    ----------
    Yao et al. (2021), doi:10.1016/j.jag.2021.102489; Chen et al. (2022), doi:10.3390/rs14081848.

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


class _Rates(NamedTuple):
    """What is known of a block from the rates of some interferograms: weighted sum, sum of weights, number."""

    total: np.ndarray
    weight: np.ndarray
    number: np.ndarray


def _pooled(image: xr.DataArray, weight: Any, present: np.ndarray | None, ds: xr.Dataset) -> xr.Dataset:
    days = image["delay"].values / np.timedelta64(1, "D")
    per_day = np.broadcast_to(1 / days, image.shape[:2])
    rates = map_overlap(_divided, image.data, depth=0, dtype="float32", present=present, per_cell={"per_day": per_day})
    tree = Tree()
    (cells,) = groups_of(image.shape[:2], (0, 1), present).values()
    root = tree.root(_finish, tree.reduce(_merge, tree.images(_add, cells)) if cells else None)
    arrays = [rates] if weight is None else [rates, weight]
    fields = {"rate": Field(attrgetter("total"), "float32"), "pairs": Field(attrgetter("number"), "int32")}
    folded = fold(tree, np.array(root), *arrays, fields=fields, name="average")
    coords = _left(image, CELLS)
    kept = mapped(image)
    rate = xr.DataArray(
        folded["rate"], coords, SPACE,
        attrs={**kept, "units": "rad/day", "long_name": "mean rate of the phase, positive away from the satellite"},
    )  # fmt: skip
    result = xr.Dataset({"rate": rate})
    if "wavelength" in ds.attrs:
        to_speed = np.float32(-wavelength_of(ds, to="average") / (4 * np.pi) * DAYS_PER_YEAR)
        result["velocity"] = (rate * to_speed).assign_attrs(
            **kept, units="m/yr", long_name="mean speed along the line of sight, positive toward the satellite"
        )
    result["pairs"] = xr.DataArray(
        folded["pairs"], coords, SPACE, attrs={**kept, "units": "1", "long_name": "number of interferograms"}
    )
    return result


def _divided(values: np.ndarray, *, per_day: np.ndarray, tile: Tile) -> np.ndarray:
    rates: np.ndarray = (values * per_day[..., None, None]).astype(np.float32)
    return rates


def _add(images: Images) -> _Rates:
    sums: _Rates | None = None
    for rate, *weights in images:
        if sums is None:
            sums = _Rates(np.zeros(rate.shape), np.zeros(rate.shape), np.zeros(rate.shape, np.int32))
        weight = weights[0].astype(np.float64) if weights else np.ones(rate.shape)
        there = np.isfinite(rate) & (weight > 0)
        weight = np.where(there, weight, 0.0)
        np.add(sums.total, weight * np.where(there, rate, np.float32(0)), out=sums.total)
        np.add(sums.weight, weight, out=sums.weight)
        np.add(sums.number, there, out=sums.number)
    if sums is None:
        raise ValueError("images must hold an interferogram, instead got none")
    return sums


def _merge(parts: list[_Rates]) -> _Rates:
    return _Rates(*(sum(field[1:], start=field[0]) for field in zip(*parts, strict=True)))


def _finish(sums: _Rates | None, shape: tuple[int, int]) -> _Rates:
    """The mean rate, in the place of the sum."""
    if sums is None:
        return _Rates(np.full(shape, np.nan), np.zeros(shape), np.zeros(shape, np.int32))
    mean = np.divide(sums.total, sums.weight, out=np.full(shape, np.nan), where=sums.weight > 0)
    return _Rates(mean, sums.weight, sums.number)
