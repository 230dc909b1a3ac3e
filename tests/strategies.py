"""Hypothesis strategies: ways to cut an array into chunks."""

from itertools import pairwise

import dask.array as da
from hypothesis import strategies as st

SIDES = (1, 7, 97, 500)
"""Chunk sides that once broke something: single pixels, odd ones, larger than the halo, larger than the image."""


@st.composite
def _ragged(draw, size):
    cuts = draw(st.sets(st.integers(1, size - 1), max_size=4)) if size > 1 else set()
    borders = [0, *sorted(cuts), size]
    return tuple(b - a for a, b in pairwise(borders))


def regular(size, side):
    """Chunks of one side, the last one cut."""
    full, rest = divmod(size, side)
    return (side,) * full + ((rest,) if rest else ())


@st.composite
def axis_chunks(draw, size, *, smallest=7):
    """Chunks along one axis of `size` pixels: regular, ragged, or with a last chunk of one pixel."""
    kind = draw(st.sampled_from(["regular", "ragged", "last of one"]))
    if kind == "ragged" or size == 1:
        return draw(_ragged(size))
    if kind == "last of one":
        return (size - 1, 1)
    return regular(size, draw(st.sampled_from([side for side in SIDES if side >= smallest])))


@st.composite
def chunkings(draw, shape, *, single_pixels=False):
    """Chunks of an array of `shape` ``(..., y, x)``; `single_pixels` allows regular chunks of one pixel."""
    lead = [draw(st.sampled_from([regular(n, 1), (n,)])) for n in shape[:-2]]
    space = [draw(axis_chunks(n, smallest=1 if single_pixels else 7)) for n in shape[-2:]]
    return (*lead, *space)


def lazy(array, chunks):
    """`array` as a dask array cut into `chunks`."""
    return da.from_array(array, chunks=chunks)
