"""From single-look images to the interferogram that a user opens: the steps of real products, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, NamedTuple

import numpy as np

from insarflow.kernels.coherence import coherence, phase_coherence, window_reads
from insarflow.kernels.goldstein import goldstein, patch_reads
from insarflow.kernels.multilook import multilook
from insarflow.kernels.phase import conjugate_product
from insarflow.ops.presets import PRESETS, Settings
from insarflow.simulate.radar_grid import LINE_SPACING, SAMPLE_SPACING
from insarflow.types import JsonValue, Looks, Tile, Window

_PHASE_WINDOW: Final = Looks(5, 5)


@dataclass(frozen=True)
class Processing:
    """What is done to a pair of single-look images.

    Attributes
    ----------
    looks
        Lines and samples averaged to a cell.
    coherence_window
        Lines and samples of the sliding estimate, which is then averaged over cells.
    before, after
        Filter of the single-look interferogram, and of the cells: Goldstein's of these settings, or, before looks, the
        mean of a sliding window of lines and samples; None for no filter.
    resampling
        How phase is taken to the map: from the nearest cell, or interpolated as complex numbers, between 2 x 2 cells or
        4 x 4 (Keys 1981, doi:10.1109/TASSP.1981.1163711). Coherence is interpolated, between 2 x 2 cells but where
        phase is from 4 x 4.
    magnitude
        Whether the product keeps the interferogram's magnitude, or phase alone.
    coherence
        ``"images"``: of the two images. ``"phase"``: from the phase of 5 x 5 cells, as for products without.
    effective_looks
        Independent looks whose mean has a phase about as noisy as the product's after a Goldstein filter of 32 pixels
        and exponent 0.5, which whoever looks for movers uses: measured on ground at rest, rounded down; of
        ``boxcar3x10`` and ``looks10x40`` an estimate.
    """

    looks: Looks
    coherence_window: Looks = Looks(3, 10)  # noqa: RUF009 - frozen
    before: Settings | Looks | None = None
    after: Settings | None = None
    resampling: Literal["nearest", "bilinear", "cubic"] = "nearest"
    magnitude: bool = True
    coherence: Literal["images", "phase"] = "images"
    effective_looks: float = 40.0

    @property
    def cell(self) -> float:
        """Ground size of a cell, m."""
        return max(self.looks.y * LINE_SPACING, self.looks.x * SAMPLE_SPACING / 0.62)

    def noted(self) -> dict[str, JsonValue]:
        """What a recipe tells of it."""
        filters: dict[str, JsonValue] = {}
        for name, f in (("before", self.before), ("after", self.after)):
            if isinstance(f, Settings):
                filters[f"goldstein_{name}_looks"] = f.noted()
            elif f is not None:
                filters[f"boxcar_{name}_looks"] = [f.y, f.x]
        return {
            "looks": [self.looks.y, self.looks.x],
            "coherence_window": [self.coherence_window.y, self.coherence_window.x],
            **filters,
            "resampling": self.resampling,
        }


PROCESSING: Final[Mapping[str, Processing]] = {
    # Looks alone, on which every filter can be tried.
    "unfiltered": Processing(Looks(2, 8)),
    # Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299: SNAP's filter on single looks, then 2 x 8 looks, the phase by
    # nearest neighbour.
    "isslide": Processing(Looks(2, 8), before=PRESETS["snap_legacy"], magnitude=False, effective_looks=80.0),
    # As a processor that averages first and filters cells: 40 m and 80 m products, 100 m products.
    "looks5x20": Processing(
        Looks(5, 20), after=Settings(alpha=0.6), resampling="bilinear", magnitude=False, effective_looks=150.0
    ),
    "looks4x20": Processing(
        Looks(4, 20), Looks(4, 20), after=replace(PRESETS["goldstein98"], alpha=1.0), resampling="bilinear",
        magnitude=False, effective_looks=150.0,
    ),
    # Few looks, on which every filter can be tried.
    "looks1x4": Processing(Looks(1, 4), Looks(2, 8), resampling="bilinear", effective_looks=25.0),
    # As GAMMA makes them for regions: cells of 150 m, filtered with the half of the spectrum's exponent.
    "looks10x40": Processing(
        Looks(10, 40), Looks(10, 40), after=replace(PRESETS["goldstein98"], alpha=0.5), resampling="bilinear",
        magnitude=False, effective_looks=150.0,
    ),
    # As eo_tools makes them: the complex mean of the coherence's window, a few looks of it, cubic convolution.
    "boxcar3x10": Processing(
        Looks(1, 4), before=Looks(3, 10), resampling="cubic", magnitude=False, effective_looks=50.0
    ),
}  # fmt: skip


class Reads(NamedTuple):
    """What each step reads for a window of cells.

    Attributes
    ----------
    images
        Samples of both images.
    product
        Samples of the interferogram that the filter before looks reads.
    averaged
        Cells that are averaged, samples of which are `looked`.
    filtered
        Cells that the filter after looks reads.
    around
        Cells that coherence is estimated from, if it is from phase.
    """

    images: Window
    product: Window
    looked: Window
    averaged: Window
    filtered: Window
    around: Window


def reads(shape: tuple[int, int], cells: Window, processing: Processing) -> Reads:
    """What `process` reads for a window of cells.

    Parameters
    ----------
    shape
        ``(lines, samples)`` of the whole radar image, at whose edges filters and windows end.
    cells
        The cells wanted, within ``shape`` over the looks.
    """
    looks = processing.looks
    whole = shape[0] // looks.y, shape[1] // looks.x
    filtered = _read_by(processing.after, cells, whole)
    around = filtered if processing.coherence == "images" else _around(cells, _PHASE_WINDOW, whole)
    averaged = _hull(filtered, around)
    looked = _samples(averaged, looks)
    product = _read_by(processing.before, looked, shape)
    images = _hull(product, _around(looked, processing.coherence_window, shape))
    return Reads(images, product, looked, averaged, filtered, around)


def process(
    one: np.ndarray, other: np.ndarray, shape: tuple[int, int], cells: Window, processing: Processing
) -> tuple[np.ndarray, np.ndarray]:
    """Interferogram and coherence of a window of cells.

    Parameters
    ----------
    one, other
        Single-look images of the earlier and the later acquisition, complex64, over ``reads(...).images``.
    shape, cells
        As of `reads`.

    Returns
    -------
    igram, coherence : ndarray
        complex64 and float32, shape ``cells.shape``. The same bits for any window.
    """
    looks, r = processing.looks, reads(shape, cells, processing)
    whole = shape[0] // looks.y, shape[1] // looks.x
    cut = r.product.within(r.images)
    fine = _filter(conjugate_product(one[cut], other[cut]), processing.before, Tile(r.product, r.looked, shape))
    coarse = multilook(fine, looks=looks, tile=Tile(r.looked, r.averaged, shape))
    igram = _filter(coarse[r.filtered.within(r.averaged)], processing.after, Tile(r.filtered, cells, whole))
    if processing.coherence == "images":
        core = _samples(cells, looks)
        estimate = coherence(one, other, window=processing.coherence_window, tile=Tile(r.images, core, shape))
        return igram, multilook(estimate, looks=looks, tile=Tile(core, cells, shape))
    return igram, phase_coherence(
        coarse[r.around.within(r.averaged)], window=_PHASE_WINDOW, tile=Tile(r.around, cells, whole)
    )


def _samples(cells: Window, looks: Looks) -> Window:
    return Window(cells.y0 * looks.y, cells.x0 * looks.x, cells.height * looks.y, cells.width * looks.x)


def _filter(igram: np.ndarray, settings: Settings | Looks | None, tile: Tile) -> np.ndarray:
    if settings is None:
        return igram[tile.core.within(tile.read)]
    if isinstance(settings, Looks):
        return _boxcar(igram, settings, tile)
    return goldstein(igram, tile=tile, **asdict(settings))


def _boxcar(igram: np.ndarray, window: Looks, tile: Tile) -> np.ndarray:
    """Mean of a sliding window, cut at the image's edges; summed in one order, so with the same bits for any tile."""
    read, core = tile.read, tile.core
    rows = _slid(igram, window.y, core.y0, core.y1, read.y0, tile.shape[0])
    return _slid(rows.T, window.x, core.x0, core.x1, read.x0, tile.shape[1]).T


