import numpy as np
import pytest

from insarflow.simulate.terrain import fractal_terrain, line_of_sight


@pytest.fixture(scope="module")
def terrain():
    return fractal_terrain(np.random.default_rng(0), (512, 480), 20.0)


def test_slopes_are_those_of_mountains(terrain):
    degrees = np.degrees(terrain.slope)
    assert degrees.min() >= 0
    assert 15 < np.median(degrees) < 40
    assert np.quantile(degrees, 0.999) < 70
    assert terrain.height.mean() == pytest.approx(1900, abs=400)
    assert 100 < terrain.height.std() < 900
    for field in (terrain.height, terrain.slope, terrain.downhill):
        assert field.dtype == np.float32
        assert field.shape == (512, 480)


def test_a_step_downhill_loses_the_height_that_the_slope_says(terrain):
    """Rows run south: a step toward azimuth a goes sin(a) columns right and cos(a) rows up."""
    row, col = np.mgrid[2:510, 2:478]
    azimuth = terrain.downhill[2:510, 2:478]

    def height(sign):
        rows, cols = row - sign * np.cos(azimuth), col + sign * np.sin(azimuth)
        r, c = rows.astype(int), cols.astype(int)
        a, b = rows - r, cols - c
        h = terrain.height
        upper = h[r, c] * (1 - b) + h[r, c + 1] * b
        return upper * (1 - a) + (h[r + 1, c] * (1 - b) + h[r + 1, c + 1] * b) * a

    drop = height(-1) - height(1)
    expected = 2 * 20.0 * np.tan(terrain.slope[2:510, 2:478])
    assert (drop > 0).mean() > 0.97
    assert np.corrcoef(drop.ravel(), expected.ravel())[0, 1] > 0.97
    assert np.median(drop / expected) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("heading", "west"), [(-12.0, True), (192.0, False)])
def test_line_of_sight_of_a_right_looking_satellite(heading, west):
    """Ascending, it flies north and looks east: seen from the ground it stands in the west."""
    incidence = np.radians(np.array([[31.0, 38.0, 45.0]]))
    east, north, up = line_of_sight(incidence, np.radians(heading))
    np.testing.assert_allclose(east**2 + north**2 + up**2, 1, rtol=1e-12)
    np.testing.assert_allclose(up, np.cos(incidence))
    assert ((east < 0) == west).all()
    flight = np.sin(np.radians(heading)), np.cos(np.radians(heading))
    np.testing.assert_allclose(east * flight[0] + north * flight[1], 0, atol=1e-12)
