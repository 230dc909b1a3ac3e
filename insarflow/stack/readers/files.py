"""Which files of a product are images of which pair."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarflow.errors import ProductError
from insarflow.stack.archive import archive_of, list_members
from insarflow.stack.raster import written_here
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.names import days_of, parse_name
from insarflow.stack.readers.track import check_names
from insarflow.stack.sources import RASTERS
from insarflow.stack.tags import MANIFEST, layer_of_name
from insarflow.types import Pair

MAX_FILES = 1_000_000
"""Most files looked at."""

PHASES = frozenset({"unwrapped", "phase"})
"""Roles of which a pair of a product must have one."""

OF_PRODUCTS = frozenset({"igram", "coherence", "unwrapped", "amplitude", "dem"})
"""Contract names of what names of files tell, whoever wrote them."""

_SKIPPED = (".safe", ".zarr", ".partial")
"""Folders that hold something else."""

_ZARR = ("zarr.json", ".zgroup", ".zarray")
"""Files that only a Zarr store has."""


@dataclass(frozen=True)
class Found:
    """Files of a product, sorted by what their names say.

    Attributes
    ----------
    root
        The folder (or zip file) that holds them all.
    images
        Files of each image, by pair and role (``unwrapped``, ``phase``, ``coherence``, ``amplitude``; ``components``
        and ``probability`` that this package exported): one, or one for each swath in the swaths' order.
    swaths
        Numbers of the swaths that images are made of; empty if each is one file.
    dems
        Terrain heights.
    layers
        Other images that are the same for all pairs, by contract name, that this package exported.
    ignored
        GeoTIFF files that are nothing a stack holds.
    others
        Files that are no GeoTIFF.
    snap
        Whether a pair is named in SNAP's way.
    """

    root: Path
    images: Mapping[Pair, Mapping[str, Sequence[Path]]]
    swaths: Sequence[int]
    dems: list[Path]
    layers: Mapping[str, list[Path]]
    ignored: list[Path]
    others: list[Path]
    snap: bool


def find_images(sources: Sequence[Path], bad: Bad) -> Found:
    """Sort the files below `sources` (folders, zip files, places inside these) and among them, by their names.

    Beside a file that is named by itself, its folder is searched for what is no GeoTIFF. `bad` says what to do with
    files that are there twice or are named later date first. Only a file that is named as this package names what no
    product has is opened, to look who wrote it, and so is one of a pair without phase.

    Raises
    ------
    ProductError
        If a source is of another kind, no pair is found, a pair is there twice, its later date is named first, or the
        files are of several tracks.
    """
    files = _files(sources)
    root = _root(sources)
    rasters = sorted(f for f in files if f.suffix.lower() in RASTERS)
    images: dict[Pair, dict[str, dict[int | None, Path]]] = {}
    dems: list[Path] = []
    layers: dict[str, list[Path]] = {}
    ignored: list[Path] = []
    snap = False
    tracks: dict[str, Path] = {}
    for file in rasters:
        pair, variable = _exported(file, files)
        if pair is not None:
            with bad.file(file):
                _add(images.setdefault(pair, {}).setdefault(variable, {}), file, None, f"pair {pair}", variable)
            continue
        if variable:
            layers.setdefault(variable, []).append(file)
            continue
        name = parse_name(file.relative_to(root.parent))
        if name.role == "dem":
            dems.append(file)
        elif name.role is None or name.dates is None:
            ignored.append(file)
        else:
            with bad.file(file):
                pair = _pair(file, name.dates)
                _add(images.setdefault(pair, {}).setdefault(name.role, {}), file, name.swath, f"pair {pair}", name.role)
                snap = snap or name.snap
                if name.track is not None:
                    tracks.setdefault(name.track, file)
    for pair in [p for p, roles in images.items() if not roles.keys() & PHASES]:
        kept = {
            role: swaths
            for role, swaths in images[pair].items()
            if all(_writer(file, files) is not None for file in swaths.values())
        }
        ignored += (f for role, swaths in images.pop(pair).items() if role not in kept for f in swaths.values())
        images |= {pair: kept} if kept else {}
    if not images:
        raise bad.refuse() if bad.files else ProductError(_why_none(sources, rasters, files))
    check_names(tracks)
    ordered = {
        pair: {role: [swaths[s] for s in sorted(swaths, key=lambda s: s or 0)] for role, swaths in roles.items()}
        for pair, roles in sorted(images.items())
    }
    merged = {s for roles in images.values() for swaths in roles.values() if len(swaths) > 1 for s in swaths}
    others = sorted(f for f in files if f.suffix.lower() not in RASTERS)
    numbers = sorted(s for s in merged if s is not None)
    return Found(root, ordered, numbers, dems, layers, ignored, others, snap)


def _exported(file: Path, files: Set[Path]) -> tuple[Pair | None, str]:
    """Pair and contract name of what this package exported and no other product has; else None and nothing."""
    pair, variable = layer_of_name(file.name) or (None, "")
    if not variable or variable in OF_PRODUCTS or _writer(file, files) != variable:
        return None, ""
    return pair, variable


def _writer(file: Path, files: Set[Path]) -> str | None:
    """Contract name of what this package wrote to a file, damaged ones of an export too; None of any other."""
    try:
        return written_here(file)
    except ProductError:
        layer = layer_of_name(file.name) if file.parent / MANIFEST in files else None
        return None if layer is None else layer[1]


def _add(swaths: dict[int | None, Path], file: Path, swath: int | None, pair: str, role: str) -> None:
    """Add an image's file, if it is the first or of another swath than the ones before."""
    if swaths and (swath is None or swath in swaths or None in swaths):
        other = swaths.get(swath, next(iter(swaths.values())))
        raise ProductError(
            f"{pair} must be there once, instead its {role} is in file={str(other)!r} and file={str(file)!r}: "
            "open a folder that holds one of them, or name the files of different swaths IW1, IW2, IW3"
        )
    swaths[swath] = file


