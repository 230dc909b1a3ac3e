"""Phase that follows the terrain, as a layered atmosphere leaves it: estimated, and taken out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from insarflow.errors import InsarError
from insarflow.kernels.atmosphere import subtract_stratified
from insarflow.kernels.phase_fit import fit_stratified
from insarflow.ops.block_sums import IMAGES, Table, lead_of, per_image, sum_blocks
from insarflow.ops.cells import cell_names, present_cells
from insarflow.ops.checks import check_field, check_image, check_kind, check_number
from insarflow.ops.overlap import map_overlap
from insarflow.schema import recipe_of, require
from insarflow.types import Tile

BLOCKS: Final = 256
"""Blocks along a side of the table: smaller than for a ramp, since terrain is rougher."""


def remove_stratified(
    ds: xr.Dataset, *, limit: float = 20.0, plane: bool = True, min_spread: float = 50.0
) -> xr.Dataset:
    """Take the phase that is in proportion to height out of every interferogram: the reverse of `add_stratified`.

    Parameters
    ----------
    ds
        With ``igram`` (complex64, dims ``(..., y, x)``) and ``dem`` (float32, m, on the same pixels). ``coherence``, if
        it is there, weighs the pixels.
    limit
        Steepest phase that is looked for, rad per km of height, of either sign.
    plane
        Estimate it together with a plane, which stays in: a ramp that is not taken out before would be mistaken for it.
    min_spread
        Standard deviation of the height, m, below which nothing can be told; more than 0.

    Returns
    -------
    Dataset
        ``igram`` replaced, and ``unwrapped`` if it is there, by the same rate; lazy if they are; NaN where ``dem`` is.
        Magnitudes stay. `stratification` gives the rates.

    Raises
    ------
    MissingVariableError, TypeError, ValueError
        If a variable is missing or of another kind, or an argument out of range.
    InsarError
        While computing, if the pixels of an interferogram are too flat.

    Notes
    -----
    Maximised is ``|sum t exp(-i (rate height + constant + plane))|`` over the sums t of unit phasors in at most
    256 x 256 blocks, at the blocks' mean heights, as for `deramp`. The start is the best of a scan from -`limit` to
    `limit`; with a plane also the best for differences between distant blocks, in which a plane is a constant.

    References
    ----------
    Doin et al. (2009), doi:10.1016/j.jappgeo.2009.03.010; Hanssen (2001), doi:10.1007/0-306-47633-9.

    Examples
    --------
    >>> import numpy as np
    >>> from insarflow import add_stratified
    >>> dem = np.random.default_rng(0).uniform(0, 2000, (64, 64)).astype("float32")
    >>> ds = xr.Dataset({"igram": (("y", "x"), np.ones((64, 64), "complex64")), "dem": (("y", "x"), dem)})
    >>> hazy = add_stratified(ds, rad_per_km=5.0)
    >>> round(stratification(hazy)["rad_per_km"].item(), 3)
    5.0
    >>> bool(abs(remove_stratified(hazy)["igram"] - 1).max() < 1e-3)
    True
    """
    table, found = _found(ds, "remove_stratified", limit, plane, min_spread)
    present, dem = table.present, ds["dem"]
    flat = {}
    for name in [name for name in IMAGES if name in ds]:
        image = check_image(ds[name], name, IMAGES[name]).transpose(*table.image.dims)
        data = map_overlap(
            subtract_stratified, image.data, dem.transpose("y", "x").data, depth=0, dtype=image.dtype,
            present=present if name == "igram" else present_cells(ds, name), per_cell={"rates": found},
        )  # fmt: skip
        flat[name] = image.copy(data=data)
    recipe = recipe_of(ds).then("remove_stratified", limit=limit, plane=plane, min_spread=min_spread)
    return ds.assign(flat).assign_attrs(recipe=recipe.to_json())


def stratification(ds: xr.Dataset, *, limit: float = 20.0, plane: bool = True, min_spread: float = 50.0) -> xr.Dataset:
    """Phase in proportion to height that `remove_stratified` takes out; parameters and errors as there.

    Returns
    -------
    Dataset
        float64, one number for each interferogram, NaN where there is none; lazy if ``igram`` is: ``rad_per_km``,
        ``resultant`` (length of the mean phasor that is left, 0..1), ``height_std`` (m, of the pixels that count).
    """
    table, found = _found(ds, "stratification", limit, plane, min_spread)
    dims, coords = table.image.dims[:-2], lead_of(table.image)
    said = {
        "rad_per_km": ("rad/km", "phase in proportion to height"),
        "resultant": ("1", "length of the mean phasor without that phase"),
        "height_std": ("m", "standard deviation of the terrain height"),
    }
    return xr.Dataset(
        {
            name: xr.DataArray(
                found[..., 0, k], coords, dims, attrs=dict(zip(("units", "long_name"), words, strict=True))
            )
            for k, (name, words) in enumerate(said.items())
        }
    )


def _found(ds: xr.Dataset, to: str, limit: float, plane: bool, min_spread: float) -> tuple[Table, Any]:
    """Table of the interferograms; rate, resultant and height spread of each."""
    require(ds, "igram", "dem", to=to)
    image = check_image(ds["igram"], "igram", "complex64")
    dem = check_field(ds["dem"], "dem", "float32", image)
    check_kind("plane", plane, bool, "True or False")
    for name, value in (("limit", limit), ("min_spread", min_spread)):
        if check_number(name, value) <= 0:
            raise ValueError(f"{name} must be more than 0, instead got {name}={value}")
    table = sum_blocks(ds, "igram", blocks=BLOCKS, dem=dem)
    found = per_image(
        _fit, table, 3, per_cell={"names": cell_names(table.image)}, limit=float(limit), plane=plane,
        min_spread=float(min_spread), shape=table.image.shape[-2:],
    )  # fmt: skip
    return table, found


def _fit(
    sums: np.ndarray, *, names: np.ndarray, limit: float, plane: bool, min_spread: float, shape: tuple[int, int],
    tile: Tile,
) -> np.ndarray:  # fmt: skip
    out = np.empty((*sums.shape[:-2], 1, 3))
    for index in np.ndindex(sums.shape[:-2]):
        out[index] = fit_stratified(sums[index], limit=limit, plane=plane, shape=shape)
        spread = out[index][0, 2]
        if spread < min_spread:
            raise InsarError(
                f"the terrain must have a height spread (standard deviation) of at least {min_spread:g} m to tell "
                f"phase that follows it, instead got {spread:.3g} m in {names[index]}: leave remove_stratified out, "
                "or lower min_spread"
            )
    return out
