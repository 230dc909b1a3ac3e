"""Rasters on the grid of their stack: as they are where they lie on its lattice, resampled where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import xarray as xr

from insarflow.schema import recipe_of
from insarflow.stack.assemble import SHARD
from insarflow.stack.georeference import degrees_of, grid_of
from insarflow.stack.lattice import EXACT, intersect, locate, share_lattice, unite
from insarflow.stack.mosaic import Mosaic, Windows
from insarflow.stack.raster import Pixels, Raster
from insarflow.stack.resample import Resampled, averaged, chunk_side, resample_dataset
from insarflow.stack.target import Target, bounds_on, refuse_apart, target_grid
from insarflow.types import Grid, JsonValue, Recipe, Window


@dataclass(frozen=True)
class Placement:
    """Where the images of a product lie on the grid of their stack.

    Attributes
    ----------
    grid
        Its pixels.
    windows
        Where the files lie on it that share its lattice; all others are resampled.
    shift
        Largest distance that one of the former was moved by, pixels.
    method
        How values between pixels are found.
    chunk
        Side of blocks, pixels.
    resamples
        Whether files of another lattice may be resampled.
    steps
        What was done, for the recipe: operations and their parameters.
    """

    grid: Grid
    windows: Mapping[Path, Window]
    shift: float
    method: str
    chunk: int
    resamples: bool = False
    steps: Sequence[tuple[str, Mapping[str, JsonValue]]] = ()

    def source(self, parts: Sequence[Pixels], name: str, *, wrapped: bool = False) -> Windows:
        """What reads an image on the grid, window by window.

        Parameters
        ----------
        parts
            Its files: the first that is not missing counts.
        name
            What it is, by contract name.
        wrapped
            Whether the files hold wrapped phase in radians; the image is then ``exp(i phase)``.
        """
        clip = (0.0, 1.0) if name == "coherence" else None
        windows = [self.windows.get(pixels.raster.path) for pixels in parts]
        placed = [(pixels, window) for pixels, window in zip(parts, windows, strict=True) if window is not None]
        if len(placed) == len(parts):
            return Mosaic(placed, self.grid.shape, self.chunk, clip=clip, wrapped=wrapped)
        chunk = min(self.chunk, chunk_side([pixels.raster.grid for pixels in parts], self.grid))
        return Resampled(parts, self.grid, name=name, method=self.method, chunk=chunk, clip=clip, wrapped=wrapped)

    def bounds(self, raster: Raster) -> Window | None:
        """Pixels of the grid that a file may have something for; None if there are none."""
        window = self.windows.get(raster.path)
        return bounds_on(raster.grid, self.grid) if window is None else window.shared(Window(0, 0, *self.grid.shape))

    def meets(self, raster: Raster) -> bool:
        """Whether a file may have something for the grid."""
        return self.bounds(raster) is not None

    def with_raster(self, raster: Raster, *, nearest: bool) -> Placement | None:
        """The same with one more file placed; None if it is of another lattice and may not be resampled."""
        at = locate(raster.grid, self.grid)
        if at is not None and (nearest or at[1] <= EXACT):
            return replace(self, windows={**self.windows, raster.path: at[0]})
        return self if self.resamples else None

    def recorded(self, recipe: Recipe) -> Recipe:
        """`recipe` with what was done to bring the images here."""
        if self.shift > EXACT:
            recipe = recipe.then("align", method="nearest", largest_shift_px=round(self.shift, 3))
        for operation, parameters in self.steps:
            recipe = recipe.then(operation, **parameters)
        return recipe


def place_images(images: Sequence[Sequence[Raster]], target: Target | None, *, nearest: bool) -> Placement:
    """Find the grid of a stack, and where its images lie on it.

    Parameters
    ----------
    images
        Headers of the files of each image; at least one.
    target
        What is asked for; None for the images' own lattice, which they must share.
    nearest
        Whether images of one lattice that lie between its pixels may be moved to the nearest; they are also resampled
        so, unless a method is named.

    Raises
    ------
    GridMismatchError
        If the images share no lattice and no target is given, have no place on the target, or are of regions far
        apart.
    ValueError
        If the target has absurdly many pixels.
    SelectionError
        If no image touches a grid that is to be copied.
    """
    rasters = [raster for image in images for raster in image]
    method = (target.method if target else None) or ("nearest" if nearest else "bilinear")
    if target is None or (target.keeps_lattice and share_lattice(rasters, nearest=nearest)):
        union = unite(rasters, nearest=nearest)
        if target is None or target.extent == "union":
            return Placement(union.grid, union.windows, union.shift, method, SHARD)
        part = intersect(union, [[raster.path for raster in image] for image in images])
        return Placement(part.grid, part.windows, part.shift, method, SHARD, steps=[_cut("intersection", part.grid)])
    return _on_target(rasters, target, method)


def resample_stack(ds: xr.Dataset, target: Target, *, name: str) -> xr.Dataset:
    """Bring a stack to another grid, lazily; on its own grid it stays as it is.

    Raises
    ------
    ValueError, GridMismatchError, SelectionError
        As `place_images`.
    """
    own = grid_of(ds)
    grid = target_grid(target, {name: own})
    if grid == own:
        return ds
    if bounds_on(own, grid) is None:
        raise refuse_apart(grid)
    method = target.method or "bilinear"
    recipe = recipe_of(ds)
    if target.extent != "union":
        operation, parameters = _cut(target.extent, grid)
        recipe = recipe.then(operation, **parameters)
    recipe = recipe.then("resample", **target.step(grid, method, averaged([own], grid)))
    return resample_dataset(ds, grid, method=method).assign_attrs(recipe=recipe.to_json())


def _on_target(rasters: Sequence[Raster], target: Target, method: str) -> Placement:
    known = {f"file={str(raster.path)!r}": raster.grid for raster in rasters}
    grids: dict[Grid, str] = {}
    for name, own in known.items():
        grids.setdefault(own, name)
    grid = target_grid(target, {name: own for own, name in grids.items()})
    near = [own for own in grids if bounds_on(own, grid)]
    if not near:
        raise refuse_apart(grid)
    places = {own: at[0] for own in grids if (at := locate(own, grid)) is not None and at[1] <= EXACT}
    windows = {raster.path: places[raster.grid] for raster in rasters if raster.grid in places}
    others = [own for own in near if own not in places]
    steps = [] if target.extent == "union" else [_cut(target.extent, grid)]
    if others:
        files = sum(raster.grid in others for raster in rasters)
        steps.append(("resample", {**target.step(grid, method, averaged(others, grid)), "files": files}))
    return Placement(grid, windows, 0.0, method, chunk_side(others, grid), resamples=True, steps=steps)


def _cut(extent: str | Grid, grid: Grid) -> tuple[str, Mapping[str, JsonValue]]:
    """The step of a recipe that says that images were cut to a grid: some may have no pixel on it."""
    bounds = degrees_of(grid)
    box: dict[str, JsonValue] = {} if bounds is None else {"bbox": [round(v, 7) for v in bounds]}
    return "subset", {"grid": extent if isinstance(extent, str) else "like", **box}
