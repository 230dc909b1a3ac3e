"""Simulated beside real interferograms: pictures, and the statistics that a network sees.

Two real products are imitated: ``plain``, a pair of semi-arid land (eo_tools: complex mean of the coherence's window,
1 x 4 looks), and ``city``, one of a stack of a sinking city (GAMMA, cells of 150 m). A scene's long waves are chance,
and with them its spectrum by some dB: the real product is held against the mean of several simulated scenes, and beside
it stands how far one of these is from the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from PIL import Image
from scipy.ndimage import gaussian_filter

import insarflow
from insarflow.simulate.ground_cover import CLASSES, Ranges
from insarflow.simulate.scene import Scenario
from insarflow.stack.georeference import pixel_size_m

COHERENCE_BINS = np.linspace(0.0, 1.0, 51)
GRADIENT_BINS = np.linspace(0.0, 1.5, 61)
LAGS = 12
SCENES = 8
"""Simulated for each product."""
DETREND = 12.0
"""Pixels, standard deviation of the Gaussian whose result is the slow part of the phase."""

_QUIET: Final[dict[str, Any]] = {
    "slides": {"density": 0.0},
    "snow": {"lowest": (9e3, 9e3), "highest": (9e3, 9e3)},
    "bursts": {"step": 0.0},
}


def _land(first: float, floor: float, days: float, **others: float) -> dict[str, Any]:
    """Cover of one class, with these numbers of `insarflow.simulate.ground_cover.GroundCover.draw`."""
    one = Ranges((first, first), (floor, floor), (days, days), (1.0, 1.0))
    return {
        "values": dict.fromkeys(CLASSES, one), "lake_share": (0.0, 0.0),
        **{name: (value, value) for name, value in others.items()},
    }  # fmt: skip


@dataclass(frozen=True)
class Imitation:
    """How a real product is imitated.

    Attributes
    ----------
    processing
        Of `insarflow.simulate.processing.PROCESSING`.
    number
        Of the real pair, in order.
    scenario
        The land.
    """

    processing: str
    number: int
    scenario: Scenario


IMITATIONS: Final[Mapping[str, Imitation]] = {
    "plain": Imitation(
        "boxcar3x10", 0,
        Scenario(
            relief={"relief": (30.0, 30.0), "base": (400.0, 400.0)},
            cover=_land(0.9, 0.65, 40.0, unrest=0.6, contrast=0.3, glint_share=0.001),
            look_alikes={"bowls": 0.0, "glaciers": 0.0, "fields": 0.0, "snow": 0.0},
            air={"turbulence": (0.2, 0.35), "stratification": 0.3, "valley_chance": 0.0, "wave_chance": 0.0},
            dem_error={"rms": (1.5, 1.5)}, **_QUIET,
        ),
    ),
    "city": Imitation(
        "looks10x40", 7,
        Scenario(
            relief={"relief": (40.0, 40.0), "base": (2_300.0, 2_300.0)},
            cover=_land(0.74, 0.55, 60.0, unrest=0.3, contrast=0.3, glint_share=0.01),
            look_alikes={"bowls": 0.12, "glaciers": 0.0, "fields": 0.0, "snow": 0.0, "sinking": (0.1, 0.3)},
            air={"turbulence": (0.3, 0.6), "stratification": 0.3, "valley_chance": 0.0, "wave_chance": 0.0},
            dem_error={"rms": (1.5, 1.5)}, **_QUIET,
        ),
    ),
}  # fmt: skip


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
        Pixels, and the radial power spectrum of the unit phasors: that of white noise is its variance.
    """

    coherence: np.ndarray
    gradient: np.ndarray
    rough: np.ndarray
    correlation: np.ndarray
    wavelength: np.ndarray
    power: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """How alike two interferograms are.

    Attributes
    ----------
    name
        Which.
    coherence, gradient
        Area that two densities share, 0..1.
    spectrum
        Root mean square of the ratio of two spectra, dB.
    rough
        Root mean square of the ratio of the phase's rough part over the tenths of coherence that both have, dB.
    correlation
        Largest difference of autocorrelations at one to six pixels.
    """

    name: str
    coherence: float
    gradient: float
    spectrum: float
    rough: float
    correlation: float


