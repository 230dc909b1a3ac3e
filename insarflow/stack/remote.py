"""A store at a URL: object stores and web servers, by fsspec."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import sys
import time
from collections.abc import Collection, Container, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import fsspec
from zarr.storage import FsspecStore

from insarflow.errors import StoreError
from insarflow.stack.faults import fault_point
from insarflow.stack.location import DAMAGE, ROOT, Folder, WritableLocation

MAX_METADATA: Final = 2**26
"""Most bytes of a store's metadata that are read."""

RECENT: Final = 600.0
"""Time after which work of which nothing is heard is held to be over, s."""

UNFINISHED: Final = "unfinished.json"
"""Key of the journal of work on a store in whose place it is done."""

# Others may write there too: a listing is not to be remembered.
_OPTIONS: Final = {"use_listings_cache": False}
_URL: Final = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*::)*[A-Za-z][A-Za-z0-9+.-]+://")
_CLOUD: Final = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}
"""Packages of the extra ``cloud``, by protocol."""

_OTHERS: Final = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
_READ_ONLY: Final = ("http", "https", "zip", "tar", "github", "git", "data")
_NETWORK: Final = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("azure.core.exceptions", "AzureError"),
)
"""Errors that are no OSError, by the module that defines them: it is loaded if one can have been raised."""

_CREDENTIALS: Final = ("NoCredentialsError", "PartialCredentialsError", "GoogleAuthError", "ClientAuthenticationError")
_UNREACHED: Final = ("ConnectionError", "ClientConnectionError", "HTTPClientError", "ServiceRequestError", "gaierror")
_TIMES: Final = ("LastModified", "last_modified", "updated", "mtime", "created")
_MARKS: Final = ("ETag", "etag", "generation", "size", "Last-Modified", *_TIMES)
"""What servers tell of a version of an object."""


def is_url(value: object) -> bool:
    """Whether `value` is a URL and no path.

    Examples
    --------
    >>> [is_url(text) for text in ("s3://bucket/stack.zarr", "simplecache::https://host/a.zarr", "stack.zarr", "C:/a")]
    [True, True, False, False]
    """
    return isinstance(value, str) and _URL.match(value) is not None


def location_of_url(url: str, *, writing: bool = False) -> WritableLocation:
    """The place that a URL names; ``file://`` is a folder like any other.

    Raises
    ------
    StoreError
        If the protocol is unknown, its package is not installed, or it is for reading and `writing` is wanted.
    """
    if url.startswith(("file://", "local://")):
        return Folder(Path(unquote(urlsplit(url).path)))
    remote = Remote(url.rstrip("/"))
    if writing:
        remote.check_writable()
    remote.files()
    return remote


def io_errors() -> tuple[type[Exception], ...]:
    """OSError, and what packages for URLs raise beside it, of those that are loaded."""
    return OSError, *(getattr(sys.modules[module], name) for module, name in _NETWORK if module in sys.modules)


