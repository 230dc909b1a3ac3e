"""What experts say of interferograms over volcanoes: the annotations of Hephaestus, checked field by field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd

from insarflow.errors import ProductError
from insarflow.learn.polygon_mask import polygon_mask
from insarflow.types import parse_date

ACTIVITIES: Final[Mapping[str, int]] = MappingProxyType(
    {"Mogi": 1, "Dyke": 2, "Sill": 3, "Spheroid": 4, "Earthquake": 5, "Unidentified": 6}
)
"""Classes of polygons, and what their pixels become."""

LABELS: Final = ("Non_Deformation", "Deformation", "Earthquake")
LEVELS: Final = ("Low", "Medium", "High", "None")
PHASES: Final = ("Rest", "Unrest", "Rebound", "None")

FLAGS: Final = (
    *("corrupted", "processing_error", "glacier_fringes", "orbital_fringes", "atmospheric_fringes"),
    *("low_coherence", "no_info", "image_artifacts", "is_crowd"),
)
"""Whole numbers, 0 for absent. Fringes of air: 1 stratified, 2 turbulent, 3 both, as captions tell."""

MOST_FLAG: Final = 9

COLUMNS: Final = (
    *("uniqueID", "frameID", "primary_date", "secondary_date", *FLAGS, "label", "activity_type", "intensity_level"),
    *("phase", "confidence", "segmentation_mask", "caption"),
)
"""Published fields, all of which a record must have."""

MOST_RECORDS: Final = 1_000_000
MOST_BYTES: Final = 2**20
"""Of a record."""

MOST_POLYGONS: Final = 256
MOST_VERTICES: Final = 10_000
MOST_PIXELS: Final = 1e5
"""Farthest that a vertex may lie from the image's corner."""

_FRAME: Final = re.compile(r"[0-9]{3}[AD]_[A-Za-z0-9_]{1,40}")


def read_annotations(path: str | Path) -> pd.DataFrame:
    """Read annotations of Hephaestus.

    Parameters
    ----------
    path
        A folder with one ``.json`` file for each, as published, such a file, or JSON lines (``.jsonl``).

    Returns
    -------
    DataFrame
        A row for each in the order of the file or of the files' names, with the published names, `COLUMNS`: dates as
        ``datetime64[ns]``; `FLAGS` as whole numbers; ``label``, ``activity_type`` and ``intensity_level`` as tuples of
        words; ``segmentation_mask`` as a tuple of polygons, float64 ``(vertex, 2)``, x and y in pixels of the image:
        polygon i is of the class ``activity_type[i]``. There may be fewer polygons than classes.

    Raises
    ------
    ProductError
        If nothing is there, or a record is no JSON object, too large, lacks a field, or has one that is none of what it
        must be; naming file, line and field.

    References
    ----------
    Bountos et al. (2022), Hephaestus: a large scale multitask dataset towards InSAR understanding, CVPR workshops.
    """
    rows, known = [], set()
    for name, text in _records(Path(path)):
        row = _checked(_parsed(text, name), name)
        if row["uniqueID"] in known:
            raise ProductError(f"{name}: uniqueID must be unique, instead got {row['uniqueID']} again")
        known.add(row["uniqueID"])
        rows.append(row)
    if not rows:
        raise ProductError(f"{path} must hold annotations, instead it has none: a folder of .json files, or .jsonl")
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(("primary_date", "secondary_date"), "datetime64[ns]"))


def class_mask(row: pd.Series[Any], shape: tuple[int, int]) -> np.ndarray:
    """The classes of an annotation's polygons on the pixels of its image: uint8 ``shape``, 0 or of `ACTIVITIES`.

    Notes
    -----
    Coordinates are taken to count from the image's corner, and a pixel is inside if its centre is; the publication does
    not say whether they count from the corner or from the centre of the first pixel, which is half a pixel away.
    """
    polygons = row["segmentation_mask"]
    return polygon_mask(polygons, [ACTIVITIES[name] for name in row["activity_type"][: len(polygons)]], shape)


