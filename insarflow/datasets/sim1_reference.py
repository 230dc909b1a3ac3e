"""What the package knows of every scene of insarflow-sim-1: whether those that were generated are the same."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np

from insarflow.datasets.sim1_scenes import COHERENCE, MASK, NO_DATA, PHASE, SHAPE, Split
from insarflow.errors import ProductError

LANES: Final = 8

ROUNDING: Final = 1000.0
"""Largest squared distance of sketches that rounding makes.

Without a processor's newer vector instructions up to six of a scene's 800,000 codes of phase were others by one step,
and as many of coherence: distances up to 74. The smallest movers, seen instead of hidden, are some 10,000 away.
"""

_TABLE: Final = "sim1.csv"
_MASK_WEIGHT: Final = 16


class Known(NamedTuple):
    """The reference's scene.

    Attributes
    ----------
    sha256
        Of its codes, the first 16 hexadecimal digits.
    sketch
        int64 `LANES`.
    """

    sha256: str
    sketch: np.ndarray


def made_with() -> dict[str, str]:
    """Versions of what draws scenes."""
    return {name: version(name) for name in ("insarflow", "numpy", "numba")}


def sketch_of(codes: np.ndarray) -> np.ndarray:
    """Eight numbers of a scene, int64, whose squared distance to another's is about that of the scenes themselves.

    A hash tells whether bits are the same. Codes of phase and coherence are rounded numbers: on another processor, or
    with another version of NumPy, a few in a million fall to the other side, and one that does changes the hash.

    Notes
    -----
    Sums of cosine and sine of the phase in 127ths, coherence in 254ths and states times 16, each with a sign of its
    own, over every eighth column (Alon, Matias and Szegedy 1999, doi:10.1006/jcss.1997.1545).
    """
    total = np.zeros(LANES, np.int64)
    for k, pair in enumerate(codes):
        known = pair[COHERENCE] != NO_DATA
        cos, sin = (np.where(known, table[pair[PHASE]], 0) for table in _circle())
        coherence, mask = np.where(known, pair[COHERENCE], 0), pair[MASK].astype(np.int64) * _MASK_WEIGHT
        for values, signs in zip((cos, sin, coherence, mask), _signs()[k], strict=True):
            total += (values * signs).reshape(-1, LANES).sum(axis=0, dtype=np.int64)
    return total


def compare(split: Split, sketches: np.ndarray) -> None:
    """See whether scenes are the reference's.

    Parameters
    ----------
    sketches
        int64 ``(scene, 8)``, from the split's first scene on.

    Raises
    ------
    ProductError
        Naming the first that is not, and what that means.
    """
    table, made = reference()
    for number, sketch in enumerate(sketches):
        if (split, number) not in table:
            continue
        distance = float(np.square((sketch - table[split, number].sketch).astype(np.float64)).sum())
        if distance > ROUNDING:
            here = ", ".join(f"{name} {value}" for name, value in made_with().items())
            raise ProductError(
                f"scene {number} of {split} is not that of insarflow-sim-1: its sketch differs from the reference's by "
                f"{distance:.3g}, rounding alone by less than {ROUNDING:.0f}. It was drawn by another simulator (here "
                f"{here}; the reference: {made}), and scores on it cannot be compared with anybody's: delete the "
                "folder, and generate it with the versions of the reference"
            )


@lru_cache(maxsize=1)
def reference() -> tuple[Mapping[tuple[Split, int], Known], str]:
    """All scenes by split and number, and the versions that made them."""
    first, *lines = files("insarflow.datasets").joinpath(_TABLE).read_text().splitlines()
    table: dict[tuple[Split, int], Known] = {}
    for split, number, sha256, *sketch in csv.reader(lines):
        table[split, int(number)] = Known(sha256, np.array(sketch, np.int64))  # type: ignore[index]
    return table, first.removeprefix("# ")


@lru_cache(maxsize=1)
def _signs() -> np.ndarray:
    """1 or -1 for each number of a scene, int8 ``(pair, 4, y, x)``: raw bits, drawn alike by all versions of NumPy."""
    shape = SHAPE[0], 4, *SHAPE[2:]
    words = np.random.PCG64(20140101).random_raw(int(np.prod(shape)) // 64).astype("<u8")
    bits = np.unpackbits(words.view(np.uint8)).reshape(shape)
    return bits.astype(np.int8) * np.int8(2) - np.int8(1)


@lru_cache(maxsize=1)
def _circle() -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of each code of phase in 127ths, int64."""
    angle = np.arange(256) * (2 * np.pi / 256)
    return np.rint(127 * np.cos(angle)).astype(np.int64), np.rint(127 * np.sin(angle)).astype(np.int64)
