"""What a caller may name as the source of a stack: paths, globs, and several of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from glob import iglob
from itertools import islice
from pathlib import Path
from typing import Any

from insarflow.errors import ProductError, StoreError
from insarflow.stack.archive import archive_of, list_members
from insarflow.stack.location import Folder, Location, WritableLocation
from insarflow.stack.remote import is_url, location_of_url
from insarflow.stack.replace import is_zarr
from insarflow.stack.zipped import zipped_store

SourceLike = str | Path | Sequence[str | Path]
"""A path, a glob or a URL, or several paths and globs."""

MAX_MATCHES = 1_000_000
"""Most paths that a glob is followed to."""

NEAREST = 3
"""Names that an error offers."""

RASTERS = (".tif", ".tiff")
"""How a GeoTIFF's name ends, in lower case."""


_URL_AS_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def as_path(value: Any, name: str) -> Path:
    """`value` as a path.

    Raises
    ------
    TypeError
        If it is no path.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise TypeError(f"{name} must be a path, instead got {name}={value!r:.80} ({type(value).__name__})")
    if not isinstance(value, str) and _URL_AS_PATH.match(str(value)):
        raise TypeError(
            f"{name} must be a URL as text, instead got {name}={value!r:.80}: a Path drops one of its slashes"
        )
    return Path(value)


def as_location(value: Any, name: str) -> WritableLocation:
    """The place for a result that a path or a URL names.

    Raises
    ------
    TypeError
        If `value` is neither.
    StoreError
        If a URL's protocol is unknown or for reading only, or its package is not installed.
    """
    return location_of_url(value, writing=True) if is_url(value) else Folder(as_path(value, name))


def find_store(source: SourceLike) -> Location | list[Path]:
    """The store that a source names: a folder, a URL, or in a zip file; the paths of `find_sources` if it is none.

    Raises
    ------
    TypeError, ValueError, ProductError
        As `find_sources`.
    ProductError
        If a store is one of several sources.
    StoreError
        If a URL or a zip file is none that can be opened, or a folder looks like a store and is none.
    """
    entries = list(source) if isinstance(source, Sequence) and not isinstance(source, str | bytes) else [source]
    url = next((str(entry) for entry in entries if is_url(entry)), None)
    if url is not None:
        if len(entries) > 1:
            raise _among(url)
        if url.lower().endswith(".zip") and "::" not in url:
            raise StoreError(f"url={url!r} is a zip file: download it, or open it where it is as 'zip://::{url}'")
        where = location_of_url(url)
        if not isinstance(where, Folder):
            return where
        source = where.path
    paths = find_sources(source)
    stores = [p for p in paths if is_zarr(p) or (len(paths) > 1 and p.name.endswith(".zarr.zip"))]
    if stores and len(paths) > 1:
        raise _among(stores[0])
    if stores:
        return Folder(stores[0])
    zipped = zipped_store(paths[0]) if len(paths) == 1 else None
    if zipped is not None:
        return zipped
    _refuse_hollow(paths)
    return paths


def _among(source: object) -> ProductError:
    return ProductError(f"a store must be opened by itself, instead got source={str(source)!r} among others")


def _refuse_hollow(paths: Iterable[Path]) -> None:
    hollow = next((p for p in paths if p.suffix == ".zarr"), None)
    if hollow is not None:
        inside = next((str(path) for path in sorted(hollow.glob("*.zarr")) if is_zarr(path)), None)
        remedy = f": open {inside!r} in it" if inside else ": it is no store, or damaged"
        raise StoreError(f"source={str(hollow)!r} holds no Zarr metadata (zarr.json){remedy}")


def find_sources(source: SourceLike) -> list[Path]:
    """Paths that exist, absolute, each once, in order: ``~`` is expanded, a glob gives what it matches.

    A glob is followed to folders, zip files and GeoTIFFs. A path may lead into a zip file.

    Raises
    ------
    TypeError
        If `source` is neither a path nor a sequence of paths.
    ValueError
        If the sequence is empty.
    ProductError
        If a path does not exist (naming the nearest ones there are), cannot be read, or a glob matches nothing.
    """
    entries: Any = [source] if isinstance(source, str | os.PathLike) else source
    if isinstance(entries, bytes) or not isinstance(entries, Sequence):
        raise TypeError(f"source must be a path or several, instead got {source!r:.80} ({type(source).__name__})")
    if not entries:
        raise ValueError("source must name at least one path, instead got none")
    found: dict[Path, None] = {}
    for entry in entries:
        found |= dict.fromkeys(_expand(as_path(entry, "source")))
    return list(found)


def _expand(entry: Path) -> list[Path]:
    try:
        path = entry.expanduser()
    except RuntimeError:  # there is no such user
        path = entry
    if _exists(path):
        return [path.resolve()]
    if any(mark in str(path) for mark in "*?["):
        return _matches(path)
    archive = archive_of(path)
    if archive is not None:
        members = list_members(archive)
        inside = archive.resolve() / path.relative_to(archive)
        if any(m == path or path in m.parents for m in members):
            return [inside]
        near = _nearest(path.name, {part for m in members for part in m.relative_to(archive).parts})
    else:
        near = _nearest(path.name, _names(path.parent))
    remedy = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ProductError(f"the source must exist, instead got source={str(entry)!r}{remedy}")


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError as error:
        raise ProductError(f"source={str(path)!r} cannot be read: {error.strerror}") from error
    except (OSError, ValueError):
        return False
    return True


def _matches(pattern: Path) -> list[Path]:
    matches = [Path(m) for m in islice(iglob(str(pattern), recursive=True), MAX_MATCHES)]
    if not matches:
        raise ProductError(f"source={str(pattern)!r} matches nothing: check the pattern with ls")
    kept = [p.resolve() for p in matches if p.is_dir() or p.suffix.lower() in (*RASTERS, ".zip")]
    if not kept:
        raise ProductError(
            f"source={str(pattern)!r} must match folders, zip files or GeoTIFFs, instead got {len(matches)} others "
            f"such as {str(min(matches))!r}"
        )
    return sorted(kept)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, 10_000)]
    except (OSError, ValueError):
        return []


def _nearest(name: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(name, sorted(names), n=NEAREST)
