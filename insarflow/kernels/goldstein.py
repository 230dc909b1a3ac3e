"""Goldstein's adaptive phase filter on a patch grid anchored at the array's origin."""

from __future__ import annotations

from typing import Literal

import numpy as np

from insarflow.kernels._jit import jit
from insarflow.kernels.lanes import octaves
from insarflow.kernels.strips import Places, Rules, filter_image
from insarflow.types import Tile

Alpha = float | Literal["adaptive"]
Amplitude = Literal["input", "filter", "unit"]
Edges = Literal["fill", "zero"]
Ends = Literal["circular", "clipped"]
PatchWindow = Literal["triangular", "triangular_isce2", "triangular_snap", "flat"]

_MISSING = np.complex64(complex(np.nan, np.nan))


def patch_starts(size: int, patch_size: int, step: int, edges: Edges = "fill") -> np.ndarray:
    """First index of every patch along an axis of `size` pixels: multiples of `step`, and one flush with the end.

    Every patch lies inside the axis. With ``edges="zero"`` there is none flush with the end, unless a multiple is.
    """
    last = size - patch_size
    starts = np.arange(0, last + 1, step)
    return starts if edges == "zero" or starts[-1] == last else np.append(starts, last)


def patch_reads(
    start: int, stop: int, size: int, *, patch_size: int, step: int, edges: Edges = "fill"
) -> tuple[int, int]:
    """Input range that the patches touching ``start:stop`` cover, and ``start:stop`` itself."""
    starts = _touching(start, stop, size, patch_size, step, edges)
    if starts.size == 0:
        return start, stop
    return min(start, int(starts[0])), max(stop, int(starts[-1]) + patch_size)


def patch_window(patch_size: int, window: PatchWindow) -> np.ndarray:
    """Weight of each pixel of a patch along one axis, float32.

    Parameters
    ----------
    window
        ``"triangular"``: from ``2 / (N + 1)`` at both ends. ``"triangular_isce2"``: ISCE2's, which is one at pixel
        ``N / 2`` and not symmetric. ``"triangular_snap"``: from ``1 / N``, whose sum over overlapping patches is
        constant. ``"flat"``: one.
    """
    n, pixels = patch_size, np.arange(patch_size)
    weights: dict[PatchWindow, np.ndarray] = {
        "triangular": 1.0 - np.abs(2.0 * pixels - (n - 1)) / (n + 1),
        "triangular_isce2": 1.0 - np.abs(2.0 * pixels - n) / (n + 1),
        "triangular_snap": 1.0 - np.abs(2.0 * pixels - (n - 1)) / n,
        "flat": np.ones(n),
    }
    chosen: np.ndarray = weights[window].astype(np.float32)
    return chosen


