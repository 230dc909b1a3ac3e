"""Phase relative to a place that does not move: the constant of every pair, taken out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
import xarray as xr

from insarflow.errors import InsarError
from insarflow.kernels.augment import offset
from insarflow.ops.block_sums import IMAGES, images_of, per_image, sum_blocks, whole
from insarflow.ops.cells import cell_names, present_cells
from insarflow.ops.checks import check_choice, check_field, check_image, check_number, check_on, check_whole
from insarflow.ops.median import circular_medians, medians
from insarflow.ops.overlap import map_overlap, map_windows
from insarflow.schema import SPACE, recipe_of, require
from insarflow.types import Tile

Statistic = Literal["mean", "median"]

BLOCKS: Final = 128
"""Blocks along a side of the table that a mean is taken from."""


class _Place(NamedTuple):
    """A window around a point, and what errors call it."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    name: str


def reference(
    ds: xr.Dataset,
    *,
    point: Sequence[float] | None = None,
    mask: xr.DataArray | str | None = None,
    statistic: Statistic = "mean",
    window: int = 5,
) -> xr.Dataset:
    """Make the phase of every interferogram relative to a point, to stable ground, or to its own mean or median.

    Parameters
    ----------
    ds
        With ``igram`` (complex64, dims ``(..., y, x)``), ``unwrapped`` (float32, rad) or both.
    point
        ``(x, y)`` in the stack's CRS: the reference is the mean of a window around the nearest pixel.
    mask
        bool, ``(y, x)``: True where the ground is stable; or the name of such a variable. Without point and mask the
        reference is the whole image.
    statistic
        Of the mask or the whole image: ``"mean"``, of the phase as directions and weighted by ``coherence`` if that is
        there; or ``"median"``, unweighted.
    window
        Side of the window around `point`, pixels, odd; cut at the image's border.

    Returns
    -------
    Dataset
        ``igram`` and ``unwrapped`` replaced, each relative to its own reference, lazy if they are. Magnitudes stay.

    Raises
    ------
    TypeError, MissingVariableError, ValueError
        If a variable is missing, an argument is of the wrong kind, or the point lies outside the grid.
    InsarError
        While computing, naming the pair, if it has no pixel at the point or in the mask.

    Notes
    -----
    Every interferogram carries an arbitrary constant: means over pairs are noise until it is gone. The circular mean is
    ``angle(sum c z / |z|)``, with the coherence c, in sums over fixed blocks. The circular median is the angle to which
    the sum of distances along the circle is least, from counts in 16384 intervals: off by 4e-4 rad at most. The median
    of ``unwrapped`` is exact, by three passes that each count by 11 bits of the numbers. No image is held whole, and
    any chunking gives the same bits.

    References
    ----------
    Mardia and Jupp (2000), Directional Statistics, doi:10.1002/9780470316979.

    Examples
    --------
    >>> import numpy as np
    >>> igram = np.exp(1j * np.array([[1.0, 1.0, 1.5]])).astype("complex64")
    >>> ds = xr.Dataset({"igram": (("y", "x"), igram)}, {"y": [0.0], "x": [0.0, 10.0, 20.0]})
    >>> np.angle(reference(ds, point=(0.0, 0.0), window=1)["igram"]).round(3)
    array([[-0. , -0. ,  0.5]], dtype=float32)
    """
    names = images_of(ds, "reference")
    check_choice("statistic", statistic, get_args(Statistic))
    if point is not None and mask is not None:
        raise ValueError("reference needs a point or a mask, instead got both: leave one out")
    if point is not None and statistic != "mean":
        raise ValueError(f"statistic must be 'mean' with a point, instead got statistic={statistic!r}")
    window = check_whole("window", window, low=1)
    if window % 2 == 0:
        raise ValueError(f"window must be odd, so that it has a middle, instead got window={window}")
    stable, said = _mask(ds, mask, names[0])
    place = None if point is None else _place(ds, point, window)
    relative = {}
    for name in names:
        image = check_image(ds[name], name, IMAGES[name])
        present = present_cells(ds, name)
        angle = _constants(ds, name, place, stable, statistic)
        data = map_overlap(_without, image.data, depth=0, dtype=image.dtype, present=present, per_cell={"angle": angle})
        relative[name] = image.copy(data=data)
    how: dict[str, Any] = {"statistic": statistic, **said} if place is None else {"window": window}
    if point is not None:
        how["point"] = [float(number) for number in point]
    return ds.assign(relative).assign_attrs(recipe=recipe_of(ds).then("reference", **how).to_json())


def _mask(ds: xr.Dataset, mask: xr.DataArray | str | None, name: str) -> tuple[xr.DataArray | None, dict[str, str]]:
    """The mask, and what the recipe calls it."""
    if mask is None:
        return None, {}
    if isinstance(mask, str):
        require(ds, mask, to="reference")
        field, said = ds[mask], mask
    else:
        field, said = mask, str(getattr(mask, "name", None) or "given")
    return check_field(field, "mask", "bool", check_image(ds[name], name, IMAGES[name])), {"mask": said}


