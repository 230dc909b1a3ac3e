"""What a verb is told about its source: where it is, and which part of it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from insarflow.errors import OutputExistsError
from insarflow.stack.codes import Encoding, Kind
from insarflow.stack.sources import SourceLike
from insarflow.stack.target import Method, ResolutionLike
from insarflow.types import DateLike, DelayLike, Mode, Precision


class Selection(TypedDict, total=False):
    """Keywords of `insarflow.open_stack`; what is left out, or None, does not select."""

    bbox: Sequence[float] | None
    aoi: str | Path | None
    start: DateLike | None
    end: DateLike | None
    delays: Sequence[DelayLike] | None
    track: int | None


class Building(Selection, total=False):
    """Keywords of `insarflow.build_stack`: the part of the source, and the grid that it is brought to."""

    grid: str | Path | None
    resolution: ResolutionLike | None
    crs: str | None
    method: Method | None
    skip_bad: bool
    hash_files: bool


class Kept(TypedDict):
    """Keywords of `insarflow.build_stack`: how numbers are kept."""

    exact: bool
    coherence: Kind


class Running(TypedDict, total=False):
    """Keywords of `insarflow.segment_to_zarr`: how the model runs, and how probabilities are kept."""

    precision: Precision
    encoding: Encoding
    mode: Mode
    patch: int
    offsets: int
    skip_bad: bool


def check_not_source(out: str | Path, source: SourceLike) -> None:
    """Refuse to write where the source lies: what is derived from data must not replace them.

    Raises
    ------
    OutputExistsError
        If `out` is the source, or one of the sources.
    """
    sources = [source] if isinstance(source, str | Path) else source
    if Path(out).resolve() in [Path(one).resolve() for one in sources]:
        raise OutputExistsError(f"the output must not be the source, instead got {str(out)!r} for both: name another")
