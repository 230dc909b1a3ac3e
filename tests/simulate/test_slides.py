import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slopes import SPACING, Plane, Waves

from insarflow.simulate.bodies import REACH
from insarflow.simulate.fields import unit_field
from insarflow.simulate.slides import Slides
from insarflow.types import Window

REGION = Window(-700, -500, 1600, 1600)


class Mountains:
    field = unit_field(5, "height", spacing=SPACING, exponent=-4.0, longest=16_000.0)

    def height(self, window):
        return 500 * self.field.at(window) + 1900


@pytest.fixture(scope="module")
def slides():
    return Slides(3, SPACING, Waves(), density=0.25)


@pytest.fixture(scope="module")
def whole(slides):
    return slides.bodies(REGION)


@pytest.fixture(scope="module")
def many():
    """Of 2025 km2 of a plane."""
    return Slides(1, SPACING, Plane(azimuth=200.0), density=0.15).inside(Window(-2000, -1000, 3000, 3000))


@settings(max_examples=15, deadline=None)
@given(y=st.integers(-700, 890), x=st.integers(-500, 1090), height=st.integers(1, 400), width=st.integers(1, 400))
def test_any_window_knows_the_same_movers(slides, whole, y, x, height, width):
    part = Window(y, x, min(height, REGION.y1 - y), min(width, REGION.x1 - x))
    # New slides have nothing in memory: they ask in another order.
    bodies = Slides(3, SPACING, slides.relief, density=0.25).bodies(part)
    cut = part.within(REGION)
    np.testing.assert_array_equal(bodies.profile, whole.profile[cut])
    ids, all_ids = (np.array([0, *(m.id for m in b.movers)]) for b in (bodies, whole))
    np.testing.assert_array_equal(ids[bodies.label], all_ids[whole.label[cut]])
    assert {m.id: m for m in bodies.movers}.items() <= {m.id: m for m in whole.movers}.items()
    for day in (0.0, 33.0):
        np.testing.assert_array_equal(
            bodies.displacement(day, 0.5, 0.1, 0.8), whole.displacement(day, 0.5, 0.1, 0.8)[cut]
        )


def test_on_random_mountains_too():
    region = Window(100, -300, 700, 700)
    whole = Slides(8, SPACING, Mountains(), density=0.3).bodies(region)
    assert len(whole.movers) > 3
    for part in (Window(400, 0, 150, 200), Window(101, -299, 300, 20)):
        bodies = Slides(8, SPACING, Mountains(), density=0.3).bodies(part)
        np.testing.assert_array_equal(bodies.profile, whole.profile[part.within(region)])


def test_windows_that_cover_a_region_hold_each_mover_once(slides):
    parts = [Window(y, x, 400, 800) for y in range(-700, 900, 400) for x in (-500, 300)]
    ids = [m.id for part in parts for m in slides.inside(part)]
    assert len(ids) > 50
    assert sorted(ids) == [m.id for m in slides.inside(REGION)]


def test_near_is_sorted_and_complete(slides, whole):
    near = slides.near(REGION)
    ids = [m.id for m in near]
    assert ids == sorted(set(ids))
    assert {m.id for m in slides.inside(REGION)} <= set(ids)
    assert set(np.unique(whole.label)) - {0} <= set(range(1, len(near) + 1))


def test_bodies_lie_apart(whole):
    """The ellipses of their reaches do not meet, nor does any cell belong to two."""
    shared, inside = np.zeros(REGION.shape, int), []
    for m in whole.movers:
        part = m.window(SPACING, reach=REACH).shared(REGION)
        radius = m.trace(part, SPACING)[0]
        shared[part.within(REGION)] += np.isfinite(radius)
        inside.append(np.count_nonzero(radius < 1))
    assert shared.max() == 1
    np.testing.assert_array_equal(np.bincount(whole.label.ravel(), minlength=len(inside) + 1)[1:], inside)


@pytest.mark.parametrize("density", [0.05, 0.3])
def test_density(density):
    slides = Slides(1, SPACING, Plane(), density=density)
    side = int(3200 * (0.1 / density) ** 0.5)
    area_km2 = (side * SPACING / 1000) ** 2
    count = len(slides.inside(Window(-2000, -1000, side, side)))
    assert count / area_km2 == pytest.approx(density, rel=0.15)


def test_slopes_are_in_range_and_bodies_slide_down_them(slides):
    movers = slides.inside(REGION)
    slopes = np.degrees([m.slope for m in movers])
    assert slopes.min() >= 9
    assert slopes.max() <= 45
    for m in movers:
        # The gradient of the waves at the middle; the body's plane is a mean about it.
        south, east = (0.2 * np.pi * np.cos(2 * np.pi * (v - SPACING / 2) / 6000) for v in (m.south, m.east))
        assert abs((m.azimuth - np.arctan2(-east, south) + np.pi) % (2 * np.pi) - np.pi) < 0.5
        assert m.slope == pytest.approx(np.arctan(np.hypot(south, east)), abs=0.2)
        assert m.height == pytest.approx(2000, abs=1200)


@pytest.mark.parametrize(("degrees", "there"), [(0.0, False), (8.5, False), (9.5, True), (44.5, True), (46.0, False)])
def test_only_slopes_in_range_move(degrees, there):
    slides = Slides(2, SPACING, Plane(degrees), density=0.3)
    assert bool(slides.near(Window(0, 0, 600, 600))) == there


