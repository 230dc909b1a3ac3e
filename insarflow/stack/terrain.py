"""The terrain of a stack, and how the radar sees it."""

from __future__ import annotations

import xarray as xr

from insarflow.ops.terrain import layover_shadow, local_incidence, require_line_of_sight, surface
from insarflow.schema import recipe_of, require
from insarflow.stack.georeference import grid_of


def terrain(obj: xr.Dataset | xr.DataArray, *, scale: float | None = None, reach: float = 8000.0) -> xr.Dataset:
    """Slope, aspect and curvature of the terrain, and its local incidence, layover and shadow.

    Parameters
    ----------
    obj
        A stack, or any Dataset with a CRS that holds ``dem`` (m) and the line of sight ``los_east``, ``los_north``,
        ``los_up``, float32 on ``(y, x)``. Or a DEM alone: a DataArray, of which slope, aspect and curvature are made.
        `insarflow.add_dem` adds any DEM to a stack.
    scale
        Side of the window, m, that slope, aspect and curvature are of, such as the size of the slopes that are looked
        for: by default 3 x 3 pixels. Local incidence, layover and shadow are always those of the DEM's own pixels.
    reach
        How far along the ground other terrain may lie that hides a pixel or shares its range, m. By default enough
        for 4,000 m of height at an incidence of 27 degrees.

    Returns
    -------
    Dataset
        `obj` (for a DataArray a new one) with, on ``(y, x)``, lazy if ``dem`` is:

        - ``slope`` (float32, rad) and ``aspect`` (float32, rad clockwise from true north, the downhill direction; NaN
          where the ground is level),
        - ``profile_curvature`` and ``plan_curvature`` (float32, 1/m, positive where convex),
        - ``local_incidence`` (float32, rad, more than pi/2 where the ground faces away from the satellite),
        - ``layover`` and ``shadow`` (bool), active and passive; they replace those of the product. False where height
          or line of sight are missing,
        - ``layover_shadow`` (uint8), which tells them apart: the sum of 1 (active layover: the ground faces the
          satellite and is steeper than the incidence angle) or 2 (passive layover: only other terrain brings it about),
          and 4 (active shadow: the ground faces away and is steeper than 90 degrees less that angle) or 8 (passive
          shadow: only other terrain hides it). Attributes ``flag_masks`` and ``flag_meanings`` by the CF conventions.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range.
    MissingVariableError
        If there is no ``dem``, or no line of sight.
    SchemaError
        If the pixels have no place: no coordinates or no CRS.

    Notes
    -----
    Distances are those on the WGS 84 ellipsoid, whatever the CRS: degrees shrink with the latitude, and projections
    have a scale and a north of their own. Derivatives are those of the quadratic surface that fits the window best
    (Evans 1980; larger windows: Wood 1996); its equations are in `insarflow.kernels.terrain.surface`.

    A pixel is in shadow if terrain toward the satellite rises to its line of sight, and in layover if some other point
    of its range plane has its slant range (`insarflow.kernels.layover.layover_shadow`).

    A block reads the DEM and the line of sight to `reach` on all sides: at 20 m a block of 2048 pixels reads 2850 x
    2850, and holds 0.2 GB.

    References
    ----------
    Evans (1980), Zeitschrift fuer Geomorphologie, Supplement 36, 274-295. Kropatsch and Strobl (1990),
    doi:10.1109/36.45752.

    Examples
    --------
    >>> import insarflow, numpy as np
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> shape = terrain(ds)
    >>> bool((shape["slope"].max() < np.pi / 2) & ~shape["layover"].all())
    True
    """
    seen = not isinstance(obj, xr.DataArray)
    ds = obj.rename("dem").to_dataset() if isinstance(obj, xr.DataArray) else obj
    if seen:
        require(ds, "dem", to="terrain", remedy="add one with insarflow.add_dem(ds, 'dem.tif')")
        require_line_of_sight(ds, to="terrain")
    grid = grid_of(ds)
    made = surface(ds["dem"], grid, scale=scale)
    if seen:
        made = made.assign(local_incidence=local_incidence(ds, grid)).assign(layover_shadow(ds, grid, reach=reach))
    mapping = ds["dem"].encoding.get("grid_mapping")
    for name in made.data_vars if mapping else ():
        made[name].encoding["grid_mapping"] = mapping
    recipe = recipe_of(ds).then("terrain", scale=scale, **({"reach": reach} if seen else {}))
    return ds.assign({name: made[name] for name in made.data_vars}).assign_attrs(recipe=recipe.to_json())
