"""GAMMA's parameter files: what the GeoTIFFs beside them do not say.

``*_slc.par`` and ``*_mli.par`` describe one acquisition (radar frequency, heading, orbit state vectors),
``*_base.par`` and ``*_bperp.par`` the baseline of one pair. Angles at the scene's centre are not used: a crop of a
three-swath scene lies elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from insarflow.constants import SPEED_OF_LIGHT
from insarflow.errors import ProductError
from insarflow.kernels.geometry import interpolate_orbit, zero_doppler
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.names import parse_name
from insarflow.stack.readers.parameters import Fields, read_text
from insarflow.types import Looks, Pair

MAX_STATE_VECTORS = 10_000


@dataclass(frozen=True)
class Acquisition:
    """One image, from its ``*_slc.par`` or ``*_mli.par``.

    Attributes
    ----------
    path
        The parameter file.
    date
        Acquisition day.
    platform
        First word of GAMMA's ``sensor``, such as ``S1A``; empty if unknown.
    wavelength
        m; None if unknown.
    heading
        rad, clockwise from north; None if unknown.
    centre_time
        s of the day, UTC; None if unknown.
    looks
        Looks of the image in azimuth (y) and range (x).
    shape
        Lines and range samples.
    start_time, line_time
        Of the first line and between lines, s.
    near_range, range_spacing
        Slant range of the first sample and between samples, m.
    orbit
        State vectors, float64, shape ``(n, 7)`` as in `insarflow.kernels.geometry`; None if there are fewer than two.
    """

    path: Path
    date: np.datetime64
    platform: str
    wavelength: float | None
    heading: float | None
    centre_time: float | None
    looks: Looks
    shape: tuple[int, int]
    start_time: float
    line_time: float
    near_range: float
    range_spacing: float
    orbit: np.ndarray | None


@dataclass(frozen=True)
class Sidecars:
    """GAMMA's files found with a set of rasters: acquisitions by day, baseline files by pair."""

    acquisitions: Mapping[np.datetime64, Acquisition]
    base: Mapping[Pair, Path]
    bperp: Mapping[Pair, Path]

    def orbit(self) -> np.ndarray | None:
        """State vectors of the first acquisition; None if there are none."""
        return self.acquisitions[min(self.acquisitions)].orbit if self.acquisitions else None

    def attributes(self) -> dict[str, Any]:
        """Attributes of a stack; what is unknown, or not the same for all acquisitions, is left out."""
        images = [image for _, image in sorted(self.acquisitions.items())]
        attrs: dict[str, Any] = {}
        wavelength = _same([i.wavelength for i in images], relative=1e-6)
        if wavelength is not None:
            attrs["wavelength"] = wavelength
        heading = _same([i.heading for i in images], relative=0.05)
        if heading is not None:
            attrs["heading"] = heading
            attrs["pass"] = "ascending" if np.cos(heading) > 0 else "descending"
        platforms = sorted({i.platform for i in images if i.platform})
        if platforms:
            attrs["platform"] = ", ".join(platforms)
        looks = {i.looks for i in images}
        if len(looks) == 1:
            attrs["looks"] = [images[0].looks.y, images[0].looks.x]
        times = {str(i.date)[:10]: i.centre_time for i in images if i.centre_time is not None}
        if times:
            attrs["acquisition_times"] = json.dumps(times)
        return attrs

    def range_to(self, point: np.ndarray) -> dict[str, float]:
        """Attribute ``slant_range`` of a stack, m: from the first acquisition to a point (Earth-fixed, m), if known."""
        orbit = self.orbit()
        distance = np.nan if orbit is None else float(zero_doppler(point, orbit)[1])
        return {"slant_range": distance} if np.isfinite(distance) else {}

    def perpendicular_baseline(self, pair: Pair, point: np.ndarray) -> float | None:
        """Perpendicular baseline of a pair where its reference image saw a point.

        Parameters
        ----------
        pair
            The pair.
        point
            Earth-fixed coordinates, shape ``(3,)``, m.

        Returns
        -------
        float or None
            m, in the contract's sign (which is GAMMA's); None if no file tells it.

        Raises
        ------
        ProductError
            If a baseline file is damaged.
        """
        reference = self.acquisitions.get(pair.reference)
        if reference is None or reference.orbit is None:
            return None
        time, slant_range = (float(v) for v in zero_doppler(point, reference.orbit))
        if np.isnan(time):
            return None
        if pair in self.bperp:
            value = _from_table(self.bperp[pair], reference, time, slant_range)
            if value is not None:
                return value
        return _from_vector(self.base[pair], reference, time, point) if pair in self.base else None


def read_sidecars(files: Iterable[Path], bad: Bad | None = None) -> Sidecars:
    """Pick GAMMA's parameter files out of `files` and read those of the acquisitions.

    Damaged ones are left out if `bad` says so. Where an acquisition has both, the multilooked image's file is used: the
    interferogram has its pixels.

    Raises
    ------
    ProductError
        If a file is damaged.
    """
    bad = bad or Bad()
    acquisitions: dict[np.datetime64, Acquisition] = {}
    pairs: dict[str, dict[Pair, Path]] = {"base": {}, "bperp": {}}
    # Sorted by kind: what comes later, the multilooked image, replaces the single-look one.
    for path in sorted(files, key=lambda p: (not p.name.endswith("_slc.par"), str(p))):
        kind = re.fullmatch(r".*_(slc|mli|base|bperp)\.par", path.name)
        if kind is None:
            continue
        if kind[1] in ("slc", "mli"):
            with bad.file(path):
                acquisition = read_acquisition(path)
                acquisitions[acquisition.date] = acquisition
            continue
        dates = parse_name(Path(path.name)).dates
        if dates is not None and dates[0] < dates[1]:
            pairs[kind[1]][Pair(*dates)] = path
    return Sidecars(acquisitions, pairs["base"], pairs["bperp"])


