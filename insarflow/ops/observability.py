"""Where, and for which speeds, a stack could show a moving slope: where absence means nothing."""

from __future__ import annotations

import math
from functools import partial
from operator import itemgetter
from typing import Any, Final

import numpy as np
import xarray as xr

from insarflow.constants import DAYS_PER_YEAR
from insarflow.kernels.phase_statistics import phase_std
from insarflow.ops.attributes import looks_of, mapped, wavelength_of
from insarflow.ops.checks import check_fraction, check_image, check_number
from insarflow.ops.downslope import sensitivity
from insarflow.ops.fold import AT_ONCE, Field, Images, Tree, fold
from insarflow.schema import CELLS, DIMS, SPACE, require

CLASSES: Final = ("unknown", "observable", "insensitive", "layover", "shadow", "decorrelated")
"""What a pixel of ``observability`` may be; its value is the place in this list."""

_CLASS_ATTRS: Final = {
    "long_name": "whether motion down the slope could be seen",
    "flag_values": list(range(len(CLASSES))),
    "flag_meanings": " ".join(CLASSES),
}

_SEEN = np.dtype([("total", np.int64), ("count", np.int32), ("slowest", np.float32), ("shortest", np.float32)])
"""What is known of a pixel from some pairs: sum of coherence in units of 1 / `_FIXED_POINT`, number of coherences,
slowest speed (m/yr, infinite without a coherent pair), shortest delay of a coherent pair (years)."""

_FIXED_POINT = 2.0**40
"""Sums of whole numbers have no order: the same bits for any chunking."""