def texture(igram: np.ndarray, coherence: np.ndarray) -> Texture:
    """Statistics of one interferogram, complex ``(y, x)``, and its coherence; NaN is left out."""
    there = np.isfinite(igram) & np.isfinite(coherence) & (np.abs(igram) > 0)
    size = np.where(there, np.abs(igram), 1)
    unit = np.where(there, igram, 0) / size
    steps = [unit[:, 1:] * unit[:, :-1].conj(), unit[1:] * unit[:-1].conj()]
    gradient = np.abs(np.angle(np.concatenate([s[s != 0] for s in steps])))
    slow = gaussian_filter(unit.real, DETREND) + 1j * gaussian_filter(unit.imag, DETREND)
    rest = np.where(there, np.angle(unit * slow.conj()), 0.0)
    tenth = np.where(there, np.clip((np.nan_to_num(coherence) * 10).astype(int), 0, 9), -1)
    rough = [rest[tenth == k].std() if (tenth == k).sum() > 300 else np.nan for k in range(10)]
    height, width = rest.shape
    along_x = [(rest[:, k:] * rest[:, : width - k]).mean() for k in range(LAGS + 1)]
    along_y = [(rest[k:] * rest[: height - k]).mean() for k in range(LAGS + 1)]
    wavelength, power = _spectrum(unit)
    return Texture(
        np.histogram(coherence[there], COHERENCE_BINS, density=True)[0],
        np.histogram(gradient, GRADIENT_BINS)[0] / (gradient.size * (GRADIENT_BINS[1] - GRADIENT_BINS[0])),
        np.array(rough), np.array([along_x, along_y]) / along_x[0], wavelength, power,
    )  # fmt: skip


def agreement(name: str, one: Texture, other: Texture) -> Agreement:
    """How alike two textures are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spectra, rough = 10 * np.log10(one.power / other.power), 20 * np.log10(one.rough / other.rough)
    apart = np.abs(one.correlation - other.correlation)[:, 1:7].max()
    return Agreement(
        name,
        float(np.minimum(one.coherence, other.coherence).sum() * (COHERENCE_BINS[1] - COHERENCE_BINS[0])),
        float(np.minimum(one.gradient, other.gradient).sum() * (GRADIENT_BINS[1] - GRADIENT_BINS[0])),
        _rms(spectra), _rms(rough), float(apart),
    )  # fmt: skip


def _rms(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def _spectrum(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = min(256, *unit.shape)
    window = np.outer(np.hanning(side), np.hanning(side))
    power, parts = np.zeros((side, side)), 0
    for y in range(0, unit.shape[0] - side + 1, side // 4):
        for x in range(0, unit.shape[1] - side + 1, side // 4):
            part = unit[y : y + side, x : x + side]
            if (part != 0).mean() > 0.95:
                power += np.abs(np.fft.fft2(part * window)) ** 2
                parts += 1
    k = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(4 / side, 0.5, 17)
    bins = np.digitize(k, edges)
    radial = np.array([power[bins == b].mean() if (bins == b).any() else np.nan for b in range(1, edges.size)])
    return 1 / np.sqrt(edges[1:] * edges[:-1]), radial / (max(parts, 1) * (window**2).sum())


def mean(textures: Sequence[Texture]) -> Texture:
    """The texture in the middle of several: of powers and deviations the mean in dB."""
    with np.errstate(divide="ignore"):
        rough, power = (
            np.exp(np.mean([np.log(getattr(t, name)) for t in textures], axis=0)) for name in ("rough", "power")
        )
    plain = {
        name: np.mean([getattr(t, name) for t in textures], axis=0)
        for name in ("coherence", "gradient", "correlation", "wavelength")
    }
    return Texture(rough=rough, power=power, **plain)


def middle(name: str, pairs: Sequence[tuple[Texture, Texture]]) -> Agreement:
    """The median of how alike some are."""
    each = [astuple(agreement(name, *pair))[1:] for pair in pairs]
    return Agreement(name, *np.median(each, axis=0).tolist())


def one_pair(ds: xr.Dataset, number: int = 0) -> tuple[np.ndarray, np.ndarray, int]:
    """Interferogram and coherence of the pair with this number, and its delay in days."""
    date, delay = np.argwhere(ds["valid"].values)[number]
    one = ds.isel(date=date, delay=delay)
    return one["igram"].values, one["coherence"].values, int(one["delay"].values / np.timedelta64(1, "D"))


def pairs(
    kind: str, product: Path, *, seeds: Sequence[int] = range(1, SCENES + 1), size: int | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A real interferogram and simulated ones, each with coherence, by name.

    Parameters
    ----------
    kind
        Of `IMITATIONS`.
    product
        Folder of the real one.
    seeds
        Of the simulated ones.
    size
        Largest side of the simulated ones, pixels; by default all of the real one.
    """
    imitation, real = IMITATIONS[kind], insarflow.open_stack(product)
    igram, gamma, days = one_pair(real, imitation.number)
    metres = pixel_size_m(real)
    if metres is None:
        raise SystemExit(f"{product} has no place on the ground: give a product that has one")
    shape = (igram.shape[0], igram.shape[1]) if size is None else (min(size, len(igram)), min(size, igram.shape[1]))
    found = {f"{kind}, real": (igram, gamma)}
    for seed in seeds:
        made, _ = insarflow.simulate_stack(
            shape, seed=seed, pixel_size=float(np.sqrt(metres[0] * metres[1])), acquisitions=1 + days // 6,
            delays=[days], movers=0, processing=imitation.processing, scenario=imitation.scenario,
            direction="descending",
        )  # fmt: skip
        found[f"{kind}, simulated {seed}"] = one_pair(made[["igram", "coherence", "valid"]])[:2]
    return found


