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
from insarflow.stack.placement import place_images
from insarflow.stack.raster import Raster
from insarflow.stack.readers import roipac
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.exported import Told
from insarflow.stack.readers.files import Found, find_images
from insarflow.stack.readers.gamma import Sidecars, read_sidecars
from insarflow.stack.readers.identity import Identity
from insarflow.stack.readers.images import Missing, coherence_scale, missing_values, pair_images, read_headers
from insarflow.stack.readers.static import heights_of, layers_of, read_static
from insarflow.stack.readers.track import check_acquisitions, check_headers
from insarflow.stack.resample import Resampled
from insarflow.stack.target import Target
from insarflow.types import Grid, JsonValue, Pair, Recipe

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
        Of files that this package exported (`insarflow.stack.export.cog`): all that was exported, with the stack's
        attributes and its recipe, to which this step is added.
        Rasters that were not used are listed in ``ignored_files`` (JSON), those left out in ``skipped_files`` (JSON:
        what is wrong, by file).

    Raises
    ------
    ProductError
        If no pair is found, a pair is there twice, its later date is named first, a file is
        damaged or has no CRS, or files that this package exported contradict each other.
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

    What this package exported is known by its tags, and NaN alone is missing in it; the tags must agree with the name.
    Its coherence is between 0 and 1. An interferogram comes back as its phase; one that was not exported is made of
    the unwrapped phase, or is not there. Dates and delays that had no interferogram are gone.
    """
    bad = Bad(skip=skip_bad)
    found = find_images([source] if isinstance(source, Path) else source, bad)
    missing = missing_values(snap=found.snap)
    told = Told()
    headers = read_headers(found.images, missing, bad, told)
    images = [swaths for roles in headers.values() for swaths in roles.values()]
    placement = place_images(images, target, nearest=found.snap)
    # On a grid that was given, an interferogram may have no pixel.
    headers = {pair: roles for pair, roles in headers.items() if any(map(placement.meets, chain(*roles.values())))}
    placement, static_files, unused = read_static(found, placement, bad, told)
    sidecars = read_sidecars(found.others, bad)
    check_acquisitions(sidecars.acquisitions, headers)
    roipac_headers = roipac.read_headers(found.others, bad)
    check_headers(roipac_headers)

    files = [raster for roles in headers.values() for swaths in roles.values() for raster in swaths]
    every = [*files, *chain(*static_files.values())]
    identity = Identity(every, whole=hash_files)
    exported = all(raster.variable is not None for raster in files)
    product = "gamma" if sidecars.acquisitions else "roi_pac" if roipac_headers else "snap" if found.snap else "pairs"
    product = "insarflow" if exported else product
    step = _read_step(found, every, missing, identity, product=product, skipped=len(bad.files))
    recipe = placement.recorded((told.recipe() if exported else Recipe()).then("read", **step))
    if found.swaths:
        recipe = recipe.then("merge_swaths", swaths=list(found.swaths))
    heights = heights_of(static_files.get("dem", ()), missing, placement)
    if isinstance(heights, Resampled):
        recipe = recipe.then("resample_dem", method=placement.method)
    static: dict[str, Array] = dict(layers_of(static_files, placement))
    orbit = sidecars.orbit()
    if heights is not None:
        dem = static["dem"] = heights.lazy()
        if orbit is not None and "los_up" not in static:
            static |= line_of_sight(dem, placement.grid, orbit)
            recipe = recipe.then("line_of_sight", orbit_of=str(min(sidecars.acquisitions))[:10], heights="dem")
    bad.warn()
    point = _middle(placement.grid, heights)
    ds = stack_pairs(
        {pair: pair_images(roles, missing, placement) for pair, roles in headers.items()},
        placement.grid,
        static=static,
        baselines=_baselines(sidecars, headers, point) | told.baselines(headers) or None,
        attrs=_attributes([*found.ignored, *unused], found.root)
        | _wavelength(files)
        | bad.attributes(found.root)
        | roipac.attributes(roipac_headers)
        | sidecars.attributes()
        | sidecars.range_to(point)
        | told.attributes(),
        recipe=recipe,
    )
    return identity.note(ds, headers)


def _middle(grid: Grid, dem: Windows | None) -> np.ndarray:
    """Earth-fixed coordinates of the ground in the middle of the grid."""
    height = 0.0 if dem is None else float(dem[grid.shape[0] // 2, grid.shape[1] // 2])
    # Heights change the baseline by some tenths of a percent per kilometre: none is better than no baseline.
    return ground_point(grid, 0.0 if np.isnan(height) else height)


def _baselines(sidecars: Sidecars, pairs: Iterable[Pair], point: np.ndarray) -> dict[Pair, float]:
    """Perpendicular baselines at a point of the ground, of the pairs that have one."""
    return {pair: value for pair in pairs if (value := sidecars.perpendicular_baseline(pair, point)) is not None}


def _read_step(
    found: Found, files: list[Raster], missing: Missing, identity: Identity, *, product: str, skipped: int
) -> dict[str, JsonValue]:
    """What the recipe tells of the reading."""
    ours = {raster.path for raster in files if raster.variable is not None}
    images = [(role, path) for roles in found.images.values() for role, paths in roles.items() for path in paths]
    roles = sorted({role for role, path in images if path not in ours and role in missing})
    coherences = {path for images in found.images.values() for path in images.get("coherence", ())}
    bytes_ = any(coherence_scale(raster) != 1.0 for raster in files if raster.path in coherences)
    scale: dict[str, JsonValue] = {"coherence": 1.0 / 255.0} if bytes_ else {}
    nodata: dict[str, JsonValue] = {role: list(missing[role]) for role in roles}
    return {
        "product": "geotiff pairs" if product == "pairs" else f"{product} geotiff",
        "files": len(files),
        "sha": identity.product(found.root),
        "phase_sign": "kept",
        "date_order": "earlier first",
        "nodata": nodata,
        "scale": scale,
        "interferogram": "complex" if _any_complex(found, files) else "phase",
        **({"skipped": skipped} if skipped else {}),
    }


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