def _records(path: Path) -> Iterator[tuple[str, bytes]]:
    """Text of each record, and what errors call it."""
    try:
        if path.is_dir():
            for file in sorted(path.glob("*.json")):
                with file.open("rb") as stream:
                    yield f"file={str(file)!r}", stream.read(MOST_BYTES + 1)
            return
        with path.open("rb") as stream:
            if path.suffix == ".json":
                yield f"file={str(path)!r}", stream.read(MOST_BYTES + 1)
                return
            number = 0
            while line := stream.readline(MOST_BYTES + 1):
                number += 1
                if number > MOST_RECORDS:
                    raise ProductError(f"file={str(path)!r} must have at most {MOST_RECORDS} lines, instead got more")
                if line.strip():
                    yield f"file={str(path)!r}, line {number}", line
    except OSError as error:
        raise ProductError(f"file={str(path)!r} cannot be read: {error.strerror}") from error


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise ProductError(f"{name}: a record must have at most {MOST_BYTES} bytes, instead got more")
    try:
        record = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ProductError(f"{name} must be JSON, instead it is nested too deep") from error
    except ValueError as error:
        raise ProductError(f"{name} must be JSON, instead got {text[:40]!r}: {error}") from error
    if not isinstance(record, dict):
        raise ProductError(f"{name} must be a JSON object, instead got {type(record).__name__}")
    missing = [field for field in COLUMNS if field not in record]
    if missing:
        raise ProductError(
            f"{name} lacks {', '.join(missing)}: it has {', '.join(map(str, record))[:200] or 'nothing'}"
        )
    return record


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _checked(record: dict[str, Any], name: str) -> dict[str, Any]:
    """A record of the table."""
    row: dict[str, Any] = {"uniqueID": _whole(record, "uniqueID", 2**53, name)}
    row["frameID"] = frame = record["frameID"]
    if not isinstance(frame, str) or not _FRAME.fullmatch(frame):
        _refuse("frameID", "a frame such as 128D_09016_110500", frame, name)
    for field in ("primary_date", "secondary_date"):
        row[field] = _date(record[field], field, name)
    if row["primary_date"] >= row["secondary_date"]:
        _refuse("secondary_date", f"after primary_date, {record['primary_date']}", record["secondary_date"], name)
    row |= {field: _whole(record, field, MOST_FLAG, name) for field in FLAGS}
    for field, words in (("label", LABELS), ("activity_type", tuple(ACTIVITIES)), ("intensity_level", LEVELS)):
        row[field] = _words(record[field], field, words, name)
    if not isinstance(record["phase"], str) or record["phase"] not in PHASES:
        _refuse("phase", f"one of {', '.join(PHASES)}", record["phase"], name)
    sure = record["confidence"]
    if isinstance(sure, bool) or not isinstance(sure, int | float) or not 0 <= sure <= 1:
        _refuse("confidence", "a number in 0..1", sure, name)
    if not isinstance(record["caption"], str):
        _refuse("caption", "text", record["caption"], name)
    row["phase"], row["confidence"], row["caption"] = record["phase"], float(sure), record["caption"]
    row["segmentation_mask"] = polygons = _polygons(record["segmentation_mask"], name)
    if len(polygons) > len(row["activity_type"]):
        wanted = f"at most as many polygons as activity_type has classes, {len(row['activity_type'])}"
        raise ProductError(f"{name}: segmentation_mask must have {wanted}, instead got {len(polygons)}")
    return row


def _whole(record: dict[str, Any], field: str, most: int, name: str) -> int:
    value = record[field]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        _refuse(field, f"a whole number from 0 to {most}", value, name)
    return int(value)


def _date(value: object, field: str, name: str) -> np.datetime64:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{8}", value):
        _refuse(field, "a day as yyyymmdd", value, name)
    try:
        return parse_date(value)
    except ValueError:
        _refuse(field, "a day as yyyymmdd", value, name)


def _words(value: object, field: str, words: tuple[str, ...], name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_POLYGONS:
        _refuse(field, f"a list of at most {MOST_POLYGONS} words", value, name)
    for word in value:
        if not isinstance(word, str) or word not in words:
            _refuse(field, f"a list of {', '.join(words)}", word, name)
    return tuple(value)


def _polygons(value: object, name: str) -> tuple[np.ndarray, ...]:
    """The polygons of a list of flat lists, or of one flat list."""
    if not isinstance(value, list):
        _refuse("segmentation_mask", "a list of polygons", value, name)
    flat = bool(value) and not isinstance(value[0], list)
    rings = [value] if flat else value
    if len(rings) > MOST_POLYGONS:
        raise ProductError(f"{name}: segmentation_mask must have at most {MOST_POLYGONS} polygons, got {len(rings)}")
    return tuple(_ring(ring, name) for ring in rings)


def _ring(ring: object, name: str) -> np.ndarray:
    wanted = "polygons [x0, y0, x1, y1, ...] of at least 3 vertices"
    if not isinstance(ring, list) or len(ring) % 2 or len(ring) < 6:
        _refuse("segmentation_mask", wanted, ring, name)
    if len(ring) > 2 * MOST_VERTICES:
        raise ProductError(
            f"{name}: a polygon must have at most {MOST_VERTICES} vertices, instead got {len(ring) // 2}"
        )
    for number in ring:
        real = isinstance(number, int | float) and not isinstance(number, bool)
        if not real or not math.isfinite(number) or abs(number) > MOST_PIXELS:
            _refuse("segmentation_mask", f"finite pixels within {MOST_PIXELS:g}", number, name)
    return np.array(ring, np.float64).reshape(-1, 2)


def _refuse(field: str, wanted: str, value: object, name: str) -> NoReturn:
    raise ProductError(f"{name}: {field} must be {wanted}, instead got {value!r:.80}")
