"""What is asked of an inventory that is kept up to date, and what its folder says of the last time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from insarflow.errors import OutputExistsError
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.history import facts_of
from insarflow.inventory.projection import check_crs
from insarflow.inventory.tracks import LAST_ID
from insarflow.ops.checks import check_number

UPDATED: Final = "updated"
"""Attribute of an inventory: JSON with the fields of `Said`, and when it was made."""


@dataclass(frozen=True)
class Settings:
    """What is asked of an inventory.

    Attributes
    ----------
    threshold
        Probability from which a pixel counts as moving, 0..1.
    min_area
        Smaller polygons are left out, m2.
    crs
        Of the outlines in the file; None for the stack's.
    """

    threshold: float
    min_area: float
    crs: str | None


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
    """

    settings: Settings | None = None
    sha256: str = ""
    made_of: str = ""
    last_id: int = 0

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
                return cls(settings, known["sha256"], known["made_of"], max(last, known["last_id"]))
            except (ValueError, TypeError, KeyError):
                continue
        return cls(last_id=last)


def check_asked(threshold: float | None, min_area: float | None, crs: str | None) -> None:
    """Check what is asked for; None asks for nothing.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    """
    if threshold is not None:
        check_threshold(threshold)
    if min_area is not None and check_number("min_area", min_area) < 0.0:
        raise ValueError(f"min_area must be 0 m^2 or more, instead got min_area={min_area}")
    if crs is not None:
        check_crs(crs)


def settle_settings(
    said: Said,
    sha256: str,
    model_threshold: float,
    *,
    threshold: float | None,
    min_area: float | None,
    crs: str | None,
    overwrite: bool,
) -> Settings:
    """What is asked for now; what is None is as before or, at first, and the threshold of another model, the default.

    Raises
    ------
    OutputExistsError
        If threshold or min_area differs from before, and not `overwrite`: what it changes would be taken for changes of
        slopes.
    """
    before = said.settings
    if before is None:
        return Settings(threshold or model_threshold, 10_000.0 if min_area is None else min_area, crs)
    same_model = said.sha256 == sha256
    for name, now, old in (("threshold", threshold, before.threshold), ("min_area", min_area, before.min_area)):
        if now is not None and now != old and not overwrite:
            raise OutputExistsError(
                f"{name} must be {old!r} as before, instead got {name}={now!r}: leave it out, or go on with it "
                "by overwrite=True (--overwrite); ids and edits stay"
            )
    return Settings(
        threshold or (before.threshold if same_model else model_threshold),
        before.min_area if min_area is None else min_area,
        crs or before.crs,
    )


def made_of(pairs: list[str], step: dict[str, Any], settings: Settings) -> str:
    """Hash of the interferograms that an inventory is of, how they were segmented, and what was asked for."""
    return hashlib.sha256(json.dumps([pairs, step, asdict(settings)], sort_keys=True).encode()).hexdigest()


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
