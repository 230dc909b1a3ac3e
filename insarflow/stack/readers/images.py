"""From the rasters of a pair to the contract's images: what means "missing", what can be true, what is complex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
from dask.system import CPU_COUNT

from insarflow.errors import ProductError
from insarflow.kernels.phase import phasor
from insarflow.schema import VARIABLES
from insarflow.stack.placement import Placement
from insarflow.stack.raster import Pixels, Raster, read_tagged
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.exported import Told
from insarflow.stack.readers.files import PHASES
from insarflow.types import Pair, Window

MAX_UNWRAPPED = 5_000.0
"""Largest unwrapped phase that can be true, rad: 22 m of motion at C band."""

_TURN = 2.0 * np.pi + 0.01

_LIMITS = {"phase": (-_TURN, _TURN), "coherence": (-0.1, 1.1), "unwrapped": (-MAX_UNWRAPPED, MAX_UNWRAPPED)}
"""Smallest and largest value that a real image can hold."""

_WHOLE = {"b": (0.0, 1.0), "u": (0.0, 65_535.0), "i": (0.0, 2.0**24)}
"""The same of flags, components and counts, by the kind of their dtype: whole numbers that float32 holds."""

_STRIP = 2**22
"""Pixels that are looked at together."""

Missing = Mapping[str, tuple[float, ...]]
"""Values that mean "missing", by role; ``complex`` is an interferogram of complex numbers."""


def missing_values(*, snap: bool) -> Missing:
    """Values that mean "missing" by the product's custom, beside the files' own."""
    return {
        "unwrapped": (0.0,),
        "coherence": (0.0,),
        "phase": (0.0, -9999.0) if snap else (-9999.0,),
        "amplitude": (0.0,),
        "complex": (0.0,),
        "dem": (-32768.0,),
    }


def read_headers(
    images: Mapping[Pair, Mapping[str, Sequence[Path]]], missing: Missing, bad: Bad, told: Told
) -> dict[Pair, dict[str, list[Raster]]]:
    """Headers of all files; bad ones are left out if they may be, and then the files are read to their end.

    What files tell that this package wrote is noted in `told`.

    Raises
    ------
    ProductError
        If a file is bad, or no interferogram is left.
    """
    headers: dict[Pair, dict[str, list[Raster]]] = {}
    for pair, roles in images.items():
        for role, paths in roles.items():
            for path in paths:
                with bad.file(path):
                    raster, tags = read_tagged(path)
                    told.note(raster, tags, pair, "igram" if role == "phase" else role)
                    headers.setdefault(pair, {}).setdefault(role, []).append(raster)
    if bad.skip:
        _drop_damaged(headers, missing, bad)
    # Only an export may have had no phase in the first place.
    left = {p: roles for p, roles in headers.items() if roles and roles.keys() & (images[p].keys() & PHASES or roles)}
    if not left:
        raise bad.refuse()
    return left


def pixels_of(role: str, swaths: Sequence[Raster], missing: Missing) -> list[Pixels]:
    """What reads the swaths of an image as the contract's values.

    Raises
    ------
    ProductError
        If an image is complex that must be real, or its swaths are of two kinds.
    """
    kind = "complex" if _is_complex(role, swaths) else role
    return [_pixels(kind, raster, missing) for raster in swaths]


def _pixels(kind: str, raster: Raster, missing: Missing) -> Pixels:
    if raster.variable is not None:  # NaN is all that is missing in it
        return Pixels(raster, limits=None if kind == "unwrapped" else _LIMITS.get(kind))
    scale = coherence_scale(raster) if kind == "coherence" else 1.0
    return Pixels(raster, missing[kind], scale, _LIMITS.get(kind))


def pair_images(roles: Mapping[str, Sequence[Raster]], missing: Missing, placement: Placement) -> dict[str, da.Array]:
    """Make the contract's images of one pair, lazily."""
    images: dict[str, da.Array] = {}
    for role, swaths in roles.items():
        parts = pixels_of(role, swaths, missing)
        if role == "components":
            images[role] = whole_numbers(swaths, placement, role)
        elif role == "phase":
            images["igram"] = placement.source(parts, "igram", wrapped=parts[0].dtype.kind == "f").lazy()
        else:
            images[role] = placement.source(parts, role).lazy(shared=role == "unwrapped" and "phase" not in roles)
    if "igram" not in images and "unwrapped" in images:
        images["igram"] = _wrap(images["unwrapped"])
    return images


def whole_numbers(swaths: Sequence[Raster], placement: Placement, name: str) -> da.Array:
    """Image of flags or whole numbers by contract name, lazily; False or 0 where it has no pixel.

    On another grid each pixel is the nearest one. Pixels that are no such numbers are an error once they are computed.
    """
    dtype = np.dtype(VARIABLES[name].dtype)
    parts = [Pixels(raster, limits=_WHOLE[dtype.kind]) for raster in swaths]
    numbers = replace(placement, method="nearest").source(parts, name).lazy(shared=True)
    whole: da.Array = da.map_blocks(_as_whole, numbers, dtype, dtype=dtype, meta=np.empty((0, 0), dtype))
    return whole


def coherence_scale(raster: Raster) -> float:
    """Bytes without a declared scale are 0 to 255, as LiCSAR's."""
    declared = (raster.scale, raster.offset) != (1.0, 0.0)
    return 1.0 / 255.0 if raster.dtype == "|u1" and not declared else 1.0


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


def _wrap(phase: da.Array) -> da.Array:
    """``exp(i phase)``, block by block."""
    wrapped: da.Array = da.map_blocks(phasor, phase, dtype=np.complex64, meta=np.empty((0, 0), np.complex64))
    return wrapped


def _as_whole(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    whole: np.ndarray = np.nan_to_num(values).astype(dtype)
    return whole


def _drop_damaged(headers: Mapping[Pair, dict[str, list[Raster]]], missing: Missing, bad: Bad) -> None:
    """Read every file to its end and leave out those that cannot be."""

    def look(job: tuple[str, Raster]) -> None:
        role, raster = job
        with bad.file(raster.path):
            (pixels,) = pixels_of(role, [raster], missing)
            height, width = raster.grid.shape
            rows = max(1, _STRIP // width)
            for y0 in range(0, height, rows):
                pixels.read(Window(y0, 0, min(rows, height - y0), width))

    jobs = [(role, raster) for roles in headers.values() for role, swaths in roles.items() for raster in swaths]
    with ThreadPoolExecutor(CPU_COUNT) as pool:
        for _ in pool.map(look, jobs):
            pass  # an error that is none of a product is raised here
    for roles in headers.values():
        for role in list(roles):
            roles[role] = [raster for raster in roles[role] if raster.path not in bad.files]
            if not roles[role]:
                del roles[role]
