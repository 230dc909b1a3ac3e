import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from insarflow.errors import GridMismatchError
from insarflow.stack.crs import parse_crs
from insarflow.stack.mesh import MAX_ERROR, STEP, Positions, read_window
from insarflow.types import Grid, Window

DEGREES, UTM, POLAR = (parse_crs(code) for code in (4326, 32632, 3413))
SOURCE = Grid((7.0, 0.0002, 0.0, 46.0, 0.0, -0.0002), (4000, 5000), DEGREES)
FINE = Grid((345_000.0, 20.0, 0.0, 5_090_000.0, 0.0, -20.0), (3000, 4000), UTM)
COARSE = Grid((345_000.0, 500.0, 0.0, 5_090_000.0, 0.0, -500.0), (150, 160), UTM)


def bilinear(mesh, window):
    """Rows and columns of the source at each pixel of a window, from a mesh; NaN outside its cells."""
    out = np.full((*window.shape, 2), np.nan)
    for r, c in np.ndindex(window.shape):
        y, x = (r + window.y0 - mesh.start[0]) / mesh.step, (c + window.x0 - mesh.start[1]) / mesh.step
        i, j = int(np.floor(y)), int(np.floor(x))
        if 0 <= i < mesh.cells.shape[0] and 0 <= j < mesh.cells.shape[1] and mesh.cells[i, j]:
            v, u = y - i, x - j
            n = mesh.nodes[i : i + 2, j : j + 2]
            out[r, c] = (1 - v) * ((1 - u) * n[0, 0] + u * n[0, 1]) + v * ((1 - u) * n[1, 0] + u * n[1, 1])
    return out


def positions(source, target, window):
    """Positions of a window from all its meshes, each pixel in one of them."""
    found = [bilinear(mesh, window) for mesh in Positions(source, target).meshes(window)]
    np.testing.assert_array_equal(sum(~np.isnan(f[..., 0]) for f in found), 1)
    return np.nansum(found, axis=0)


def exact(source, target, window):
    rows, cols = np.mgrid[window.y0 : window.y1, window.x0 : window.x1]
    x0, dx, _, y0, _, dy = target.transform
    x, y = x0 + dx * (cols + 0.5), y0 + dy * (rows + 0.5)
    x, y = Transformer.from_crs(target.crs, source.crs, always_xy=True).transform(x, y)
    x0, dx, _, y0, _, dy = source.transform
    return np.stack([(y - y0) / dy - 0.5, (x - x0) / dx - 0.5], axis=-1)


@pytest.mark.parametrize(
    ("target", "window", "steps"),
    [(FINE, Window(1500, 1900, 70, 90), {64}), (COARSE, Window(30, 40, 70, 70), {4, 8})],
)
def test_error_is_bounded(target, window, steps):
    error = np.abs(positions(SOURCE, target, window) - exact(SOURCE, target, window)).max()
    assert 0 < error < MAX_ERROR
    meshes = list(Positions(SOURCE, target).meshes(window))
    assert {mesh.step for mesh in meshes if mesh.cells.any()} <= steps


def test_one_crs_is_an_affine_map():
    target = Grid((7.0001, 0.0003, 0.0, 45.9999, 0.0, -0.0001), (900, 900), DEGREES)
    found = positions(SOURCE, target, Window(100, 200, 65, 66))
    rows, cols = np.mgrid[100:165, 200:266]
    np.testing.assert_allclose(found[..., 0], 0.5 + (rows + 0.5) * 0.5 - 0.5, atol=1e-6)
    np.testing.assert_allclose(found[..., 1], 0.5 + (cols + 0.5) * 1.5 - 0.5, atol=1e-6)
    assert [mesh.step for mesh in Positions(SOURCE, target).meshes(Window(0, 0, 900, 900))] == [STEP]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 40), st.integers(1, 40))
def test_a_position_does_not_depend_on_the_window(y0, x0, height, width):
    window = Window(y0, x0, height, width)
    np.testing.assert_array_equal(
        positions(SOURCE, COARSE, window), whole_of_coarse()[y0 : y0 + height, x0 : x0 + width]
    )


def whole_of_coarse(known=[]):  # noqa: B006
    if not known:
        known.append(positions(SOURCE, COARSE, Window(0, 0, 140, 140)))
    return known[0]


def test_the_antimeridian():
    """A source that counts degrees beyond 180, a target that starts again at -180."""
    source = Grid((179.0, 0.01, 0.0, 1.0, 0.0, -0.01), (200, 300), DEGREES)
    target = Grid((-180.5, 0.01, 0.0, 1.0, 0.0, -0.01), (200, 200), DEGREES)
    np.testing.assert_allclose(positions(source, target, Window(0, 0, 1, 3))[0], [[0, 50], [0, 51], [0, 52]], atol=1e-6)


def test_nowhere_is_no_window():
    """Points beyond what a projection can show."""
    target = Grid((-180.0, 0.5, 0.0, 90.0, 0.0, -0.5), (360, 720), DEGREES)
    meshes = list(Positions(FINE, target).meshes(Window(0, 0, 64, 64)))
    assert read_window(meshes, FINE.shape, (2, 2)) is None
    window = read_window(list(Positions(FINE, target).meshes(Window(64, 320, 64, 128))), FINE.shape, (2, 2))
    assert window == Window(0, 0, 3000, 4000)


def test_a_window_of_the_source_holds_all_positions_and_a_margin():
    window = Window(1500, 1900, 70, 90)
    read = read_window(list(Positions(SOURCE, FINE).meshes(window)), SOURCE.shape, (3, 4))
    at = exact(SOURCE, FINE, window)
    assert read.y0 <= at[..., 0].min() - 3
    assert read.x0 <= at[..., 1].min() - 4
    assert read.y1 > at[..., 0].max() + 3
    assert read.x1 > at[..., 1].max() + 4
    assert read.height < 300


def test_ratio():
    assert Positions(SOURCE, FINE).ratio() == pytest.approx((0.9, 1.28), abs=0.02)
    assert Positions(FINE, SOURCE).ratio() == pytest.approx((1.11, 0.78), abs=0.02)


def test_a_crs_without_the_place():
    globe = Grid((0.0, 1e5, 0.0, 0.0, 0.0, -1e5), (10, 10), parse_crs("+proj=ortho +lat_0=-45 +lon_0=-170"))
    with pytest.raises(GridMismatchError, match=r"^the grid's crs must be defined where the images lie, instead"):
        Positions(SOURCE, globe).ratio()
