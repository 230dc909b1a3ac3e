"""Interferograms as GeoTIFF pairs: one file per image, two dates in its name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarflow.stack.assemble import Array, stack_pairs
from insarflow.stack.geometry import ground_point, line_of_sight
from insarflow.stack.mosaic import Windows
from insarflow.stack.placement import Placement, place_images
from insarflow.stack.raster import Pixels, Raster, read_header
from insarflow.stack.readers import roipac
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.files import Found, find_images
from insarflow.stack.readers.gamma import Sidecars, read_sidecars
from insarflow.stack.readers.identity import Identity
from insarflow.stack.readers.images import Missing, coherence_scale, missing_values, pair_images, read_headers
from insarflow.stack.readers.track import check_acquisitions, check_headers
from insarflow.stack.resample import Resampled
from insarflow.stack.target import Target
from insarflow.types import Grid, JsonValue, Pair, Recipe, Window

MAX_IGNORED = 100
"""Most names kept in the attribute ``ignored_files``."""


def read_geotiff_pairs(
    source: Path | Sequence[Path],
    *,
    target: Target | None = None,
    skip_bad: bool = False,
    hash_files: bool = False,
) -> xr.Dataset:
    """Open GeoTIFF interferograms as a stack. Lazy: only headers are read.

    Parameters
    ----------
    source
        One or several that exist: a folder, searched with its subfolders (neither hidden ones nor ``*.SAFE``, and no
        links out of it) and the zip files in it; a zip file; a GeoTIFF.
    target
        Grid that the images are brought to; None for their own lattice.
    skip_bad
        Whether files that are damaged, named wrongly or there twice are left out, with a warning that names each,
        rather than an error. Each file is then read once to its end, block by block.
    hash_files
        Whether all bytes of each file make its interferogram's ``fingerprint``, rather than size, time and first bytes.

    Returns
    -------
    Dataset
        A stack. ``igram`` has unit magnitude and is the wrapped phase, or else the unwrapped phase re-wrapped; the
        latter is kept as ``unwrapped``. ``coherence``, ``amplitude`` (of the reference), ``dem`` where there are
        such files on the same lattice; ``fingerprint``. With GAMMA's parameter files beside:
        ``perpendicular_baseline``, ``incidence``, ``los_east``, ``los_north``, ``los_up`` and the attributes
        ``wavelength`` (m), ``slant_range`` (m, in the middle of the grid), ``heading`` (rad), ``pass``, ``platform``,
        ``looks`` (y, x), ``acquisition_times`` (JSON: UTC seconds of the day by date); with ROI_PAC's headers
        (``*.rsc``) those of them that are known.
        Rasters that were not used are listed in ``ignored_files`` (JSON), those left out in ``skipped_files`` (JSON:
        what is wrong, by file).

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
    ``wrapped``, ``diff``, ``int``, ``ifg``; ``amp``; ``dem``, ``hgt``. ROI_PAC's dates have six digits
    (060619-061002).

    The file's own no-data value and these mean missing: 0 in unwrapped phase, coherence, amplitude and complex images;
    -9999 in wrapped phase, and 0 too in SNAP's exports. Any other phase of exactly 0 is a measurement.
    """
    bad = Bad(skip=skip_bad)
    found = find_images([source] if isinstance(source, Path) else source, bad)
    missing = missing_values(snap=found.snap)
    headers = read_headers(found.images, missing, bad)
    images = [swaths for roles in headers.values() for swaths in roles.values()]
    placement = place_images(images, target, nearest=found.snap)
    # On a grid that was given, an interferogram may have no pixel.
    headers = {pair: roles for pair, roles in headers.items() if any(map(placement.meets, chain(*roles.values())))}
    placement, dems, unused = _dems(found, placement, bad)
    sidecars = read_sidecars(found.others, bad)
    check_acquisitions(sidecars.acquisitions, headers)
    roipac_headers = roipac.read_headers(found.others, bad)
    check_headers(roipac_headers)

    files = [raster for roles in headers.values() for swaths in roles.values() for raster in swaths]
    identity = Identity([*files, *dems], whole=hash_files)
    product = "gamma" if sidecars.acquisitions else "roi_pac" if roipac_headers else "snap" if found.snap else "pairs"
    recipe = _recipe(found, [*files, *dems], missing, identity, product=product, skipped=len(bad.files))
    recipe = placement.recorded(recipe)
    if found.swaths:
        recipe = recipe.then("merge_swaths", swaths=list(found.swaths))
    static: dict[str, Array] = {}
    heights = placement.source([Pixels(r, missing["dem"]) for r in dems], "dem") if dems else None
    if isinstance(heights, Resampled):
        recipe = recipe.then("resample_dem", method=placement.method)
    orbit = sidecars.orbit()
    if heights is not None:
        dem = static["dem"] = heights.lazy()
        if orbit is not None:
            static |= line_of_sight(dem, placement.grid, orbit)
            recipe = recipe.then("line_of_sight", orbit_of=str(min(sidecars.acquisitions))[:10], heights="dem")
    bad.warn()
    point = _middle(placement.grid, heights)
    ds = stack_pairs(
        {pair: pair_images(roles, missing, placement) for pair, roles in headers.items()},
        placement.grid,
        static=static,
        baselines=_baselines(sidecars, headers, point),
        attrs=_attributes([*found.ignored, *unused], found.root)
        | _wavelength(files)
        | bad.attributes(found.root)
        | roipac.attributes(roipac_headers)
        | sidecars.attributes()
        | sidecars.range_to(point),
        recipe=recipe,
    )
    return identity.note(ds, headers)


def _middle(grid: Grid, dem: Windows | None) -> np.ndarray:
    """Earth-fixed coordinates of the ground in the middle of the grid."""
    height = 0.0 if dem is None else float(dem[grid.shape[0] // 2, grid.shape[1] // 2])
    # Heights change the baseline by some tenths of a percent per kilometre: none is better than no baseline.
    return ground_point(grid, 0.0 if np.isnan(height) else height)


def _baselines(sidecars: Sidecars, pairs: Iterable[Pair], point: np.ndarray) -> dict[Pair, float] | None:
    """Perpendicular baselines at a point of the ground, of the pairs that have one."""
    known = {pair: value for pair in pairs if (value := sidecars.perpendicular_baseline(pair, point)) is not None}
    return known or None


def _dems(found: Found, placement: Placement, bad: Bad) -> tuple[Placement, list[Raster], list[Path]]:
    """Terrain models that cover the grid, on its lattice unless all is resampled; and the files left over."""
    whole = Window(0, 0, *placement.grid.shape)
    kept: list[Raster] = []
    boxes: list[Window] = []
    unused: list[Path] = []
    for path in found.dems:
        unused.append(path)
        if whole in boxes:
            continue
        with bad.file(path):
            raster = read_header(path)
            placed = placement.with_raster(raster, nearest=found.snap)
            box = None if placed is None else placed.bounds(raster)
            if placed is not None and box is not None and not any(other.shared(box) == box for other in boxes):
                placement = placed
                kept.append(raster)
                boxes.append(box)
                unused.pop()
    return placement, kept, [path for path in unused if path not in bad.files]


def _recipe(
    found: Found, files: list[Raster], missing: Missing, identity: Identity, *, product: str, skipped: int
) -> Recipe:
    roles = sorted({role for images in found.images.values() for role in images})
    coherences = {path for images in found.images.values() for path in images.get("coherence", ())}
    bytes_ = any(coherence_scale(raster) != 1.0 for raster in files if raster.path in coherences)
    scale: dict[str, JsonValue] = {"coherence": 1.0 / 255.0} if bytes_ else {}
    nodata: dict[str, JsonValue] = {role: list(missing[role]) for role in roles}
    return Recipe().then(
        "read",
        product="geotiff pairs" if product == "pairs" else f"{product} geotiff",
        files=len(files),
        sha=identity.product(found.root),
        phase_sign="kept",
        date_order="earlier first",
        nodata=nodata,
        scale=scale,
        interferogram="complex" if _any_complex(found, files) else "phase",
        **({"skipped": skipped} if skipped else {}),
    )


def _wavelength(files: list[Raster]) -> dict[str, float]:
    """The attribute, if the files' tags agree on it."""
    known = {raster.wavelength for raster in files if raster.wavelength is not None}
    return {"wavelength": known.pop()} if len(known) == 1 else {}


def _any_complex(found: Found, files: list[Raster]) -> bool:
    """Whether an interferogram has a magnitude of its own."""
    paths = {path for images in found.images.values() for path in images.get("phase", ())}
    return any(np.dtype(raster.dtype).kind == "c" for raster in files if raster.path in paths)


def _attributes(ignored: list[Path], root: Path) -> dict[str, Any]:
    names = [str(p.relative_to(root)) for p in sorted(ignored)]
    if len(names) > MAX_IGNORED:
        names = [*names[:MAX_IGNORED], f"and {len(names) - MAX_IGNORED} more"]
    return {"ignored_files": json.dumps(names)}
