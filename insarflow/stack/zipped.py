"""A store inside a zip file, which is never unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from zarr.storage import ZipStore

from insarflow.errors import StoreError
from insarflow.stack.archive import archive_of, file_version, member_sizes
from insarflow.stack.location import DAMAGE, ROOT, Location

MAX_OBJECT: Final = 2**30
"""Most bytes that a file of a store inside a zip may say to have: one is read into memory."""


@dataclass(frozen=True)
class Zipped(Location):
    """A store in a zip file.

    Attributes
    ----------
    archive
        The file.
    root
        Folder inside it; empty if it is the store itself.
    """

    archive: Path
    root: str

    def __str__(self) -> str:
        return str(self.archive / self.root)

    def at(self, name: str = "") -> dict[str, Any]:
        """See `Location`."""
        status = self.archive.stat()
        path = "/".join(part for part in (self.root, name) if part)
        return {"store": _opened(self.archive, status.st_size, status.st_mtime_ns), "path": path}

    def version(self) -> Hashable:
        """See `Location`."""
        return str(self), file_version(self.archive / self.root / ROOT)

    def errors(self) -> tuple[type[Exception], ...]:
        """See `Location`."""
        return (*DAMAGE, zipfile.BadZipFile, zlib.error)


def zipped_store(path: Path) -> Zipped | None:
    """The store in a zip file, at its root or in one folder, or in the folder that `path` names; None if there is none.

    Raises
    ------
    ProductError
        If the file is damaged, encrypted, holds a name that leads out of it, or is of absurd size.
    StoreError
        If it holds several stores, or one whose files are of absurd size.
    """
    archive = archive_of(path)
    if archive is None:
        return None
    sizes, inside = member_sizes(archive), path.relative_to(archive).as_posix()
    if inside != ".":
        roots = [inside] if f"{inside}/{ROOT}" in sizes else []
    elif ROOT in sizes:
        roots = [""]
    else:
        roots = sorted(folder for folder, _, rest in (name.partition("/") for name in sizes) if rest == ROOT)
    if len(roots) > 1:
        raise StoreError(
            f"source={str(path)!r} must hold one store, instead got {', '.join(roots):.200}: open one of them, such as "
            f"{str(path / roots[0])!r}"
        )
    if not roots:
        return None
    large = next((name for name, size in sizes.items() if size > MAX_OBJECT and name.startswith(roots[0])), None)
    if large is not None:
        raise StoreError(f"source={str(path)!r} holds {large!r} of {sizes[large]} bytes: too large to be a stack's")
    return Zipped(archive, roots[0])


@lru_cache(maxsize=16)
def _opened(archive: Path, size: int, modified: int) -> ZipStore:
    """One version of an archive, its table read once in a process."""
    return ZipStore(archive, mode="r")
