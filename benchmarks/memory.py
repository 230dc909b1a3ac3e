"""What a region of four times the pixels takes more of memory, from store to store, each in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dask.array as da
import numpy as np

from insarflow.stack.assemble import stack_pairs
from insarflow.stack.write import write_stack
from insarflow.types import Grid, Pair, Recipe

_SCRIPT = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
import insarflow, torch
from insarflow.segment import segment_to_zarr
source, out, model = sys.argv[1:]
network = model if model != "thin" else torch.nn.Conv2d(3, 1, 3, padding=1)
start = time.perf_counter()
segment_to_zarr(insarflow.open_stack(source), network, out)
print(json.dumps([time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


@dataclass(frozen=True)
class Peak:
    """A run of `insarflow.segment_to_zarr`.

    Attributes
    ----------
    name
        Pairs and pixels, and the model.
    peak
        Most memory of the process, bytes: median of the runs.
    disk
        Of the result, bytes.
    seconds
        Median.
    """

    name: str
    peak: int
    disk: int
    seconds: float


def peaks(size: int, runs: int) -> list[Peak]:
    """A network of one layer, whose speed lets large regions be tried, over `size` and twice as many pixels a side."""
    return [peak(side, 1, "thin", runs) for side in (size, 2 * size)]


def peak(size: int, pairs: int, model: str, runs: int = 1) -> Peak:
    """Measure one region; `model` is a name or path, or "thin"."""
    with tempfile.TemporaryDirectory() as folder:
        source, found = region(Path(folder) / "stack.zarr", size, pairs), []
        for k in range(runs):
            out = Path(folder) / f"{k}.zarr"
            done = subprocess.run(
                [sys.executable, "-c", _SCRIPT, str(source), str(out), model],
                capture_output=True,
                text=True,
                check=True,
            )
            found.append(json.loads(done.stdout))
        disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    seconds, memory = (statistics.median(values) for values in zip(*found, strict=True))
    return Peak(f"{pairs} x {size} x {size}, {model}", int(memory), disk, seconds)


def region(path: Path, size: int, pairs: int) -> Path:
    """A store of noise, kept as codes."""
    rng = np.random.default_rng(0)
    block = np.exp(1j * rng.uniform(-np.pi, np.pi, (2048, 2048))).astype(np.complex64)
    times = -(-size // 2048)
    igram = da.tile(da.from_array(block, chunks=2048), (times, times))[:size, :size]
    images = {"igram": igram, "coherence": da.full((size, size), 0.7, dtype=np.float32, chunks=2048)}
    grid = Grid((300_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (size, size), "EPSG:32632")
    days = [str(np.datetime64("2021-06-01") + 6 * k).replace("-", "") for k in range(pairs + 1)]
    cells = {Pair.parse(f"{earlier}_{later}"): images for earlier, later in pairwise(days)}
    write_stack(stack_pairs(cells, grid, recipe=Recipe().then("read", interferogram="phase")), path)
    return path
