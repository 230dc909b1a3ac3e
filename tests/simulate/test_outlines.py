import numpy as np
import pytest
from slopes import SPACING, Plane, mover

from insarflow.simulate.outlines import outline
from insarflow.simulate.slides import Slides
from insarflow.types import Window


def area(polygon):
    x, y = polygon.T
    return abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def covered(polygon, window):
    """Cells whose middles lie in a polygon, by the parity of the edges that a line to the east crosses."""
    rows, cols = np.mgrid[window.y0 : window.y1, window.x0 : window.x1] + 0.5
    inside = np.zeros(window.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon / SPACING, np.roll(polygon, -1, axis=0) / SPACING, strict=True):
        if y0 != y1:
            inside ^= ((y0 > rows) != (y1 > rows)) & (cols < x0 + (rows - y0) / (y1 - y0) * (x1 - x0))
    return inside


@pytest.fixture(scope="module")
def movers():
    return Slides(2, SPACING, Plane(azimuth=130.0), density=0.2).near(Window(0, 0, 700, 700))


def test_outlines_hold_the_cells_of_the_raster(movers):
    assert len(movers) > 10
    for m in movers:
        window = m.window(SPACING)
        body, drawn = m.trace(window, SPACING)[0] < 1, covered(outline(m), window)
        assert (body & drawn).sum() >= 0.99 * (body | drawn).sum()


def test_finer_polygons_have_the_same_area(movers):
    for m in movers[:5]:
        assert area(outline(m, vertices=64)) == pytest.approx(area(outline(m, vertices=2000)), rel=0.01)
        assert outline(m, vertices=64).shape == (64, 2)


@pytest.mark.parametrize("jitter", [28.0, 60.0])
def test_jitter_is_smooth_and_as_large_as_told(jitter):
    m = mover(half_width=600.0, half_length=700.0)
    true = outline(m)
    off = np.array([np.hypot(*(outline(m, jitter=jitter, seed=s) - true).T) for s in range(200)])
    assert np.sqrt((off**2).mean()) == pytest.approx(jitter, rel=0.15)
    change = (outline(m, jitter=jitter) - true) - np.roll(outline(m, jitter=jitter) - true, 1, axis=0)
    assert np.hypot(*change.T).max() < 0.5 * jitter


def test_jittered_outlines_do_not_cross_themselves():
    m = mover(half_width=90.0, half_length=100.0)
    for seed in range(50):
        polygon = outline(m, jitter=60.0, seed=seed) - [m.east, m.south]
        turns = np.diff(np.unwrap(np.arctan2(*np.vstack([polygon, polygon[:1]]).T)))
        assert (np.sign(turns) == np.sign(turns[0])).all()
        assert abs(turns.sum()) == pytest.approx(2 * np.pi)


def test_each_hand_and_mover_differ_and_repeat():
    first = outline(mover(), jitter=30.0, seed=1)
    np.testing.assert_array_equal(first, outline(mover(), jitter=30.0, seed=1))
    assert not np.allclose(first, outline(mover(), jitter=30.0, seed=2), atol=1)
    assert not np.allclose(first, outline(mover(id=8), jitter=30.0, seed=1), atol=1)


def test_wrong_numbers():
    with pytest.raises(ValueError, match=r"vertices must be at least 16, instead got vertices=3"):
        outline(mover(), vertices=3)
    with pytest.raises(ValueError, match=r"jitter must be at least 0 m, instead got jitter=-1"):
        outline(mover(), jitter=-1)
