"""Files inside zip archives, never unpacked: a path may pass through one, as in ``/data/a.zip/inner/x.tif``.

Only this module knows what such a path means; it takes plain paths too.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby
from pathlib import Path, PurePosixPath

from insarflow.errors import ProductError

MAX_MEMBERS = 100_000
"""Most files of an archive that is opened."""

MAX_MEMBER = 2**40
"""Most bytes that a file inside an archive may say to have."""

MAX_DIRECTORY = 64 * 2**20
"""Most bytes of an archive's table of contents, which is read into memory."""

_ENCRYPTED = 0x1

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, NotImplementedError)
"""What zipfile raises over a damaged archive."""


def archive_of(path: Path) -> Path | None:
    """Return the zip file that `path` is or passes through; None for any other path."""
    if ".zip" not in str(path).lower():
        return None
    return next((p for p in (*reversed(path.parents), path) if p.suffix.lower() == ".zip" and p.is_file()), None)


def list_members(archive: Path) -> list[Path]:
    """Paths of all files in a zip file; archives inside it stay closed.

    Raises
    ------
    ProductError
        If it is damaged, encrypted, holds a name that leads out of it, or is of absurd size.
    """
    return [archive / name for name in member_sizes(archive)]


def member_sizes(archive: Path) -> Mapping[str, int]:
    """Bytes of each file in a zip file, by name; errors as of `list_members`."""
    status = archive.stat()
    return _contents(archive, status.st_size, status.st_mtime_ns)


def file_version(path: Path) -> tuple[int, int]:
    """Bytes of a file and time of its last change (ns), which for a member is the archive's.

    Raises
    ------
    OSError
        If there is no such file.
    ProductError
        If the archive is damaged or does not hold it.
    """
    archive = archive_of(path)
    status = (archive or path).stat()
    if archive is None:
        return status.st_size, status.st_mtime_ns
    name = _member(path, archive)
    sizes = member_sizes(archive)
    if name not in sizes:
        raise ProductError(f"file={str(archive)!r} must hold {name!r}, instead there is no such member")
    return sizes[name], status.st_mtime_ns


def changed(path: Path) -> int:
    """Time of a file's last change (ns), which for a member is the archive's; the archive is not read.

    Raises
    ------
    OSError
        If there is no such file.
    """
    return (archive_of(path) or path).stat().st_mtime_ns


def gdal_name(path: Path) -> str:
    """How GDAL calls a file."""
    archive = archive_of(path)
    if archive is None:
        return str(path)
    place = str(archive.absolute())
    # Braces tell GDAL where the archive ends, whatever the folders above it are called.
    return f"/vsizip/{place if {*place} & {*'{}'} else f'{{{place}}}'}/{_member(path, archive)}"


def read_starts(paths: Iterable[Path], count: int) -> Iterator[bytes]:
    """Read the first `count` bytes of each file; an archive is opened once for its consecutive members.

    Raises
    ------
    OSError
        If a file that is in no archive cannot be read.
    ProductError
        If an archive is damaged or lacks a member.
    """
    for archive, group in groupby(paths, archive_of):
        if archive is None:
            for path in group:
                with path.open("rb") as stream:
                    yield stream.read(count)
            continue
        with _opened(archive) as file:
            for path in group:
                try:
                    with file.open(_member(path, archive)) as stream:
                        start = stream.read(count)
                except KeyError as error:
                    raise ProductError(f"file={str(archive)!r} must hold {_member(path, archive)!r}") from error
                yield start


def digest_file(path: Path) -> bytes:
    """SHA-256 of all that a file holds.

    Raises
    ------
    OSError
        If a file that is in no archive cannot be read.
    ProductError
        If an archive is damaged or lacks the member.
    """
    archive = archive_of(path)
    if archive is None:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    with _opened(archive) as file, file.open(_member(path, archive)) as member:
        digest = hashlib.sha256()
        while part := member.read(2**20):
            digest.update(part)
        return digest.digest()


def _member(path: Path, archive: Path) -> str:
    return path.relative_to(archive).as_posix()


@lru_cache(maxsize=16)
def _contents(archive: Path, size: int, modified: int) -> Mapping[str, int]:
    """`member_sizes` of one version of the archive."""
    if size == 0:
        raise ProductError(f"file={str(archive)!r} must be a zip archive, instead it is empty")
    with _opened(archive) as file:
        members = [info for info in file.infolist() if not info.is_dir()]
    name = f"file={str(archive)!r}"
    if len(members) > MAX_MEMBERS:
        raise ProductError(f"{name} must hold at most {MAX_MEMBERS} files, instead got {len(members)}: unzip it")
    sizes: dict[str, int] = {}
    for info in members:
        path = PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or path.as_posix() != info.filename:
            raise ProductError(
                f"{name} must hold files with plain names below it, instead got {info.filename!r:.80}: "
                "it may be hostile; zip the product again"
            )
        if info.flag_bits & _ENCRYPTED:
            raise ProductError(f"{name} must not be encrypted, instead {info.filename!r:.80} is: unzip it yourself")
        if info.file_size > MAX_MEMBER or info.filename in sizes:
            fault = f"of {info.file_size} bytes" if info.file_size > MAX_MEMBER else "twice"
            raise ProductError(f"{name} must hold sane files, instead it has {info.filename!r:.80} {fault}: unzip it")
        sizes[info.filename] = info.file_size
    return sizes


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    name = f"file={str(archive)!r}"
    try:
        directory = _directory_size(archive)
        if directory > MAX_DIRECTORY:
            raise ProductError(f"{name} must have a table of at most {MAX_DIRECTORY} bytes, instead got {directory}")
        with zipfile.ZipFile(archive) as file:
            yield file
    except PermissionError as error:
        raise ProductError(f"{name} cannot be read: {error.strerror}") from error
    except _DAMAGE as error:
        raise ProductError(f"{name} must be a zip archive, instead it is damaged or none: {error}") from error


def _directory_size(archive: Path) -> int:
    """Bytes that the archive's end says its table of contents has; 0 if it has no end, which zipfile reports."""
    with archive.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - 2**16 - 1024))
        tail = stream.read()
    records = ((b"PK\x06\x06", 40, "<Q"), (b"PK\x05\x06", 12, "<L"))
    for mark, offset, form in records:
        at = tail.rfind(mark)
        if at >= 0 and at + offset + struct.calcsize(form) <= len(tail):
            return int(struct.unpack_from(form, tail, at + offset)[0])
    return 0
