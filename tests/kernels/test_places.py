import numpy as np
import pytest

from insarflow.kernels.places import extent, move_and_brighten


def places(seed, shape=(3, 20, 30)):
    rng = np.random.default_rng(seed)
    row, col = (rng.uniform(low, low + 9, shape).astype(np.float32) for low in (40, 70))
    weight = rng.uniform(0.1, 2, shape).astype(np.float32)
    unseen = rng.random(shape) < 0.6
    for values in (row, col, weight):
        values[unseen] = 0
    return row, col, weight


@pytest.mark.parametrize("seed", range(3))
def test_extent_holds_the_cells_between_which_places_lie(seed):
    row, col, weight = places(seed)
    seen = weight > 0
    expected = (
        *(int(np.floor(v[seen].min())) for v in (row, col)),
        *(int(np.floor(v[seen].max())) + 2 for v in (row, col)),
    )
    assert extent(row, col, weight) == expected


def test_where_nothing_is_seen_there_are_four_cells():
    nothing = np.zeros((3, 4, 5), np.float32)
    assert extent(nothing, nothing, nothing) == (0, 0, 2, 2)


def test_weights_are_those_of_the_nearest_cell():
    row, col, weight = places(5)
    y0, x0, y1, x1 = extent(row, col, weight)
    bright = np.random.default_rng(0).uniform(0.1, 1, (y1 - y0, x1 - x0)).astype(np.float32)
    moved = row.copy(), col.copy(), weight.copy()
    move_and_brighten(*moved, origin=(y0, x0), backscatter=bright)
    for k in np.ndindex(weight.shape):
        if weight[k] > 0:
            assert (moved[0][k], moved[1][k]) == (row[k] - np.float32(y0), col[k] - np.float32(x0))
            # Halves go up.
            near = int(np.floor(moved[0][k] + 0.5)), int(np.floor(moved[1][k] + 0.5))
            assert moved[2][k] == weight[k] * bright[near]
        else:
            assert moved[2][k] == 0