def measure(
    products: Mapping[str, Path], *, figure: Path | None = None, size: int | None = None
) -> Iterator[tuple[Agreement, Texture, Texture]]:
    """Of each product how alike it and the simulated scenes are, then one of these and the others; draws them, too."""
    drawn: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for kind, product in products.items():
        # At small size only to see that it runs.
        drawn[kind] = pairs(kind, product, size=size, seeds=range(1, 1 + (SCENES if size is None else 2)))
        real, *scenes = (texture(*pair) for pair in drawn[kind].values())
        others = [mean([*scenes[:k], *scenes[k + 1 :]]) for k in range(len(scenes))]
        yield agreement(f"{kind}: real and simulated", real, mean(scenes)), real, mean(scenes)
        yield (
            middle(f"{kind}: one simulated and the others", list(zip(scenes, others, strict=True))),
            real,
            mean(scenes),
        )
    if figure is not None and drawn:
        draw(figure, drawn)


def draw(path: Path, drawn: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]) -> None:
    """Draw interferograms and their statistics to a PNG file of few colours."""
    columns = 2 * max(len(drawn), 2)
    figure = Figure(figsize=(2.6 * columns, 2.5 * (2 + len(drawn))), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2 + len(drawn), columns, squeeze=False)
    for axis in grid[:2].ravel():
        axis.set_axis_off()
    for k, (kind, images) in enumerate(drawn.items()):
        for n, (name, pair) in enumerate(list(images.items())[:2]):
            _images(grid[:2, 2 * k + n], name, *pair)
        _statistics(grid[2 + k], kind, [texture(*pair) for pair in images.values()])
    for axis in grid[2:, 4:].ravel():
        axis.set_axis_off()
    buffer = BytesIO()
    figure.savefig(buffer, dpi=80)
    Image.open(buffer).convert("RGB").quantize(256).save(path, optimize=True)


def _images(axes: np.ndarray, name: str, igram: np.ndarray, gamma: np.ndarray) -> None:
    # The last rows and columns: the plain's first ones are outside of its region.
    part = np.s_[-280:, -280:]
    phase = np.angle(igram[part] * np.exp(-1j * np.angle(np.nanmean(igram[part]))))
    axes[0].imshow(phase, interpolation="nearest", cmap="twilight", vmin=-np.pi, vmax=np.pi)
    axes[0].set_title(name, fontsize=9)
    axes[1].imshow(gamma[part], interpolation="nearest", cmap="gray", vmin=0, vmax=1)
    axes[1].set_title("coherence", fontsize=9)


def _statistics(axes: np.ndarray, kind: str, found: Sequence[Texture]) -> None:
    """The real one black, each simulated one in a thin line, their mean in a thick one."""
    real, *scenes = found
    lines = [(t, {"color": "C0", "linewidth": 0.5, "alpha": 0.5}, "") for t in scenes]
    lines += [(mean(scenes), {"color": "C0"}, f"{len(scenes)} simulated, mean"), (real, {"color": "k"}, "real")]
    for t, style, label in lines:
        axes[0].plot(COHERENCE_BINS[1:] - 0.01, t.coherence, label=label or None, **style)
        axes[1].semilogy(GRADIENT_BINS[1:], np.maximum(t.gradient, 1e-4), **style)
        axes[2].loglog(t.wavelength, t.power, **style)
        for line, dashes in zip(t.correlation, ("-", ":"), strict=True):
            if label:
                axes[3].plot(np.arange(LAGS + 1), line, dashes, **style)
    titles = (f"{kind}: coherence", "step to a neighbour, rad", "spectrum, by wavelength (px)",
              "rough phase: autocorrelation (x -, y :)")  # fmt: skip
    for axis, title in zip(axes[:4], titles, strict=True):
        axis.set_title(title, fontsize=8)
        axis.tick_params(which="both", labelsize=6)
    axes[2].xaxis.set_minor_formatter(NullFormatter())
    axes[0].legend(fontsize=7)
