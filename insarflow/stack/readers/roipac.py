"""ROI_PAC's headers, ``*.rsc``: what the GeoTIFFs beside them do not say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.parameters import Fields


@dataclass(frozen=True)
class Header:
    """Header of an interferogram.

    Attributes
    ----------
    path
        The file.
    wavelength
        m; None if unknown.
    heading
        rad, clockwise from north; None if unknown.
    platform
        Such as ``Envisat``; empty if unknown.
    looks
        In azimuth (y) and range (x); None if unknown.
    """

    path: Path
    wavelength: float | None
    heading: float | None
    platform: str
    looks: tuple[int, int] | None


def read_headers(files: Iterable[Path], bad: Bad) -> list[Header]:
    """Read the headers of interferograms among `files`, in order; damaged ones are left out if `bad` says so.

    Raises
    ------
    ProductError
        If a file cannot be read, or a field is no number.
    """
    headers = []
    for path in sorted(f for f in files if f.suffix.lower() == ".rsc"):
        with bad.file(path):
            fields = Fields(path, separator=None)
            if "DATE12" in fields.values:  # otherwise of a terrain model, or of one image
                headers.append(_header(fields))
    return headers


def attributes(headers: Iterable[Header]) -> dict[str, Any]:
    """Attributes of a stack; what is unknown, or not the same everywhere, is left out."""
    known = list(headers)
    attrs: dict[str, Any] = {}
    wavelengths = [h.wavelength for h in known if h.wavelength is not None]
    if wavelengths:
        attrs["wavelength"] = wavelengths[0]
    headings = [h.heading for h in known if h.heading is not None]
    if headings:
        attrs["heading"] = headings[0]
        attrs["pass"] = "ascending" if np.cos(headings[0]) > 0 else "descending"
    platforms = sorted({h.platform for h in known if h.platform})
    if platforms:
        attrs["platform"] = ", ".join(platforms)
    looks = {h.looks for h in known}
    if len(looks) == 1 and None not in looks:
        attrs["looks"] = list(known[0].looks or ())
    return attrs


def _header(fields: Fields) -> Header:
    heading = fields.known("HEADING_DEG") if "HEADING_DEG" in fields.values else fields.known("HEADING")
    looks = fields.known("ALOOKS"), fields.known("RLOOKS")
    return Header(
        fields.path,
        fields.known("WAVELENGTH"),
        None if heading is None else float(np.radians(heading)),
        (fields.text("PLATFORM").split() or [""])[0],
        None if looks[0] is None or looks[1] is None else (int(looks[0]), int(looks[1])),
    )
