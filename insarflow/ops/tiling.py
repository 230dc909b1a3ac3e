"""Tiles that overlap, and the whole cycles that bring what was unwrapped in each to one phase."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from insarflow.ops.unwrap_tile import MISSING

Place = tuple[int, int]
"""Row and column of a tile among the tiles."""

Node = tuple[int, int, int]
"""A component of a tile: the tile's row and column, and the component; 0 is the tile that has none."""


@dataclass(frozen=True)
class TileAxis:
    """Tiles along an axis: of one length, spread evenly from the first pixel to the last.

    Attributes
    ----------
    size
        Pixels of the axis.
    length
        Pixels of a tile.
    starts
        First pixel of each tile.
    """

    size: int
    length: int
    starts: tuple[int, ...]

    @classmethod
    def of(cls, size: int, tile: int, overlap: int) -> TileAxis:
        """As few tiles of at most `tile` pixels as overlap by `overlap` or more."""
        if size <= tile:
            return cls(size, size, (0,))
        count = math.ceil((size - overlap) / (tile - overlap))
        return cls(size, tile, tuple(round(k * (size - tile) / (count - 1)) for k in range(count)))

    def __call__(self, start: int, stop: int, size: int) -> tuple[int, int]:
        """Pixels of the tile whose place is ``start:stop`` where tiles lie side by side."""
        first = self.starts[start // self.length]
        return first, first + self.length

    @property
    def edges(self) -> tuple[int, ...]:
        """Where a tile's core ends and the next one's begins: in the middle of what they share."""
        middles = [(b + a + self.length) // 2 for a, b in pairwise(self.starts)]
        return (0, *middles, self.size)

    def core(self, k: int) -> slice:
        """The core of a tile, in its own pixels."""
        return slice(self.edges[k] - self.starts[k], self.edges[k + 1] - self.starts[k])

    def shared(self, k: int) -> tuple[slice, slice]:
        """What a tile shares with the next one, in the pixels of each."""
        step = self.starts[k + 1] - self.starts[k]
        return slice(step, self.length), slice(0, self.length - step)


@dataclass(frozen=True)
class Seam:
    """What the pixels of two tiles' components say of their cycles.

    Attributes
    ----------
    first, second
        The components.
    cycles
        To add to the second, so that it agrees with the first.
    agreeing, pixels
        Shared pixels that agree then, and all.
    """

    first: Node
    second: Node
    cycles: int
    agreeing: int
    pixels: int

    @property
    def joins(self) -> bool:
        """Whether both are components that most of the shared pixels make one."""
        return min(self.first[2], self.second[2]) > 0 and 2 * self.agreeing > self.pixels


@dataclass(frozen=True)
class Seams:
    """Of a tile: pixels of each component in its core (0 if it has none), and its seams with the next tiles."""

    place: Place
    sizes: Mapping[int, int]
    seams: tuple[Seam, ...]


@dataclass(frozen=True)
class Offsets:
    """By component of a tile, cycles to add and the component of the whole; pixels of none go with the largest."""

    cycles: np.ndarray
    components: np.ndarray


def seams_of(place: Place, axes: tuple[TileAxis, TileAxis], tile: np.ndarray, *others: np.ndarray) -> Seams:
    """Compare a tile with the next one to the right, if there is one, and the next one below.

    Parameters
    ----------
    place
        Row and column of the tile.
    axes
        Tiles along y and x.
    tile, *others
        `CYCLES`: the tile, the right one and the lower one.
    """
    row, col = place
    rest, seams = list(others), []
    if col + 1 < len(axes[1].starts):
        ours, theirs = axes[1].shared(col)
        seams += _seams((row, col), (row, col + 1), tile, rest.pop(0), (slice(None), ours), (slice(None), theirs))
    if row + 1 < len(axes[0].starts):
        ours, theirs = axes[0].shared(row)
        seams += _seams((row, col), (row + 1, col), tile, rest.pop(0), (ours, slice(None)), (theirs, slice(None)))
    core = tile[axes[0].core(row), axes[1].core(col)]
    labels = _labels(tile)
    counts = np.bincount(core["component"][core["cycles"] != MISSING], minlength=max(labels, default=0) + 1)
    return Seams(place, {label: int(counts[label]) for label in labels}, tuple(seams))


def _labels(tile: np.ndarray) -> list[int]:
    """Components of a tile; 0 if it has pixels but none of these."""
    found = np.unique(tile["component"][tile["cycles"] != MISSING]).tolist()
    return [label for label in found if label] or found


def _seams(
    first: Place,
    second: Place,
    one: np.ndarray,
    other: np.ndarray,
    ours: tuple[slice, slice],
    theirs: tuple[slice, slice],
) -> list[Seam]:
    known = [np.isin(a[part]["component"], _labels(a)) for a, part in ((one, ours), (other, theirs))]
    a, b = one[ours], other[theirs]
    both = (a["cycles"] != MISSING) & (b["cycles"] != MISSING) & known[0] & known[1]
    a, b = a[both], b[both]
    difference = a["cycles"].astype(np.int32) - b["cycles"]
    pairs = a["component"].astype(np.int64) << 16 | b["component"]
    seams = []
    for pair in np.unique(pairs).tolist():
        values = difference[pairs == pair]
        cycles = round(float(np.median(values)))
        agreeing = int(np.count_nonzero(values == cycles))
        seams.append(Seam((*first, pair >> 16), (*second, pair & 0xFFFF), cycles, agreeing, values.size))
    return seams


class _Sets:
    """Nodes that belong together, and how many cycles each is off from the first of its set."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.parent = {node: node for node in nodes}
        self.off = dict.fromkeys(self.parent, 0)

    def find(self, node: Node) -> tuple[Node, int]:
        """First of the node's set, and cycles to add to the node."""
        cycles = 0
        while self.parent[node] != node:
            cycles += self.off[node]
            node = self.parent[node]
        return node, cycles

    def join(self, first: Node, second: Node, cycles: int) -> None:
        """Put two together, the second with `cycles` added; what belongs together already stays as it is."""
        (a, to_a), (b, to_b) = self.find(first), self.find(second)
        if a == b:
            return
        # The least node stands first, so that the result does not depend on the order of the tasks.
        low, high, off = (a, b, to_a + cycles - to_b) if a < b else (b, a, to_b - cycles - to_a)
        self.parent[high], self.off[high] = low, off


def reconcile(tiles: Sequence[Seams]) -> dict[Place, Offsets]:
    """Find the cycles to add to each component of each tile, and number the components of the whole.

    Seams are believed in the order of the pixels that agree (a spanning tree of the most trusted ones); components of
    one tile that no seam connects keep the cycles that they have to each other.

    Returns
    -------
    dict
        For each tile with pixels its offsets. Components are numbered by size, the largest is 1.
    """
    sizes = {(*tile.place, label): size for tile in tiles for label, size in tile.sizes.items()}
    sets = _Sets(sizes)
    seams = sorted(
        (seam for tile in tiles for seam in tile.seams), key=lambda s: (not s.joins, -s.agreeing, s.first, s.second)
    )
    for seam in seams:
        if seam.joins:
            sets.join(seam.first, seam.second, seam.cycles)
    numbers = _numbers(sets, sizes)
    for seam in seams:
        sets.join(seam.first, seam.second, seam.cycles)
    largest = {tile.place: max(tile.sizes, key=lambda k: (tile.sizes[k], -k)) for tile in tiles if tile.sizes}
    for row, col, label in sizes:
        sets.join((row, col, largest[row, col]), (row, col, label), 0)
    found = {}
    for tile in tiles:
        if not tile.sizes:
            continue
        base = sets.find((*tile.place, largest[tile.place]))[1]
        cycles = np.full(max(tile.sizes) + 1, base, np.int16)
        components = np.zeros(cycles.size, np.uint16)
        for label in tile.sizes:
            node = (*tile.place, label)
            cycles[label], components[label] = sets.find(node)[1], numbers[node]
        found[tile.place] = Offsets(cycles, components)
    return found


def _numbers(sets: _Sets, sizes: Mapping[Node, int]) -> dict[Node, int]:
    """Number of each component in the whole, by size; 0 for a tile that has none."""
    total: dict[Node, int] = {}
    for node, size in sizes.items():
        if node[2]:
            first = sets.find(node)[0]
            total[first] = total.get(first, 0) + size
    ranks = {first: k + 1 for k, first in enumerate(sorted(total, key=lambda node: (-total[node], node)))}
    return {node: ranks[sets.find(node)[0]] if node[2] else 0 for node in sizes}


def place_tile(
    place: Place, axes: tuple[TileAxis, TileAxis], tile: np.ndarray, offsets: Mapping[Place, Offsets]
) -> np.ndarray:
    """The core of a tile with its offsets applied."""
    core = tile[axes[0].core(place[0]), axes[1].core(place[1])].copy()
    if place in offsets:
        there, labels = core["cycles"] != MISSING, core["component"]
        core["cycles"][there] += offsets[place].cycles[labels[there]]
        core["component"] = np.where(there, offsets[place].components[labels], 0)
    return core
