"""Interferograms as GeoTIFF pairs: one file per image, two dates in its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError, ProductError
from insarflow.stack.assemble import Array, stack_pairs
from insarflow.stack.geometry import ground_point, line_of_sight
from insarflow.stack.raster import Raster, lazy_raster, read_header, read_pixel
from insarflow.stack.readers.files import Found, find_images
from insarflow.stack.readers.gamma import Sidecars, read_sidecars
from insarflow.types import Grid, JsonValue, Pair, Recipe

MAX_IGNORED = 100
"""Most names kept in the attribute ``ignored_files``."""

_TURN = 2.0 * np.pi + 0.01

MAX_UNWRAPPED = 5_000.0
"""Largest unwrapped phase that can be true, rad: 22 m of motion at C band."""


def read_geotiff_pairs(source: str | Path) -> xr.Dataset:
    """Open a folder of GeoTIFF interferograms, or one of its files, as a stack. Lazy: only headers are read.

    Parameters
    ----------
    source
        Folder, searched with its subfolders (neither hidden ones nor ``*.SAFE``, and no links out of it), or a file.

    Returns
    -------
    Dataset
        A stack. ``igram`` has unit magnitude and is the wrapped phase, or else the unwrapped phase re-wrapped; the
        latter is kept as ``unwrapped``. ``coherence``, ``amplitude`` (of the reference), ``dem`` where there are
        such files on the same grid. With GAMMA's parameter files beside: ``perpendicular_baseline``, ``incidence``,
        ``los_east``, ``los_north``, ``los_up`` and the attributes ``wavelength`` (m), ``heading`` (rad), ``pass``,
        ``platform``, ``looks`` (y, x), ``acquisition_times`` (JSON: UTC seconds of the day by date).
        Rasters that were not used are listed in ``ignored_files`` (JSON).

    Raises
    ------
    ProductError
        If the source is missing, no pair is found, a pair is there twice, its later date is named first, or a file is
        damaged or has no CRS.
    GridMismatchError
        If the images do not share one grid.

    Notes
    -----
    A file is known by its name: two dates (20180106-20180130, 2018-01-06_2018-01-30, 06Jan2023_12Jan2023) in it or in
    a folder above it, and a word: ``unw``; ``cc``, ``coh``, ``cor``, ``corr``; ``phase``, ``pha``, ``phi``,
    ``wrapped``, ``diff``, ``int``, ``ifg``; ``amp``; ``dem``, ``hgt``.

    The file's own no-data value and these mean missing: 0 in unwrapped phase, coherence, amplitude and complex images;
    -9999 in wrapped phase, and 0 too in SNAP's exports. Any other phase of exactly 0 is a measurement.
    """
    found = find_images(Path(source))
    headers = {
        pair: {role: read_header(path) for role, path in images.items()} for pair, images in found.images.items()
    }
    rasters = [raster for images in headers.values() for raster in images.values()]
    for raster in rasters:
        _check_grid(raster, rasters[0])
    dem, unused = _dem(found.dems, rasters[0])
    missing = _missing(found)
    sidecars = read_sidecars(found.others)

    recipe = _recipe(found, [*rasters, *([] if dem is None else [dem])], missing, gamma=bool(sidecars.acquisitions))
    static: dict[str, Array] = {}
    orbit = sidecars.orbit()
    if dem is not None:
        heights = static["dem"] = lazy_raster(dem, missing=missing["dem"])
        if orbit is not None:
            static |= line_of_sight(heights, dem.grid, orbit)
            recipe = recipe.then("line_of_sight", orbit_of=str(min(sidecars.acquisitions))[:10], heights="dem")
    return stack_pairs(
        {pair: _images(images, missing) for pair, images in headers.items()},
        rasters[0].grid,
        static=static,
        baselines=_baselines(sidecars, headers, rasters[0].grid, dem, missing["dem"]),
        attrs=_attributes([*found.ignored, *unused], found.root) | sidecars.attributes(),
        recipe=recipe,
    )


def _baselines(
    sidecars: Sidecars, pairs: Iterable[Pair], grid: Grid, dem: Raster | None, missing: tuple[float, ...]
) -> dict[Pair, float] | None:
    """Perpendicular baselines in the middle of the grid, of the pairs that have one."""
    middle = grid.shape[0] // 2, grid.shape[1] // 2
    height = 0.0 if dem is None else read_pixel(dem, *middle, missing=missing)
    # Heights change the baseline by some tenths of a percent per kilometre: none is better than no baseline.
    point = ground_point(grid, 0.0 if np.isnan(height) else height)
    known = {pair: value for pair in pairs if (value := sidecars.perpendicular_baseline(pair, point)) is not None}
    return known or None


def _check_grid(raster: Raster, first: Raster) -> None:
    if not raster.grid.same_as(first.grid):
        raise GridMismatchError(
            f"all images must share one grid, instead got file={str(first.path)!r} with {_words(first)} "
            f"and file={str(raster.path)!r} with {_words(raster)}: resample one with gdalwarp"
        )


def _words(raster: Raster) -> str:
    grid = raster.grid
    return f"shape={grid.shape}, transform={grid.transform}, crs={grid.crs[:60]!r}"


def _dem(paths: list[Path], first: Raster) -> tuple[Raster | None, list[Path]]:
    """Pick the first terrain model on the images' grid, and the files left over."""
    for path in paths:
        raster = read_header(path)
        if raster.grid.same_as(first.grid):
            return raster, [p for p in paths if p != path]
    return None, paths


