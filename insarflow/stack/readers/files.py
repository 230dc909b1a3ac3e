"""Which files of a folder are images of which pair."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarflow.errors import ProductError
from insarflow.stack.readers.names import parse_name
from insarflow.types import Pair

MAX_FILES = 1_000_000
"""Most files looked at below a folder."""

_RASTERS = (".tif", ".tiff")

_SKIPPED = (".safe", ".zarr", ".partial")
"""Folders that hold something else."""


@dataclass(frozen=True)
class Found:
    """Files of a product, sorted by what their names say.

    Attributes
    ----------
    root
        The folder that was opened.
    images
        File of each image, by pair and role (``unwrapped``, ``phase``, ``coherence``, ``amplitude``).
    dems
        Terrain heights.
    ignored
        GeoTIFF files that are nothing a stack holds.
    others
        Files that are no GeoTIFF.
    snap
        Whether a pair is named in SNAP's way.
    """

    root: Path
    images: Mapping[Pair, Mapping[str, Path]]
    dems: list[Path]
    ignored: list[Path]
    others: list[Path]
    snap: bool


def find_images(source: Path) -> Found:
    """Sort the files below `source`, or that one file, by what their names say.

    Raises
    ------
    ProductError
        If the source is missing or of another kind, no pair is found, a pair is there twice, or its later date is
        named first.
    """
    if not source.exists():
        raise ProductError(f"the source must exist, instead got source={str(source)!r}")
    if source.is_file() and source.suffix.lower() not in _RASTERS:
        raise ProductError(
            f"source={str(source)!r} is of no known product: give a stack store, a GeoTIFF or a folder of GeoTIFF pairs"
        )
    path = source.resolve()
    root = path if path.is_dir() else path.parent
    files = sorted(_walk(root))
    rasters = [f for f in files if f.suffix.lower() in _RASTERS] if path.is_dir() else [path]

    images: dict[Pair, dict[str, Path]] = {}
    dems: list[Path] = []
    ignored: list[Path] = []
    snap = False
    for file in rasters:
        name = parse_name(file.relative_to(root.parent))
        if name.role == "dem":
            dems.append(file)
        elif name.role is None or name.dates is None:
            ignored.append(file)
        else:
            pair = _pair(file, name.dates)
            other = images.setdefault(pair, {}).setdefault(name.role, file)
            if other != file:
                raise ProductError(
                    f"pair {pair} must be there once, instead its {name.role} is in file={str(other)!r} "
                    f"and file={str(file)!r}: open a folder that holds one of them"
                )
            snap = snap or name.snap
    for pair in [p for p, roles in images.items() if not roles.keys() & {"unwrapped", "phase"}]:
        ignored += images.pop(pair).values()
    if not images:
        raise ProductError(
            f"source={str(source)!r} holds no interferogram that is known by its name, among {len(rasters)} GeoTIFF "
            "files: it must have two dates and a word such as unw or phase, as in 20180106-20180130_unw.tif"
        )
    others = [f for f in files if f.suffix.lower() not in _RASTERS]
    return Found(root, dict(sorted(images.items())), dems, ignored, others, snap)


def _walk(root: Path) -> Iterator[Path]:
    """Files below a folder; links are taken only if they stay inside it."""
    count = 0
    for folder, subfolders, names in os.walk(root, followlinks=False):
        subfolders[:] = [d for d in subfolders if not d.startswith(".") and not d.lower().endswith(_SKIPPED)]
        for name in names:
            count += 1
            if count > MAX_FILES:
                raise ProductError(f"source={str(root)!r} must hold at most {MAX_FILES} files: open a smaller folder")
            path = Path(folder, name)
            if not name.startswith(".") and (not path.is_symlink() or path.resolve().is_relative_to(root)):
                yield path


def _pair(file: Path, dates: tuple[np.datetime64, np.datetime64]) -> Pair:
    if dates[0] > dates[1]:
        raise ProductError(
            f"file={str(file)!r} must be named earlier date first, instead got {str(dates[0])[:10]} before "
            f"{str(dates[1])[:10]}: rename it if only the name is swapped; if the images are, negate its phase too"
        )
    return Pair(*dates)
