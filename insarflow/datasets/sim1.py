"""insarflow-sim-1: a simulated benchmark that is the same everywhere, to compare networks on."""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

import numpy as np
import pandas as pd
import torch

from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.datasets.sim1_reference import compare
from insarflow.datasets.sim1_scenes import COUNTS, PAIRS, REPEAT, Split, images_of
from insarflow.datasets.sim1_store import CORNERS, PATCH, Facts, check, generate, is_whole, read_codes, scene_file
from insarflow.errors import ProductError
from insarflow.learn.augment import Transform
from insarflow.learn.indexed import Indexed
from insarflow.learn.patches import Sample
from insarflow.learn.phase import CHANNELS
from insarflow.learn.samples import Batch
from insarflow.learn.series import ORIGIN as DAY_0
from insarflow.learn.series import most
from insarflow.learn.transforms import augmented
from insarflow.ops.checks import check_choice, check_kind
from insarflow.simulate.truth import OPEN

__all__ = ["ORIGIN", "Sim1", "check", "generate"]

ORIGIN: Final = Origin(
    "insarflow-sim-1",
    "insarflow.datasets.sim1.generate(root), which simulates it (0.8 GB), or generate=True here",
    "that of insarflow, BSD-3-Clause",
    "insarflow",
    "  <root>/train.json, validation.json, test.json, beyond.json\n  <root>/train/0000.npy ... (a file a scene)",
)


