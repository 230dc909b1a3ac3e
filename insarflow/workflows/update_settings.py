"""What is asked of an inventory that is kept up to date, and what its folder says of the last time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, cast

from insarflow.errors import OutputExistsError
from insarflow.inventory.checks import check_threshold, settle_cut
from insarflow.inventory.criteria import Criteria
from insarflow.inventory.history import facts_of
from insarflow.inventory.projection import check_crs
from insarflow.inventory.recent import WINDOW_DAYS
from insarflow.inventory.tracks import LAST_ID
from insarflow.ops.checks import check_number, check_whole
from insarflow.workflows.inventory import Outlining, read_criteria

Asked = float | bool | str
"""A criterion: a number, yes or no, or the path of a raster."""

RASTERS: Final = ("min_elevation", "max_elevation", "mask")
"""Criteria that may be rasters."""

UPDATED: Final = "updated"
"""Attribute of an inventory: JSON with the fields of `Said`, and when it was made."""


DEFAULTS: Final[Outlining] = {"low": None, "min_area": 10_000.0, "fill_holes": 0.0, "simplify": 0.0, "smooth": 0}
"""How outlines are drawn at first; threshold and peak are the model's."""


@dataclass(frozen=True)
class Settings:
    """What is asked of an inventory.

    Attributes
    ----------
    outlining
        How outlines are drawn, all of it.
    crs
        Of the outlines in the file; None for the stack's.
    window_days
        Days up to the last acquisition that are looked at by themselves, too.
    criteria
        What a slope must be to be new: fields of `insarflow.inventory.criteria.Criteria`, rasters by their path.
    """

    outlining: Outlining
    crs: str | None
    window_days: int = WINDOW_DAYS
    criteria: dict[str, Asked] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """What an inventory says of how it was made.

    Attributes
    ----------
    settings
        None if it does not say.
    sha256
        Of the model.
    made_of
        Hash of all that it depends on: see `made_of`.
    last_id
        Highest id that was ever given.
    marks
        Of the outlines as they were written, by which changes of people are known: see
        `insarflow.inventory.by_hand.marks_of`.
    by_hand
        Ids of the slopes whose outlines people drew.
    """

    settings: Settings | None = None
    sha256: str = ""
    made_of: str = ""
    last_id: int = 0
    marks: dict[str, list[float]] = field(default_factory=dict)
    by_hand: tuple[int, ...] = ()

    def to_json(self, at: str) -> str:
        """For the attribute `UPDATED`; `at` is the time."""
        return json.dumps({"at": at, **asdict(self)}, sort_keys=True)

    @classmethod
    def read(cls, file: Path, report: Path) -> Said:
        """What the inventory says or, if another program has written it without that, what the last report said."""
        facts = facts_of(file) if file.exists() else {}
        last = int(facts.get(LAST_ID, 0))
        for text in (facts.get(UPDATED), _text(report)):
            try:
                known = json.loads(text or "")
                settings = None if known["settings"] is None else Settings(**known["settings"])
                marks, by_hand = known.get("marks", {}), tuple(known.get("by_hand", ()))
                return cls(settings, known["sha256"], known["made_of"], max(last, known["last_id"]), marks, by_hand)
            except (ValueError, TypeError, KeyError):
                continue
        return cls(last_id=last)


def check_asked(asked: Outlining, crs: str | None, window_days: int | None) -> None:
    """Check what is asked for, before any work; None asks for nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    """
    for name, value in asked.items():
        if name not in {*DEFAULTS, "threshold", "peak"}:
            raise ValueError(f"outlining must be of threshold, peak, {', '.join(DEFAULTS)}, instead got {name!r}")
        if value is None:
            continue
        if name in ("threshold", "peak", "low"):
            check_threshold(value, name=name)  # type: ignore[arg-type]
        elif name == "smooth":
            check_whole(name, value, low=0, high=4)  # type: ignore[arg-type]
        elif check_number(name, value) < 0.0:  # type: ignore[arg-type]
            raise ValueError(f"{name} must be 0 or more, instead got {name}={value}")
    if crs is not None:
        check_crs(crs)
    if window_days is not None:
        check_whole("window_days", window_days, low=1)