def goldstein(
    igram: np.ndarray,
    coherence: np.ndarray | None = None,
    *,
    patch_size: int,
    step: int,
    alpha: Alpha,
    alpha_range: tuple[float, float] = (0.0, 1.0),
    smoothing: int = 1,
    smoothing_ends: Ends = "circular",
    window: PatchWindow = "triangular",
    normalise: bool = True,
    min_valid: float = 0.5,
    amplitude: Amplitude = "input",
    edges: Edges = "fill",
    swap_iq: bool = False,
    tile: Tile | None = None,
) -> np.ndarray:
    """Filter interferograms by raising each patch's spectrum to a power.

    Parameters
    ----------
    igram
        complex64, or float32 wrapped phase in rad, shape ``(..., y, x)``; the part ``tile.read`` of the whole array,
        which is no smaller than a patch. NaN is missing.
    coherence
        float32, 0 to 1, same shape; for the adaptive exponent.
    patch_size
        Side of the square patches, a power of two, 8 to 128.
    step
        Distance of patch starts, divides `patch_size`.
    alpha
        Exponent on the spectrum's amplitude, 0 (no filter) to 1, or ``"adaptive"``: one minus the mean coherence of
        the patch's valid pixels.
    alpha_range
        Limits of the adaptive exponent.
    smoothing
        Side of the window, in bins, in which the spectrum's amplitude is averaged; odd, 1 for none.
    smoothing_ends
        What the window does at the spectrum's first and last bin: go round, or end.
    window
        Weight of a patch's pixels; see `patch_window`.
    normalise
        Divide the sum of the patches by the sum of their weights. Otherwise, as in SNAP, the result is the weighted
        sum of unscaled inverse transforms, about ``patch_size ** 2`` times as large.
    min_valid
        Patches with a smaller valid fraction are not filtered.
    amplitude
        Magnitude of the result: the input's, the filter's own, or one.
    edges
        ``"fill"``: one more patch is flush with the far end, and a pixel that no filtered patch covers keeps its value.
        ``"zero"``: no such patch, such pixels become 0.
    swap_iq
        Exchange real and imaginary part before and after, as newer versions of SNAP do; it matters where `smoothing`
        is clipped.
    tile
        Place in the whole array; by default `igram` is the whole array.

    Returns
    -------
    ndarray
        Of the dtype of `igram`, shape ``(..., *tile.core.shape)``, NaN exactly where the input is.

    Raises
    ------
    ValueError
        If the coherence of a valid pixel is no number from 0 to 1.

    Notes
    -----
    Each patch becomes ``IFFT(Z S^alpha)`` with ``Z`` its transform and ``S`` the amplitude of ``Z``, smoothed. Missing
    pixels enter the transform as 0. Each pixel accumulates its patches in the same global order whatever the tile, so
    the result has the same bits for any tiling.

    References
    ----------
    Goldstein and Werner (1998), doi:10.1029/1998GL900033. Baran et al. (2003), doi:10.1109/TGRS.2003.817212 (adaptive
    exponent).
    """
    place = Tile.whole(igram.shape) if tile is None else tile
    core, read = place.core, place.read
    tops = _touching(core.y0, core.y1, place.shape[0], patch_size, step, edges) - read.y0
    lefts = _touching(core.x0, core.x1, place.shape[1], patch_size, step, edges) - read.x0
    inner = core.y0 - read.y0, core.y1 - read.y0, core.x0 - read.x0, core.x1 - read.x0
    adaptive, no_coherence = alpha == "adaptive", np.empty(0, np.float32)
    low, high = alpha_range if alpha == "adaptive" else (alpha, alpha)
    rules = Rules(
        lowest=np.float32(low), highest=np.float32(high), smoothing=(0,) * smoothing,
        clipped=smoothing_ends == "clipped", min_valid=float(min_valid * patch_size**2),
        amplitude=("input", "filter", "unit").index(amplitude), normalise=normalise, fill=edges == "fill",
        forward=int(swap_iq),
    )  # fmt: skip
    width, scale = igram.shape[-1], 1 / patch_size**2 if normalise else 1.0
    work, places = Places.allocate(width, patch_window(patch_size, window), scale, smoothing, clipped=rules.clipped)
    out = np.empty((*igram.shape[:-2], *core.shape), igram.dtype)
    covered = (0, 0)  # rows of the core that lie in patches
    if tops.size and lefts.size:
        covered = max(0, int(tops[0]) - inner[0]), max(0, min(int(tops[-1]) + patch_size, inner[1]) - inner[0])
    for index in np.ndindex(igram.shape[:-2]):
        image = _parts(igram[index])
        gamma = _valid_coherence(image, coherence[index]) if adaptive and coherence is not None else no_coherence
        phase_only = igram.dtype == np.float32
        filtered = np.empty(core.shape, np.complex64) if phase_only else out[index]
        if not _any_valid(igram[index]):
            filtered[:] = _MISSING
        else:
            part = image.view(np.complex64)[inner[0] : inner[1], inner[2] : inner[3]]
            for rows in (slice(0, covered[0]), slice(covered[1], None)):
                rest = part[rows]
                filtered[rows] = np.where(np.isfinite(rest), np.complex64(0.0), _MISSING) if edges == "zero" else rest
            if covered[0] < covered[1]:
                pixels, to = (image.reshape(-1), gamma.reshape(-1)), filtered.view(np.float32).reshape(-1)
                filter_image(*pixels, width, tops, lefts, inner, rules, work, places, octaves(patch_size), to)
        if phase_only:
            out[index] = np.angle(filtered)
    return out


def _touching(start: int, stop: int, size: int, patch_size: int, step: int, edges: Edges) -> np.ndarray:
    starts = patch_starts(size, patch_size, step, edges)
    return starts[(starts < stop) & (starts + patch_size > start)]


def _parts(igram: np.ndarray) -> np.ndarray:
    """Pairs of real and imaginary part, float32 ``(y, 2 x)``; a view if `igram` is complex and contiguous."""
    if igram.dtype != np.float32:
        return np.ascontiguousarray(igram).view(np.float32)
    parts = np.empty((igram.shape[0], 2 * igram.shape[1]), np.float32)
    np.cos(igram, out=parts[:, ::2])
    np.sin(igram, out=parts[:, 1::2])
    return parts


def _any_valid(igram: np.ndarray) -> bool:
    """Whether a pixel is not missing, mostly seen at once."""
    return any(np.isfinite(igram[row : row + 64]).any() for row in range(0, len(igram), 64))


def _valid_coherence(image: np.ndarray, coherence: np.ndarray) -> np.ndarray:
    """Coherence, 0 where the image is missing."""
    result = np.empty(coherence.shape, np.float32)
    wrong = _copy_valid(image, np.ascontiguousarray(coherence), result)
    if wrong >= 0:
        raise ValueError(
            "coherence must be between 0 and 1 wherever the interferogram is valid, instead got "
            f"coherence={coherence.flat[wrong]}: use .clip(0, 1) or .fillna(0) if that is what it means"
        )
    return result


@jit
def _copy_valid(image, coherence, to):  # type: ignore[no-untyped-def]
    """Copy the coherence of valid pixels; returns the running number of the first wrong one, or -1."""
    height, width = coherence.shape
    for row in range(height):
        for k in range(width):
            nothing = (image[row, 2 * k] - image[row, 2 * k]) + (image[row, 2 * k + 1] - image[row, 2 * k + 1])
            gamma = coherence[row, k] if nothing == np.float32(0.0) else np.float32(0.0)
            if not np.float32(0.0) <= gamma <= np.float32(1.0):
                return row * width + k
            to[row, k] = gamma
    return -1