class Sim1(Indexed):
    """Samples of insarflow-sim-1, patches of 128 pixels of 14.64 m.

    Scenes are summers and other seasons of Alpine ground that do not exist: six acquisitions 6 days apart, all pairs of
    6, 12 and 18 days as Bralet et al. (2024, doi:10.1109/LGRS.2024.3365299) process theirs, moving slopes with their
    true outlines, and what looks like them. Scenes of two splits share nothing: neither ground nor acquisitions nor
    movers. Those of ``"beyond"`` are drawn from wider ranges than the others: rougher air, other speeds.

    Parameters
    ----------
    root
        Folder that `generate` filled.
    split
        ``"train"``, ``"validation"``, ``"test"`` or ``"beyond"``.
    series
        Samples are all pairs of a place, and what any of them shows, instead of single pairs.
    transforms
        A random change of a batch (`insarflow.learn.augment`), applied to each sample by itself; the pairs of a series
        change together (`insarflow.learn.transforms.augmented`).
    seed
        Of the transforms.
    generate
        Simulate what is not there: all splits, about 5 minutes with two processes.
    workers
        Processes that do.

    Attributes
    ----------
    index
        A row for each sample: ``scene`` and ``y``, ``x``, ``height``, ``width``, pixels of the scene; ``positive`` and
        ``valid``, shares of pixels that move and that count; for single pairs also ``pair``, its ``date`` and
        ``delay``. The rows' labels stay with `at`.
    complete
        Whether all scenes of the split are there, see `generate`.
    channels
        Names of the images' channels.
    origin
        Where the data are from.

    Raises
    ------
    ProductError
        If the data are missing, unfinished, or not those of the reference.

    Notes
    -----
    A sample is a dict: ``image``, float32 ``(channel, y, x)``, 0 where there is no data; ``mask``, uint8 ``(y, x)``,
    the states of `insarflow.simulate.truth`; ``valid``, bool ``(y, x)``, the pixels that count. With `series`,
    ``image`` is ``(time, channel, y, x)``; ``when``, float32 ``(time, 2)``, holds days of the reference acquisition
    since 2014-01-01 and the delay in days, ``there``, bool ``(time,)``, is True; the mask is that of the season: moving
    where some pair shows it, else open where some pair hides it.
    """

    channels = CHANNELS
    origin = ORIGIN

    def __init__(
        self,
        root: str | Path,
        *,
        split: Split = "train",
        series: bool = False,
        transforms: Transform | None = None,
        seed: int = 0,
        generate: bool = False,
        workers: int = 1,
    ) -> None:
        check_choice("split", split, get_args(Split))
        check_kind("series", series, bool, "true or false")
        if generate:
            _generate(root, workers=workers)
        self.root, self.split, self.series = folder_of(root, ORIGIN), split, series
        self.transforms = transforms
        facts = _facts(self.root, split)
        super().__init__(_places(facts) if series else _pairs(facts), seed)
        self._starts, self.complete = facts.starts, len(facts.starts) == COUNTS[split]

    def __getitem__(self, number: int) -> Sample:
        """One sample, by its position in the index."""
        row = self.index.iloc[number]
        scene, y, x = int(row["scene"]), int(row["y"]), int(row["x"])
        codes = read_codes(scene_file(self.root, self.split, scene))[..., y : y + PATCH, x : x + PATCH]
        label = int(self.index.index[number])
        if not self.series:
            codes = codes[label // len(CORNERS) % len(PAIRS)]
        # The codes of a series are (time, image, y, x).
        phase, coherence, mask = np.moveaxis(np.array(codes), -3, 0)
        image, when = images_of(phase, coherence), self._when(scene) if self.series else None
        there = None if when is None else np.ones(len(when), bool)
        arrays = {
            "image": image, "mask": most(list(mask)) if self.series else mask.copy(), "when": when, "there": there,
        }  # fmt: skip
        sample = {name: torch.from_numpy(array) for name, array in arrays.items() if array is not None}
        if self.transforms is not None:
            batch = Batch(**{name: of[None] for name, of in sample.items()}, weight=torch.ones(1, 1, 1))
            batch = augmented(batch, self.transforms, self.generator(label))
            sample = {name: getattr(batch, name)[0] for name in sample}
        return {**sample, "valid": sample["mask"] < OPEN}

    def _when(self, scene: int) -> np.ndarray:
        """Days of the reference acquisitions, and delays, of all pairs."""
        first, second = np.array(PAIRS).T
        days = float((self._starts[scene] - DAY_0) / np.timedelta64(1, "D"))
        return np.stack((days + REPEAT * first, REPEAT * (second - first)), axis=1).astype(np.float32)


_generate = generate


def _facts(root: Path, split: Split) -> Facts:
    """The facts of a split whose files all look whole."""
    if not (root / f"{split}.json").exists():
        wrong = "holds an unfinished split" if (root / split).is_dir() else "holds no split"
        raise absent(root, ORIGIN, f"{wrong} {split!r}")
    facts = Facts.read(root, split)
    for number in range(len(facts.sha256)):
        if not is_whole(path := scene_file(root, split, number)):
            raise ProductError(f"{path} is missing or cut short: generate(root) simulates it again")
    compare(split, facts.sketch)
    return facts


def _places(facts: Facts) -> pd.DataFrame:
    """A row for each corner of each scene."""
    scene, corner = (each.ravel() for each in np.indices(facts.season_moving.shape))
    return _table(scene, corner, facts.season_moving, facts.season_valid)


def _pairs(facts: Facts) -> pd.DataFrame:
    """A row for each corner of each pair of each scene."""
    scene, pair, corner = (each.ravel() for each in np.indices(facts.moving.shape))
    first, second = np.array(PAIRS)[pair].T
    one, other = (facts.starts[scene] + (REPEAT * k).astype("timedelta64[D]") for k in (first, second))
    names = np.char.replace(np.char.add(np.char.add(one.astype(str), "_"), other.astype(str)), "-", "")
    table = _table(scene, corner, facts.moving, facts.valid)
    table["pair"], table["date"] = names, one.astype("datetime64[ns]")
    table["delay"] = (other - one).astype("timedelta64[ns]")
    return table


def _table(scene: np.ndarray, corner: np.ndarray, moving: np.ndarray, valid: np.ndarray) -> pd.DataFrame:
    y, x = np.array(CORNERS)[corner].T
    shares = {"positive": moving.ravel() / PATCH**2, "valid": valid.ravel() / PATCH**2}
    return pd.DataFrame({"scene": scene, "y": y, "x": x, "height": PATCH, "width": PATCH, **shares})