def _files(sources: Sequence[Path]) -> set[Path]:
    """All files of the sources, each once."""
    found: set[Path] = set()
    folders: dict[Path, None] = {}
    for source in sources:
        archive = archive_of(source)
        if archive is not None:
            found.update(f for f in _members(archive) if source == f or source in f.parents)
            beside = _members(archive) if source.suffix.lower() in RASTERS else []
            found.update(f for f in beside if f.suffix.lower() not in RASTERS and source.parent in f.parents)
        elif source.is_dir():
            found.update(_walk(source))
        elif source.suffix.lower() in RASTERS:
            found.add(source)
            folders[source.parent] = None
        else:
            raise ProductError(
                f"source={str(source)!r} is of no known product: give a stack store, a GeoTIFF, or a folder or "
                "zip file of GeoTIFF pairs"
            )
        if len(found) > MAX_FILES:
            raise ProductError(f"source={str(source)!r} must hold at most {MAX_FILES} files: open a smaller folder")
    for folder in (f for f in folders if not any(p in folders for p in f.parents)):
        found.update(f for f in _walk(folder) if f.suffix.lower() not in RASTERS)
    return {f for f in found if not _unpacked(f, found)}


def _unpacked(file: Path, found: Set[Path]) -> bool:
    """Whether a file in a zip file also lies beside it, or in a folder of its name: then the plain one is taken."""
    archive = archive_of(file)
    if archive is None:
        return False
    inside = file.relative_to(archive)
    return archive.parent / inside in found or archive.with_suffix("") / inside in found


def _root(sources: Iterable[Path]) -> Path:
    places = [s.parent if s.suffix.lower() in RASTERS else s for s in sources]
    return Path(os.path.commonpath(places))


def _walk(root: Path) -> Iterator[Path]:
    """Files below a folder and in its zip files; links are taken only if they stay inside it."""
    count = 0
    for folder, subfolders, names in os.walk(root, followlinks=False):
        subfolders[:] = [d for d in subfolders if not _hidden(d)]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or (path.is_symlink() and not path.resolve().is_relative_to(root)):
                continue
            inside = _members(path) if path.suffix.lower() == ".zip" and path.is_file() else [path]
            count += len(inside)
            if count > MAX_FILES:
                raise ProductError(f"source={str(root)!r} must hold at most {MAX_FILES} files: open a smaller folder")
            yield from inside


def _members(archive: Path) -> list[Path]:
    """Files in a zip file, looked at as if it were a folder."""
    inside = list_members(archive)
    return [m for m in inside if not any(_hidden(part) for part in m.relative_to(archive).parts)]


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_SKIPPED)


def _why_none(sources: Sequence[Path], rasters: list[Path], files: set[Path]) -> str:
    """Say why no interferogram was found."""
    shown = str(sources[0]) if len(sources) == 1 else f"{sources[0]} and {len(sources) - 1} more"
    for archive in {a: None for a in (archive_of(p) for p in (*sources, *sorted(files))) if a is not None}:
        if any(m.name in _ZARR for m in list_members(archive)):
            return f"file={str(archive)!r} holds a Zarr store: unzip it and open the folder"
    message = (
        f"source={shown!r} holds no interferogram that is known by its name, among {len(rasters)} GeoTIFF files: "
        "it must have two dates and a word such as unw or phase, as in 20180106-20180130_unw.tif"
    )
    named = [*rasters, *(p for s in sources for p in _products(s))]
    single = next((p for p in named if len(days_of(p.name)) == 1), None)
    if single is None or any(len(days_of(p.name)) > 1 for p in named):
        return message
    return (
        f"source={shown!r} holds images of one date each, such as {single.name!r}: an interferogram needs two dates; "
        "make interferograms of them first, for instance with SNAP, ISCE or GAMMA"
    )


def _products(source: Path) -> list[Path]:
    """Names that tell a single acquisition's product: the source's own, and those of the folders and zips in it."""
    inside = sorted(source.iterdir()) if source.is_dir() else []
    return [source, *(p for p in inside if p.suffix.lower() in (".safe", ".zip"))]


def _pair(file: Path, dates: tuple[np.datetime64, np.datetime64]) -> Pair:
    if dates[0] > dates[1]:
        raise ProductError(
            f"file={str(file)!r} must be named earlier date first, instead got {str(dates[0])[:10]} before "
            f"{str(dates[1])[:10]}: rename it if only the name is swapped; if the images are, negate its phase too"
        )
    return Pair(*dates)
