"""Tell what a raster is, from its name: which pair of dates, which image of it.

The products that share GeoTIFF pairs (GAMMA, PyRate, HyP3, LiCSAR, SNAP exports) agree on no more than this: two
dates somewhere in the name, and a short word for the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from insarflow.types import parse_date

_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?P<compact>(?:19|20)\d{6})(?:T\d{6})?|"
    r"(?P<iso>(?:19|20)\d{2}-\d{2}-\d{2})|"
    r"(?P<snap>\d{2}(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?:19|20)\d{2})"
    r")(?!\d)",
    flags=re.IGNORECASE,
)

_SHORT = re.compile(r"(?<!\d)(\d{6})[-_](\d{6})(?!\d)")
"""Two dates as ROI_PAC writes them (060619-061002); read only where there is none in full."""

_FIRST_YEAR = 70
"""Two digits of a year from which they are of the last century."""

_ROLES = {
    "unwrapped": {"unw", "unwrapped"},
    "coherence": {"cc", "coh", "coherence", "cor", "corr"},
    "phase": {"phase", "pha", "phi", "wrapped", "diff", "int", "ifg"},
    "amplitude": {"amp", "amplitude"},
    "dem": {"dem", "hgt"},
}
"""Words for each image, the more telling first: ``unw_phase`` is unwrapped, ``diff_cc`` a coherence."""

_SWATH = re.compile(r"(?:iw|sw|ew)[1-5]")

_TRACK = re.compile(r"(?:^|[^a-z0-9])t?(\d{3}[ad])(?![a-z0-9])", flags=re.IGNORECASE)
"""Relative orbit and pass, as in LiCSAR's frames (124D_04854_171313) or T005A."""

_OTHER = {
    *("error", "mean", "median", "std", "rms", "mask", "water", "conn", "conncomp", "components"),
    *("inc", "lv", "theta", "disp", "vel", "velocity", "unfiltered", "sec", "secondary", "slave"),
    *("bovldiff", "sbovldiff", "mli", "ramp", "aps"),
}
"""A name with one of these is of an image that a stack does not hold."""


@dataclass(frozen=True)
class RasterName:
    """What the name of a raster says.

    Attributes
    ----------
    role
        ``unwrapped``, ``coherence``, ``phase``, ``amplitude`` or ``dem``; None if it is something else.
    dates
        The two dates in the order of the name; None if there are not two different ones.
    snap
        Whether the dates are written as SNAP does (06Jan2023).
    swath
        Number of the only swath (IW1, SW1) that the name or else a folder tells; None if there is none.
    track
        Relative orbit and pass (``124D``) that the name or else a folder tells; None if there is none, or several.
    """

    role: str | None
    dates: tuple[np.datetime64, np.datetime64] | None
    snap: bool
    swath: int | None = None
    track: str | None = None


def parse_name(path: PurePath) -> RasterName:
    """Tell what a raster is, from its path below (and including) the folder that was opened.

    Examples
    --------
    >>> parse_name(PurePath("unw/cropA_20180106-20180130_VV_8rlks_eqa_unw.tif")).role
    'unwrapped'
    >>> parse_name(PurePath("ifg_20230904_20230916/phi_vv.tif")).role
    'phase'
    """
    role, other = _role(path.stem)
    own, snap = _dates(path.stem)
    dates = own
    if own:
        # Only a folder that sorts images by kind may name the role, not one that names the pair.
        if role is None and not other and not _dates(path.parent.name)[0]:
            role, other = _role(path.parent.name)
    else:
        if role is None and not other and _role(path.parent.name)[0] == "dem":
            role = "dem"
        for folder in path.parents:
            dates, snap = _dates(folder.name)
            if len(dates) == 2:
                break
    pair = (dates[0], dates[1]) if len(dates) == 2 else None
    swath = next((s for s in (_swath(p.name) for p in (path, *path.parents)) if s is not None), None)
    track = next((t for t in (_track(p.name) for p in (path, *path.parents)) if t is not None), None)
    return RasterName(None if other else role, pair, snap, swath, track)


def days_of(text: str) -> list[np.datetime64]:
    """Different days that a name holds, in its order.

    Examples
    --------
    >>> [str(day)[:10] for day in days_of("S1A_IW_SLC__1SDV_20230904T063730_20230904T063757_050174.SAFE")]
    ['2023-09-04']
    """
    return _dates(text)[0]


def _swath(text: str) -> int | None:
    """Number of the swath that a name tells; None if it tells none, or several."""
    numbers = {int(word[2]) for word in _words(text) if _SWATH.fullmatch(word)}
    return numbers.pop() if len(numbers) == 1 else None


def _track(text: str) -> str | None:
    """Relative orbit and pass that a name tells; None if it tells none, or several."""
    tracks = {word.upper() for word in _TRACK.findall(_DATE.sub(" ", text))}
    return tracks.pop() if len(tracks) == 1 else None


def _words(text: str) -> list[str]:
    return [w for w in re.split(r"[^a-z0-9]+", _SHORT.sub(" ", _DATE.sub(" ", text)).lower()) if w]


def _role(text: str) -> tuple[str | None, bool]:
    """Tell the image that a name is of, and whether it is one that a stack does not hold."""
    words = set(_words(text))
    role = next((role for role, synonyms in _ROLES.items() if words & synonyms), None)
    return role, bool(words & _OTHER)


def _dates(text: str) -> tuple[list[np.datetime64], bool]:
    found: list[np.datetime64] = []
    snap = False
    for match in _DATE.finditer(text):
        written = match["compact"] or match["iso"] or match["snap"]
        try:
            day = parse_date(written)
        except ValueError:
            continue
        if day not in found:
            found.append(day)
        snap = snap or match["snap"] is not None
    return found or _short_dates(text), snap


def _short_dates(text: str) -> list[np.datetime64]:
    match = _SHORT.search(text)
    if match is None:
        return []
    try:
        days = [parse_date(f"{19 if int(word[:2]) >= _FIRST_YEAR else 20}{word}") for word in match.groups()]
    except ValueError:
        return []
    return days if days[0] != days[1] else []
