"""The flags that say how slopes are outlined, and which of them stay in an inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from insarflow.cli.options import PROCESSING, MinArea, Peak, Threshold, flag
from insarflow.cli.values import number, read_flag, whole

if TYPE_CHECKING:
    from insarflow.inventory.criteria import Criteria
    from insarflow.workflows.inventory import Outlining

CRITERIA = "Criteria"


@dataclass(frozen=True)
class Outline:
    """How slopes are outlined."""

    threshold: Threshold = None
    peak: Peak = None
    low: Annotated[
        float | None,
        flag(
            "--low",
            what="Outline from this probability on, around pixels at or above --threshold.",
            panel=PROCESSING,
            metavar="P",
            parser=number(0),
            show_default="the threshold",
        ),
    ] = None
    min_area: MinArea = 10_000.0
    fill_holes: Annotated[
        float,
        flag("--fill-holes", what="Fill holes up to this, in m².", panel=PROCESSING, metavar="M2", parser=number(0)),
    ] = 0.0
    simplify: Annotated[
        float,
        flag(
            "--simplify",
            what="Leave out corners that move an outline by no more than this, in pixels.",
            panel=PROCESSING,
            metavar="PIXELS",
            parser=number(0),
        ),
    ] = 0.0
    smooth: Annotated[
        int,
        flag("--smooth", what="Round corners so often, 0 to 4.", panel=PROCESSING, metavar="N", parser=whole(0)),
    ] = 0

    def keywords(self) -> Outlining:
        """What was asked for, as `insarflow.inventory.inventory` takes it."""
        return {
            "threshold": self.threshold, "peak": self.peak, "low": self.low, "min_area": self.min_area,
            "fill_holes": self.fill_holes, "simplify": self.simplify, "smooth": self.smooth,
        }  # fmt: skip


@dataclass(frozen=True)
class Keep:
    """Which slopes stay in an inventory."""

    min_pairs: Annotated[
        int,
        flag("--min-pairs", what="Least interferograms that show it.", panel=CRITERIA, metavar="N", parser=whole(0)),
    ] = 0
    min_active: Annotated[
        float,
        flag(
            "--min-active",
            what="Least part of the interferograms that could have shown it, 0 to 1.",
            panel=CRITERIA,
            metavar="PART",
            parser=number(0),
        ),
    ] = 0.0
    min_coherence: Annotated[
        float,
        flag(
            "--min-coherence",
            what="Least mean coherence of the ground around it, 0 to 1.",
            panel=CRITERIA,
            metavar="C",
            parser=number(0),
        ),
    ] = 0.0
    max_layover: Annotated[
        float,
        flag(
            "--max-layover",
            what="Most of it that may be in layover or shadow, 0 to 1.",
            panel=CRITERIA,
            metavar="PART",
            parser=number(0),
        ),
    ] = 1.0
    plausible: Annotated[
        bool, flag("--plausible", what="Leave out what would slide uphill.", panel=CRITERIA, metavar="")
    ] = False
    min_slope: Annotated[
        float | None,
        flag(
            "--min-slope", what="Least mean steepness, in degrees.", panel=CRITERIA, metavar="DEGREES", parser=number(0)
        ),
    ] = None
    max_slope: Annotated[
        float | None,
        flag(
            "--max-slope", what="Most mean steepness, in degrees.", panel=CRITERIA, metavar="DEGREES", parser=number(0)
        ),
    ] = None
    min_elevation: Annotated[
        str | None,
        flag("--min-elevation", what="Least height, in m, or a raster of heights.", panel=CRITERIA, metavar="M|FILE"),
    ] = None
    max_elevation: Annotated[
        str | None,
        flag(
            "--max-elevation",
            what="Most height, in m, or a raster of heights, such as a snow line.",
            panel=CRITERIA,
            metavar="M|FILE",
        ),
    ] = None
    mask: Annotated[
        str | None,
        flag(
            "--mask",
            what="Raster that is not 0 where no slope moves, such as glaciers or water.",
            panel=CRITERIA,
            metavar="FILE",
        ),
    ] = None

    def criteria(self) -> Criteria | None:
        """What was asked for; None if nothing was."""
        if self == Keep():
            return None
        from insarflow.inventory.criteria import Criteria
        from insarflow.workflows.inventory import read_criteria

        numbers: dict[str, Any] = {}
        rasters: dict[str, str] = {}
        for name, text in (("min_elevation", self.min_elevation), ("max_elevation", self.max_elevation)):
            if text is None:
                continue
            try:
                numbers[name] = float(text)
            except ValueError:
                rasters[name] = read_flag(f"--{name.replace('_', '-')}", text, str)
        if self.mask is not None:
            rasters["mask"] = read_flag("--mask", self.mask, str)
        asked = Criteria(
            min_pairs=self.min_pairs, min_active_fraction=self.min_active, min_coherence=self.min_coherence,
            max_layover=self.max_layover, plausible=self.plausible, min_slope=self.min_slope,
            max_slope=self.max_slope, **numbers,
        )  # fmt: skip
        return read_criteria(asked, rasters)
