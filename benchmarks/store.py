"""The store: how chunks are compressed, what a build costs beside a plain copy, and what random kills do to it."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import dask
import numpy as np
import rasterio
import zarr
from affine import Affine
from zarr.codecs import BloscCodec, ZstdCodec

from insarflow.kernels.codes import encode_fraction, encode_phase
from insarflow.stack import layout
from insarflow.stack.faults import FAULT
from insarflow.stack.store import build_stack

CODECS = {
    "zstd 1, bits": BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
    "zstd 5, bits": BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
    "zstd 1, bytes": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
    "lz4 1, bits": BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"),
    "zstd 0, plain": ZstdCodec(level=0),
}
INNERS = (128, 256, 512, 1024)
RANDOM = 128
"""Side of the windows that are read here and there, as patches are for training."""


@dataclass(frozen=True)
class Codec:
    """How one kind of image is kept in one way."""

    name: str
    inner: int
    bytes_per_px: float
    write: float
    """Mpx/s"""
    read: float
    """Mpx/s"""
    random: float
    """Windows of 128 x 128 pixels a second."""


@dataclass(frozen=True)
class Build:
    """A build beside reading the files and writing the same bytes with zarr alone, Mpx/s (median, two threads)."""

    name: str
    ours: float
    plain: float
    ratio: float
    """Median of neighbouring runs."""


@dataclass(frozen=True)
class Kills:
    """Builds killed at random times and begun again."""

    name: str
    kills: int
    builds: int
    damaged: int
    """Stores that are not, byte for byte, what an undisturbed build makes."""


def images(size: int) -> dict[str, np.ndarray]:
    """An interferogram of fringes with noise that grows to one side, and its coherence."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    noise = rng.normal(size=(size, size)).astype(np.float32) * (0.3 + 2.5 * x**3)
    igram = np.exp(1j * (40 * y + 25 * np.sin(6 * x) + noise)).astype(np.complex64)
    coherence = np.clip(0.9 - 0.8 * x**2 + 0.05 * rng.normal(size=x.shape), 0, 1).astype(np.float32)
    return {
        "phase int16": encode_phase(igram),
        "coherence uint8": encode_fraction(coherence, "uint8"),
        "igram complex64": igram,
    }


def codecs(size: int, runs: int, only: str) -> Iterator[Codec]:
    """Each kind of image in each codec and inner chunk."""
    for kind, image in images(size).items():
        for name, codec in CODECS.items():
            for inner in (i for i in INNERS if i <= size):
                if only in f"{kind}, {name}":
                    yield _codec(f"{kind}, {name}", image, codec, inner, runs)


def _codec(name: str, image: np.ndarray, codec: BloscCodec | ZstdCodec, inner: int, runs: int) -> Codec:
    size = image.shape[0]
    places = np.random.default_rng(0).integers(0, max(1, size - RANDOM), (64, 2))
    with tempfile.TemporaryDirectory() as folder:
        array = zarr.create_array(
            folder, shape=image.shape, dtype=image.dtype, chunks=(inner, inner), shards=image.shape, compressors=codec
        )

        def write() -> None:
            array[...] = image

        def read() -> None:
            array[...]

        def windows() -> None:
            for y, x in places:
                array[y : y + RANDOM, x : x + RANDOM]

        wrote, got, found = (_rate(call, runs) for call in (write, read, windows))
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return Codec(name, inner, disk / image.size, image.size / wrote / 1e6, image.size / got / 1e6, 64 / found)


def _rate(call: Callable[[], None], runs: int) -> float:
    call()
    return median(_seconds(call) for _ in range(runs))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def product(root: Path, size: int, pairs: int) -> Path:
    """A folder of GeoTIFF pairs: phase and coherence."""
    made = images(size)
    phase = np.angle(made["igram complex64"])
    coherence = made["coherence uint8"].astype(np.float32) / 254
    profile = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "float32", "crs": "EPSG:32632",
        "transform": Affine(20, 0, 300_000, 0, -20, 5_100_000), "tiled": True, "blockxsize": 256, "blockysize": 256,
    }  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    start = np.datetime64("2021-06-01")
    for k in range(pairs):
        days = [str(start + 6 * day).replace("-", "") for day in (k, k + 1)]
        for role, image in (("phase", np.roll(phase, 37 * k, 1)), ("coh", np.roll(coherence, 37 * k, 1))):
            with rasterio.open(root / f"{days[0]}_{days[1]}_{role}.tif", "w", **profile) as target:
                target.write(image, 1)
    return root


