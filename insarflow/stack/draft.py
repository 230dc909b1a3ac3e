"""A store that is being made: in a folder beside its place or, where nothing can be renamed, in its place."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from insarflow.errors import OutputExistsError, StoreError, WorkerError
from insarflow.stack.journal import Journal, refuse_another, remove_temporaries
from insarflow.stack.location import ROOT, Folder, WritableLocation
from insarflow.stack.remote import UNFINISHED, Remote
from insarflow.stack.replace import check_output, clear_folder, flush, new_store

_NOTHING = Journal("")
"""Journal of a place where nothing counts: whatever is in it may be removed."""


def check_place(where: WritableLocation, *, overwrite: bool) -> None:
    """Check that a store may be written to a place.

    Raises
    ------
    OutputExistsError
        If something is there and `overwrite` was not asked for, or it is not a Zarr store.
    StoreError
        If the place cannot be reached.
    """
    if isinstance(where, Remote):
        # Whether unfinished work may be gone on with is seen once it is known what is to be written.
        if Journal.read(where, UNFINISHED) is None:
            _check_remote(where, overwrite=overwrite)
    else:
        check_output(Path(where.plain), overwrite=overwrite)


def draft(
    where: WritableLocation,
    journal: Journal,
    empty: Mapping[str, bytes],
    *,
    overwrite: bool,
    fsync: bool = False,
    keep: bool = False,
) -> AbstractContextManager[WritableLocation]:
    """Work in a store that counts at the end, all at once; `empty` holds its objects at the beginning, by key.

    If the work is interrupted, or cannot be written, it stays, and the same work, as its journal tells, goes on in it;
    after any other error it is removed, or stays, too, if `keep`.

    Yields
    ------
    WritableLocation
        Where to write: the folder ``<name>.partial`` beside a folder; a URL itself, which until then has no root
        metadata, so that nobody takes it for a store.

    Raises
    ------
    OutputExistsError
        As `check_place`.
    StoreError
        If it cannot be written, or other work is writing it.
    """
    if isinstance(where, Remote):
        return _draft_in_place(where, journal, empty, overwrite=overwrite, keep=keep)
    return _draft_beside(Path(where.plain), journal, empty, overwrite=overwrite, fsync=fsync, keep=keep)


@contextmanager
def _draft_beside(
    path: Path, journal: Journal, empty: Mapping[str, bytes], *, overwrite: bool, fsync: bool, keep: bool
) -> Iterator[Folder]:
    with new_store(path, overwrite=overwrite, keep=keep) as folder:
        work = Folder(folder)
        if Journal.read(work, UNFINISHED) == journal:
            remove_temporaries(folder)
        else:
            clear_folder(folder)
            for key in sorted(empty, key=lambda key: (key == ROOT, key)):
                file = folder / key
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(empty[key])
            journal.write(work, UNFINISHED)
        yield work
        Journal.remove(work, UNFINISHED)
        if fsync:
            flush(folder)
    if fsync:
        flush(path.resolve().parent, deep=False)


@contextmanager
def _draft_in_place(
    where: Remote, journal: Journal, empty: Mapping[str, bytes], *, overwrite: bool, keep: bool
) -> Iterator[Remote]:
    with where.telling():
        begun = Journal.read(where, UNFINISHED)
        if begun != journal:
            _begin(where, begun, overwrite=overwrite)
            for key in sorted(empty.keys() - {ROOT}):
                where.write(key, empty[key])
            journal.write(where, UNFINISHED)
        try:
            yield where
            journal.check(where, UNFINISHED)
            where.write(ROOT, empty[ROOT])
            Journal.remove(where, UNFINISHED)
        except (StoreError, WorkerError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            if not keep:
                _give_up(where)
            raise


def _begin(where: Remote, begun: Journal | None, *, overwrite: bool) -> None:
    """Remove what is there, so that it can be told at any time that nothing of it counts."""
    if begun is None or where.read(ROOT) is not None:
        _check_remote(where, overwrite=overwrite)
    elif not overwrite:
        refuse_another(where, begun)
    _NOTHING.write(where, UNFINISHED)
    where.empty()


def _check_remote(where: Remote, *, overwrite: bool) -> None:
    there = where.objects()
    if there and not overwrite:
        raise OutputExistsError(
            f"the output must not exist, instead got path={str(where)!r}: pass overwrite=True (--overwrite)"
        )
    if there and ROOT not in there:
        raise OutputExistsError(
            f"only a Zarr store can be overwritten, and path={str(where)!r} is none: "
            "remove it yourself or choose another path"
        )


def _give_up(where: Remote) -> None:
    """Remove what was begun, into which threads of an interrupted computation may still be writing."""
    _NOTHING.write(where, UNFINISHED)
    for _ in range(3):
        where.empty()
        time.sleep(0.05)
    where.remove(UNFINISHED)
