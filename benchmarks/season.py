"""A simulated season seen from two orbits, from radar images to one inventory, scored against its truth.

``python -m benchmarks season [--size 512] [--seed 7] [--figure FILE]``

Every orbit gives a stack of eight acquisitions; the embedded model segments it, slopes are outlined and measured, and
the two inventories become one. References are the movers that some interferogram shows visibly.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import insarflow
from insarflow.inventory import evaluate, fuse
from insarflow.inventory.colours import velocity_colours
from insarflow.inventory.truth import TRUTH, true_movers
from insarflow.inventory.zones import places
from insarflow.plot.frame import frame, place_of
from insarflow.plot.inventory import relief
from insarflow.plot.outlines import draw_outlines, on_place
from insarflow.simulate.stack import Direction
from insarflow.stack.georeference import grid_of
from insarflow.types import Window
from insarflow.workflows.demo import SUMMER

PASSES: Final[tuple[Direction, ...]] = ("ascending", "descending")
ACQUISITIONS: Final = 8


@dataclass(frozen=True)
class Seen:
    """What one orbit gives.

    Attributes
    ----------
    slopes
        The inventory, with the true rate of each outline's core.
    true
        The movers that some interferogram shows.
    stack
        Static images of the stack, for the picture.
    """

    slopes: gpd.GeoDataFrame
    true: gpd.GeoDataFrame
    stack: xr.Dataset


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Simulate, map, fuse, score and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks season", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=512, help="side of the region, pixels of 20 m")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--figure", type=Path, help="PNG file to draw")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    seen = {direction: look(direction, options.size, options.seed) for direction in PASSES}
    rows = {direction: scores(one.slopes, one.true) for direction, one in seen.items()}
    both = fuse(*(one.slopes for one in seen.values()))
    rows["both"] = scores(both, _either([one.true for one in seen.values()]))
    if options.figure is not None:
        draw(seen, both, options.figure)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _table(rows)
    return rows


def look(direction: Direction, size: int, seed: int) -> Seen:
    """Simulate what one orbit sees, and make its inventory."""
    movers = max(3, round(36 * size**2 / 512**2))
    ds, truth = insarflow.simulate_stack(
        (size, size), seed=seed, direction=direction, acquisitions=ACQUISITIONS, movers=movers, scenario=SUMMER
    )
    ds = ds.load()  # or each use would simulate it anew
    kept = truth[[*TRUTH]].load()
    ds = ds.assign(ds.insar.segment("default")[["probability"]].load())
    slopes = insarflow.inventory.inventory(ds)
    slopes["true_rate_mm_yr"] = _core_rates(slopes, truth, float(ds.attrs["wavelength"]))
    true = true_movers(kept).rename(columns={"number": "id"})
    static = ds[["dem", "spatial_ref"]] if "spatial_ref" in ds else ds[["dem"]]
    return Seen(slopes, true[true["visible_pairs"] > 0].reset_index(drop=True), static)


def _core_rates(slopes: gpd.GeoDataFrame, truth: xr.Dataset, wavelength: float) -> np.ndarray:
    """True mean speed of each outline's core against its ring in that time, along the line of sight, mm/yr."""
    first = truth["motion"].isel(delay=0)
    turned = np.nan_to_num(first.values).sum(axis=0)
    days = float(first["delay"] / np.timedelta64(1, "D")) * first.sizes["date"]
    rate = -wavelength / (4.0 * np.pi) * turned / days * 365.25 * 1e3
    rates = []
    for place in places(slopes, grid_of(truth["label"])):
        zone = place.zone()
        part = rate[zone.window.within(Window(0, 0, *rate.shape))].ravel()
        rates.append(part[zone.inside[zone.step >= zone.core]].mean() - part[zone.ring].mean())
    return np.array(rates)


def _either(tables: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """The movers that one of the orbits shows."""
    return gpd.GeoDataFrame(pd.concat(tables).drop_duplicates("id").reset_index(drop=True), crs=tables[0].crs)


def scores(slopes: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> dict[str, Any]:
    """Scores of an inventory; rates of the outlines that are movers, and how many would slide uphill."""
    if not len(true):
        raise SystemExit("error: no interferogram shows a mover: take a larger --size")
    found = evaluate(slopes, true)
    facts: dict[str, Any] = {
        "slopes": len(true), "outlines": found.outlines, "found": found.found, "false": found.false,
    }  # fmt: skip
    facts |= {name: one.value for name, one in found.scores.items() if "rate" not in name and name != "direction"}
    right = slopes[slopes["id"].isin(found.matches["found"])]
    sure = right[right["los_rate_mm_yr"].notna() & ~right["aliased"]]
    miss = (sure["los_rate_mm_yr"] - sure["true_rate_mm_yr"]).to_numpy()
    facts |= {
        "rates": len(sure), "aliased": int(right["aliased"].sum()),
        "rate_median_error_mm_yr": float(np.median(np.abs(miss))) if len(miss) else np.nan,
        "rate_within_2_std": float((np.abs(miss) <= 2 * sure["los_rate_std_mm_yr"]).mean()) if len(miss) else np.nan,
        "downslope_rates": int(right["downslope_rate_mm_yr"].notna().sum()),
        "uphill": int(right["implausible_direction"].sum()),
    }  # fmt: skip
    return facts


def _table(rows: dict[str, dict[str, Any]]) -> None:
    print(f"{'':20}" + "".join(f"{name:>12}" for name in rows))
    for key in dict.fromkeys(key for row in rows.values() for key in row):
        print(f"{key:20}" + "".join(f"{row[key]:>12.3g}" for row in rows.values()))


def draw(seen: dict[Direction, Seen], both: gpd.GeoDataFrame, path: Path) -> None:
    """The truth of each orbit with what was found, and the fused inventory by speed down the slope."""
    figure = Figure(figsize=(15, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    for axis, (direction, one) in zip(axes, seen.items(), strict=False):
        place = place_of(one.stack)
        relief(axis, one.stack, place)
        draw_outlines(axis, on_place(one.true, place), place, "white")
        draw_outlines(axis, on_place(one.slopes, place), place, "red")
        counts = f"{len(one.true)} visible movers (white), {len(one.slopes)} outlines (red)"
        axis.set_title(f"{direction}: {counts}", fontsize=10)
        frame(axis, place)
    place = place_of(seen["ascending"].stack)
    relief(axes[2], seen["ascending"].stack, place)
    for name, colour in velocity_colours(both["velocity_class"]).items():
        slopes = on_place(both[both["velocity_class"] == name], place)
        if slopes.empty:
            continue
        slopes.plot(ax=axes[2], color=colour, edgecolor="black", alpha=0.8)
        axes[2].plot([], [], "s", color=colour, label=f"{name} ({len(slopes)})")
    axes[2].legend(fontsize=8, loc="lower right")
    axes[2].set_title(f"both: {len(both)} slopes by velocity class", fontsize=10)
    frame(axes[2], place)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1:])
