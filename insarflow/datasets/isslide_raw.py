"""ISSLIDE's raw layout: whole interferograms of two swaths, and a file of polygons for each of them and each zone."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from insarflow.datasets.crops import Crop
from insarflow.datasets.extraction import TOUCHED, extract_crops
from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.datasets.isslide_layout import ORIGIN
from insarflow.errors import ProductError, SelectionError
from insarflow.learn.label_files import FIELDS as KNOWN
from insarflow.learn.label_files import check_rows, named_columns, read_frame
from insarflow.learn.labels import Labels, State, read_labels
from insarflow.learn.rasterise import Drawing
from insarflow.ops.checks import check_whole
from insarflow.stack.labels import pairs_of
from insarflow.stack.readers.names import parse_name
from insarflow.stack.store import open_stack
from insarflow.types import DateLike, Pair, parse_date

RAW: Final = replace(
    ORIGIN,
    name="ISSLIDE (raw)",
    tree="  <interferograms>/<delay>/SW1/{phase,coherence}/...IW1...<date1>_<date2>....tif   and SW2 with IW2\n"
    "  <shapefiles>/<delay>/<interferogram>/<Zone>_..._<date1>_<date2>.shp\n"
    "with dates like 30Oct2018; folders with AllInOne in their name are not looked at",
)

FIELDS: Final[Mapping[str, str]] = {"id": "id"}
"""The one column that released code reads; names of the others are not published."""

MEANINGS: Final = ("id", "confidence", "repetition", "class")

_SKIPPED: Final = "AllInOne"
_SHOWN: Final = 3


class Outlined(NamedTuple):
    """A file of polygons: where it is, its zone and its interferogram."""

    path: Path
    zone: str
    pair: Pair


class ISSLIDERaw:
    """ISSLIDE's interferograms as a lazy stack, and what geomorphologists outlined on each of them.

    Parameters
    ----------
    interferograms
        Folder of the images.
    shapefiles
        Folder of the polygons.
    fields
        Column of each of ``id`` (of the mover, a whole number from 1), ``confidence``, ``repetition`` and ``class``. By
        default that of ``id`` alone, as the others' names are not published: ``insarflow info FILE.shp`` lists them.
    classes, levels, repair
        As of `insarflow.learn.labels.read_labels`.

    Attributes
    ----------
    stack
        Follows `insarflow.schema`, lazy (`insarflow.open_stack`).
    labels
        All polygons, each there in its interferogram alone. Their table also holds ``zone`` and ``id``, and
        ``repetition`` if a column is named.
    annotated
        Interferograms of each zone that have a file, empty ones too.
    origin
        Where the data set comes from.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    ProductError
        If a folder is not there (with where to get it), interferograms lack phase or coherence, a file's name tells no
        zone and pair, it lacks a field (those that it has are listed), or its interferogram is not there.
    InsarError
        Of the images and the polygons.

    Notes
    -----
    A polygon holds all pixels that it touches, drawn on the stack's own pixels; the released code draws pixels of 1e-4
    degrees and takes the nearest of them, so that outlines there are up to a pixel coarser.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.

    Examples
    --------
    >>> def ready(interferograms, shapefiles, root):
    ...     raw = ISSLIDERaw(interferograms, shapefiles, fields={"id": "id", "confidence": "conf"}, levels={"1": 0.5})
    ...     return write_isslide(root, raw.crops())
    """

    def __init__(
        self,
        interferograms: str | Path,
        shapefiles: str | Path,
        *,
        fields: Mapping[str, str] = FIELDS,
        classes: Mapping[str, State] | None = None,
        levels: Mapping[str, float] | None = None,
        repair: bool = False,
    ) -> None:
        fields = _checked(fields)
        images, polygons = folder_of(interferograms, RAW), folder_of(shapefiles, RAW)
        _check_bands(images)
        files = list(_outlined(polygons))
        if not files:
            raise absent(polygons, RAW, "holds no file of polygons")
        self.origin: Origin = RAW
        self.stack: xr.Dataset = open_stack(images)
        self.annotated: dict[str, list[Pair]] = {}
        known = {*pairs_of(self.stack)}
        for file in files:
            if file.pair not in known:
                raise ProductError(
                    f"file={str(file.path)!r} must be of an interferogram that is there, instead {images} has none of "
                    f"{file.pair}"
                )
            self.annotated.setdefault(file.zone, []).append(file.pair)
        frame = _joined(files, fields)
        told = {name: name for name in KNOWN if name in frame.columns}
        with warnings.catch_warnings():
            # Zones may lie outside of a part of the data set.
            warnings.filterwarnings("ignore", message=".*lie outside the image")
            labels = read_labels(frame, self.stack, fields=told, classes=classes, levels=levels, repair=repair)
        rows = frame.drop(columns="geometry").iloc[labels.table["row"]]
        more = {str(n): rows[n].to_numpy() for n in rows.columns if n not in labels.table}
        self.labels = replace(labels, table=labels.table.assign(**more))

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of the zones, sorted."""
        return tuple(sorted(self.annotated))

    def of_zone(self, zone: str) -> Labels:
        """The polygons of a zone.

        Raises
        ------
        SelectionError
            If there is no such zone.
        """
        if zone not in self.annotated:
            raise SelectionError(f"zone must be one of {', '.join(self.zones)}, instead got zone={zone!r}")
        mine = (self.labels.table["zone"] == zone).to_numpy(bool)
        return Labels(self.labels.grid, self.labels.shapes[mine], self.labels.table[mine].reset_index(drop=True))

    def crops(self, zones: Sequence[str] | None = None, *, drawing: Drawing = TOUCHED) -> Iterator[Crop]:
        """Crops about all that moves, zone by zone, for `insarflow.datasets.isslide.write_isslide`.

        Parameters
        ----------
        zones
            By default all that have a polygon on the stack.
        drawing
            How polygons become pixels.

        Yields
        ------
        Crop
            Of each place of a zone in each interferogram that has a file of the zone's polygons.

        Raises
        ------
        SelectionError
            If there is no such zone, or nothing moves in it.
        """
        for zone in self.zones if zones is None else zones:
            labels = self.of_zone(zone)
            if len(labels) or zones is not None:
                names = [pair.name for pair in sorted({*self.annotated[zone]})]
                yield from extract_crops(self.stack, labels, zone=zone, pairs=names, drawing=drawing)


