import numpy as np
import pytest
from pyproj import CRS, Transformer

from insarflow.errors import SchemaError
from insarflow.plot.mercator import to_mercator
from insarflow.types import Grid


@pytest.mark.parametrize(("epsg", "transform"), [
    (32632, (330_000.0, 20.0, 0.0, 4_990_000.0, 0.0, -20.0)),
    (4326, (7.0, 0.001, 0.0, 60.0, 0.0, -0.001)),
    (4326, (7.0, 0.001, 0.0, 60.0, 0.0, 0.001)),
])  # fmt: skip
def test_every_pixel_is_where_it_was(epsg, transform):
    grid = Grid(transform, (30, 40), CRS.from_epsg(epsg).to_wkt())
    there = to_mercator(grid, 1500)
    rows, columns = there.index.shape
    (south, west), (north, east) = there.corners
    mercator = Transformer.from_crs(4326, 3857, always_xy=True)
    (left, right), (bottom, top) = mercator.transform([west, east], [south, north])
    back = Transformer.from_crs(3857, epsg, always_xy=True)
    for i, j in np.ndindex(rows, columns):
        x, y = back.transform(left + (j + 0.5) / columns * (right - left), top - (i + 0.5) / rows * (top - bottom))
        column, row = np.floor((x - transform[0]) / transform[1]), np.floor((y - transform[3]) / transform[5])
        inside = 0 <= row < 30 and 0 <= column < 40
        assert there.index[i, j] == (row * 40 + column if inside else -1)
    assert set(range(1200)) <= set(there.index.ravel().tolist())  # none is dropped


def test_values_are_laid_without_interpolation():
    grid = Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (3, 4), CRS.from_epsg(4326).to_wkt())
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    laid = to_mercator(grid, 1500).lay(values)
    assert set(laid[np.isfinite(laid)].tolist()) == set(range(12))


def test_sides_are_bounded():
    grid = Grid((3e5, 20.0, 0.0, 5e6, 0.0, -20.0), (900, 1200), CRS.from_epsg(32632).to_wkt())
    assert max(to_mercator(grid, 300).index.shape) == 300


def test_the_pole_has_no_place():
    grid = Grid((-1e5, 2e3, 0.0, 1e5, 0.0, -2e3), (100, 100), CRS.from_epsg(3413).to_wkt())
    with pytest.raises(SchemaError, match="an interactive map needs a region between 85° S and 85° N"):
        to_mercator(grid, 300)
