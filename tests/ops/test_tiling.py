from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from insarflow.ops.tiling import TileAxis, place_tile, reconcile, seams_of
from insarflow.ops.unwrap_tile import CYCLES, MISSING


@given(st.integers(4, 400), st.integers(16, 90), st.data())
def test_tiles_cover_the_axis(size, tile, data):
    overlap = data.draw(st.integers(1, tile // 2))
    axis = TileAxis.of(size, tile, overlap)
    windows = [axis(k * axis.length, (k + 1) * axis.length, size) for k in range(len(axis.starts))]
    assert windows[0][0] == 0
    assert windows[-1][1] == size
    assert all(b - a == min(tile, size) for a, b in windows)
    assert all(stop - start >= overlap for (_, stop), (start, _) in pairwise(windows))
    assert len(windows) == 1 or len(windows) - 1 < (size - overlap) / (tile - overlap)  # no tile too many
    cores = [range(size)[a:b][axis.core(k)] for k, (a, b) in enumerate(windows)]
    assert [pixel for core in cores for pixel in core] == list(range(size))
    for k in range(len(windows) - 1):
        ours, theirs = axis.shared(k)
        assert range(*windows[k])[ours] == range(*windows[k + 1])[theirs] == range(windows[k + 1][0], windows[k][1])


def cut(whole, axes):
    """The tiles of an image."""
    return {
        (i, j): whole[y : y + axes[0].length, x : x + axes[1].length].copy()
        for i, y in enumerate(axes[0].starts)
        for j, x in enumerate(axes[1].starts)
    }


def together(tiles, axes):
    """What becomes of tiles."""
    found = []
    for (i, j), tile in tiles.items():
        next_ones = [tiles[p] for p in ((i, j + 1), (i + 1, j)) if p in tiles]
        found.append(seams_of((i, j), axes, tile, *next_ones))
    offsets = reconcile(found)
    out = np.zeros((axes[0].size, axes[1].size), CYCLES)
    for (i, j), tile in tiles.items():
        y, x = (slice(*axis.edges[k : k + 2]) for axis, k in zip(axes, (i, j), strict=True))
        out[y, x] = place_tile((i, j), axes, tile, offsets)
    return out


@given(st.integers(0, 2**32 - 1))
def test_offsets_of_tiles_are_found(seed):
    """Each component of each tile is numbered and shifted at random; what the seams connect comes back."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(20, 70, 2))
    axes = tuple(TileAxis.of(int(size), 24, 8) for size in shape)
    whole = np.zeros(shape, CYCLES)
    whole["cycles"] = rng.integers(-3, 4, shape)
    land = ndimage.uniform_filter(rng.normal(size=shape), 5) > -0.15
    whole["component"] = ndimage.label(land)[0]
    whole["cycles"][rng.random(shape) < 0.05] = MISSING
    whole["component"][whole["cycles"] == MISSING] = 0
    tiles = cut(whole, axes)
    for (i, j), tile in tiles.items():
        # What is connected in the whole may not be in a tile, and is then numbered and shifted by itself.
        parts, count = ndimage.label(land[axes[0].starts[i] :, axes[1].starts[j] :][: tile.shape[0], : tile.shape[1]])
        names = np.array([0, *(rng.permutation(count) + 1)], np.uint16)
        shifts = rng.integers(-5, 6, count + 1)
        there = tile["cycles"] != MISSING
        tile["component"] = np.where(there, names[parts], 0)
        tile["cycles"][there] += shifts[parts][there].astype(np.int16)
    out = together(tiles, axes)
    np.testing.assert_array_equal(out["cycles"] == MISSING, whole["cycles"] == MISSING)
    np.testing.assert_array_equal(out["component"] == 0, whole["component"] == 0)
    difference = out["cycles"] - whole["cycles"]
    for label in np.unique(out["component"])[1:]:
        inside = out["component"] == label
        assert np.unique(difference[inside]).size == 1
        assert np.unique(whole["component"][inside]).size == 1
    sizes = np.bincount(out["component"].ravel())[1:]
    assert (np.diff(sizes) <= 0).all()


def test_most_pixels_are_believed():
    axes = TileAxis.of(16, 16, 8), TileAxis.of(40, 24, 8)
    whole = np.zeros((16, 40), CYCLES)
    whole["component"] = 1
    tiles = cut(whole, axes)
    tiles[0, 1]["cycles"] += 7
    tiles[0, 1]["cycles"][:5] = 3  # of the eight columns that are shared, five rows of sixteen say something else
    out = together(tiles, axes)
    assert (out["cycles"][5:] == 0).all()
    assert (out["component"] == 1).all()


def test_a_seam_that_no_majority_makes_joins_no_component():
    axes = TileAxis.of(16, 16, 8), TileAxis.of(40, 24, 8)
    whole = np.zeros((16, 40), CYCLES)
    whole["component"] = 1
    tiles = cut(whole, axes)
    tiles[0, 1]["cycles"] += np.arange(16, dtype=np.int16)[:, None] // 4
    out = together(tiles, axes)
    assert set(np.unique(out["component"])) == {1, 2}


def test_components_of_one_tile_keep_what_they_have_to_each_other():
    axes = TileAxis.of(16, 16, 8), TileAxis.of(24, 24, 8)
    tile = np.zeros((16, 24), CYCLES)
    tile["component"][:, :10], tile["component"][:, 14:] = 2, 1
    tile["cycles"][:, 10:14] = 1
    tile["cycles"][:, 14:] = 2
    out = together({(0, 0): tile}, axes)
    np.testing.assert_array_equal(out["cycles"] - out["cycles"][0, 0], tile["cycles"])
    np.testing.assert_array_equal(np.unique(out["component"]), [0, 1, 2])


def test_tiles_without_components_or_pixels():
    axes = TileAxis.of(16, 16, 8), TileAxis.of(56, 24, 8)
    whole = np.zeros((16, 56), CYCLES)
    whole["component"] = 1
    tiles = cut(whole, axes)
    tiles[0, 1]["component"], tiles[0, 1]["cycles"] = 0, 4
    tiles[0, 2]["cycles"], tiles[0, 2]["component"] = MISSING, 0
    out = together(tiles, axes)
    assert (out["cycles"][:, : axes[1].edges[2]] == 0).all()
    assert (out["cycles"][:, axes[1].edges[2] :] == MISSING).all()
    np.testing.assert_array_equal(np.unique(out["component"][:, : axes[1].edges[1]]), [1])
    assert (out["component"][:, axes[1].edges[1] :] == 0).all()


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_tiles_does_not_matter(order):
    rng = np.random.default_rng(0)
    axes = TileAxis.of(40, 24, 8), TileAxis.of(40, 24, 8)
    whole = np.zeros((40, 40), CYCLES)
    whole["component"] = 1
    tiles = cut(whole, axes)
    for tile in tiles.values():
        tile["cycles"] += np.int16(rng.integers(-5, 6))
    out = together(dict(list(tiles.items())[::order]), axes)
    assert (out["cycles"] == out["cycles"][0, 0]).all()
    assert out["cycles"][0, 0] == tiles[0, 0]["cycles"][0, 0]
