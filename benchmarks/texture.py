"""Simulated beside real interferograms: pictures, and the statistics that a network sees.

``python -m benchmarks.texture FOLDER -o texture.png`` opens an interferogram with coherence (any product that
`insarflow.open_stack` opens), simulates one with the processing and the pixel size given, and draws both.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

import insarflow
from insarflow.stack.georeference import grid_of

COHERENCE_BINS = np.linspace(0.0, 1.0, 51)
GRADIENT_BINS = np.linspace(0.0, 1.5, 61)
LAGS = 12
DETREND = 12.0
"""Pixels, standard deviation of the Gaussian whose result is the slow part of the phase."""


@dataclass(frozen=True)
class Texture:
    """What an interferogram looks like at the scale of some pixels.

    Attributes
    ----------
    coherence
        Density of the coherence in `COHERENCE_BINS`.
    gradient
        Density of the absolute wrapped phase difference of neighbours, rad per pixel, in `GRADIENT_BINS`.
    rough
        Standard deviation of the phase without its slow part, rad, of pixels whose coherence lies in each tenth.
    correlation
        Autocorrelation of the phase without its slow part at 0 to `LAGS` pixels along x and y, shape ``(2, LAGS + 1)``.
    wavelength, power
        Pixels, and the radial power spectrum of the unit phasors.
    """

    coherence: np.ndarray
    gradient: np.ndarray
    rough: np.ndarray
    correlation: np.ndarray
    wavelength: np.ndarray
    power: np.ndarray


def texture(igram: np.ndarray, coherence: np.ndarray) -> Texture:
    """Statistics of one interferogram, complex ``(y, x)``, and its coherence; NaN is left out."""
    there = np.isfinite(igram) & np.isfinite(coherence) & (np.abs(igram) > 0)
    unit = np.where(there, igram / np.where(there, np.abs(igram), 1), 0)
    steps = [unit[:, 1:] * unit[:, :-1].conj(), unit[1:] * unit[:-1].conj()]
    gradient = np.abs(np.angle(np.concatenate([s[s != 0] for s in steps])))
    slow = gaussian_filter(unit.real, DETREND) + 1j * gaussian_filter(unit.imag, DETREND)
    rest = np.where(there, np.angle(unit * slow.conj()), 0.0)
    tenth = np.clip((np.nan_to_num(coherence) * 10).astype(int), 0, 9)
    rough = [rest[there & (tenth == k)].std() if (there & (tenth == k)).sum() > 500 else np.nan for k in range(10)]
    height, width = rest.shape
    along_x = [(rest[:, k:] * rest[:, : width - k]).mean() for k in range(LAGS + 1)]
    along_y = [(rest[k:] * rest[: height - k]).mean() for k in range(LAGS + 1)]
    wavelength, power = _spectrum(unit)
    return Texture(
        np.histogram(coherence[there], COHERENCE_BINS, density=True)[0],
        np.histogram(gradient, GRADIENT_BINS, density=True)[0],
        np.array(rough), np.array([along_x, along_y]) / along_x[0], wavelength, power,
    )  # fmt: skip


def _spectrum(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = min(256, *unit.shape)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.zeros((side, side))
    for y in range(0, unit.shape[0] - side + 1, side // 2):
        for x in range(0, unit.shape[1] - side + 1, side // 2):
            part = unit[y : y + side, x : x + side]
            if (part != 0).mean() > 0.95:
                power += np.abs(np.fft.fft2(part * window)) ** 2
    k = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(4 / side, 0.5, 25)
    bins = np.digitize(k, edges)
    radial = np.array([power[bins == b].mean() if (bins == b).any() else np.nan for b in range(1, edges.size)])
    return 1 / np.sqrt(edges[1:] * edges[:-1]), radial / max(power[k > 0].sum(), 1e-30)


def one_pair(ds: xr.Dataset, number: int = 0) -> tuple[np.ndarray, np.ndarray, str]:
    """Interferogram and coherence of the pair with this number, and its name."""
    row = ds.insar.pairs.iloc[number]
    one = ds.sel(date=row["date"], delay=row["delay"])
    return one["igram"].values, one["coherence"].values, f"{row['date']:%Y-%m-%d}, {row['delay'].days} days"


def draw(path: Path, pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Texture]:
    """Draw interferograms side by side with their statistics to a PNG file."""
    figure = Figure(figsize=(4.4 * max(len(pairs), 2), 11), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(4, 2 * len(pairs))
    found = {}
    for k, (name, (igram, gamma)) in enumerate(pairs.items()):
        found[name] = texture(igram, gamma)
        for row, (image, options) in enumerate(
            ((np.angle(igram), {"cmap": "twilight", "vmin": -np.pi, "vmax": np.pi}),
             (gamma, {"cmap": "gray", "vmin": 0, "vmax": 1}))
        ):  # fmt: skip
            axis = figure.add_subplot(grid[row, 2 * k : 2 * k + 2])
            axis.imshow(image, interpolation="nearest", **options)
            axis.set_title(name if row == 0 else "coherence", fontsize=9)
            axis.set_axis_off()
    width = 2 * len(pairs)
    places = [grid[2, : width // 2], grid[2, width // 2 :], grid[3, : width // 2], grid[3, width // 2 :]]
    axes = [figure.add_subplot(place) for place in places]
    for k, (name, t) in enumerate(found.items()):
        colour = f"C{k}"
        axes[0].plot(COHERENCE_BINS[1:] - 0.01, t.coherence, color=colour, label=name)
        axes[1].semilogy(GRADIENT_BINS[1:], t.gradient, color=colour)
        axes[2].loglog(t.wavelength, t.power, color=colour)
        axes[3].plot(np.arange(10) / 10 + 0.05, t.rough, color=colour)
    labels = ("coherence", "phase step to the neighbour, rad", "wavelength, pixels", "coherence")
    titles = ("density", "density", "power of the phasor", "rough part of the phase, rad")
    for axis, label, title in zip(axes, labels, titles, strict=True):
        axis.set_xlabel(label)
        axis.set_title(title, fontsize=9)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=90)
    return found


def main(arguments: list[str] | None = None) -> dict[str, Texture]:
    """Draw a real product beside a simulated one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.texture", description=__doc__)
    parser.add_argument("product", type=Path, help="folder or store with an interferogram and its coherence")
    parser.add_argument("-o", "--output", type=Path, default=Path("texture.png"))
    parser.add_argument("--pair", type=int, default=0, help="number of the real interferogram")
    parser.add_argument("--processing", default="looks1x4", help="of the simulated one")
    parser.add_argument("--delay", type=int, default=12, help="days of the simulated one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    real = insarflow.open_stack(options.product)
    igram, gamma, name = one_pair(real, options.pair)
    pixel = float(np.mean(grid_of(real).pixel_size_m))
    made, _ = insarflow.simulate_stack(
        igram.shape, seed=options.seed, pixel_size=pixel, acquisitions=2 + options.delay // 6, delays=[options.delay],
        recipe=options.processing,
    )  # fmt: skip
    simulated = one_pair(made)
    found = draw(
        options.output,
        {f"real: {name}": (igram, gamma), f"simulated: {options.processing}, {simulated[2]}": simulated[:2]},
    )
    for label, t in found.items():
        print(label)
        print("  rough phase by tenths of coherence, rad:", np.round(t.rough, 2))
        print("  autocorrelation along x, y:", *(np.round(line[:7], 2) for line in t.correlation))
    return found


if __name__ == "__main__":
    main()
