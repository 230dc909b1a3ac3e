"""Print the table: ``python -m benchmarks [--size 2048] [--runs 5] [--json]``."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict

import numpy as np
import torch
import xarray as xr

import insarflow
from benchmarks import baselines
from benchmarks.measure import Row, compare
from insarflow.kernels import augment, coherence, goldstein, interferogram, multilook, residues
from insarflow.kernels.noise import complex_noise
from insarflow.learn.weights import load_model
from insarflow.ops.presets import PRESETS
from insarflow.types import Looks, Window


def kernels(size: int, runs: int) -> list[Row]:
    """Each kernel on one thread, one complex64 image of `size` x `size`."""
    z, other = (complex_noise(Window(0, 0, size, size), width=size, seed=1, stream=k) for k in (0, 1))
    gamma = np.full(z.shape, 0.7, np.float32)
    turn, spare = np.float32(20) * np.angle(other), np.empty_like(z)
    n = size * size
    rows, cols = (np.exp(1j * slope * np.arange(size)).astype(np.complex64) for slope in (0.1, 0.2))
    return [
        compare("copy", n, z.copy, "the same", z.copy, runs=runs),
        compare(
            "goldstein 32/16 alpha 0.5", n, lambda: goldstein.goldstein(z, patch_size=32, step=16, alpha=0.5),
            "SciPy FFT, batched", lambda: baselines.goldstein(z), runs=runs,
        ),
        compare(
            "goldstein 32/16 alpha 0.5", n, lambda: goldstein.goldstein(z, patch_size=32, step=16, alpha=0.5),
            "NumPy, patch by patch", lambda: baselines.goldstein_loop(z), runs=runs,
        ),
        compare(
            "goldstein snap_legacy", n, lambda: goldstein.goldstein(z, **asdict(PRESETS["snap_legacy"])),
            "SciPy FFT, batched", lambda: baselines.goldstein_snap(z), runs=runs,
        ),
        compare(
            "multilook 8 x 2", n, lambda: multilook.multilook(z, looks=Looks(8, 2)),
            "NumPy reshape-mean", lambda: baselines.multilook(z, 8, 2), runs=runs,
        ),
        compare(
            "multilook 8 x 2, again", n, lambda: multilook.multilook(z, looks=Looks(8, 2)),
            "xarray coarsen", lambda: baselines.xarray_multilook(z, 8, 2), runs=runs,
        ),
        compare(
            "multilook 8 x 2 / copy", n, lambda: multilook.multilook(z, looks=Looks(8, 2)),
            "copy to given memory", lambda: np.copyto(spare, z), runs=runs,
        ),
        compare(
            "coherence 5 x 5", n, lambda: coherence.coherence(z, other, window=Looks(5, 5)),
            "SciPy uniform_filter", lambda: baselines.coherence(z, other, 5), runs=runs,
        ),
        compare(
            "phase coherence 5 x 5", n, lambda: coherence.phase_coherence(z, window=Looks(5, 5)),
            "SciPy uniform_filter", lambda: baselines.phase_coherence(z, 5), runs=runs,
        ),
        compare(
            "coherence 31 x 31", n, lambda: coherence.coherence(z, other, window=Looks(31, 31)),
            "SciPy uniform_filter", lambda: baselines.coherence(z, other, 31), runs=runs,
        ),
        compare(
            "pair 8 x 2, block", n, lambda: interferogram.interferogram(z, other, looks=Looks(8, 2)),
            "NumPy block means", lambda: baselines.interferogram(z, other, 8, 2), runs=runs,
        ),
        compare(
            "pair 8 x 2, block, flat", n, lambda: interferogram.interferogram(z, other, turn, looks=Looks(8, 2)),
            "NumPy block means", lambda: baselines.interferogram(z, other, 8, 2, turn), runs=runs,
        ),
        compare(
            "pair 2 x 8, sliding 3 x 10", n,
            lambda: interferogram.interferogram(z, other, looks=Looks(2, 8), coherence="sliding", window=Looks(3, 10)),
            "NumPy block means", lambda: baselines.interferogram(z, other, 2, 8), runs=runs,
        ),
        compare(
            "residues", n, lambda: residues.residues(z), "NumPy differences", lambda: baselines.residues(z), runs=runs
        ),
        compare(
            "phase offset", n, lambda: augment.offset(z, angle=1.0),
            "NumPy multiplication", lambda: z * np.complex64(np.exp(1j)), runs=runs,
        ),
        compare(
            "phase ramp", n, lambda: augment.ramp(z, slope_y=0.1, slope_x=0.2),
            "NumPy two phasors", lambda: z * (rows[:, None] * cols), runs=runs,
        ),
        compare(
            "decorrelate", n, lambda: augment.decorrelate(z, gamma, factor=0.6, looks=12, seed=1),
            "NumPy generator", lambda: baselines.decorrelate(z, gamma, 0.6, 12), runs=runs,
        ),
    ]  # fmt: skip


def segment(size: int, runs: int) -> list[Row]:
    """The embedded model over a region through dask, beside the bare network on one tile without halo."""
    phase = complex_noise(Window(0, 0, size, size), width=size, seed=2, stream=0)
    ds = xr.Dataset(
        {"igram": (("y", "x"), phase), "coherence": (("y", "x"), np.full(phase.shape, 0.7, np.float32))},
        {"y": -20.0 * np.arange(size), "x": 20.0 * np.arange(size)},
    )
    ds.attrs["recipe"] = json.dumps(list(load_model("default")[1].recipe.steps))
    ds = ds.rio.write_crs("EPSG:32632").chunk(y=1024, x=1024)
    network = load_model("default")[0].eval().to(memory_format=torch.channels_last)
    tile = torch.zeros(1, 3, size, size).contiguous(memory_format=torch.channels_last)

    def bare() -> object:
        with torch.inference_mode():
            return torch.sigmoid(network(tile))

    return [
        compare(
            "segment, whole line", size * size, lambda: ds.insar.segment()["probability"].values,
            "bare network", bare, runs=runs,
        )
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="side of the test image, pixels")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    rows = kernels(options.size, options.runs) + segment(options.size, options.runs)
    if options.json:
        print(json.dumps([row.as_dict() for row in rows], indent=2))
        return rows
    print(f"insarflow {insarflow.__version__}, {platform.machine()}, {options.size} x {options.size} pixels,")
    print(f"median of {options.runs} runs, kernels on one thread, segment on {torch.get_num_threads()}\n")
    print(f"{'':26} {'Mpx/s':>8} {'peak MiB':>9}   {'baseline':22} {'Mpx/s':>8} {'peak MiB':>9} {'ratio':>7}")
    for r in rows:
        print(
            f"{r.name:26} {r.mpx_per_s:8.1f} {r.peak_mib:9.0f}   {r.baseline:22} "
            f"{r.baseline_mpx_per_s:8.1f} {r.baseline_peak_mib:9.0f} {r.ratio:7.2f}"
        )
    return rows


if __name__ == "__main__":
    main()
