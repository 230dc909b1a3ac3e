"""Interferograms as GeoTIFF pairs: one file per image, two dates in its name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError, ProductError
from insarflow.kernels.phase import phasor
from insarflow.stack.archive import read_starts
from insarflow.stack.assemble import Array, stack_pairs
from insarflow.stack.geometry import ground_point, line_of_sight
from insarflow.stack.lattice import EXACT, Union, place, unite
from insarflow.stack.raster import Mosaic, Pixels, Raster, read_header
from insarflow.stack.readers.files import Found, find_images
from insarflow.stack.readers.gamma import Sidecars, read_sidecars
from insarflow.types import Grid, JsonValue, Pair, Recipe, Window

MAX_IGNORED = 100
"""Most names kept in the attribute ``ignored_files``."""

_TURN = 2.0 * np.pi + 0.01

MAX_UNWRAPPED = 5_000.0
"""Largest unwrapped phase that can be true, rad: 22 m of motion at C band."""


def read_geotiff_pairs(source: Path | Sequence[Path]) -> xr.Dataset:
    """Open GeoTIFF interferograms as a stack. Lazy: only headers are read.

    Parameters
    ----------
    source
        One or several that exist: a folder, searched with its subfolders (neither hidden ones nor ``*.SAFE``, and no
        links out of it) and the zip files in it; a zip file; a GeoTIFF.

    Returns
    -------
    Dataset
        A stack. ``igram`` has unit magnitude and is the wrapped phase, or else the unwrapped phase re-wrapped; the
        latter is kept as ``unwrapped``. ``coherence``, ``amplitude`` (of the reference), ``dem`` where there are
        such files on the same lattice. With GAMMA's parameter files beside: ``perpendicular_baseline``, ``incidence``,
        ``los_east``, ``los_north``, ``los_up`` and the attributes ``wavelength`` (m), ``heading`` (rad), ``pass``,
        ``platform``, ``looks`` (y, x), ``acquisition_times`` (JSON: UTC seconds of the day by date).
        Rasters that were not used are listed in ``ignored_files`` (JSON).

    Raises
    ------
    ProductError
        If no pair is found, a pair is there twice, its later date is named first, or a file is
        damaged or has no CRS.
    GridMismatchError
        If CRS, pixel size or lattice of the images differ, or they are of regions far apart.

    Notes
    -----
    Images of differing extents lie on the smallest grid that holds all of them, NaN where an image has no pixel. They
    must lie on one lattice, but SNAP's exports (phase by nearest neighbour) are moved by up to half a pixel, which the
    recipe tells (``align``). Files of the swaths of one pair (IW1, IW2, IW3 in the name, or a folder SW1, SW2, SW3)
    are one image: the first swath's pixel counts where it has one.

    A file is known by its name: two dates (20180106-20180130, 2018-01-06_2018-01-30, 06Jan2023_12Jan2023) in it or in
    a folder above it, and a word: ``unw``; ``cc``, ``coh``, ``cor``, ``corr``; ``phase``, ``pha``, ``phi``,
    ``wrapped``, ``diff``, ``int``, ``ifg``; ``amp``; ``dem``, ``hgt``.

    The file's own no-data value and these mean missing: 0 in unwrapped phase, coherence, amplitude and complex images;
    -9999 in wrapped phase, and 0 too in SNAP's exports. Any other phase of exactly 0 is a measurement.
    """
    found = find_images([source] if isinstance(source, Path) else source)
    headers = {
        pair: {role: [read_header(path) for path in paths] for role, paths in images.items()}
        for pair, images in found.images.items()
    }
    rasters = [raster for images in headers.values() for swaths in images.values() for raster in swaths]
    union = unite(rasters, nearest=found.snap)
    dems, unused = _dems(found, rasters[0], union)
    missing = _missing(found)
    sidecars = read_sidecars(found.others)

    recipe = _recipe(found, [*rasters, *(raster for raster, _ in dems)], missing, gamma=bool(sidecars.acquisitions))
    if union.shift > EXACT:
        recipe = recipe.then("align", method="nearest", largest_shift_px=round(union.shift, 3))
    if found.swaths:
        recipe = recipe.then("merge_swaths", swaths=list(found.swaths))
    static: dict[str, Array] = {}
    heights = Mosaic([(Pixels(r, missing["dem"]), w) for r, w in dems], union.grid.shape) if dems else None
    orbit = sidecars.orbit()
    if heights is not None:
        dem = static["dem"] = heights.lazy()
        if orbit is not None:
            static |= line_of_sight(dem, union.grid, orbit)
            recipe = recipe.then("line_of_sight", orbit_of=str(min(sidecars.acquisitions))[:10], heights="dem")
    return stack_pairs(
        {pair: _images(images, union, missing) for pair, images in headers.items()},
        union.grid,
        static=static,
        baselines=_baselines(sidecars, headers, union.grid, heights),
        attrs=_attributes([*found.ignored, *unused], found.root) | sidecars.attributes(),
        recipe=recipe,
    )


def _baselines(sidecars: Sidecars, pairs: Iterable[Pair], grid: Grid, dem: Mosaic | None) -> dict[Pair, float] | None:
    """Perpendicular baselines in the middle of the grid, of the pairs that have one."""
    height = 0.0 if dem is None else float(dem[grid.shape[0] // 2, grid.shape[1] // 2])
    # Heights change the baseline by some tenths of a percent per kilometre: none is better than no baseline.
    point = ground_point(grid, 0.0 if np.isnan(height) else height)
    known = {pair: value for pair in pairs if (value := sidecars.perpendicular_baseline(pair, point)) is not None}
    return known or None


def _dems(found: Found, first: Raster, union: Union) -> tuple[list[tuple[Raster, Window]], list[Path]]:
    """Terrain models on the images' lattice that cover the grid, each where it lies, and the files left over."""
    whole = Window(0, 0, *union.grid.shape)
    origin = union.windows[first.path]
    kept: list[tuple[Raster, Window]] = []
    boxes: list[Window] = []
    unused: list[Path] = []
    for path in found.dems:
        unused.append(path)
        if whole in boxes:
            continue
        raster = read_header(path)
        try:
            window, _ = place(raster, first, nearest=found.snap)
        except GridMismatchError:
            continue
        window = Window(window.y0 + origin.y0, window.x0 + origin.x0, *window.shape)
        box = whole.shared(window)
        if box is not None and not any(other.shared(box) == box for other in boxes):
            kept.append((raster, window))
            boxes.append(box)
            unused.pop()
    return kept, unused


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