def _missing(found: Found) -> dict[str, tuple[float, ...]]:
    """Values that mean "missing" by the product's custom, beside the files' own."""
    return {
        "unwrapped": (0.0,),
        "coherence": (0.0,),
        "phase": (0.0, -9999.0) if found.snap else (-9999.0,),
        "amplitude": (0.0,),
        "complex": (0.0,),
        "dem": (-32768.0,),
    }


def _images(headers: Mapping[str, Raster], missing: Mapping[str, tuple[float, ...]]) -> dict[str, Array]:
    """Make the contract's images of one pair, lazily."""
    images: dict[str, Array] = {}
    for role, raster in headers.items():
        kind = np.dtype(raster.dtype).kind
        if kind == "c" and role != "phase":
            raise ProductError(f"file={str(raster.path)!r} must be real ({role}), instead got {raster.dtype}")
        if kind == "c":
            images["igram"] = lazy_raster(raster, missing=missing["complex"])
        elif role == "phase":
            images["igram"] = _wrap(lazy_raster(raster, missing=missing[role], limits=(-_TURN, _TURN)))
        elif role == "coherence":
            images[role] = _clip(
                lazy_raster(raster, missing=missing[role], scale=_coherence_scale(raster), limits=(-0.1, 1.1))
            )
        elif role == "unwrapped":
            images[role] = lazy_raster(raster, missing=missing[role], limits=(-MAX_UNWRAPPED, MAX_UNWRAPPED))
        else:
            images[role] = lazy_raster(raster, missing=missing[role])
    if "igram" not in images:
        images["igram"] = _wrap(images["unwrapped"])
    return images


def _coherence_scale(raster: Raster) -> float:
    """Bytes without a declared scale are 0 to 255, as LiCSAR's."""
    declared = (raster.scale, raster.offset) != (1.0, 0.0)
    return 1.0 / 255.0 if raster.dtype == "|u1" and not declared else 1.0


def _clip(coherence: da.Array) -> da.Array:
    """Rounding beyond 0 and 1 taken away."""
    clipped: da.Array = da.clip(coherence, np.float32(0.0), np.float32(1.0))
    return clipped


def _wrap(phase: Any) -> da.Array:
    """``exp(i phase)``, block by block."""
    wrapped: da.Array = phase.map_blocks(_unit, dtype=np.complex64, meta=np.empty((0, 0), np.complex64))
    return wrapped


def _unit(phase: np.ndarray) -> np.ndarray:
    out = np.empty(phase.shape, np.complex64)
    out.real, out.imag = np.cos(phase), np.sin(phase)
    return out


def _recipe(found: Found, files: list[Raster], missing: Mapping[str, tuple[float, ...]], *, gamma: bool) -> Recipe:
    digest = hashlib.sha256()
    for raster in sorted(files, key=lambda r: r.path):
        with raster.path.open("rb") as stream:
            head = stream.read(4096)
        digest.update(f"{raster.path.relative_to(found.root)}\0{raster.size}\0".encode() + head)
    roles = sorted({role for images in found.images.values() for role in images})
    coherences = {images["coherence"] for images in found.images.values() if "coherence" in images}
    bytes_ = any(_coherence_scale(raster) != 1.0 for raster in files if raster.path in coherences)
    scale: dict[str, JsonValue] = {"coherence": 1.0 / 255.0} if bytes_ else {}
    nodata: dict[str, JsonValue] = {role: list(missing[role]) for role in roles}
    return Recipe().then(
        "read",
        product="gamma geotiff" if gamma else "snap geotiff" if found.snap else "geotiff pairs",
        files=len(files),
        sha=digest.hexdigest(),
        phase_sign="kept",
        date_order="earlier first",
        nodata=nodata,
        scale=scale,
    )


def _attributes(ignored: list[Path], root: Path) -> dict[str, Any]:
    names = [str(p.relative_to(root)) for p in sorted(ignored)]
    if len(names) > MAX_IGNORED:
        names = [*names[:MAX_IGNORED], f"and {len(names) - MAX_IGNORED} more"]
    return {"ignored_files": json.dumps(names)}
