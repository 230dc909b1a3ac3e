import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from insarflow.errors import SchemaError
from insarflow.ops.ground import ground_of
from insarflow.types import Grid

GRIDS = {
    "degrees": Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.0015), (900, 700), "EPSG:4326"),
    "degrees, large": Grid((-30.0, 0.01, 0.0, 60.0, 0.0, -0.01), (4000, 5000), "EPSG:4326"),
    "over the antimeridian": Grid((179.9, 0.001, 0.0, -16.0, 0.0, -0.001), (100, 300), "EPSG:4326"),
    "beside the middle of a zone": Grid((150_000.0, 20.0, 0.0, 6_900_000.0, 0.0, -20.0), (2000, 3000), "EPSG:32632"),
    "polar": Grid((-400_000.0, 100.0, 0.0, -900_000.0, 0.0, -100.0), (500, 600), "EPSG:3413"),
    "upside down": Grid((500_000.0, 30.0, 0.0, 5_000_000.0, 0.0, 30.0), (80, 70), "EPSG:32632"),
}


@pytest.mark.parametrize("name", GRIDS)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 6.28))
def test_a_hundred_metres_are_as_many_pixels_as_the_geodesic_says(name, down, right, azimuth):
    grid = GRIDS[name]
    ground = ground_of(grid)
    row, col = down * (grid.shape[0] - 1), right * (grid.shape[1] - 1)
    x0, dx, _, y0, _, dy = grid.transform
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(
        x0 + dx * (col + 0.5), y0 + dy * (row + 0.5)
    )
    lon, lat, _ = Geod(ellps="WGS84").fwd(lon, lat, np.degrees(azimuth), 10.0)
    x, y = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True).transform(lon, lat)
    x += 360.0 * (grid.crs == "EPSG:4326" and x < x0)
    gone = (y - y0) / dy - 0.5 - row, (x - x0) / dx - 0.5 - col
    y_at, x_at = row / ground.spacing[0], col / ground.spacing[1]
    i, j = (min(int(v), n - 2) for v, n in zip((y_at, x_at), ground.nodes.shape[:2], strict=True))
    f, g = y_at - i, x_at - j
    n = ground.nodes
    here = (1 - f) * ((1 - g) * n[i, j] + g * n[i, j + 1]) + f * ((1 - g) * n[i + 1, j] + g * n[i + 1, j + 1])
    east, north = 10.0 * np.sin(azimuth), 10.0 * np.cos(azimuth)
    found = east * here[0] + north * here[2], east * here[1] + north * here[3]
    precision = 3e-4 if name == "degrees, large" else 3e-5
    np.testing.assert_allclose(found, gone, atol=precision * max(np.hypot(*gone), 1e-3) + 1e-8)


def test_pixel_size_and_distance():
    ground = ground_of(GRIDS["degrees"])
    np.testing.assert_allclose(ground.pixel_size, (166.7, 77.9), rtol=0.01)
    assert ground.pixels(1000.0) == (6, 13)
    assert ground.nodes.shape == (16, 12, 4)
    assert ground_of(GRIDS["degrees, large"]).nodes.shape == (64, 65, 4)
    assert ground_of(Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (1, 1), "EPSG:4326")).nodes.shape == (2, 2, 4)


def test_a_grid_without_a_place_is_refused():
    local = 'LOCAL_CS["here",UNIT["metre",1]]'
    with pytest.raises(
        SchemaError, match=r"^the grid's crs must tell where on the Earth it lies, instead got crs='LOC"
    ):
        ground_of(Grid((0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (3, 3), local))
    with pytest.raises(SchemaError, match=r"^the grid's crs must be defined where the grid lies, instead it is not: "):
        ground_of(Grid((9e9, 1.0, 0.0, 9e9, 0.0, -1.0), (3, 3), "EPSG:32632"))
