"""ISSLIDE's crops, ready to be used: moving areas of the French Alps in Sentinel-1 interferograms of 2018."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import torch

from insarflow.datasets.crops import SIDE
from insarflow.datasets.isslide_layout import ORIGIN, Found, coherence_of, layout_of, mask_of, phase_of
from insarflow.datasets.isslide_layout import write_isslide as write_isslide
from insarflow.datasets.isslide_simulated import simulate_isslide as simulate_isslide
from insarflow.datasets.isslide_splits import SCHEMES, Scheme, split_isslide
from insarflow.datasets.rows import Rows
from insarflow.errors import ProductError, SelectionError
from insarflow.kernels.phase import phasor
from insarflow.learn.augment import Transform
from insarflow.learn.patches import Sample
from insarflow.learn.phase import CHANNELS, encode
from insarflow.ops.checks import check_choice
from insarflow.simulate.truth import MISSING, OPEN
from insarflow.stack.crop import each_crop, read_crop
from insarflow.types import DelayLike, Grid, parse_delay

COLUMNS: Final = (
    *("delay", "zone", "date", "pair", "reference", "secondary", "move", "k"),
    *("y", "x", "height", "width", "positive", "folder", "file"),
)

_SPLITS: Final = (None, "train", "test")
_TURN: Final = 2.0 * np.pi + 0.01


class ISSLIDE(Rows):
    """Crops of ISSLIDE (13,230 published), or of one's own data in its layout (`write_isslide`).

    Parameters
    ----------
    root
        Folder of the crops that are "ready to be used".
    split
        ``"train"`` or ``"test"``; None for all. There is no published set for validation.
    scheme
        Of the split, see `insarflow.datasets.isslide_splits.split_isslide`: ``"published"`` as in the paper's text,
        ``"released"`` as in its code; ``"zone"``, ``"acquisitions"`` and ``"apart"`` leak less or nothing.
    transforms
        A random change of a batch (`insarflow.learn.augment`), applied to each sample by itself. The paper's is
        `insarflow.learn.augment.RandomOffset`.
    delays
        Those to use, such as 6 or ``"6D"``; before the split.
    zones
        Names of those to use; before the split.
    moving_only
        Whether crops in whose interferogram nothing moves are left out; both published splits do so anyway.
    seed
        Of what the split draws, and of `transforms`.

    Attributes
    ----------
    index
        A row for each crop: ``delay``; ``zone``; ``date`` (of the reference) and ``pair``, ``reference``,
        ``secondary``, names of the interferogram and its acquisitions; ``move`` and ``k``, id of what moves and number
        of the place in its zone; ``y``, ``x``, ``height``, ``width``, pixels of one lattice for all zones (see Notes);
        ``positive``, share of its pixels that move; ``folder`` and ``file`` below the root.
    channels
        ``coherence``, ``cos``, ``sin``.
    origin
        Where the data set comes from.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    ProductError
        If the folder is not there (with where to get it) or holds no crops; if phase, coherence and masks are not of
        the same crops, a mask holds anything but 0 and 1 or is not of 100 x 100 pixels, or a link leads out of the
        root.
    SelectionError
        If nothing is left, or one side of the split has no crop that moves.

    Notes
    -----
    A sample is a dict: ``image``, float32 ``(3, 100, 100)``, finite, 0 where missing; ``mask``, uint8 ``(100, 100)``, 0
    absent, 1 moving, 3 missing; ``valid``, bool, the pixels that count. Missing are pixels that are not finite, or
    whose phase and coherence are both exactly 0, which is how SNAP writes them.

    All masks are read once to make the index. Where crops have no place on one lattice, ``y`` and ``x`` are made up:
    crops of one zone and number lie on each other, and touch no others.

    A sample is a function of seed, epoch (`set_epoch`) and the label of its row, in any process.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.

    Examples
    --------
    What the published split shares, in two lines:

    >>> import insarflow
    >>> def shared(root):
    ...     train, test = (ISSLIDE(root, split=side) for side in ("train", "test"))
    ...     return insarflow.leakage_report(train.index, test.index)
    """

    origin = ORIGIN

    def __init__(
        self,
        root: str | Path,
        *,
        split: Literal["train", "test"] | None = None,
        scheme: Scheme = "published",
        transforms: Transform | None = None,
        delays: Sequence[DelayLike] | None = None,
        zones: Sequence[str] | None = None,
        moving_only: bool = False,
        seed: int = 0,
    ) -> None:
        check_choice("split", split, _SPLITS)
        check_choice("scheme", scheme, SCHEMES)
        days = None if delays is None else [parse_delay(delay) for delay in delays]
        layout = layout_of(root)
        self.root = layout.root
        index = _chosen(_index(layout.root, layout.crops()), days, zones)
        if split is not None:
            sides = split_isslide(index, scheme, seed=seed)
            index = sides.train if split == "train" else sides.test
        if moving_only:
            index = _some(index[index["positive"] > 0], f"of {len(index)} crops, none shows a move")
        super().__init__(index, CHANNELS, transforms=transforms, seed=seed)

    def read(self, row: pd.Series[Any]) -> Sample:
        """One crop and its mask.

        Raises
        ------
        ProductError
            If a file is damaged, or holds what no such image can.
        """
        folder, file = self.root / row["folder"], str(row["file"])
        phase, coherence = _bands(folder, file)
        image = encode(phasor(phase), coherence)
        path = mask_of(folder, file)
        mask = _moving(path, read_crop(path, (SIDE, SIDE))[0])
        mask[(image[1] == 0) & (image[2] == 0)] = MISSING
        return {"image": torch.from_numpy(np.ascontiguousarray(image)), "mask": torch.from_numpy(mask)}

    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The same, and which pixels count."""
        return {**sample, "valid": sample["mask"] < OPEN}

    def crop(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Phase (rad) and coherence of a crop, by its position: float32 ``(100, 100)``, NaN where missing.

        Raises
        ------
        ProductError
            As of a sample.
        """
        row = self.index.iloc[number]
        return _bands(self.root / row["folder"], str(row["file"]))


def _bands(folder: Path, file: str) -> tuple[np.ndarray, np.ndarray]:
    phase = _values(phase_of(folder, file), (-_TURN, _TURN))
    coherence = _values(coherence_of(folder, file), (-0.1, 1.1))
    phase[(phase == 0) & (coherence == 0)] = np.nan
    missing = np.isnan(phase) | np.isnan(coherence)
    phase[missing] = coherence[missing] = np.nan
    return phase, coherence


def _moving(path: Path, values: np.ndarray) -> np.ndarray:
    """A mask as uint8, 1 where something moves."""
    moving = values == 1
    strange = ~moving & (values != 0)
    if strange.any():
        raise ProductError(f"file={str(path)!r} must hold 0 and 1, instead got {values[strange][0]}")
    states: np.ndarray = moving.astype(np.uint8)
    return states


def _values(path: Path, limits: tuple[float, float]) -> np.ndarray:
    values: np.ndarray = read_crop(path, (SIDE, SIDE))[0].astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    if (values < limits[0]).any() or (values > limits[1]).any():
        raise ProductError(
            f"file={str(path)!r} must hold values within {limits}, instead they go from {np.nanmin(values):g} to "
            f"{np.nanmax(values):g}: it is of another kind than its folder says"
        )
    return values


def _index(root: Path, crops: Sequence[Found]) -> pd.DataFrame:
    """The table of all crops; each mask is read once."""

    def look(path: Path, values: np.ndarray, grid: Grid | None) -> tuple[float, Grid | None]:
        return float(_moving(path, values).mean()), grid

    seen = each_crop([mask_of(root / f.folder, f.file) for f in crops], (SIDE, SIDE), look)
    y, x = _places([grid for _, grid in seen], crops)
    table = pd.DataFrame(
        {
            "delay": np.array([f.pair.delay for f in crops]), "zone": [f.zone for f in crops],
            "date": np.array([f.pair.reference for f in crops]), "pair": [f.pair.name for f in crops],
            "reference": [f.pair.name.split("_")[0] for f in crops],
            "secondary": [f.pair.name.split("_")[1] for f in crops],
            "move": [f.move for f in crops], "k": [f.k for f in crops], "y": y, "x": x, "height": SIDE, "width": SIDE,
            "positive": [positive for positive, _ in seen], "folder": [f.folder for f in crops],
            "file": [f.file for f in crops],
        }
    )  # fmt: skip
    return table[list(COLUMNS)]


def _places(grids: Sequence[Grid | None], crops: Sequence[Found]) -> tuple[np.ndarray, np.ndarray]:
    """First row and column of each crop on one lattice; else of places that touch only their own."""
    known = [grid for grid in grids if grid is not None]
    steps = np.array([(grid.transform[5], grid.transform[1]) for grid in known])
    one = len(known) == len(grids) and len({g.crs for g in known}) == 1 and np.allclose(steps, steps[0], 1e-5, 0)
    if not one:
        numbers = {place: n for n, place in enumerate(sorted({(f.zone, f.k) for f in crops}))}
        x = np.array([2 * SIDE * numbers[f.zone, f.k] for f in crops])
        return np.zeros_like(x), x
    corners = np.array([(grid.transform[3], grid.transform[0]) for grid in known]) / steps[0]
    y, x = np.rint(corners - corners.min(axis=0)).astype(np.int64).T
    return y, x


def _chosen(index: pd.DataFrame, days: Sequence[np.timedelta64] | None, zones: Sequence[str] | None) -> pd.DataFrame:
    if zones is not None:
        if isinstance(zones, str) or {*zones} - {*index["zone"]}:
            there = ", ".join(sorted({*index["zone"]}))
            raise SelectionError(f"zones must be names of zones that are there ({there}), instead got zones={zones!r}")
        index = index[index["zone"].isin(list(zones))]
    if days is not None:
        index = index[index["delay"].isin(np.array(days, "timedelta64[ns]"))]
    return _some(index, "no crop is of the delays and zones that are asked for")


def _some(index: pd.DataFrame, told: str) -> pd.DataFrame:
    if index.empty:
        raise SelectionError(f"the data set must have crops, instead {told}: choose others")
    return index
