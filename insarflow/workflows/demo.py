"""The whole line on a simulated region, scored against its truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

from insarflow.inventory.polygons import vectorise
from insarflow.simulate.scene import Scenario
from insarflow.simulate.stack import simulate_stack
from insarflow.stack.store import write_stack
from insarflow.workflows.map import RESULTS, RegionMap, map_region
from insarflow.workflows.outputs import new_folder
from insarflow.workflows.stage import Stage, quiet

SEED: Final = 7
SHAPE: Final = (512, 512)
MOVERS: Final = 36
"""Wanted; fewer find a slope that may move."""

SUMMER: Final = Scenario(slides={"speed": (0.08, 2.0), "creep": (0.1, 1.2), "habits": (0.6, 0.3, 0.1, 0.0)})
"""Slopes that move while they are looked at; about half of them so that some interferogram shows it."""

SAME: Final = 0.3


@dataclass(frozen=True)
class Score:
    """The inventory against the truth.

    Attributes
    ----------
    table
        One row per class of movers: visible, found, missed.
    false
        Polygons that touch no mover.
    """

    table: pd.DataFrame
    false: int


def demo(
    out: Path,
    *,
    seed: int = SEED,
    shape: tuple[int, int] = SHAPE,
    overwrite: bool = False,
    stage: Stage = quiet,
    draw: Callable[[RegionMap, Path, xr.Dataset], None] | None = None,
) -> tuple[RegionMap, Score]:
    """Simulate a region, map it with the embedded model, score the map.

    Parameters
    ----------
    out
        Folder for ``stack.zarr`` and the results of `insarflow.workflows.map.map_region`.
    seed
        Which region.
    shape
        ``(y, x)`` pixels of 20 m.
    draw
        Called with the result, the path of ``map.png`` and the truth.
    """
    with new_folder(out, ("stack.zarr", *RESULTS), overwrite=overwrite) as folder:
        with stage("simulating"):
            movers = max(3, round(MOVERS * shape[0] * shape[1] / 512**2))
            ds, truth = simulate_stack(shape, seed=seed, movers=movers, scenario=SUMMER)
            # In memory, or each use would simulate it anew.
            ds.load()
            truth = truth[["label", "los_rate", "peak_rate", "visible"]].load()
        with stage("storing"):
            write_stack(ds, folder / "stack.zarr")
        result = map_region(ds, folder, stage=stage)
        score = score_map(result, truth)
        if draw is not None:
            with stage("drawing"):
                draw(result, folder / "map.png", truth)
    return result.moved(out), score


def score_map(result: RegionMap, truth: xr.Dataset) -> Score:
    """Movers found and missed, and polygons that are none.

    A mover is found if one detected body overlaps it with an intersection over union of at least 0.3; its rim, where
    it moves slower than a third of its peak, counts neither way. It is visible at a delay if some interferogram with
    that delay shows it (see `insarflow.simulate_stack`).
    """
    label, rate = truth["label"].values, np.abs(truth["los_rate"].values)
    detected = np.nan_to_num(result.summary["probability"].values) >= result.threshold
    bodies, count = ndimage.label(detected)
    sure = np.bincount(bodies[result.summary["support"].values > 0], minlength=count + 1) > 0
    bodies[~sure[bodies]] = 0
    peak = np.zeros(truth.sizes["mover"] + 1)
    np.maximum.at(peak, label, rate)
    core = (label > 0) & (rate >= peak[label] / 3)
    size = np.bincount(bodies.ravel(), minlength=count + 1)
    found = np.zeros(peak.size - 1, bool)
    for number in range(1, peak.size):
        inside = np.bincount(bodies[label == number], minlength=count + 1)
        overlap = np.bincount(bodies[core & (label == number)], minlength=count + 1)
        union = (core & (label == number)).sum() + size - inside
        found[number - 1] = (overlap[1:] / np.maximum(union[1:], 1)).max(initial=0.0) >= SAME
    rows = []
    seen = truth["visible"].any("date").values
    for k, delay in enumerate(truth["delay"].values / np.timedelta64(1, "D")):
        new = seen[k] & ~seen[:k].any(axis=0)
        rows.append((f"visible from {delay:.0f} days", new.sum(), (new & found).sum(), (new & ~found).sum()))
    hidden = ~seen.any(axis=0)
    rows.append(("in no interferogram visible", hidden.sum(), (hidden & found).sum(), 0))
    table = pd.DataFrame(rows, columns=["movers", "number", "found", "missed"])
    return Score(table, _false(result, truth))


def _false(result: RegionMap, truth: xr.Dataset) -> int:
    """Polygons that touch no mover."""
    moving = (truth["label"] > 0).astype(np.float32)
    movers = vectorise(moving, None, threshold=0.5, min_area=0.0)
    touching = result.polygons.sjoin(movers[["geometry"]], predicate="intersects").index.unique()
    return len(result.polygons) - len(touching)
