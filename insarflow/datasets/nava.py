"""Clips of coseismic landslides in radar and optical images: the data of Nava et al."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import pandas as pd
import torch

from insarflow.datasets.composites import BANDS, COMPOSITES, OPTICAL, RADAR, Composite, Intensities, bands_of, scaled
from insarflow.datasets.composites import composite as composed
from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.datasets.fusion import decibels
from insarflow.datasets.parts import Part, Scheme, dealt, in_belts, part_of
from insarflow.datasets.rasters import Limits, Rasters, kept, on_one_plane, open_rasters, places, sides
from insarflow.datasets.rows import Rows
from insarflow.errors import ProductError
from insarflow.learn.augment import Transform
from insarflow.learn.patches import Sample
from insarflow.learn.resize import resize_matrix
from insarflow.ops.checks import check_choice, check_whole
from insarflow.stack.dem import LIMITS as HEIGHTS
from insarflow.types import Window

CLIP: Final = 25
"""Side of a clip, pixels."""

SIZE: Final = 32
"""Side of what the network is given."""

CLASSES: Final = ("other", "landslide")
"""Label 0 and label 1."""

MOST_CLIPS: Final = 1_000_000
_MOST_BYTES: Final = 2**26

ORIGIN: Final = Origin(
    name="Nava 2021",
    source="its authors (it is not published), or cut from Sentinel-1 GRD and Sentinel-2 images with write_nava",
    licence="none is stated; Sentinel data are free and open",
    cite="Nava, Monserrat and Catani 2021, Improving landslide detection on SAR data through deep learning, IEEE GRSL",
    tree=(
        "  <root>/<site>/vv_before.tif, vv_after.tif, vh_before.tif, vh_after.tif   dB, of GRD images\n"
        "  <root>/<site>/dem.tif, slope.tif                                         m, rad\n"
        "  <root>/<site>/red.tif, green.tif, blue.tif                               reflectance, 0..1\n"
        "  <root>/<site>/clips.csv   row,column,class: first pixel of 25 x 25; class landslide or other\n"
        "  all bands of a site on one grid; those that the composite does not need may be missing"
    ),
)

_POWER: Final[dict[Intensities, Limits]] = {"db": (-100.0, 60.0), "linear": (0.0, 1e6)}


class Nava(Rows):
    """Clips of a composite, each with one class.

    Parameters
    ----------
    root
        Folder with a folder for each site, see `ORIGIN`.
    composite
        One of `insarflow.datasets.composites.COMPOSITES`: ``RGB SSD SSS BAD BAS HHH BAA BAC BAH``.
    split
        ``"train"``, ``"validation"``, ``"test"``; None for all.
    transforms
        A random change of a batch; the paper's is `insarflow.datasets.clip_changes.RandomPose`.
    intensities
        What the radar bands hold: ``"db"``, or ``"linear"``, which is made dB. That they do is checked on the middle of
        each site and on all that is read: linear power is never negative, and natural ground is darker than 0 dB.
    scheme
        ``"random"``: clips dealt 7:2:1; those of one landslide overlap and fall on all sides. How the paper parted its
        clips is not said beyond separate zones for training and test, which is ``"apart"``: three belts from north to
        south without common ground, about 7:2:1.
    seed
        Of the random split and of `transforms`.

    Attributes
    ----------
    index
        A row a clip: ``site``; ``label``; ``top`` and ``left``, its first pixel in the site; ``height``, ``width``;
        ``y``, ``x``, the same pixel counted over all sites of one CRS and pixel size; ``positive``, the label;
        ``rejected``, 0; ``valid``, NaN, as nobody looked; ``south``, ``north``, in units of the CRS, or in degrees if
        sites have several; ``pair``, ``reference``, ``secondary``, the site, whose clips are of the same images.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense; of an unknown composite, listing those there are.
    InsarError
        `ProductError` if a folder, a band or the table of clips is missing or wrong; `SelectionError` if the part has
        no clip of a landslide.

    Notes
    -----
    A sample: ``image``, float32 ``(3, 32, 32)``, by `insarflow.datasets.composites.RANGES` at about 0..1, and 0 where
    missing; ``label``, int64 scalar, 1 landslide, 0 other. The 25 x 25 pixels are resampled to 32 x 32 bilinearly
    between centres, both ends of the clip being both ends of the result, as `insarflow.sliding_window` does by default
    (the paper does not say how).

    The paper's radar clips are 125 by 420 m (25 pixels of about 5 by 17 m) and its optical ones 250 by 250 m; here all
    bands of a site lie on one grid, whatever its pixels.

    References
    ----------
    Nava, Monserrat and Catani (2021), Improving landslide detection on SAR data through deep learning, IEEE Geoscience
    and Remote Sensing Letters.
    """

    origin = ORIGIN

    def __init__(
        self,
        root: str | Path,
        *,
        composite: Composite = "BAA",
        split: Part | None = None,
        transforms: Transform | None = None,
        intensities: Intensities = "db",
        scheme: Scheme = "random",
        seed: int = 0,
    ) -> None:
        check_choice("scheme", scheme, get_args(Scheme))
        check_choice("intensities", intensities, get_args(Intensities))
        check_whole("seed", seed, low=0)
        bands = bands_of(composite)
        folder = folder_of(root, ORIGIN)
        limits = {band: _limits(band, intensities) for band in bands}
        sites = {path.name: open_rasters(path, limits, ORIGIN, least=CLIP) for path in places(folder, ORIGIN)}
        for site in sites.values():
            if not (site.folder / "clips.csv").is_file():
                raise absent(site.folder, ORIGIN, "lacks clips.csv")
            _check_intensities(site, intensities)
        self.sites, self.composite, self.intensities = kept(sites), composite, intensities
        index = _index(self.sites)
        parts = dealt(index, seed=seed) if scheme == "random" else in_belts(index)
        rows = part_of(parts, split, index, what="a landslide")
        super().__init__(rows, COMPOSITES[composite], transforms=transforms, seed=seed)

    def read(self, row: pd.Series[Any]) -> Sample:
        """The composite of a clip, resampled, and a mask of zeros for transforms to move."""
        site, window = self.sites[row["site"]], Window(int(row["top"]), int(row["left"]), CLIP, CLIP)
        bands = {band: site.read(band, window) for band in bands_of(self.composite)}
        if self.intensities == "linear":
            bands |= {band: decibels(image) for band, image in bands.items() if band in RADAR}
        image = np.nan_to_num(scaled(composed(bands, self.composite), self.composite))
        matrix = resize_matrix(CLIP, SIZE, "bilinear")
        return {
            "image": torch.from_numpy(matrix @ image @ matrix.T),
            "mask": torch.zeros((SIZE, SIZE), dtype=torch.uint8),
        }

    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The image with the clip's label."""
        return {"image": sample["image"], "label": torch.tensor(int(row["label"]))}