@dataclass(frozen=True)
class Remote(WritableLocation):
    """A prefix of an object store, or a folder of a web server.

    Notes
    -----
    Objects are put whole, none is renamed, and nothing locks them. Who and with which rights is fsspec's configuration
    (``FSSPEC_S3_ANON=true``, files in ``~/.config/fsspec``) and that of its packages.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def plain(self) -> str:
        """The URL."""
        return self.url

    @property
    def protocol(self) -> str:
        """Of the outermost part of the URL."""
        return re.split("::|://", self.url, maxsplit=1)[0].lower()

    def files(self) -> tuple[Any, str]:
        """The file system, and the store's path in it."""
        try:
            files, path = fsspec.url_to_fs(self.url, **_OPTIONS)
        except ImportError as error:
            package = _CLOUD.get(self.protocol) or _OTHERS.get(self.protocol)
            remedy = f"the package {package}" if package else f"a package ({error})"
            command = 'pip install "insarflow[cloud]"' if self.protocol in _CLOUD else f"pip install {package or '...'}"
            raise StoreError(f"url={self.url!r} needs {remedy}, which is not installed: {command}") from error
        except ValueError as error:
            raise StoreError(
                f"url={self.url!r} must have a protocol such as s3://, gs://, https://, instead: {error}"
            ) from error
        except io_errors() as error:
            raise StoreError(_explain(error, self.url) or f"url={self.url!r} failed: {_brief(error)}") from error
        return files, path.rstrip("/")

    def at(self, name: str = "") -> dict[str, Any]:
        """See `Location`."""
        return {"store": _zarr_store(self.url, os.getpid(), self.files()[0]), "path": name}

    def version(self) -> Hashable:
        """See `Location`."""
        root = self.read(ROOT)
        if root is None:
            raise StoreError(f"url={self.url!r} {self._absence()}")
        if len(root) > MAX_METADATA:
            raise StoreError(
                f"url={self.url!r} has more than {MAX_METADATA} bytes of metadata: too large to be a stack's"
            )
        files, path = self.files()
        marks: dict[str, Any] = {}
        with suppress(*io_errors()):
            marks = files.info(f"{path}/{ROOT}")
        told = tuple(str(marks[name]) for name in _MARKS if marks.get(name) is not None)
        return self.url, hashlib.sha256(root).hexdigest(), told

    def errors(self) -> tuple[type[Exception], ...]:
        """See `Location`."""
        return (*DAMAGE, *io_errors())

    def problem(self, error: BaseException) -> str | None:
        """See `Location`."""
        return _explain(error, self.url)

    def read(self, key: str) -> bytes | None:
        """See `WritableLocation`; no more than the most that is believed, and a byte."""
        files, path = self.files()
        with self.telling():
            try:
                return bytes(files.cat_file(f"{path}/{key}", start=0, end=MAX_METADATA + 1))
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def write(self, key: str, data: bytes) -> None:
        """See `WritableLocation`."""
        files, path = self.files()
        fault_point()
        with self.telling():
            files.pipe_file(f"{path}/{key}", data)

    def remove(self, key: str) -> None:
        """See `WritableLocation`."""
        files, path = self.files()
        fault_point()
        with self.telling(), suppress(FileNotFoundError):
            files.rm_file(f"{path}/{key}")

    def clear(self, prefixes: Collection[str]) -> None:
        """See `WritableLocation`."""
        doomed = [key for key in self.objects() if any(key.startswith(f"{prefix}/") for prefix in prefixes)]
        self._remove_all(doomed)

    def empty(self) -> None:
        """Remove everything but the journal."""
        there = self.objects().keys() - {UNFINISHED}
        if ROOT in there:
            # First: whoever finds the rest does not take it for a store.
            self.remove(ROOT)
        self._remove_all(sorted(there - {ROOT}))

    def _remove_all(self, keys: Sequence[str]) -> None:
        files, path = self.files()
        if keys:
            fault_point()
            with self.telling(), suppress(FileNotFoundError):
                files.rm([f"{path}/{key}" for key in keys])

    def holds(self, key: str) -> bool:
        """See `WritableLocation`."""
        files, path = self.files()
        with self.telling():
            return bool(files.exists(f"{path}/{key}"))

    def present(self, prefix: str) -> Container[str]:
        """See `WritableLocation`."""
        return frozenset(self.objects(prefix))

    def objects(self, prefix: str = "") -> dict[str, float | None]:
        """Keys of what is there below a prefix, with the time of the last change (Unix, s), if the server tells it."""
        files, path = self.files()
        with self.telling():
            try:
                found = files.find(f"{path}/{prefix}".rstrip("/"), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                found = {}
        return {name[len(path) :].lstrip("/"): _changed(info) for name, info in found.items()}

    def idle(self) -> float:
        """Time since anything in it changed, s; infinite if the server does not tell it."""
        return time.time() - max((at for at in self.objects().values() if at is not None), default=-float("inf"))

    def check_writable(self) -> None:
        """Refuse what cannot be written, before any work.

        Raises
        ------
        StoreError
            If the protocol is for reading only.
        """
        if self.protocol in _READ_ONLY:
            raise StoreError(
                f"url={self.url!r} cannot be written: {self.protocol} is for reading; write to an object store (s3://, "
                "gs://) or a folder"
            )

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What goes wrong inside is told in one line.

        Raises
        ------
        StoreError
            If the server cannot be reached, does not allow it, or fails.
        """
        try:
            yield
        except FileNotFoundError:
            raise
        except NotImplementedError as error:
            raise StoreError(f"url={self.url!r} cannot be written: {self.protocol} is for reading") from error
        except io_errors() as error:
            raise StoreError(_explain(error, self.url) or f"url={self.url!r} failed: {_brief(error)}") from error

    def _absence(self) -> str:
        if self.read(UNFINISHED) is not None:
            return "is unfinished: what writes it has not ended, or was stopped; the same command goes on with it"
        return "holds no Zarr metadata (zarr.json): it is no store, or there is nothing (404)"


@lru_cache(maxsize=64)
def _zarr_store(url: str, process: int, files: Any) -> FsspecStore:
    """What zarr reads and writes by: another one for a file system of other settings, and in another process."""
    return FsspecStore.from_url(url, storage_options=_OPTIONS)


def _explain(error: BaseException, url: str) -> str | None:
    """What to say of an error of the network; None if it is of another kind."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    names = {kind.__name__ for one in chain for kind in type(one).__mro__}
    status = next((code for code in map(_status, chain) if code is not None), None)
    if status in (401, 403) or names & {"PermissionError", *_CREDENTIALS}:
        return (
            f"url={url!r} may not be read or written with these rights: {_brief(error)}; give credentials, or none "
            "where it is public (FSSPEC_S3_ANON=true)"
        )
    if names & {*_UNREACHED, "TimeoutError"}:
        return f"url={url!r} cannot be reached: {_brief(error)}; check the address and the network"
    if status is not None:
        return f"url={url!r}: the server answers {status}: {_brief(error)}"
    return None


def _status(error: BaseException) -> int | None:
    """HTTP status of an answer that was turned into an error."""
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _brief(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{lines[0]:.200}" if lines and lines[0] else type(error).__name__


def _changed(info: Mapping[str, Any]) -> float | None:
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, str):
            with suppress(ValueError):
                value = dt.datetime.fromisoformat(value)
        if isinstance(value, dt.datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None