def successive_pairs(dates: Iterable[DateLike], steps: int = 3) -> list[Pair]:
    """Every interferogram from an acquisition to one of the next few: the 54 of ISSLIDE's 20 dates.

    Parameters
    ----------
    dates
        Days of acquisitions, in any order.
    steps
        How many of the next acquisitions count.

    Returns
    -------
    list of Pair
        By days between them, and then by date.

    Notes
    -----
    The released script forms chains that do not overlap: 19 + 9 + 6 pairs of 20 dates, not the 19 + 18 + 17 published.

    Examples
    --------
    >>> days = np.datetime64("2018-07-02") + 6 * np.arange(20)
    >>> [pair.delay_days for pair in successive_pairs(days)].count(18), len(successive_pairs(days))
    (17, 54)
    """
    check_whole("steps", steps, low=1)
    days = sorted({parse_date(date) for date in dates})
    return [Pair(a, b) for step in range(1, steps + 1) for a, b in zip(days, days[step:], strict=False)]


def _checked(fields: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(fields, Mapping) or "id" not in fields or {*fields} - {*MEANINGS}:
        raise ValueError(
            f"fields must name the column of id, and may of {', '.join(MEANINGS[1:])}, instead got {fields}"
        )
    return dict(fields)


def _check_bands(images: Path) -> None:
    """Check that each image of phase has its coherence, and the other way."""
    for swath in sorted(images.glob("*/SW[0-9]")):
        pairs = {band: _pairs(swath / band) for band in ("phase", "coherence")}
        for band, other in (("phase", "coherence"), ("coherence", "phase")):
            lone = sorted(pairs[band] - pairs[other])
            if lone:
                names = ", ".join(f"{a}_{b}".replace("-", "") for a, b in lone[:_SHOWN])
                raise ProductError(
                    f"folder={str(swath)!r} must hold {other} wherever it holds {band}, instead there is none of "
                    f"{names}"
                )


def _pairs(folder: Path) -> set[tuple[str, str]]:
    names = [parse_name(Path(folder.name, path.name)) for path in folder.glob("*.tif")]
    return {(str(name.dates[0])[:10], str(name.dates[1])[:10]) for name in names if name.dates is not None}


def _outlined(root: Path) -> Iterator[Outlined]:
    for path in sorted(root.glob("*/*/*.shp")):
        if any(_SKIPPED in part for part in path.relative_to(root).parts[:2]):
            continue
        for part in path.parent.glob(f"{escape(path.stem)}.*"):
            if not part.resolve().is_relative_to(root.resolve()):
                raise ProductError(f"file={str(part)!r} must lie in {str(root)!r}, instead it links out of it")
        zone, *others = path.stem.split("_")
        try:
            yield Outlined(path, zone, Pair.parse("_".join(others[-2:])))
        except (TypeError, ValueError) as error:
            raise ProductError(
                f"file={str(path)!r} must be named by zone and days, as Queyras_6days_02Jul2018_08Jul2018.shp: {error}"
            ) from error


def _joined(files: Sequence[Outlined], fields: Mapping[str, str]) -> Any:
    """All polygons in one table, in the first file's CRS: what `fields` name, and zone, date and delay of each."""
    frames: list[Any] = []
    for file in files:
        frame, name = read_frame(file.path)
        columns = named_columns(frame, fields, name)
        if not len(frame):
            continue
        if frame.crs is None:
            raise ProductError(f"{name} must have a CRS, instead got none: add its .prj, or set it with ogr2ogr -a_srs")
        part = frame[["geometry"]].reset_index(drop=True).assign(**columns)
        numbers = pd.to_numeric(part["id"], errors="coerce")
        check_rows(~((numbers >= 1) & (numbers == numbers.round())), part["id"], "id", "a whole number from 1 on", name)
        part = part.assign(id=numbers.astype(np.int64), zone=file.zone, date=file.pair.reference, delay=file.pair.delay)
        frames.append(part if not frames else part.to_crs(frames[0].crs))
    if not frames:
        raise ProductError(f"the files of polygons must hold some, instead all {len(files)} are empty")
    return pd.concat(frames, ignore_index=True)
