"""Each kernel on one image, beside what one would write with NumPy and SciPy."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from benchmarks import baselines
from benchmarks.measure import Case
from insarflow.kernels import (
    augment,
    coherence,
    decorrelate,
    goldstein,
    interferogram,
    multilook,
    residues,
    terrain,
    timeseries,
)
from insarflow.kernels.noise import complex_noise
from insarflow.ops.ground import ground_of
from insarflow.ops.presets import PRESETS
from insarflow.stack.crs import parse_crs
from insarflow.stack.resample import interpolate, look
from insarflow.types import Grid, Looks, Window

SLOW = 512
"""Side of the part that loops in Python are given, pixels."""

SERIES = 128
"""Side of the part of which all pairs are inverted."""


def grids(size: int) -> tuple[Grid, Grid]:
    """A grid in degrees and one in UTM of about the same pixels and place."""
    degrees, utm = parse_crs(4326), parse_crs(32632)
    source = Grid((7.5, 0.00025, 0.0, 45.0, 0.0, -0.00018), (size, size), degrees)
    return source, Grid((381_800.0, 20.0, 0.0, 4_984_000.0, 0.0, -20.0), (size, size), utm)


def resample(z: np.ndarray, source: Grid, target: Grid, method: str) -> np.ndarray:
    """What a task does for its block: positions, then values."""
    view = look(source, target, Window(0, 0, *target.shape), method)
    return interpolate(z[view.read.within(Window(0, 0, *z.shape))], view, "igram", method)


class Images:
    """What the kernels work on, complex64 and float32, `size` x `size`."""

    def __init__(self, size: int) -> None:
        self.z, self.other = (complex_noise(Window(0, 0, size, size), width=size, seed=1, stream=k) for k in (0, 1))
        self.gamma = np.full(self.z.shape, 0.7, np.float32)
        self.turn = np.float32(20) * np.angle(self.other)
        self.out = self.z.copy()
        self.pixels = size * size

    def copy(self) -> Case:
        """Copying an image to memory that is there: what the machine can do at most."""
        return Case("copy", lambda: np.copyto(self.out, self.z), self.pixels, {})

    def cases(self) -> list[Case]:
        """Every kernel."""
        return [
            *self._filters(),
            *self._looks(),
            *self._coherence(),
            *self._pairs(),
            *self._grids(),
            *self._augmentations(),
            *self._rates(),
        ]

    def _filters(self) -> list[Case]:
        z, n = self.z, self.pixels
        part = np.ascontiguousarray(z[:SLOW, :SLOW])
        loops = {"patch by patch": (lambda: baselines.goldstein_loop(part), part.size)}
        if baselines.dolphin is not None:
            loops["dolphin"] = (lambda: baselines.goldstein_dolphin(part), part.size)
        return [
            Case(
                "goldstein 32/16 alpha 0.5", lambda: goldstein.goldstein(z, patch_size=32, step=16, alpha=0.5), n,
                {"SciPy FFT, batched": (lambda: baselines.goldstein(z), n), **loops},
            ),
            Case(
                "goldstein snap_legacy", lambda: goldstein.goldstein(z, **asdict(PRESETS["snap_legacy"])), n,
                {"SciPy FFT, batched": (lambda: baselines.goldstein_snap(z), n)},
            ),
        ]  # fmt: skip

    def _looks(self) -> list[Case]:
        z, n = self.z, self.pixels
        return [
            Case(
                "multilook 8 x 2", lambda: multilook.multilook(z, looks=Looks(8, 2)), n,
                {
                    "NumPy reshape-mean": (lambda: baselines.multilook(z, 8, 2), n),
                    "xarray coarsen": (lambda: baselines.xarray_multilook(z, 8, 2), n),
                },
            )
        ]  # fmt: skip

    def _coherence(self) -> list[Case]:
        z, other, n = self.z, self.other, self.pixels
        cases = [
            Case(
                f"coherence {side} x {side}", lambda side=side: coherence.coherence(z, other, window=Looks(side, side)),
                n, {"SciPy uniform_filter": (lambda side=side: baselines.coherence(z, other, side), n)},
            )
            for side in (5, 31)
        ]  # fmt: skip
        phase_only = Case(
            "phase coherence 5 x 5", lambda: coherence.phase_coherence(z, window=Looks(5, 5)), n,
            {"SciPy uniform_filter": (lambda: baselines.phase_coherence(z, 5), n)},
        )  # fmt: skip
        return [*cases, phase_only]

    def _pairs(self) -> list[Case]:
        z, other, turn, n = self.z, self.other, self.turn, self.pixels
        pair = interferogram.interferogram
        return [
            Case(
                "pair 8 x 2", lambda: pair(z, other, looks=Looks(8, 2)), n,
                {
                    "NumPy block means": (lambda: baselines.interferogram(z, other, 8, 2), n),
                    "reading both images": (lambda: baselines.read(z, other), n),
                },
            ),
            Case(
                "pair 8 x 2, phase removed", lambda: pair(z, other, turn, looks=Looks(8, 2)), n,
                {"NumPy block means": (lambda: baselines.interferogram(z, other, 8, 2, turn), n)},
            ),
            Case(
                "pair 2 x 8, sliding 3 x 10",
                lambda: pair(z, other, looks=Looks(2, 8), coherence="sliding", window=Looks(3, 10)), n,
                {"SciPy uniform_filter": (lambda: baselines.sliding_pair(z, other, (2, 8), (3, 10)), n)},
            ),
            Case(
                "residues", lambda: residues.residues(z), n, {"NumPy differences": (lambda: baselines.residues(z), n)}
            ),
        ]  # fmt: skip

    def _grids(self) -> list[Case]:
        z, n = self.z, self.pixels
        source, target = grids(z.shape[0])
        return [
            Case(
                f"resample to UTM, {method}", lambda method=method: resample(z, source, target, method), n,
                {"GDAL warp, real and imag": (lambda method=method: baselines.resample(z, source, target, method), n)},
            )
            for method in ("bilinear", "cubic")
        ]  # fmt: skip

    def _rates(self) -> list[Case]:
        """Terrain; and a network of 20 dates and 54 pairs, of which a pixel is a pixel of all pairs."""
        n, size = self.pixels, self.z.shape[0]
        ground, dem = ground_of(grids(size)[1]), 1500 + 50 * self.turn
        dates, side = 20, min(size, SERIES)
        pairs = np.array([(i, i + k) for k in (1, 2, 3) for i in range(dates - k)])
        rng = np.random.default_rng(0)
        air = rng.normal(size=(dates, side, side))
        noise = rng.normal(0, 0.3, (len(pairs), side, side))
        phase = (air[pairs[:, 0]] - air[pairs[:, 1]] + noise).astype(np.float32)
        gamma = rng.uniform(0.3, 0.9, phase.shape).astype(np.float32)
        net = timeseries.Network(pairs, np.arange(dates) * 12 / 365.25)

        def invert(coherence: np.ndarray | None = None) -> object:
            return timeseries.invert_network(phase, coherence, net=net, wavelength=0.0555, looks=8.0)

        return [
            Case(
                "slope, aspect, curvature", lambda: terrain.surface(dem, ground.nodes, ground.spacing), n,
                {"NumPy gradient, no curvature": (lambda: baselines.slope(dem, 20.0), n)},
            ),
            Case(
                "time series, uniform", invert, side**2,
                {"NumPy least squares": (lambda: baselines.network(phase, pairs, dates), side**2)},
            ),
            Case(
                "time series, coherence", lambda: invert(gamma), side**2,
                {"NumPy normal equations": (lambda: baselines.network(phase, pairs, dates, gamma), side**2)},
            ),
        ]  # fmt: skip

    def _augmentations(self) -> list[Case]:
        z, n, size = self.z, self.pixels, self.z.shape[0]
        rows, cols = (np.exp(1j * slope * np.arange(size)).astype(np.complex64) for slope in (0.1, 0.2))
        return [
            Case(
                "phase offset", lambda: augment.offset(z, angle=1.0), n,
                {"NumPy multiplication": (lambda: z * np.complex64(np.exp(1j)), n)},
            ),
            Case(
                "phase offset, in place", lambda: augment.offset(self.out, angle=1.0, out=self.out), n,
                {
                    "NumPy multiplication": (
                        lambda: np.multiply(self.out, np.complex64(np.exp(1j)), out=self.out), n
                    ),
                },
            ),
            Case(
                "phase ramp", lambda: augment.ramp(z, slope_y=0.1, slope_x=0.2), n,
                {"NumPy two phasors": (lambda: z * (rows[:, None] * cols), n)},
            ),
            Case(
                "decorrelate", lambda: decorrelate.decorrelate(z, self.gamma, factor=0.6, looks=12, seed=1), n,
                {"NumPy generator": (lambda: baselines.decorrelate(z, self.gamma, 0.6, 12), n)},
            ),
        ]  # fmt: skip