def _slid(values: np.ndarray, window: int, start: int, stop: int, first: int, size: int) -> np.ndarray:
    """Means along the first axis around rows ``start:stop`` of `size`; `values` begin at row `first`."""
    total = np.zeros((stop - start, *values.shape[1:]), values.dtype)
    count = np.zeros(stop - start, np.float32)
    for shift in range(-((window - 1) // 2), window // 2 + 1):
        low, high = max(start, -shift), min(stop, size - shift)
        there = slice(low - start, high - start)
        total[there] += values[low + shift - first : high + shift - first]
        count[there] += 1
    for part in (total.real, total.imag):
        part /= count[:, None]
    return total


def _read_by(settings: Settings | Looks | None, core: Window, shape: tuple[int, int]) -> Window:
    """What a filter reads for a window."""
    if settings is None:
        return core
    if isinstance(settings, Looks):
        return _around(core, settings, shape)
    rule = {"patch_size": settings.patch_size, "step": settings.step, "edges": settings.edges}
    rows = patch_reads(core.y0, core.y1, shape[0], **rule)  # type: ignore[arg-type]
    cols = patch_reads(core.x0, core.x1, shape[1], **rule)  # type: ignore[arg-type]
    return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])


def _around(core: Window, window: Looks, shape: tuple[int, int]) -> Window:
    """What sliding windows centred in a window cover."""
    rows = window_reads(core.y0, core.y1, shape[0], window=window.y)
    cols = window_reads(core.x0, core.x1, shape[1], window=window.x)
    return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])


def _hull(a: Window, b: Window) -> Window:
    y0, x0 = min(a.y0, b.y0), min(a.x0, b.x0)
    return Window(y0, x0, max(a.y1, b.y1) - y0, max(a.x1, b.x1) - x0)