def _limits(band: str, intensities: Intensities) -> Limits:
    if band in RADAR:
        return _POWER[intensities]
    if band in OPTICAL:
        # Surfaces that are brighter than white paper are clouds and glints; whole numbers up to 10,000 are unscaled.
        return -0.5, 3.0
    return HEIGHTS if band == "dem" else (0.0, np.pi / 2)


def _check_intensities(site: Rasters, intensities: Intensities) -> None:
    """Look at the middle of radar bands that are said to be in dB."""
    height, width = site.grid.shape
    middle = Window(height // 4, width // 4, min(height // 2, 512), min(width // 2, 512))
    for band in BANDS:
        if intensities != "db" or band not in RADAR or band not in site.bands:
            continue
        values = site.read(band, middle)
        known = values[np.isfinite(values)]
        if known.size and np.median(known) >= 0.0:
            raise ProductError(
                f"file={str(site.bands[band].raster.path)!r} must hold dB, most of it below 0, instead its median is "
                f"{np.median(known):g}: if it is linear power, give intensities='linear'; digital numbers must be "
                "calibrated first"
            )


def _index(sites: dict[str, Rasters]) -> pd.DataFrame:
    degrees = len({site.grid.crs for site in sites.values()}) > 1
    tables = []
    for name, site in sites.items():
        table = read_clips(site.folder / "clips.csv", site.grid.shape)
        windows = [Window(int(top), int(left), CLIP, CLIP) for top, left in zip(table.top, table.left, strict=True)]
        ends = np.array(sides(site.grid, windows, degrees=degrees), float)
        table = table.assign(site=name, south=ends[:, 0], north=ends[:, 1], pair=name, reference=name, secondary=name)
        tables.append(table)
    index = pd.concat(tables, ignore_index=True)
    index = index.assign(height=CLIP, width=CLIP, positive=index["label"].astype(float), rejected=0.0, valid=np.nan)
    return on_one_plane(index, "site", {name: site.grid for name, site in sites.items()})


def read_clips(path: Path, shape: tuple[int, int]) -> pd.DataFrame:
    """The table of a site's clips: ``top``, ``left`` and ``label``.

    Raises
    ------
    ProductError
        If the file is damaged or too large, lacks a column or rows, or a clip has no class or leaves the image; naming
        the line.
    """
    name = f"file={str(path)!r}"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ProductError(f"{name} must have at most {_MOST_BYTES} bytes, instead got {path.stat().st_size}")
        table = pd.read_csv(path, dtype=str, keep_default_na=False, nrows=MOST_CLIPS + 1)
    except (OSError, ValueError) as error:
        raise ProductError(
            f"{name} must be a table with row,column,class, instead it cannot be read: {error}"
        ) from error
    missing = [column for column in ("row", "column", "class") if column not in table]
    if missing or not 0 < len(table) <= MOST_CLIPS:
        got = f"the columns {', '.join(map(str, table.columns))}" if missing else f"{len(table)} rows"
        raise ProductError(f"{name} must have row, column, class and 1 to {MOST_CLIPS} rows, instead got {got:.200}")
    for column, size in zip(("row", "column"), shape, strict=True):
        number = pd.to_numeric(table[column], errors="coerce")
        wrong = ~(number.between(0, size - CLIP) & (number % 1 == 0))
        _refuse(wrong, table[column], name, f"{column} must be a whole number from 0 to {size - CLIP}")
    _refuse(~table["class"].isin(CLASSES), table["class"], name, f"class must be one of {', '.join(CLASSES)}")
    label = table["class"].map(CLASSES.index).astype(np.int64)
    whole = {new: pd.to_numeric(table[old]).astype(np.int64) for new, old in (("top", "row"), ("left", "column"))}
    return pd.DataFrame({**whole, "label": label})


def _refuse(wrong: pd.Series[bool], column: pd.Series[Any], name: str, wanted: str) -> None:
    rows = np.flatnonzero(wrong.to_numpy(bool))
    if len(rows):
        raise ProductError(f"{name}: {wanted}, instead got {column.iloc[rows[0]]!r:.80} in line {rows[0] + 2}")