def read_acquisition(path: Path) -> Acquisition:
    """Read a ``*_slc.par`` or ``*_mli.par``.

    Raises
    ------
    ProductError
        If the file cannot be read, or a field is missing or no number.
    """
    fields = Fields(path)
    year, month, day = (int(v) for v in fields.numbers("date", 3))
    try:
        date = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D").astype("datetime64[ns]")
    except ValueError as error:
        raise ProductError(f"file={str(path)!r} must have a date, instead got date={year} {month} {day}") from error
    frequency = fields.known("radar_frequency")
    heading = fields.known("heading")
    return Acquisition(
        path,
        date,
        platform=(fields.text("sensor").split() or [""])[0],
        wavelength=SPEED_OF_LIGHT / frequency if frequency else None,
        heading=float(np.radians(heading)) if heading is not None else None,
        centre_time=fields.known("center_time"),
        looks=Looks(int(fields.known("azimuth_looks") or 1), int(fields.known("range_looks") or 1)),
        shape=(int(fields.number("azimuth_lines")), int(fields.number("range_samples"))),
        start_time=fields.number("start_time"),
        line_time=fields.number("azimuth_line_time"),
        near_range=fields.number("near_range_slc"),
        range_spacing=fields.number("range_pixel_spacing"),
        orbit=_orbit(fields),
    )


def _from_table(path: Path, image: Acquisition, time: float, slant_range: float) -> float | None:
    """Interpolate a ``*_bperp.par``; None if its lines and samples are not the image's, or end before the point."""
    text = read_text(path)
    size = re.search(r"interferogram lines:\s*(\d+)\s+range samples/line:\s*(\d+)", text)
    if size is None or (int(size[1]), int(size[2])) != image.shape:
        return None
    rows = [line.split() for line in text.partition("****\n")[2].splitlines()]
    try:
        # Columns: line, range, B_t, B_c, B_n, look angle, B_para, B_perp, B length.
        table = np.array([[float(r[0]), float(r[1]), float(r[7])] for r in rows if len(r) >= 8])
    except ValueError as error:
        raise ProductError(f"file={str(path)!r} must hold a table of numbers, instead got {error}") from error
    if table.size == 0:
        raise ProductError(f"file={str(path)!r} must hold a table of baselines, instead there is none: it is truncated")
    lines, samples = np.unique(table[:, 0]), np.unique(table[:, 1])
    if table.shape[0] != lines.size * samples.size:
        raise ProductError(
            f"file={str(path)!r} must hold {lines.size} lines of {samples.size} samples, "
            f"instead got {table.shape[0]} rows: it is truncated"
        )
    line = (time - image.start_time) / image.line_time
    sample = (slant_range - image.near_range) / image.range_spacing
    if not (-1 <= line <= image.shape[0] and -1 <= sample <= image.shape[1]):
        return None
    values = table[np.lexsort((table[:, 1], table[:, 0])), 2].reshape(lines.size, samples.size)
    along = [np.interp(sample, samples, row) for row in values]
    return float(np.interp(line, lines, along))


def _from_vector(path: Path, image: Acquisition, time: float, point: np.ndarray) -> float | None:
    """Project the baseline vector (track, cross-track, normal) of a ``*_base.par`` at the point's look angle.

    ``B_perp = C cos(look) - N sin(look)``, the rule that GAMMA's own tables follow.
    """
    fields = Fields(path)
    for kind in ("precision", "initial"):
        vector = np.array(fields.numbers(f"{kind}_baseline(TCN)", 3))
        if vector.any() and image.orbit is not None and image.centre_time is not None:
            rate = np.array(fields.numbers(f"{kind}_baseline_rate", 3))
            vector = vector + rate * (time - image.centre_time)
            position, _ = interpolate_orbit(image.orbit, time)
            sight = point - position
            cosine = float(-sight @ position / np.linalg.norm(sight) / np.linalg.norm(position))
            return float(vector[1] * cosine - vector[2] * np.sqrt(1.0 - cosine**2))
    return None


def _same(values: list[float | None], relative: float) -> float | None:
    """Return the first value if all are known and agree."""
    known = [v for v in values if v is not None]
    if not known or len(known) != len(values) or not np.allclose(known, known[0], rtol=relative, atol=0.0):
        return None
    return known[0]


def _orbit(fields: Fields) -> np.ndarray | None:
    count = int(fields.known("number_of_state_vectors") or 0)
    if count < 2:
        return None
    if count > MAX_STATE_VECTORS:
        raise ProductError(
            f"file={str(fields.path)!r} must have at most {MAX_STATE_VECTORS} state vectors, instead got {count}"
        )
    first, step = fields.number("time_of_first_state_vector"), fields.number("state_vector_interval")
    if not step > 0:
        raise ProductError(f"file={str(fields.path)!r} must have a state_vector_interval above 0, instead got {step}")
    vectors = [
        [*fields.numbers(f"state_vector_position_{k}", 3), *fields.numbers(f"state_vector_velocity_{k}", 3)]
        for k in range(1, count + 1)
    ]
    return np.column_stack([first + step * np.arange(count), np.array(vectors)])