def _images(
    headers: Mapping[str, Sequence[Raster]], union: Union, missing: Mapping[str, tuple[float, ...]]
) -> dict[str, Array]:
    """Make the contract's images of one pair, lazily."""
    limits = {"phase": (-_TURN, _TURN), "coherence": (-0.1, 1.1), "unwrapped": (-MAX_UNWRAPPED, MAX_UNWRAPPED)}
    images: dict[str, Array] = {}
    for role, swaths in headers.items():
        is_complex = _is_complex(role, swaths)
        parts = [
            Pixels(
                raster,
                missing["complex" if is_complex else role],
                _coherence_scale(raster) if role == "coherence" else 1.0,
                None if is_complex else limits.get(role),
            )
            for raster in swaths
        ]
        image = Mosaic([(part, union.windows[part.raster.path]) for part in parts], union.grid.shape).lazy()
        if role == "phase":
            images["igram"] = image if is_complex else _wrap(image)
        else:
            images[role] = _clip(image) if role == "coherence" else image
    if "igram" not in images:
        images["igram"] = _wrap(images["unwrapped"])
    return images


def _is_complex(role: str, swaths: Sequence[Raster]) -> bool:
    """Whether an image is complex, which only an interferogram may be, in all its swaths."""
    kinds = {np.dtype(raster.dtype).kind == "c": raster for raster in swaths}
    if True in kinds and role != "phase":
        raise ProductError(f"file={str(kinds[True].path)!r} must be real ({role}), instead got {kinds[True].dtype}")
    if len(kinds) > 1:
        raise ProductError(
            f"the swaths of an interferogram must be of one kind, instead file={str(kinds[True].path)!r} is complex "
            f"and file={str(kinds[False].path)!r} is real: open one of them"
        )
    return True in kinds


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
    wrapped: da.Array = phase.map_blocks(phasor, dtype=np.complex64, meta=np.empty((0, 0), np.complex64))
    return wrapped


def _recipe(found: Found, files: list[Raster], missing: Mapping[str, tuple[float, ...]], *, gamma: bool) -> Recipe:
    roles = sorted({role for images in found.images.values() for role in images})
    coherences = {path for images in found.images.values() for path in images.get("coherence", ())}
    bytes_ = any(_coherence_scale(raster) != 1.0 for raster in files if raster.path in coherences)
    scale: dict[str, JsonValue] = {"coherence": 1.0 / 255.0} if bytes_ else {}
    nodata: dict[str, JsonValue] = {role: list(missing[role]) for role in roles}
    return Recipe().then(
        "read",
        product="gamma geotiff" if gamma else "snap geotiff" if found.snap else "geotiff pairs",
        files=len(files),
        sha=_digest(files, found.root),
        phase_sign="kept",
        date_order="earlier first",
        nodata=nodata,
        scale=scale,
        interferogram="complex" if _any_complex(found, files) else "phase",
    )


def _any_complex(found: Found, files: list[Raster]) -> bool:
    """Whether an interferogram has a magnitude of its own."""
    paths = {path for images in found.images.values() for path in images.get("phase", ())}
    return any(np.dtype(raster.dtype).kind == "c" for raster in files if raster.path in paths)


def _digest(files: list[Raster], root: Path) -> str:
    """Hash of the files' names, sizes and first bytes; the same for a folder and its zip file."""
    digest = hashlib.sha256()
    ordered = sorted(files, key=lambda r: r.path)
    for raster, start in zip(ordered, read_starts((r.path for r in ordered), 4096), strict=True):
        digest.update(f"{raster.path.relative_to(root)}\0{raster.size}\0".encode() + start)
    return digest.hexdigest()


def _attributes(ignored: list[Path], root: Path) -> dict[str, Any]:
    names = [str(p.relative_to(root)) for p in sorted(ignored)]
    if len(names) > MAX_IGNORED:
        names = [*names[:MAX_IGNORED], f"and {len(names) - MAX_IGNORED} more"]
    return {"ignored_files": json.dumps(names)}