def test_plane_is_met_exactly(many):
    assert np.degrees([m.slope for m in many]) == pytest.approx(25.0, abs=0.02)
    assert np.degrees([m.azimuth for m in many]) % 360 == pytest.approx(200.0, abs=0.1)


def test_shapes(many):
    widths = np.array([m.half_width for m in many])
    longer = np.array([m.half_length for m in many]) / widths
    assert widths.min() >= 90
    assert 600 < widths.max() <= 1000
    assert (widths > 600).mean() < 0.06
    assert longer.min() >= 1.1
    assert longer.max() <= 3.0
    assert np.median(longer) > 1.5
    assert max(m.half_length for m in many) <= 1200
    for m in many:
        assert np.hypot(*m.rim).sum() <= 0.35 + 1e-9


def test_bodies_are_longer_down_the_slope(many):
    ratios = []
    for m in many[:60]:
        window = m.window(SPACING)
        rows, cols = np.nonzero(m.trace(window, SPACING)[0] < 1)
        down = cols * np.sin(m.azimuth) - rows * np.cos(m.azimuth)
        across = cols * np.cos(m.azimuth) + rows * np.sin(m.azimuth)
        ratios.append(down.std() / across.std())
    assert np.median(ratios) > 1.4
    assert np.mean(np.array(ratios) > 1) > 0.95


def test_speeds_are_log_uniform():
    movers = Slides(1, SPACING, Plane(), density=0.15, high=1e9).inside(Window(-2000, -1000, 3000, 3000))
    assert {m.kind for m in movers} == {"Landslide", "Unknown"}
    parts = np.log([m.speed for m in movers]) - np.log(0.005)
    parts = np.sort(parts / (np.log(2.0) - np.log(0.005)))
    assert 0 <= parts[0] < parts[-1] <= 1
    distance = np.abs(parts - (np.arange(parts.size) + 0.5) / parts.size).max()
    assert distance < 1.63 / np.sqrt(parts.size)  # Kolmogorov and Smirnov, 1 %


def test_kinds_and_habits():
    movers = Slides(1, SPACING, Plane(), density=0.15, high=-1e9).inside(Window(-1500, -1000, 3000, 3000))
    share = {k: np.mean([m.kind == k for m in movers]) for k in ("Landslide", "Rock glacier", "Unknown")}
    assert share["Unknown"] == pytest.approx(0.15, abs=0.06)
    assert share["Rock glacier"] == pytest.approx(0.51, abs=0.08)
    rocky = [m for m in movers if m.kind == "Rock glacier"]
    assert {m.activity.habit for m in rocky} == {"steady", "seasonal"}
    assert all(0.02 <= m.speed <= 1.0 and m.lobes[0] > 0 for m in rocky)
    others = [m for m in movers if m.kind != "Rock glacier"]
    assert {m.activity.habit for m in others} == {"steady", "seasonal", "stop-and-go", "accelerating"}
    assert all(m.lobes == (0.0, 0.0) for m in others)
    assert all(0 <= m.confidence <= 1 for m in movers)
    assert np.mean([m.half_length / m.half_width for m in rocky]) > np.mean(
        [m.half_length / m.half_width for m in others]
    )


def test_seeds_differ_and_none_is_none(slides):
    other = Slides(4, SPACING, slides.relief, density=0.25)
    assert {m.south for m in other.inside(REGION)}.isdisjoint(m.south for m in slides.inside(REGION))
    assert Slides(4, SPACING, slides.relief, density=0.0).near(REGION) == ()


def test_forgetting_changes_nothing(slides, monkeypatch):
    expected = slides.near(REGION)
    monkeypatch.setattr("insarflow.simulate.slides._REMEMBERED", 3)
    assert Slides(3, SPACING, slides.relief, density=0.25).near(Window(-700, -500, 300, 300)) == tuple(
        m for m in expected if m.window(SPACING).shared(Window(-700, -500, 300, 300))
    )


def test_workers_are_sent_numbers_alone(slides):
    sent = pickle.dumps(slides)
    assert len(sent) < 2000
    assert pickle.loads(sent).near(Window(0, 0, 200, 200)) == slides.near(Window(0, 0, 200, 200))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"density": -1.0}, r"density must be at least 0 movers per km2, instead got density=-1\.0"),
        ({"density": 9.0}, r"density must be less than .* instead got density=9: ask for fewer or smaller ones"),
        ({"size": (300.0, 90.0)}, r"size must be two numbers above 0 in ascending order, instead got size=\(300\.0, 9"),
        ({"spacing": 0.0}, r"spacing must be more than 0, instead got spacing=0\.0"),
        ({"giants": 1.5}, r"giants must be .* instead got giants=1\.5"),
        (
            {"habits": (1.0, 1.0)},
            r"habits must be a weight for each of \('steady', .* instead got habits=\(1\.0, 1\.0\)",
        ),
        ({"seed": -1}, r"seed must be a whole number of at least 0, instead got seed=-1"),
    ],
)
def test_wrong_numbers(wrong, message):
    with pytest.raises(ValueError, match=message):
        Slides(**{"seed": 0, "spacing": SPACING, "relief": Plane(), **wrong})
