"""What one would write with NumPy and SciPy, and what others have published."""

from __future__ import annotations

import numba
import numpy as np
import xarray as xr
from affine import Affine
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy import fft
from scipy.ndimage import uniform_filter

from insarflow.types import Grid

try:
    import dolphin.goldstein as dolphin  # extra ``bench``
except ImportError:
    dolphin = None


def goldstein(z: np.ndarray, patch: int = 32, step: int = 16, alpha: float = 0.5) -> np.ndarray:
    """Batched FFT of one row of patches at a time."""
    ramp = 1 - np.abs(2 * np.arange(patch) - (patch - 1)) / (patch + 1)
    weight = np.outer(ramp, ramp).astype(np.float32)
    total, weights = np.zeros_like(z), np.zeros(z.shape, np.float32)
    for y in range(0, z.shape[0] - patch + 1, step):
        spectrum = fft.fft2(_patches(z, y, patch, step))
        spectrum *= np.abs(spectrum) ** alpha
        for x, smooth in zip(_columns(z, patch, step), fft.ifft2(spectrum) * weight, strict=True):
            total[y : y + patch, x : x + patch] += smooth
            weights[y : y + patch, x : x + patch] += weight
    return total / weights


def goldstein_snap(z: np.ndarray, patch: int = 64, step: int = 16) -> np.ndarray:
    """As `goldstein`, with the parameters of SNAP: exponent 1, amplitude averaged over 3 x 3 bins, clipped."""
    ramp = 1 - np.abs(2 * np.arange(patch) - (patch - 1)) / patch
    weight = np.outer(ramp, ramp).astype(np.float32)
    inside = uniform_filter(np.ones((patch, patch), np.float32), 3, mode="constant")
    total = np.zeros_like(z)
    for y in range(0, z.shape[0] - patch + 1, step):
        spectrum = fft.fft2(_patches(z, y, patch, step))
        spectrum *= uniform_filter(np.abs(spectrum), (1, 3, 3), mode="constant") / inside
        smooth = fft.ifft2(spectrum, norm="forward") * weight
        for x, part in zip(_columns(z, patch, step), smooth, strict=True):
            total[y : y + patch, x : x + patch] += part
    return total


def goldstein_loop(z: np.ndarray, patch: int = 32, step: int = 16, alpha: float = 0.5) -> np.ndarray:
    """One transform per patch in two Python loops, as most published tools have it."""
    ramp = 1 - np.abs(2 * np.arange(patch) - (patch - 1)) / (patch + 1)
    weight = np.outer(ramp, ramp)
    total, weights = np.zeros_like(z), np.zeros(z.shape)
    for y in range(0, z.shape[0] - patch + 1, step):
        for x in _columns(z, patch, step):
            spectrum = np.fft.fft2(z[y : y + patch, x : x + patch])
            smooth = np.fft.ifft2(spectrum * np.abs(spectrum) ** alpha)
            total[y : y + patch, x : x + patch] += weight * smooth
            weights[y : y + patch, x : x + patch] += weight
    return total / weights


def goldstein_dolphin(z: np.ndarray) -> np.ndarray:
    """The filter that dolphin runs before it unwraps."""
    filtered: np.ndarray = dolphin.goldstein(z, alpha=0.5, psize=32)
    return filtered


def _columns(z: np.ndarray, patch: int, step: int) -> range:
    return range(0, z.shape[1] - patch + 1, step)


def _patches(z: np.ndarray, y: int, patch: int, step: int) -> np.ndarray:
    """All patches that begin in row `y`."""
    return np.lib.stride_tricks.sliding_window_view(z[y : y + patch], patch, axis=1)[:, ::step].swapaxes(0, 1)


def multilook(z: np.ndarray, y: int, x: int) -> np.ndarray:
    """Mean of a reshaped array."""
    rows, cols = z.shape[0] // y, z.shape[1] // x
    mean: np.ndarray = z[: rows * y, : cols * x].reshape(rows, y, cols, x).mean(axis=(1, 3))
    return mean


def coherence(a: np.ndarray, b: np.ndarray, window: int | tuple[int, int]) -> np.ndarray:
    """Boxcar sums by `scipy.ndimage.uniform_filter`."""
    product = a * np.conj(b)
    numerator = uniform_filter(product.real, window) + 1j * uniform_filter(product.imag, window)
    power = uniform_filter(np.abs(a) ** 2, window) * uniform_filter(np.abs(b) ** 2, window)
    magnitude: np.ndarray = np.abs(numerator) / np.sqrt(power)
    return magnitude


