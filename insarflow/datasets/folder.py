"""What a data set is, where it comes from, and what is said when it is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from insarflow.errors import AbsentDataError
from insarflow.ops.checks import check_kind

_TOLD: Final = 12
"""Files that are named of what was found."""


@dataclass(frozen=True)
class Origin:
    """Where people get a data set.

    Attributes
    ----------
    name
        Of the data set.
    source
        Where it is published: an address, or whom to ask.
    licence
        Terms of use, as the source states them.
    cite
        What to cite.
    tree
        The folders and files that are expected, as lines of a drawing.
    """

    name: str
    source: str
    licence: str
    cite: str
    tree: str


def folder_of(root: str | Path, origin: Origin) -> Path:
    """The folder of a data set.

    Raises
    ------
    TypeError
        If `root` is no path.
    AbsentDataError
        If there is none; with source, licence and the expected tree.
    """
    check_kind("root", root, str | Path, "the path of a folder")
    path = Path(root)
    if not path.is_dir():
        raise absent(path, origin, "is no file, but must be a folder" if path.exists() else "does not exist")
    return path


def absent(root: Path, origin: Origin, wrong: str) -> AbsentDataError:
    """The error of a folder that does not hold the data set: what is wrong, what is there, and the way out."""
    return AbsentDataError(
        f"{root} {wrong}. {origin.name} is not downloaded for you: get it from {origin.source} (licence: "
        f"{origin.licence}; cite {origin.cite}) and unpack it as",
        *origin.tree.splitlines(),
        f"found there: {_found(root)}",
    )


def _found(root: Path) -> str:
    """The first names below a folder, its own first."""
    if not root.is_dir():
        return "nothing"
    names = list(islice(_names(root), _TOLD + 1))
    more = " ..." if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more if names else "an empty folder"


def _names(root: Path) -> Iterable[str]:
    inside = sorted(root.iterdir())
    for path in inside:
        yield path.name + ("/" if path.is_dir() else "")
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            yield from (f"{path.name}/{name}" for name in _names(path))
