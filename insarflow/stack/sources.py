"""What a caller may name as the source of a stack: paths, globs, and several of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from glob import iglob
from itertools import islice
from pathlib import Path
from typing import Any

from insarflow.errors import ProductError
from insarflow.stack.archive import archive_of, list_members

SourceLike = str | Path | Sequence[str | Path]
"""A path or a glob, or several."""

MAX_MATCHES = 1_000_000
"""Most paths that a glob is followed to."""

NEAREST = 3
"""Names that an error offers."""

RASTERS = (".tif", ".tiff")
"""How a GeoTIFF's name ends, in lower case."""


def as_path(value: Any, name: str) -> Path:
    """`value` as a path.

    Raises
    ------
    TypeError
        If it is no path.
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise TypeError(f"{name} must be a path, instead got {name}={value!r:.80} ({type(value).__name__})")
    return Path(value)


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