def observability(
    ds: xr.Dataset,
    *,
    looks: float | None = None,
    min_sensitivity: float = 0.2,
    min_coherence: float = 0.3,
    sigmas: float = 2.0,
) -> xr.Dataset:
    """Where a stack could show a slope that moves, and at which speeds.

    Parameters
    ----------
    ds
        A stack of one track with ``slope``, ``aspect``, ``layover``, ``shadow`` (make them with `insarflow.terrain`,
        `scale` the size of the slopes that are looked for), ``los_east``, ``los_north``, ``los_up``, the attribute
        ``wavelength`` (m) and, if possible, ``coherence``.
    looks
        Independent looks of the interferograms. By default the attribute ``effective_looks``, or else the product of
        ``looks``, which counts samples: neighbours are correlated, so that fewer are independent, and the slowest
        speed comes out too low.
    min_sensitivity
        Least part of the motion that the line of sight must see.
    min_coherence
        Least coherence of a pair that can show motion at a pixel.
    sigmas
        How many times its standard deviation a phase must be to be seen.

    Returns
    -------
    Dataset
        On ``(y, x)``, lazy where the input is:

        - ``observability`` (uint8): 0 unknown (no height, no line of sight), 1 observable, 2 insensitive (motion down
          the slope is nearly across the line of sight, or the ground is level), 3 layover, 4 shadow, 5 decorrelated
          (no pair reaches `min_coherence`). Of several reasons the first of shadow, layover, insensitive and
          decorrelated counts. Only where it is 1 does the absence of motion in the data say something, and only for
          speeds between the next two.
        - ``slowest`` (float32, m/yr): the speed down the slope whose phase, in the best single pair, is `sigmas` times
          the noise that its coherence means. Averaging pairs goes lower; atmosphere, which is not in it, goes higher.
        - ``fastest`` (float32, m/yr): the speed down the slope whose phase, in the pair of the shortest delay that is
          coherent, is half a cycle, a quarter of a wavelength of path. Faster slopes alias: to be unwrapped, a slope
          must not move more than this relative to its surroundings from one pixel to the next. A gentle border lets
          faster ones be seen.
        - ``sensitivity`` (float32): see `insarflow.sensitivity`. Both speeds are divided by its magnitude, and NaN
          where the pixel is not observable.
        - ``mean_coherence`` (float32): over the pairs that have one at the pixel; NaN if none has.
        - ``pairs`` (int32): their number.
        - ``layover``, ``shadow`` (bool), and ``layover_shadow`` (uint8) if it is there: as in `ds`.

        Without ``coherence`` there is no ``slowest``, ``mean_coherence`` and ``pairs``, nothing is decorrelated, and
        the shortest delay of all pairs counts.

    Raises
    ------
    MissingVariableError
        If a variable is missing.
    TypeError, ValueError
        If an argument or attribute is missing, of another kind or out of range, or there is no pair; while computing,
        if a coherence is outside 0..1.

    Notes
    -----
    Along the line of sight, with the delay ``T`` of a pair and its phase noise ``sigma_phi(coherence, looks)``:
    ``slowest = sigmas * min(wavelength sigma_phi / (4 pi T))`` over the coherent pairs (the longest one, unless its
    coherence is much lower) and ``fastest = wavelength / (4 min(T))``. Only pairs that exist are visited.

    References
    ----------
    Massonnet and Feigl (1998), doi:10.1029/97RG03139, for the limit of phase from pixel to pixel. Ferretti et al.
    (2007), InSAR Principles, ESA TM-19, and Crosetto et al. (2016), doi:10.1016/j.isprsjprs.2015.10.011, for a quarter
    of a wavelength per delay. Notti et al. (2014), International Journal of Remote Sensing 35, 2186-2214, for
    the sensitivity.

    Examples
    --------
    >>> import insarflow
    >>> from insarflow.stack.terrain import terrain
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> seen = observability(terrain(ds, scale=100))
    >>> bool((seen["slowest"] < seen["fastest"]).where(seen["observability"] == 1, other=True).all())
    True
    """
    require(ds, "layover", "shadow", to="observability", remedy="make them with ds.insar.terrain(scale=...)")
    share = sensitivity(ds)
    least, coherent = check_fraction("min_sensitivity", min_sensitivity), check_fraction("min_coherence", min_coherence)
    factor = check_number("sigmas", sigmas)
    if factor <= 0.0:
        raise ValueError(f"sigmas must be more than 0, instead got sigmas={sigmas}")
    wavelength = wavelength_of(ds, to="observability")
    masks = {name: _check_mask(ds[name], name) for name in ("layover", "shadow")}
    years = _years(ds)
    seen = _seen(ds, years, looks_of(ds, looks), wavelength, coherent) if "coherence" in ds else None
    shortest = seen["shortest"] if seen else float(years[_exists(ds)].min())
    state = _state(ds, share, masks, least, seen)
    observable = state == CLASSES.index("observable")
    part = abs(share).where(observable)
    made = {"observability": state.assign_attrs(_CLASS_ATTRS)}
    if seen:
        made["slowest"] = _speed(factor * seen["slowest"] / part, "slowest speed down the slope that could be seen")
    made["fastest"] = _speed(wavelength / 4.0 / shortest / part, "fastest speed down the slope that does not alias")
    made["sensitivity"] = share
    if seen:
        made |= {name: seen[name] for name in ("mean_coherence", "pairs")}
    for array in made.values():
        array.attrs |= mapped(share)
    attrs = {"min_sensitivity": least, "min_coherence": coherent, "sigmas": factor}
    told = {name: ds[name] for name in ("layover_shadow",) if name in ds}
    return xr.Dataset({**made, **masks, **told}, attrs=attrs)


def _state(
    ds: xr.Dataset, share: xr.DataArray, masks: dict[str, xr.DataArray], least: float, seen: dict[str, Any] | None
) -> xr.DataArray:
    """Class of each pixel; what is written last counts."""
    reasons = {"insensitive": ~(abs(share) >= least), **masks}
    if seen:
        reasons = {"decorrelated": seen["shortest"] == np.inf, **reasons}
    # The slope of level ground is known, and its aspect is not.
    reasons["unknown"] = ds["slope"].isnull() | ds["los_east"].isnull() | ds["los_north"].isnull()
    state: xr.DataArray = xr.full_like(share, CLASSES.index("observable"), np.uint8)
    for name, holds in reasons.items():
        state = state.where(~holds, np.uint8(CLASSES.index(name)))
    return state.rename("observability")


