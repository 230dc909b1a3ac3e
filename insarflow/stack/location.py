"""Where a store is, and what may be asked of any such place: a folder; `remote` and `zipped` hold the other kinds."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Collection, Container, Hashable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import zarr

from insarflow.errors import SchemaError
from insarflow.stack.faults import fault_point

DAMAGE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError, RuntimeError, SchemaError)
"""What zarr and xarray raise over a damaged store."""

ROOT: Final = "zarr.json"
"""Key of a store's own metadata, with those of its arrays: whoever reads it believes in what it names."""


class Location(ABC):
    """Where a store is, or is to be; picklable. Keys name what is in it, with slashes, as Zarr does.

    ``str()`` of it is what a user calls it.
    """

    @abstractmethod
    def at(self, name: str = "") -> dict[str, Any]:
        """Arguments by which zarr opens an array of the store, or its group."""

    @abstractmethod
    def version(self) -> Hashable:
        """What is another for another place, or once another store is there.

        Raises
        ------
        OSError, StoreError
            If there is no store.
        """

    def errors(self) -> tuple[type[Exception], ...]:
        """What reading may raise if the store is damaged or out of reach."""
        return DAMAGE

    def problem(self, error: BaseException) -> str | None:
        """What to say of an error that tells nothing of the store; None if the store must be damaged."""
        return None

    def array(self, name: str, mode: str = "r", **options: Any) -> zarr.Array[Any]:
        """An array of the store, opened."""
        return zarr.open_array(**self.at(name), mode=mode, zarr_format=3, **options)

    def arrays(self) -> dict[str, zarr.Array[Any]]:
        """The arrays that count, as long as they count."""
        return dict(zarr.open_group(**self.at(), mode="r", zarr_format=3).arrays())


class WritableLocation(Location):
    """A place that a store is written to."""

    @property
    @abstractmethod
    def plain(self) -> Path | str:
        """What a caller gave."""

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """A small object; None if there is none."""

    @abstractmethod
    def write(self, key: str, data: bytes) -> None:
        """Put a small object there, whole or not at all."""

    @abstractmethod
    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""

    @abstractmethod
    def clear(self, prefixes: Collection[str]) -> None:
        """Remove all that is below prefixes."""

    @abstractmethod
    def holds(self, key: str) -> bool:
        """Whether an object is there."""

    @abstractmethod
    def present(self, prefix: str) -> Container[str]:
        """Keys below a prefix that are there."""


@dataclass(frozen=True)
class Folder(WritableLocation):
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def plain(self) -> Path:
        """The path."""
        return self.path

    def at(self, name: str = "") -> dict[str, Any]:
        """See `Location`."""
        return {"store": self.path / name}

    def array(self, name: str, mode: str = "r", **options: Any) -> zarr.Array[Any]:
        """See `Location`; what is only read is opened once a process, as long as its metadata stay."""
        if mode != "r" or options:
            return super().array(name, mode, **options)
        status = (self.path / name / ROOT).stat()
        return _opened(self.path / name, status.st_mtime_ns, status.st_ino, status.st_size)

    def version(self) -> Hashable:
        """See `Location`."""
        return str(self.path.resolve()), (self.path / ROOT).stat().st_mtime_ns

    def read(self, key: str) -> bytes | None:
        """See `WritableLocation`."""
        try:
            return (self.path / key).read_bytes()
        except OSError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """See `WritableLocation`."""
        file = self.path / key
        temporary = file.with_name(f"{file.name}.partial")
        fault_point()
        temporary.write_bytes(data)
        fault_point()
        os.replace(temporary, file)

    def remove(self, key: str) -> None:
        """See `WritableLocation`."""
        fault_point()
        (self.path / key).unlink(missing_ok=True)

    def clear(self, prefixes: Collection[str]) -> None:
        """See `WritableLocation`."""
        for prefix in prefixes:
            shutil.rmtree(self.path / prefix, ignore_errors=True)

    def holds(self, key: str) -> bool:
        """See `WritableLocation`."""
        return (self.path / key).is_file()

    def present(self, prefix: str) -> Container[str]:
        """See `WritableLocation`."""
        return _Files(self.path)


@lru_cache(maxsize=256)
def _opened(path: Path, *_version: int) -> zarr.Array[Any]:
    return zarr.open_array(path, mode="r", zarr_format=3)


@dataclass(frozen=True)
class _Files(Container[str]):
    """Files of a folder, each looked at when it is asked for."""

    folder: Path

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and (self.folder / key).is_file()