def criteria_of(asked: Mapping[str, Asked]) -> Criteria | None:
    """Criteria with their rasters opened; None if nothing is asked for.

    Raises
    ------
    TypeError, ValueError
        If there is no such criterion, or its value is wrong.
    ProductError
        If a file is no raster.
    """
    known = [one.name for one in fields(Criteria)]
    for name, value in asked.items():
        if name not in known:
            raise ValueError(f"criteria must be of {', '.join(known)}, instead got {name!r}")
        if isinstance(value, str) and name not in RASTERS:
            raise ValueError(f"{name} must be a number, instead got {name}={value!r}")
    numbers: dict[str, Any] = {name: value for name, value in asked.items() if not isinstance(value, str)}
    rasters = {name: value for name, value in asked.items() if isinstance(value, str)}
    return read_criteria(Criteria(**numbers), rasters) if asked else None


def settle_settings(
    said: Said,
    sha256: str,
    cut: tuple[float, float | None],
    *,
    asked: Outlining,
    crs: str | None,
    window_days: int | None,
    criteria: Mapping[str, Asked],
    overwrite: bool,
) -> Settings:
    """What is asked for now; what is left out is as before or, at first, as in `DEFAULTS`.

    Parameters
    ----------
    said
        What was asked for before.
    sha256, cut
        Of the model, the latter its threshold and peak: those of another model are not asked for any more.

    Raises
    ------
    OutputExistsError
        If something differs from before, and not `overwrite`: what it changes would be taken for changes of slopes.
    ValueError
        If `low` is above the threshold, or the peak below it.
    """
    first = said.settings or Settings(cast(Outlining, {}), None)
    before: dict[str, Any] = {**first.outlining}
    if said.settings is not None:
        before |= {"window_days": first.window_days, **first.criteria}
    if said.sha256 != sha256:
        for name in ("threshold", "peak"):
            before.pop(name, None)
    paths = {name: str(Path(value).absolute()) for name, value in criteria.items() if isinstance(value, str)}
    everything: dict[str, Any] = {**asked, "window_days": window_days, **criteria, **paths}
    wanted = {name: value for name, value in everything.items() if value is not None}
    for name, now in wanted.items():
        if now != before.get(name, now) and not overwrite:
            raise OutputExistsError(
                f"{name} must be {before[name]!r} as before, instead got {name}={now!r}: leave it out, or go on with "
                "it by overwrite=True (--overwrite); ids and edits stay"
            )
    threshold = wanted.get("threshold", before.get("threshold"))
    peak = wanted.get("peak", before.get("peak") if threshold == before.get("threshold") else None)
    threshold, peak = settle_cut(threshold, peak, cut)
    whole: dict[str, Any] = {**DEFAULTS, "window_days": WINDOW_DAYS, **before, **wanted}
    whole |= {"threshold": threshold, "peak": peak}
    days = int(whole.pop("window_days"))
    kept = {name: whole.pop(name) for name in {**first.criteria, **criteria}}
    if whole["low"] is not None and whole["low"] > whole["threshold"]:
        raise ValueError(f"low must be at most the threshold {whole['threshold']}, instead got low={whole['low']}")
    return Settings(cast(Outlining, whole), crs or first.crs, days, kept)


@contextmanager
def begun_folder(path: Path) -> Iterator[None]:
    """Make a folder; if nothing gets into it, it goes again."""
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()


def made_of(pairs: list[str], step: dict[str, Any], settings: Settings) -> str:
    """Hash of the interferograms that an inventory is of, how they were segmented, and what was asked for."""
    return hashlib.sha256(json.dumps([pairs, step, asdict(settings)], sort_keys=True).encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
