"""A store of interferograms to a store of probabilities, beside the bare network and a peer's sliding windows."""

from __future__ import annotations

import importlib.util
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import nn

from insarflow.kernels.noise import complex_noise
from insarflow.learn.models import build_model
from insarflow.learn.weights import load_model
from insarflow.segment import reach, segment_to_zarr
from insarflow.segment.windows import tile_shape
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.store import open_stack
from insarflow.stack.write import write_stack
from insarflow.types import Grid, Pair, Recipe, Window

PAIRS = 3
"""Interferograms, so that one is read while another is predicted."""

TILE = 1024
"""Side of the bare network's tiles, pixels."""


@dataclass(frozen=True)
class Stream:
    """Pixels of the result a second, best of some interleaved runs.

    Attributes
    ----------
    name
        Network and precision.
    mpx_per_s
        From store to store.
    bare
        The network alone, on tiles of `TILE` pixels a side in memory, without margins.
    ratio
        Of both.
    read
        Pixels that the network reads for one of the result: the cost of margins. Without it the ratio would be
        `ratio` times `read`.
    peer
        `monai.inferers.sliding_window_inference` in memory, windows of 256 pixels, half overlapping, with the same
        network in the same precision and memory layout; None if MONAI is not installed.
    peer_plain
        The same in its plain memory layout.
    """

    name: str
    mpx_per_s: float
    bare: float
    ratio: float
    read: float
    peer: float | None
    peer_plain: float | None


def streams(size: int, runs: int, only: str = "") -> Iterator[Stream]:
    """Measure the networks, in float32 and, where the processor has it, in bfloat16."""
    networks: dict[str, Callable[[], nn.Module]] = {
        "default": lambda: load_model("default")[0],
        "unet": lambda: build_model("unet"),
    }
    for name, build in networks.items():
        if name.startswith(only):
            # Of forty times the work a pixel: a small region tells as much.
            yield stream(name, build(), size if name == "default" else size // 2, runs)


def stream(name: str, network: nn.Module, size: int, runs: int) -> Stream:
    """Measure one network on `PAIRS` interferograms of `size` pixels a side."""
    network = network.eval().to(memory_format=torch.channels_last)
    found = reach(network)
    side = min(TILE, size // found.stride * found.stride)
    tile = torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last)
    plain = tile.contiguous(memory_format=torch.contiguous_format)
    peer = _peer(network)
    with tempfile.TemporaryDirectory() as folder:
        ds = stack(Path(folder) / "stack.zarr", size)
        count = iter(range(10**6))

        def ours() -> None:
            segment_to_zarr(ds, network, Path(folder) / f"{next(count)}.zarr", tile_size=TILE)

        # As many pixels: the best of short runs would be the better for their shortness.
        tiles = max(1, PAIRS * size**2 // side**2)

        def bare() -> None:
            with torch.inference_mode():
                for _ in range(tiles):
                    torch.sigmoid(network(tile))

        cases: dict[str, tuple[Callable[[], object], int]] = {
            "ours": (ours, PAIRS * size**2),
            "bare": (bare, tiles * side**2),
        }
        if peer is not None:
            cases |= {"peer": (lambda: peer(tile), side**2), "plain": (lambda: peer(plain), side**2)}
        best = _interleaved(cases, runs)
    rows, cols = tile_shape((size, size), tile_size=TILE, halo=found.halo, stride=found.stride)
    read = math.prod(1 + 2 * found.halo / side if side < size else 1.0 for side in (rows, cols))
    return Stream(
        f"{name}, float32", best["ours"], best["bare"], best["ours"] / best["bare"], read, best.get("peer"),
        best.get("plain"),
    )  # fmt: skip


def _interleaved(cases: dict[str, tuple[Callable[[], object], int]], runs: int) -> dict[str, float]:
    """Mpx/s of each, best of `runs`, in turn; the first round does not count."""
    best = dict.fromkeys(cases, 0.0)
    for k in range(runs + 1):
        for name, (call, pixels) in cases.items():
            start = time.perf_counter()
            call()
            if k:
                best[name] = max(best[name], pixels / (time.perf_counter() - start) / 1e6)
    return best


def _peer(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor] | None:
    if importlib.util.find_spec("monai") is None:
        return None
    from monai.inferers import sliding_window_inference

    def run(image: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = sliding_window_inference(image, (256, 256), 4, network, overlap=0.5)
            return torch.sigmoid(found)

    return run


def stack(path: Path, size: int) -> xr.Dataset:
    """A store of `PAIRS` interferograms of phase alone, and what it holds."""
    noise = complex_noise(Window(0, 0, size, size), width=size, seed=2, stream=0)
    grid = Grid((500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), (size, size), "EPSG:32632")
    coherence = np.full((size, size), 0.7, np.float32)
    images = {"igram": noise / np.abs(noise), "coherence": coherence}
    recipe = Recipe().then("read", interferogram="phase")
    cells = {Pair.parse(f"202107{day:02}_202107{day + 6:02}"): images for day in range(1, PAIRS + 1)}
    write_stack(stack_pairs(cells, grid, recipe=recipe), path)
    return open_stack(path)
