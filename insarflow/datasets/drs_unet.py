"""Averaged interferograms in patches: the data of DRs-UNet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import pandas as pd
import torch

from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.datasets.fusion import COLOUR, FUSED, PHASOR, fused
from insarflow.datasets.parts import Part, Scheme, dealt, in_belts, part_of
from insarflow.datasets.rasters import Limits, Rasters, kept, on_one_plane, open_rasters, places, sides, starts
from insarflow.datasets.rows import Rows
from insarflow.learn.augment import Transform
from insarflow.learn.patches import Sample
from insarflow.ops.checks import check_choice, check_whole
from insarflow.simulate.truth import MISSING, MOVING, OPEN
from insarflow.stack.dem import LIMITS as HEIGHTS
from insarflow.types import Window

PATCH: Final = 128
STEP: Final = 64
"""Half a patch: 50 % overlap."""

TERRAIN: Final[dict[str, Limits | None]] = {"dem": HEIGHTS, "slope": (0.0, np.pi / 2), "curvature": None}
"""Bands that may be appended: m, rad and 1/m; what their values lie within."""

CHANNELS: Final = (*PHASOR, *COLOUR, *TERRAIN)
"""All there are."""

ORIGIN: Final = Origin(
    name="DRs-UNet",
    source="its authors (it is not published), or made of your own stacks with write_drs_unet",
    licence="none is stated; Sentinel-1 data are free and open",
    cite="Chen et al. 2022, doi:10.3390/rs14081848",
    tree=(
        "  <root>/<region>/phase_12days.tif   rad, circular mean over the period of one track; phase_24days.tif too\n"
        "  <root>/<region>/intensity.tif      linear, mean over the period\n"
        "  <root>/<region>/mask.tif           uint8: 0 stable, 1 moving, 2 open, 3 missing\n"
        "  <root>/<region>/dem.tif, slope.tif, curvature.tif   m, rad, 1/m; may be missing"
    ),
)

_PHASE: Final = (-np.pi - 1e-3, np.pi + 1e-3)


class DRsUNet(Rows):
    """Patches of interferograms that are averaged over a period, one track and one delay at a time.

    Parameters
    ----------
    root
        Folder with a folder for each region, see `ORIGIN`. The two tracks of one area are two regions.
    split
        ``"train"``, ``"validation"``, ``"test"``; None for all.
    transforms
        A random change of a batch (`insarflow.learn.augment`), before channels are standardised. With the default
        channels those of the phase that do not look at coherence may be used, ``RandomOffset``, ``RandomRamp``,
        ``RandomTurn``, ``RandomConjugation``; with `COLOUR` only what moves pixels.
    channels
        Of `CHANNELS`. Default ``intensity, cos, sin``.
    scheme
        How `split` is meant. ``"random"`` is the published one, 7:2:1 of all patches: neighbours overlap by half, so
        nearly all pixels of the test are trained on; `insarflow.learn.leakage.leakage_report` shows it. ``"apart"``:
        three belts from north to south that share no ground, whatever the track; about 7:2:1, without the patches
        across their borders. They share acquisitions where regions reach over a border.
    seed
        Of the random split and of `transforms`.

    Attributes
    ----------
    index
        A row a patch: ``region``; ``delay``, days; ``top`` and ``left``, its first pixel in the region; ``height``,
        ``width``; ``y``, ``x``, the same pixel counted over all regions of one CRS and pixel size, so that patches of
        two tracks on the same ground overlap there; ``positive`` and ``valid``, shares of its pixels that move and are
        known; ``rejected``, 0; ``south``, ``north``, in units of the CRS, or in
        degrees if regions have several; ``pair``, the region with its delay; ``reference`` and
        ``secondary``, both the region, since all its averages are of the same acquisitions. Patches of which nothing is
        known are left out.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense.
    InsarError
        `ProductError` if a folder or a band is missing, or holds other values than it must; `SelectionError` if the
        part has no patch with a mover.

    Notes
    -----
    A sample: ``image``, float32 ``(channel, 128, 128)``, each channel with mean 0 and variance 1 over the known pixels
    of the patch (all 0 where it is constant), 0 where missing; ``mask``, uint8, the states of
    `insarflow.simulate.truth`; ``valid``, bool, mask absent or moving.

    The paper says three-channel fusion of phase and intensity and no more. Its processor, GAMMA, draws such images as
    colours: the phase is the hue, the intensity the brightness; that is `COLOUR`, red, green and blue in 0..1, with
    decibels stretched from the patch's 2nd to its 98th percentile. The default `PHASOR` holds the same two numbers
    without the six bends of the colour wheel: cosine and sine of the phase, and intensity in dB, in the place where
    other networks have coherence.

    Standardised channel by channel: over all channels at once heights in metres would leave nothing of the phase.
    The sample's mean is 0 and its variance 1 either way, as the paper says.

    References
    ----------
    Chen et al. (2022), DRs-UNet, Remote Sensing 14, 1848, doi:10.3390/rs14081848.
    """

    origin = ORIGIN

    def __init__(
        self,
        root: str | Path,
        *,
        split: Part | None = None,
        transforms: Transform | None = None,
        channels: Sequence[str] = PHASOR,
        scheme: Scheme = "random",
        seed: int = 0,
    ) -> None:
        check_choice("scheme", scheme, get_args(Scheme))
        check_whole("seed", seed, low=0)
        names = _checked(channels)
        folder = folder_of(root, ORIGIN)
        regions: dict[str, Rasters] = {}
        for path in places(folder, ORIGIN):
            limits = {name: TERRAIN[name] for name in names if name in TERRAIN}
            phases = dict.fromkeys(sorted(_delays(path).values()), _PHASE)
            needed: dict[str, Limits | None] = {**phases, "intensity": (0.0, np.inf), "mask": None}
            regions[path.name] = open_rasters(path, {**needed, **limits}, ORIGIN, least=PATCH)
        self.regions = kept(regions)
        index = _index(self.regions)
        parts = dealt(index, seed=seed) if scheme == "random" else in_belts(index)
        rows = part_of(parts, split, index, what="a mover")
        super().__init__(rows, names, transforms=transforms, seed=seed)

    def read(self, row: pd.Series[Any]) -> Sample:
        """Channels and states of a patch, in their own units."""
        region = self.regions[row["region"]]
        window = Window(int(row["top"]), int(row["left"]), PATCH, PATCH)
        image = np.empty((len(self.channels), *window.shape), np.float32)
        two = region.read(f"phase_{row['delay']}days", window), region.read("intensity", window)
        made = fused(*two, [name for name in self.channels if name in FUSED])
        for k, name in enumerate(self.channels):
            image[k] = made[name] if name in FUSED else region.read(name, window)
        mask = region.states(window, most=MISSING)
        missing = ~np.isfinite(image).all(axis=0)
        mask[missing] = MISSING
        image[:, missing] = 0.0
        return {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}

    def finish(self, sample: Sample, row: pd.Series[Any]) -> Sample:
        """The same with standardised channels."""
        there = sample["mask"] != MISSING
        return {**sample, "image": standardised(sample["image"], there), "valid": sample["mask"] < OPEN}


def standardised(image: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Channels with mean 0 and variance 1 over some pixels; 0 elsewhere, and where a channel is constant.

    Parameters
    ----------
    image
        float32 ``(channel, y, x)``.
    there
        bool ``(y, x)``.
    """
    # NumPy's sums: torch would wake its threads for each patch.
    values, known = image.numpy(), there.numpy()
    out = np.zeros_like(values)
    inside = values[:, known].astype(np.float64)
    if inside.shape[1]:
        mean, deviation = inside.mean(1, keepdims=True), inside.std(1, keepdims=True)
        # Rounding alone makes a constant channel vary by about 1e-8 of its values.
        deviation[deviation <= 1e-6 * np.maximum(abs(mean), 1e-6)] = np.inf
        out[:, known] = (inside - mean) / deviation
    return torch.from_numpy(out)