def _place(ds: xr.Dataset, point: Sequence[float], window: int) -> _Place:
    """Rows and columns of the window around a point."""
    if not isinstance(point, tuple | list | np.ndarray) or len(point) != len(SPACE):
        raise TypeError(f"point must be (x, y) in the stack's CRS, instead got point={point!r:.80}")
    x, y = (check_number("point", number) for number in point)
    ranges = []
    for dim, value in (("y", y), ("x", x)):
        if dim not in ds.coords or ds[dim].dims != (dim,):
            raise ValueError(f"reference needs coordinate values along {dim} to find a point, but there are none")
        axis = np.asarray(ds[dim].values, np.float64)
        step = abs(axis[-1] - axis[0]) / max(axis.size - 1, 1) or np.inf
        at = int(np.argmin(np.abs(axis - value)))
        if abs(axis[at] - value) > 0.5001 * step:
            raise ValueError(
                f"point must lie on the grid, {dim} from {axis.min():.10g} to {axis.max():.10g}, instead got "
                f"point=({x:.10g}, {y:.10g}): give (x, y) in the stack's CRS"
            )
        ranges.append((max(0, at - window // 2), min(axis.size, at + window // 2 + 1)))
    return _Place(ranges[0], ranges[1], f"the {window} x {window} pixels around point=({x:.10g}, {y:.10g})")


def _constants(ds: xr.Dataset, name: str, place: _Place | None, mask: xr.DataArray | None, statistic: Statistic) -> Any:
    """Phase of the reference in every interferogram, rad; ``(..., 1, 1)``."""
    image = check_image(ds[name], name, IMAGES[name])
    present, cells = present_cells(ds, name), {"names": cell_names(image), "exists": _exists(ds, image)}
    if place is not None:
        arrays = [image.data]
        if "coherence" in ds:
            arrays.append(check_on(ds["coherence"], "coherence", "float32", image).data)
        return map_windows(
            _at_point, *arrays, reads=(partial(_fixed, window=place.rows), partial(_fixed, window=place.cols)),
            out_chunks=((1,), (1,)), dtype="float64", present=present, per_cell=cells, place=place.name,
        )  # fmt: skip
    where = None if mask is None else "the mask"
    if statistic == "median":
        function = circular_medians if name == "igram" else medians
        found = function(image.data, None if mask is None else mask.data, present)
        if mask is None:
            return found
        return map_windows(
            _checked, found, reads=(whole, whole), out_chunks=((1,), (1,)), dtype="float64", present=present,
            per_cell=cells, place=where,
        )  # fmt: skip
    table = sum_blocks(ds, name, blocks=BLOCKS, mask=mask)
    return per_image(_mean_of, table, 1, per_cell=cells, place=where, wrapped=name == "igram")


def _exists(ds: xr.Dataset, image: xr.DataArray) -> Any:
    """Which cells must have a pixel: all, but for those that `valid`, lazy or not, calls absent."""
    lead = [dim for dim in image.dims if dim not in SPACE]
    if "valid" not in ds or not set(ds["valid"].dims) <= set(lead):
        return np.ones([image.sizes[dim] for dim in lead], bool)
    others = {dim: image.sizes[dim] for dim in lead if dim not in ds["valid"].dims}
    return ds["valid"].expand_dims(others).transpose(*lead).data


def _fixed(start: int, stop: int, size: int, *, window: tuple[int, int]) -> tuple[int, int]:
    return window


def _at_point(
    images: np.ndarray, *coherence: np.ndarray, names: np.ndarray, exists: np.ndarray, place: str, tile: Tile
) -> np.ndarray:
    out = np.full((*images.shape[:-2], 1, 1), np.nan)
    for index in np.ndindex(images.shape[:-2]):
        image = np.ascontiguousarray(images[index])
        weight = np.ascontiguousarray(coherence[0][index]) if coherence else np.ones(image.shape, np.float32)
        there = np.isfinite(image) & (weight > 0) & ((image != 0) | (image.dtype.kind != "c"))
        if not there.any():
            _refuse(names[index], exists[index], place)
            continue
        pixels, weights = image[there].astype(np.complex128), weight[there].astype(np.float64)
        if image.dtype.kind == "c":
            out[index] = np.angle((weights * pixels / np.abs(pixels)).sum())
        else:
            out[index] = (weights * pixels.real).sum() / weights.sum()
    return out


def _mean_of(
    sums: np.ndarray, *, names: np.ndarray, exists: np.ndarray, place: str | None, wrapped: bool, tile: Tile
) -> np.ndarray:
    out = np.full((*sums.shape[:-2], 1, 1), np.nan)
    for index in np.ndindex(sums.shape[:-2]):
        blocks = sums[index][sums[index]["weight"] > 0]
        if blocks.size:
            total, weight = blocks["sum"].copy().sum(), blocks["weight"].copy().sum()
            out[index] = np.angle(total) if wrapped else total.real / weight
        elif place is not None:
            _refuse(names[index], exists[index], place)
    return out


def _checked(found: np.ndarray, *, names: np.ndarray, exists: np.ndarray, place: str, tile: Tile) -> np.ndarray:
    for index in np.ndindex(found.shape[:-2]):
        if np.isnan(found[index][0, 0]):
            _refuse(names[index], exists[index], place)
    return found


def _refuse(pair: object, exists: object, place: str) -> None:
    """Refuse an interferogram without a pixel at the reference; one that does not exist has none."""
    if exists:
        raise InsarError(
            f"a reference must have a pixel in every interferogram, but {pair} has none in {place}: choose another, or "
            "leave the pair out (valid=False where there is no interferogram)"
        )


def _without(images: np.ndarray, *, angle: np.ndarray, tile: Tile) -> np.ndarray:
    """Images less the phase of their reference."""
    if images.dtype.kind == "c":
        return offset(images, angle=-angle[..., 0, 0])
    relative: np.ndarray = (images - angle).astype(np.float32)
    return relative