def _seen(
    ds: xr.Dataset, years: np.ndarray, looks: float, wavelength: float, coherent: float
) -> dict[str, xr.DataArray]:
    """What the pairs say of each pixel: mean coherence, number, slowest speed at one sigma, shortest delay."""
    coherence = check_image(ds["coherence"], "coherence", "float32")
    if coherence.dims != DIMS:
        raise ValueError(f"coherence must have the dims {DIMS}, instead got dims={tuple(map(str, coherence.dims))}")
    tree, parts = Tree(), []
    cells = [tuple(cell) for cell in np.argwhere(_exists(ds)).tolist()]
    for batch in (cells[k : k + AT_ONCE] for k in range(0, len(cells), AT_ONCE)):
        spans = tuple(float(years[cell]) for cell in batch)
        parts += tree.images(partial(_of_pairs, spans=spans, looks=looks, coherent=coherent), batch)
    root = tree.root(_finished, tree.reduce(_together, parts))
    fields = {name: Field(itemgetter(name), _SEEN[name].str) for name in _SEEN.names or ()}
    folded = fold(tree, np.array(root), coherence.data, fields=fields, name="observability")
    arrays = {name: xr.DataArray(data, ds["slope"].coords, SPACE) for name, data in folded.items()}
    count = arrays["count"]
    mean = (arrays["total"] / (_FIXED_POINT * count.where(count > 0))).astype(np.float32)
    return {
        "mean_coherence": mean.assign_attrs(units="1", long_name="mean coherence of the pairs"),
        "pairs": count.assign_attrs(units="1", long_name="pairs with a coherence"),
        "slowest": arrays["slowest"] * np.float32(wavelength / (4.0 * math.pi)),
        "shortest": arrays["shortest"],
    }


def _of_pairs(images: Images, *, spans: tuple[float, ...], looks: float, coherent: float) -> np.ndarray:
    """What some pairs, whose delays are `spans` years, say."""
    out: np.ndarray | None = None
    for (gamma,), span in zip(images, map(np.float32, spans), strict=True):
        if out is None:
            out = np.zeros(gamma.shape, _SEEN)
            out["slowest"] = out["shortest"] = np.inf
        known = ~np.isnan(gamma)
        noise = phase_std(gamma, looks=looks) / span
        enough = gamma >= coherent
        out["total"] += np.rint(np.where(known, gamma, 0.0).astype(np.float64) * _FIXED_POINT).astype(np.int64)
        out["count"] += known
        np.minimum(out["slowest"], noise, out=out["slowest"], where=enough)
        np.minimum(out["shortest"], span, out=out["shortest"], where=enough)
    if out is None:
        raise ValueError("images must hold a pair, instead got none")
    return out


def _together(parts: list[np.ndarray]) -> np.ndarray:
    """What several parts of the pairs say, the first of which is written to."""
    first, *others = parts
    out = first.copy()
    for part in others:
        out["total"] += part["total"]
        out["count"] += part["count"]
        for name in ("slowest", "shortest"):
            np.minimum(out[name], part[name], out=out[name])
    return out


def _finished(part: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return part


def _exists(ds: xr.Dataset) -> np.ndarray:
    """Which cells hold a pair, as far as is known in memory: bool, ``(date, delay)``."""
    shape = tuple(ds.sizes[dim] for dim in CELLS)
    if "valid" not in ds or ds["valid"].chunks is not None:
        return np.ones(shape, bool)
    return ds["valid"].transpose(*CELLS).to_numpy().astype(bool)


def _years(ds: xr.Dataset) -> np.ndarray:
    """Delay of every cell, years."""
    for dim in CELLS:
        if dim not in ds.dims or dim not in ds.coords:
            raise ValueError(f"observability needs a stack with date and delay, instead got dims={tuple(ds.sizes)}")
    if not _exists(ds).any():
        raise ValueError("observability needs at least one pair, instead got valid=False everywhere")
    days = ds["delay"].values / np.timedelta64(1, "D")
    return np.broadcast_to(days / DAYS_PER_YEAR, tuple(ds.sizes[dim] for dim in CELLS))


def _check_mask(mask: xr.DataArray, name: str) -> xr.DataArray:
    image = check_image(mask, name, "bool")
    if image.dims != SPACE:
        raise ValueError(f"{name} must have the dims {SPACE}, instead got dims={tuple(map(str, image.dims))}")
    return image


def _speed(array: xr.DataArray, long_name: str) -> xr.DataArray:
    attrs = {"units": "m/yr", "long_name": long_name}
    return array.astype(np.float32).assign_attrs(attrs)
