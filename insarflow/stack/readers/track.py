"""Interferograms of a stack must be of one track and one radar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from insarflow.errors import ProductError
from insarflow.stack.readers.gamma import Acquisition
from insarflow.stack.readers.roipac import Header
from insarflow.types import Pair

MAX_TURN = 0.1
"""Largest difference of the headings of one track, rad."""


def check_names(tracks: Mapping[str, Path]) -> None:
    """Check that names of files tell one track, given a file of each.

    Raises
    ------
    ProductError
        Naming two that differ.
    """
    if len(tracks) > 1:
        (track, file), (other, beside), *_ = tracks.items()
        raise ProductError(
            f"all interferograms must be of one track, instead got file={str(file)!r} of {track} and "
            f"file={str(beside)!r} of {other}: open each track's files by themselves"
        )


def check_acquisitions(acquisitions: Mapping[np.datetime64, Acquisition], pairs: Iterable[Pair]) -> None:
    """Check that the images of pairs are of one radar and one direction of flight, as far as files tell.

    Raises
    ------
    ProductError
        Naming two files that differ, the field and the values.
    """
    days = sorted({day for pair in pairs for day in (pair.reference, pair.secondary)})
    images = [acquisitions[day] for day in days if day in acquisitions]
    _check_alike("radar_frequency", "m of wavelength", [(i.path, i.wavelength) for i in images], relative=1e-3)
    _check_alike("heading", "rad", [(i.path, i.heading) for i in images], turn=MAX_TURN)


def check_headers(headers: Sequence[Header]) -> None:
    """Check that interferograms are of one radar and one direction of flight, as far as their headers tell.

    Raises
    ------
    ProductError
        Naming two files that differ, the field and the values.
    """
    _check_alike("WAVELENGTH", "m", [(h.path, h.wavelength) for h in headers], relative=1e-3)
    _check_alike("HEADING", "rad", [(h.path, h.heading) for h in headers], turn=MAX_TURN)


def _check_alike(
    field: str, unit: str, values: list[tuple[Path, float | None]], *, relative: float = 0.0, turn: float = 0.0
) -> None:
    """Check that what files say of a field differs by a relative amount, or an angle, at most."""
    known = [(path, value) for path, value in values if value is not None]
    for path, value in known:
        first = known[0][1]
        apart = np.cos(value - first) < np.cos(turn) if turn else abs(value - first) > relative * abs(first)
        if apart:
            raise ProductError(
                f"all images must be of one track and wavelength, instead got {field}: {first:.6g} {unit} in "
                f"file={str(known[0][0])!r} and {value:.6g} in file={str(path)!r}: open those of one by themselves"
            )
