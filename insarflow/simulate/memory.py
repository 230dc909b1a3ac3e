"""Whether a simulation fits into the machine: all of it is drawn at once."""

from __future__ import annotations

import os
from pathlib import Path

from dask.system import CPU_COUNT

from insarflow.simulate.scene import SINGLE_LOOKS, TILE

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int | None:
    """Memory that this process may have at most, bytes; None where the system does not say."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        return min(total, int(_CGROUP.read_text()))
    except (OSError, ValueError):
        return total


def simulation_memory(shape: tuple[int, int], acquisitions: int, pairs: int) -> int:
    """Peak memory of `insarflow.simulate_stack`, bytes, within about a fifth of measured peaks.

    Notes
    -----
    Fields are drawn in double precision on a grid at least twice as large. Then each pixel holds phase and quality of
    every acquisition (8 bytes), interferogram and coherence of every pair (12), and terrain and movers; and each
    thread holds the single-look images of a tile.
    """
    height, width = shape
    kept = height * width * (8 * acquisitions + 80)
    field = (1 << (2 * height - 1).bit_length()) * (1 << (2 * width - 1).bit_length())
    tiles = min(-(-height // TILE) * -(-width // TILE), CPU_COUNT)
    tile = min(TILE, height) * min(TILE, width) * SINGLE_LOOKS.y * SINGLE_LOOKS.x * 8
    return max(42 * field + kept, kept + 12 * pairs * height * width + tiles * tile * (acquisitions + 6))


def check_fits(shape: tuple[int, int], acquisitions: int, pairs: int) -> None:
    """Refuse a simulation that needs more memory than there is.

    Raises
    ------
    ValueError
        Naming what it needs and what there is.
    """
    needed, there = simulation_memory(shape, acquisitions, pairs), machine_memory()
    if there is not None and needed > there:
        raise ValueError(
            f"shape={shape} with {acquisitions} acquisitions and {pairs} pairs needs about {needed / 1e9:.1f} GB of "
            f"memory to simulate, this machine has {there / 1e9:.1f} GB: choose a smaller shape or fewer acquisitions"
        )
