"""From single-look images to the interferogram that a user opens: the steps of real products, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

import numpy as np

from insarflow.kernels.coherence import coherence, phase_coherence, window_reads
from insarflow.kernels.goldstein import goldstein, patch_reads
from insarflow.kernels.multilook import multilook
from insarflow.kernels.phase import conjugate_product
from insarflow.ops.presets import PRESETS, Settings
from insarflow.types import JsonValue, Looks, Tile, Window

Draw = Callable[[Window], tuple[np.ndarray, np.ndarray]]
"""Window of radar samples -> the single-look images of both acquisitions there, complex64."""

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
        Goldstein filter of the single-look interferogram, and of the cells; None for no filter.
    resampling
        How phase is taken to the map: from the nearest cell, or interpolated as complex numbers. Coherence is always
        interpolated.
    magnitude
        Whether the product keeps the interferogram's magnitude, or phase alone.
    coherence
        ``"images"``: of the two images. ``"phase"``: from the phase of 5 x 5 cells, as for products without.
    """

    looks: Looks
    coherence_window: Looks = Looks(3, 10)  # noqa: RUF009 - frozen
    before: Settings | None = None
    after: Settings | None = None
    resampling: Literal["nearest", "bilinear"] = "nearest"
    magnitude: bool = True
    coherence: Literal["images", "phase"] = "images"

    def noted(self) -> dict[str, JsonValue]:
        """What a recipe tells of it."""
        filters = {name: f.noted() for name, f in (("before", self.before), ("after", self.after)) if f is not None}
        return {
            "looks": [self.looks.y, self.looks.x],
            "coherence_window": [self.coherence_window.y, self.coherence_window.x],
            **{f"goldstein_{name}_looks": settings for name, settings in filters.items()},
            "resampling": self.resampling,
        }


PROCESSING: Final[Mapping[str, Processing]] = {
    # Looks alone, on which every filter can be tried.
    "unfiltered": Processing(Looks(2, 8)),
    # Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299: SNAP's filter on single looks, then 2 x 8 looks, the phase by
    # nearest neighbour.
    "isslide": Processing(Looks(2, 8), before=PRESETS["snap_legacy"], magnitude=False),
    # As a processor that averages first and filters cells: 40 m and 80 m products, 100 m products.
    "looks5x20": Processing(Looks(5, 20), after=Settings(alpha=0.6), resampling="bilinear", magnitude=False),
    "looks4x20": Processing(
        Looks(4, 20), Looks(4, 20), after=replace(PRESETS["goldstein98"], alpha=1.0), resampling="bilinear",
        magnitude=False,
    ),
    # A boxcar of the coherence window, few looks.
    "looks1x4": Processing(Looks(1, 4), Looks(2, 8), resampling="bilinear"),
}  # fmt: skip


def process(draw: Draw, shape: tuple[int, int], cells: Window, processing: Processing) -> tuple[np.ndarray, np.ndarray]:
    """Interferogram and coherence of a window of cells.

    Parameters
    ----------
    draw
        Gives single-look images.
    shape
        ``(lines, samples)`` of the whole radar image, at whose edges filters and windows end.
    cells
        The cells wanted, within ``shape`` over the looks.

    Returns
    -------
    igram, coherence : ndarray
        complex64 and float32, shape ``cells.shape``. The same bits for any window.
    """
    looks = processing.looks
    whole = Window(0, 0, shape[0] // looks.y, shape[1] // looks.x)
    filtered = _read_by(processing.after, cells, whole.shape)
    around = filtered if processing.coherence == "images" else _around(cells, _PHASE_WINDOW, whole.shape)
    averaged = _hull(filtered, around)
    samples = Window(averaged.y0 * looks.y, averaged.x0 * looks.x, averaged.height * looks.y, averaged.width * looks.x)
    read = _read_by(processing.before, samples, shape)
    both = _hull(read, _around(samples, processing.coherence_window, shape))
    one, other = draw(both)
    product = conjugate_product(one[read.within(both)], other[read.within(both)])
    fine = _filter(product, processing.before, Tile(read, samples, shape))
    coarse = multilook(fine, looks=looks, tile=Tile(samples, averaged, shape))
    igram = _filter(coarse[filtered.within(averaged)], processing.after, Tile(filtered, cells, whole.shape))
    if processing.coherence == "images":
        core = Window(cells.y0 * looks.y, cells.x0 * looks.x, cells.height * looks.y, cells.width * looks.x)
        estimate = coherence(one, other, window=processing.coherence_window, tile=Tile(both, core, shape))
        gamma = multilook(estimate, looks=looks, tile=Tile(core, cells, shape))
    else:
        gamma = phase_coherence(
            coarse[around.within(averaged)], window=_PHASE_WINDOW, tile=Tile(around, cells, whole.shape)
        )
    return igram, gamma


def _filter(igram: np.ndarray, settings: Settings | None, tile: Tile) -> np.ndarray:
    if settings is None:
        return igram[tile.core.within(tile.read)]
    return goldstein(igram, tile=tile, **asdict(settings))


def _read_by(settings: Settings | None, core: Window, shape: tuple[int, int]) -> Window:
    """What a filter reads for a window."""
    if settings is None:
        return core
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