def slope(dem: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope and downhill azimuth on a grid of square pixels."""
    down, right = np.gradient(dem, pixel)
    return np.arctan(np.hypot(down, right)), np.arctan2(-right, down)


def network(phase: np.ndarray, pairs: np.ndarray, dates: int, gamma: np.ndarray | None = None) -> np.ndarray:
    """Phase of each date, by one decomposition for all pixels, or weighted by normal equations of each."""
    design = np.zeros((len(pairs), dates))
    design[np.arange(len(pairs)), pairs[:, 0]], design[np.arange(len(pairs)), pairs[:, 1]] = 1.0, -1.0
    design, flat = design[:, 1:], phase.reshape(len(pairs), -1).astype(np.float64)
    if gamma is None:
        return np.linalg.lstsq(design, flat, rcond=None)[0]
    square = gamma.reshape(flat.shape).astype(np.float64) ** 2
    weighted = design[None] * (square / (1.0 - square)).T[..., None]
    found: np.ndarray = np.linalg.solve(weighted.swapaxes(1, 2) @ design, weighted.swapaxes(1, 2) @ flat.T[..., None])
    return found


def phase_coherence(z: np.ndarray, window: int) -> np.ndarray:
    """Boxcar mean of unit phasors."""
    unit = z / np.abs(z)
    magnitude: np.ndarray = np.abs(uniform_filter(unit.real, window) + 1j * uniform_filter(unit.imag, window))
    return magnitude


def interferogram(
    a: np.ndarray, b: np.ndarray, y: int, x: int, phase: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Interferogram and block coherence from four block means."""
    first = a if phase is None else a * np.exp(-1j * phase).astype(np.complex64)
    igram = multilook(first * np.conj(b), y, x)
    power = multilook(np.abs(a) ** 2, y, x) * multilook(np.abs(b) ** 2, y, x)
    return igram, np.abs(igram) / np.sqrt(power)


def read(a: np.ndarray, b: np.ndarray) -> float:
    """Every number of two images, read as fast as one thread can."""
    total: float = _sum(a.view(np.float32).reshape(-1), b.view(np.float32).reshape(-1))
    return total


@numba.njit(nogil=True, fastmath=True)
def _sum(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for k in range(a.size):
        total += a[k] + b[k]
    return total


def xarray_multilook(z: np.ndarray, y: int, x: int) -> np.ndarray:
    """Mean by `xarray.DataArray.coarsen`."""
    mean: np.ndarray = xr.DataArray(z, dims=("y", "x")).coarsen(y=y, x=x, boundary="trim").mean().values
    return mean


def sliding_pair(
    a: np.ndarray, b: np.ndarray, looks: tuple[int, int], window: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Interferogram from block means, and the block mean of the sliding coherence."""
    return multilook(a * np.conj(b), *looks), multilook(coherence(a, b, window), *looks)


def residues(z: np.ndarray) -> np.ndarray:
    """Sum of wrapped differences round loops of four pixels."""
    phase = np.angle(z)
    down, right = (np.angle(np.exp(1j * np.diff(phase, axis=k))) for k in (0, 1))
    turns: np.ndarray = np.rint((right[:-1] + down[:, 1:] - right[1:] - down[:, :-1]) / (2 * np.pi)).astype(np.int8)
    return turns


def decorrelate(z: np.ndarray, gamma: np.ndarray, factor: float, looks: int) -> np.ndarray:
    """Noise of two Gaussians and a Gamma per pixel, from NumPy's generator."""
    rng = np.random.default_rng(0)
    old = z / np.abs(z) * gamma
    a = (rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)) / np.sqrt(2 * looks)
    b = (rng.standard_normal(z.shape) + 1j * rng.standard_normal(z.shape)) / np.sqrt(2 * looks)
    rest = np.sqrt((1 - factor**2) * looks / rng.gamma(looks, size=z.shape))
    others = rng.gamma(looks - 2, size=z.shape) / looks
    along = (np.conj(old) * a).real + np.sqrt(1 - gamma**2) * b.real
    power = factor**2 + 2 * factor * rest * along + rest**2 * (np.abs(a) ** 2 + np.abs(b) ** 2 + others)
    noisy: np.ndarray = (factor * old + rest * a) / np.sqrt(power)
    return noisy


def resample(z: np.ndarray, source: Grid, target: Grid, method: str) -> np.ndarray:
    """GDAL's warp of the real and the imaginary part."""
    out = np.empty(target.shape, np.complex64)
    for part in ("real", "imag"):
        warped = np.empty(target.shape, np.float32)
        reproject(
            np.ascontiguousarray(getattr(z, part)), warped, resampling=Resampling[method],
            src_transform=Affine.from_gdal(*source.transform), src_crs=source.crs, src_nodata=np.nan,
            dst_transform=Affine.from_gdal(*target.transform), dst_crs=target.crs, dst_nodata=np.nan,
        )  # fmt: skip
        setattr(out, part, warped)
    return out