def build(size: int, runs: int, pairs: int = 6) -> Build:
    """Build a stack, and copy the same bytes by hand."""
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="threads", num_workers=2):
        root = product(Path(folder) / "product", size, pairs)
        files = sorted(root.glob("*.tif"))
        made = images(size)
        codes = {"phase": made["phase int16"], "coh": made["coherence uint8"]}

        def ours() -> None:
            build_stack(root, Path(folder) / "ours.zarr", overwrite=True)

        def plain() -> None:
            with ThreadPoolExecutor(2) as pool:
                for k, _ in enumerate(pool.map(copy, files)):
                    del k

        def copy(file: Path) -> None:
            with rasterio.open(file) as source:
                source.read(1)
            role = file.stem.rsplit("_", 1)[1]
            shard, inner = layout.shard_size(size)
            array = zarr.create_array(
                Path(folder) / "plain" / file.stem, shape=(size, size), dtype=codes[role].dtype, overwrite=True,
                chunks=(inner, inner), shards=(shard, shard), compressors=layout.compressor(codes[role].dtype),
            )  # fmt: skip
            array[...] = codes[role]

        ours(), plain()
        times = [(_seconds(ours), _seconds(plain)) for _ in range(runs)]
    pixels = size * size * pairs / 1e6
    return Build(
        f"build {pairs} pairs", median(pixels / a for a, _ in times), median(pixels / b for _, b in times),
        median(b / a for a, b in times),
    )  # fmt: skip


def kills(number: int, size: int = 600, seed: int = 1) -> Kills:
    """Build again and again, killing the process at random times, and compare each finished store."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = product(Path(folder) / "product", size, 2)
        whole, out = Path(folder) / "whole.zarr", Path(folder) / "s.zarr"
        with dask.config.set(scheduler="sync"):
            build_stack(root, whole)
            takes = _seconds(lambda: build_stack(root, whole, overwrite=True))
        wanted = _digest(whole)
        killed = builds = damaged = 0
        while killed < number:
            child = os.fork()
            if child == 0:
                try:
                    with dask.config.set(scheduler="sync"):  # the parent's threads are not in the child
                        build_stack(root, out)
                finally:
                    os._exit(0)
            time.sleep(draw.uniform(0, 2 * takes))
            os.kill(child, signal.SIGKILL)
            killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            if out.exists():
                builds += 1
                damaged += _digest(out) != wanted
                shutil.rmtree(out)
    return Kills("kills", killed, builds, damaged)


def faults(source: Path, step: int = 1) -> Kills:
    """Kill a build of a product at every one (or every so many) of its fault points, and go on each time."""
    with tempfile.TemporaryDirectory() as folder:
        whole, out = Path(folder) / "whole.zarr", Path(folder) / "s.zarr"
        build_stack(source, whole)
        wanted = _digest(whole)
        damaged = 0
        for killed, point in enumerate(count(1, step)):
            run = subprocess.run([sys.executable, "-c", _BUILD, source, out], env=os.environ | {FAULT: str(point)})
            if run.returncode not in (0, 137):
                raise RuntimeError(f"the build that was to die at point {point} ended with {run.returncode}")
            if not out.exists():
                build_stack(source, out)
            damaged += _digest(out) != wanted
            shutil.rmtree(out)
            if run.returncode == 0:
                return Kills(f"faults, {source.name}", killed, killed + 1, damaged)
    raise AssertionError("count never ends")


_BUILD = "import sys, insarflow; insarflow.build_stack(*sys.argv[1:])"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()