def _checked(channels: Sequence[str]) -> tuple[str, ...]:
    if isinstance(channels, str) or not channels or len({*channels}) != len(channels):
        raise ValueError(f"channels must be different names, at least one, instead got channels={channels!r}")
    for name in channels:
        check_choice("channels", name, CHANNELS)
    return tuple(channels)


def _delays(region: Path) -> dict[int, str]:
    """Delays, days, of the averages of a region, and their bands."""
    found = {path: re.fullmatch(r"phase_([1-9]\d{0,3})days", path.stem) for path in region.glob("phase_*days.tif")}
    for path, match in found.items():
        if match is None:
            raise absent(region, ORIGIN, f"has a file {path.name!r:.80}, whose name tells no delay")
    if not found:
        raise absent(region, ORIGIN, "lacks phase_12days.tif or another average")
    return {int(match[1]): path.stem for path, match in sorted(found.items()) if match}


def _index(regions: dict[str, Rasters]) -> pd.DataFrame:
    degrees = len({region.grid.crs for region in regions.values()}) > 1
    rows = [row for name, region in regions.items() for row in _rows(name, region, degrees=degrees)]
    index = pd.DataFrame(rows, columns=_COLUMNS)
    index = index.assign(height=PATCH, width=PATCH, rejected=0.0, reference=index["region"], secondary=index["region"])
    return on_one_plane(index, "region", {name: region.grid for name, region in regions.items()})


_COLUMNS: Final = ("region", "delay", "pair", "top", "left", "positive", "valid", "south", "north")


def _rows(name: str, region: Rasters, *, degrees: bool) -> Iterator[tuple[object, ...]]:
    """Rows of the patches of a region of which anything is known."""
    height, width = region.grid.shape
    lefts = starts(width, PATCH, STEP)
    for top in starts(height, PATCH, STEP):
        strip = Window(top, 0, PATCH, width)
        states = region.states(strip, most=MISSING)
        ends = sides(region.grid, [Window(top, left, PATCH, PATCH) for left in lefts], degrees=degrees)
        for delay, band in _delays(region.folder).items():
            known = np.isfinite(region.read(band, strip)) & (states != MISSING)
            moving = known & (states == MOVING)
            for left, end in zip(lefts, ends, strict=True):
                cut = np.s_[:, left : left + PATCH]
                if known[cut].any():
                    shares = float(moving[cut].mean()), float(known[cut].mean())
                    yield name, delay, f"{name}_{delay}days", top, left, *shares, *end
