import numpy as np
import pytest
from slopes import SPACING, line_of_sight, mover

from insarflow.simulate.activity import Activity
from insarflow.simulate.bodies import RIM_BOUND, Bodies
from insarflow.types import Window

ALL = Window(-20, -220, 180, 180)
UP = (0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def body():
    return mover()


@pytest.fixture(scope="module")
def bodies(body):
    return Bodies.draw(ALL, (mover(id=1, south=0.0, half_width=120.0, half_length=150.0, azimuth=0.3), body), SPACING)


def test_window_holds_the_whole_body_and_little_more(body):
    window = body.window(SPACING)
    inside = body.trace(ALL, SPACING)[0] < 1
    rows, cols = np.nonzero(inside)
    assert window.y0 - ALL.y0 <= rows.min() < rows.max() < window.y1 - ALL.y0
    assert window.x0 - ALL.x0 <= cols.min() < cols.max() < window.x1 - ALL.x0
    assert window.height * SPACING < 2 * RIM_BOUND * 300 + 4 * SPACING
    assert window.width * SPACING < 2 * RIM_BOUND * 500 + 4 * SPACING


def test_label_and_profile(bodies):
    assert bodies.label.dtype == np.int32
    assert bodies.profile.dtype == np.float32
    assert set(np.unique(bodies.label)) == {0, 1, 2}
    assert ((bodies.profile > 0) <= (bodies.label > 0)).all()
    assert bodies.profile.max() == 1
    rows, cols = np.nonzero(bodies.label == 2)
    assert (rows.mean() + ALL.y0 + 0.5) * SPACING == pytest.approx(1003, abs=60)
    assert (cols.mean() + ALL.x0 + 0.5) * SPACING == pytest.approx(-2002, abs=60)
    assert np.ptp(cols) > 1.3 * np.ptp(rows)  # it slides east


def test_speed_falls_from_the_core_to_the_rim(bodies):
    speed = bodies.speed()
    radius = bodies.movers[1].trace(ALL, SPACING)[0]
    rings = [speed[(radius >= a) & (radius < a + 0.2)].mean() for a in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert rings[:2] == pytest.approx([0.5, 0.5])
    assert (np.diff(rings[1:]) < 0).all()
    assert rings[-1] == 0


def test_lobes_are_furrows_that_leave_the_middle():
    plain, furrowed = mover(), mover(lobes=(0.35, 3.0))
    a, b = plain.trace(ALL, SPACING)[1], furrowed.trace(ALL, SPACING)[1]
    assert (b <= a).all()
    assert b.max() > 0.99
    core = a == 1
    assert b[core].min() == pytest.approx(0.65, abs=0.02)
    assert np.ptp(b[core & (np.abs(b - a) < 0.01)]) < 0.02


def test_motion_is_the_core_times_the_profile(bodies):
    np.testing.assert_allclose(bodies.moved(10.0, 40.0), bodies.profile * np.float32(0.5 * 30 / 365.25), rtol=1e-6)


@pytest.mark.parametrize(("heading", "toward"), [(-12.0, False), (192.0, True)])
def test_sign_along_the_line_of_sight(body, heading, toward):
    """What slides east goes away from a satellite in the west (ascending) and comes toward one in the east."""
    bodies = Bodies.draw(ALL, (body,), SPACING)
    los = line_of_sight(np.asarray(np.radians(39.0)), np.radians(heading))
    seen = bodies.displacement(100.0, *los)
    assert (seen[bodies.profile > 0] > 0).all() == toward
    assert (seen[bodies.profile > 0] < 0).all() == (not toward)
    view = float(np.cos(np.radians(20)) * los[0] - np.sin(np.radians(20)) * los[2])
    np.testing.assert_allclose(seen, bodies.profile * (0.5 * 100 / 365.25) * view, rtol=1e-5)


def test_line_of_sight_per_pixel_and_as_numbers_agree(bodies):
    los = line_of_sight(np.asarray(np.radians(39.0)), 0.2)
    maps = [np.full(ALL.shape, v, np.float32) for v in los]
    np.testing.assert_array_equal(bodies.displacement(50.0, *los), bodies.displacement(50.0, *maps))


def test_all_slopes_sink_and_rest_before_they_start():
    bodies = Bodies.draw(ALL, (mover(activity=Activity("stop-and-go", bursts=((100.0, 50.0, 1.0),))),), SPACING)
    assert not bodies.displacement(99.0, *UP).any()
    np.testing.assert_allclose(
        bodies.displacement(200.0, *UP), -np.sin(np.radians(20)) * 0.5 * bodies.profile, rtol=1e-5
    )


def test_haste_is_one_where_nothing_moves_and_kills_fast_cores():
    fast = Bodies.draw(ALL, (mover(speed=2.0),), SPACING)
    haste = fast.haste()
    assert haste.dtype == np.float32
    assert (haste[fast.label == 0] == 1).all()
    assert (haste >= 1).all()
    floor, first, decay = 0.6, 0.9, 60.0

    def coherence(days):
        return floor / haste + (first - floor / haste) * np.exp(-days * haste / decay)

    core, rim = fast.profile > 0.95, (fast.profile > 0) & (fast.profile < 0.15)
    assert coherence(6)[core].max() < 0.25
    assert coherence(12)[rim].min() > 0.4
    slow = Bodies.draw(ALL, (mover(speed=0.1),), SPACING)
    assert slow.haste().max() == pytest.approx(1.2)


def test_no_mover():
    bodies = Bodies.draw(Window(0, 0, 5, 4), (), SPACING)
    assert not bodies.displacement(10.0, *UP).any()
    assert (bodies.haste() == 1).all()
