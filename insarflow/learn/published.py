"""The splits that papers used, by name, to reproduce their numbers: each leaks in a way that its notes say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from insarflow.errors import SchemaError, SelectionError
from insarflow.learn.split import Split
from insarflow.ops.checks import check_choice, check_whole

QUEYRAS: Final = "Queyras"
"""The zone that ISSLIDE holds out."""


def split_by_name(index: pd.DataFrame, name: str, *, zones: Sequence[str] | None = None, seed: int = 0) -> Split:
    """Split as a paper did.

    Parameters
    ----------
    index
        Of a data set, a row a sample, with ``positive`` (share of moving pixels; of a clip, 1 or 0). Also needed:
        ``pair`` and ``zone`` for ``"isslide"``, ``zone`` for ``"nava"``.
    name
        ``"isslide"``: of all interferograms 80 % are drawn. Their samples outside the held-out zone are trained on; the
        zone's samples of the other 20 % are tested on; samples without a mover are left out.
        ``"drsunet"``: samples are dealt at random, 7:2:1, to train, validate and test on.
        ``"nava"``: zones that are held out are tested on, all others are trained on.
    zones
        That are held out; by default Queyras for ``"isslide"``. ``"nava"`` needs them, ``"drsunet"`` has none.
    seed
        Of the draws: the papers do not publish theirs.

    Returns
    -------
    Split
        With a validation part for ``"drsunet"`` alone.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SchemaError
        If the index lacks a column.
    SelectionError
        If a zone is not there; if one side has no sample, or none with a mover.

    Notes
    -----
    What leaks (`insarflow.learn.leakage.leakage_report` counts it):

    - ``"isslide"``: interferograms are drawn, not acquisitions. Pairs to test on share radar images, with their
      atmosphere, with pairs to train on, those of 6, 12 and 18 days alike; only the ground is another. No part is kept
      to validate on: the paper chose thresholds on what it tested on.
    - ``"drsunet"``: patches overlap by half, and are dealt one by one. So nearly each patch to test on shares ground
      *and* radar image with patches to train on, and the scores tell how well a network remembers.
    - ``"nava"``: zones are apart, but no buffer lies between them, and both are of the same acquisitions.

    For numbers that hold elsewhere use `insarflow.split_by_region` with ``acquisitions``.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299. Chen et al. (2022), DRs-UNet. Nava et al. (2021), Improving
    landslide detection on SAR data through deep learning.

    Examples
    --------
    >>> names = [f"2018{m:02}01_2018{m:02}07" for m in range(1, 6)]
    >>> rows = [(zone, pair, 0.1) for zone in ("Vanoise", "Queyras") for pair in names]
    >>> split = split_by_name(pd.DataFrame(rows, columns=["zone", "pair", "positive"]), "isslide")
    >>> len(split.train), len(split.test), set(split.train["pair"]) & set(split.test["pair"])
    (4, 1, set())
    """
    check_choice("name", name, tuple(_SPLITS))
    check_whole("seed", seed, low=0)
    if isinstance(zones, str):
        raise TypeError(f"zones must be a list of names, instead got zones={zones!r}")
    needed, split = _SPLITS[name]
    lacking = [column for column in needed if column not in index]
    if lacking:
        raise SchemaError(
            f"the split {name!r} needs a column {lacking[0]!r} in the index, which has {', '.join(map(str, index))}: "
            f"add it with index.assign({lacking[0]}=...)"
        )
    return split(index, zones, np.random.default_rng(seed))


def _isslide(index: pd.DataFrame, zones: Sequence[str] | None, rng: np.random.Generator) -> Split:
    held_out = _held_out(index, (QUEYRAS,) if zones is None else zones)
    names = rng.permutation(sorted(set(index["pair"])))
    first = index["pair"].isin(names[: round(0.8 * len(names))])
    moving = index["positive"] > 0
    train, test = ~held_out & first & moving, held_out & ~first & moving
    dropped = {
        "without a mover": int((~moving).sum()),
        "of the held-out zone in interferograms that are trained on": int((held_out & first & moving).sum()),
        "of other zones in interferograms that are tested on": int((~held_out & ~first & moving).sum()),
    }
    return Split(index[train], index[test], dropped)


def _drsunet(index: pd.DataFrame, zones: Sequence[str] | None, rng: np.random.Generator) -> Split:
    if zones is not None:
        raise ValueError(f"zones must be None for 'drsunet', which holds out none, instead got zones={zones}")
    train, validation, test = dealt(index, rng)
    return Split(train, test, validation=validation)


def dealt(index: pd.DataFrame, rng: np.random.Generator) -> list[pd.DataFrame]:
    """Rows dealt 7:2:1 at random, in their order within each part: training, validation, test."""
    cuts = [round(0.7 * len(index)), round(0.9 * len(index))]
    return [index.iloc[np.sort(rows)] for rows in np.split(rng.permutation(len(index)), cuts)]


def _nava(index: pd.DataFrame, zones: Sequence[str] | None, rng: np.random.Generator) -> Split:
    if zones is None:
        raise ValueError(f"zones must name those to test on, instead got None: there are {_names(index)}")
    held_out = _held_out(index, zones)
    return Split(index[~held_out], index[held_out])


def _held_out(index: pd.DataFrame, zones: Sequence[str]) -> pd.Series[bool]:
    strange = sorted({*zones} - {*index["zone"]})
    if strange:
        raise SelectionError(f"zones must be among {_names(index)}, instead got {strange[0]!r}")
    return index["zone"].isin(list(zones))


def _names(index: pd.DataFrame) -> str:
    return ", ".join(sorted(map(str, set(index["zone"])))) or "none"


_Split = Callable[[pd.DataFrame, Sequence[str] | None, np.random.Generator], Split]
_SPLITS: Final[Mapping[str, tuple[tuple[str, ...], _Split]]] = {
    "isslide": (("positive", "zone", "pair"), _isslide),
    "drsunet": (("positive",), _drsunet),
    "nava": (("positive", "zone"), _nava),
}
