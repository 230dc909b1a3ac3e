import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings

from insarflow.constants import DAYS_PER_YEAR, SENTINEL1_WAVELENGTH
from insarflow.simulate.look_alike_bodies import BOWL, CELL, FIELD, GLACIER, SNOW, furthest
from insarflow.simulate.look_alikes import LookAlikes
from insarflow.simulate.relief import FractalRelief, Relief
from insarflow.types import Window

ALPINE = FractalRelief.of_seed(3, spacing=20.0, base=2200.0, floor=0.0)
PER_METRE = 4 * np.pi / SENTINEL1_WAVELENGTH
NAMES = {BOWL: "bowls", GLACIER: "glaciers", FIELD: "fields", SNOW: "snow"}


class Hollow(Relief):
    """Shallow round hollows, 3 km apart and high up: all find a place."""

    spacing, low, high = 20.0, 2500.0, 3500.0

    def height(self, window):
        y, x = np.mgrid[window.y0 : window.y1, window.x0 : window.x1] * (2 * np.pi / 150)
        return (3000 - 15 * (np.cos(y) + np.cos(x))).astype(np.float32)


class Plain(Relief):
    spacing, low, high = 20.0, 2999.0, 3001.0

    def height(self, window):
        return np.full(window.shape, 3000.0, np.float32)


HOLLOW, PLAIN = Hollow(), Plain()


def look_alikes(seed=0, first_day=120.0, **densities):
    names = {"bowls": 0.0, "glaciers": 0.0, "fields": 0.0, "snow": 0.0, **densities}
    return LookAlikes.draw(np.random.default_rng(seed), spacing=20.0, first_day=first_day, **names)


CROWD = look_alikes(bowls=0.3, glaciers=0.3, fields=0.3, snow=0.5)


@settings(max_examples=25, deadline=None)
@given(windows)
def test_any_window_has_the_same_bits(window):
    def draw(w):
        up = np.full(w.shape, 0.7, np.float32)
        phase, quality = CROWD.phase(42.0, w, HOLLOW, up), CROWD.quality(42.0, w, HOLLOW)
        return CROWD.at(w, HOLLOW), phase, quality, CROWD.haste(w, HOLLOW)

    check_any_window(draw, window, margin=70)


def test_all_classes_are_there_and_none_without_density():
    kinds = CROWD.at(Window(-300, 100, 500, 500), HOLLOW)
    assert kinds.dtype == np.uint8
    assert set(np.unique(kinds)) == set(range(5))
    nothing = look_alikes()
    window = Window(0, 0, 200, 200)
    assert nothing.near(window, HOLLOW) == []
    assert not nothing.at(window, HOLLOW).any()
    assert not nothing.phase(300.0, window, HOLLOW, 0.7).any()
    assert np.all(nothing.quality(300.0, window, HOLLOW) == 1)


@pytest.mark.parametrize("kind", NAMES)
def test_density_is_that_of_candidates_on_ground_that_suits(kind):
    ground = HOLLOW if kind == GLACIER else PLAIN
    drawn = look_alikes(**{NAMES[kind]: 0.25})
    side = 1500
    inside = [
        b for b in drawn.near(Window(-300, 0, side, side), ground)
        if -300 <= b.y / 20 < side - 300 and 0 <= b.x / 20 < side
    ]  # fmt: skip
    share = 0.5 if kind == GLACIER else 1.0
    assert len(inside) == pytest.approx(0.25 * 900 * share, rel=0.3)
    assert len({b.key for b in inside}) == len(inside)


def test_near_finds_all_that_reach_into_a_window():
    every = CROWD.near(Window(-600, -600, 1200, 1200), HOLLOW)
    for window in (Window(0, 0, 40, 40), Window(-77, 130, 1, 1)):
        near = CROWD.near(window, HOLLOW)
        assert near == [b for b in every if b.window(20.0).shared(window) is not None]
    for body in every:
        assert body.reach <= furthest(body.kind)
        ring = Window(*(n - 1 for n in (body.window(20.0).y0, body.window(20.0).x0)), 1, 300)
        assert not body.profile(ring, 20.0).any()


def test_alpine_ground_takes_each_where_it_belongs():
    drawn = look_alikes(3, bowls=0.3, glaciers=0.3, fields=0.3, snow=0.3)
    found = drawn.near(Window(-500, 2000, 600, 600), ALPINE)
    by_kind = {kind: [b for b in found if b.kind == kind] for kind in NAMES}
    for kind, steepest in ((BOWL, 8), (FIELD, 4), (GLACIER, 32), (SNOW, 45)):
        cells = [Window(int(b.y // 20), int(b.x // 20), 1, 1) for b in by_kind[kind]]
        slopes = np.degrees([ALPINE.slope_downhill(c)[0][0, 0] for c in cells])
        assert np.all(slopes <= steepest), NAMES[kind]
        heights = np.array([ALPINE.height(c)[0, 0] for c in cells])
        assert np.all(heights >= {GLACIER: 2600, SNOW: 1500}.get(kind, 0))
    assert min(len(bodies) for bodies in by_kind.values()) > 0


def lone(kind, ground=PLAIN, seeds=range(50), least=1.0, **options):
    """Look-alikes of one class, one of them, and its window; that nothing else of the class touches."""
    for seed in seeds:
        drawn = look_alikes(seed, **{NAMES[kind]: 0.06, **options})
        for body in drawn.near(Window(0, 0, 600, 600), ground):
            near = drawn.near(body.window(20.0), ground)
            if len(near) == 1 and body.across > least:
                return drawn, body, body.window(20.0)
    raise LookupError


def test_bowls_sink_in_proportion_to_time():
    drawn, body, window = lone(BOWL)
    assert 0.005 <= body.rate <= 0.3
    phase = drawn.phase(73.05, window, PLAIN, 0.8).astype(float)
    peak = PER_METRE * body.rate * 0.8 * 73.05 / DAYS_PER_YEAR
    assert phase.min() == 0
    assert phase.max() == pytest.approx(peak, rel=0.02)
    np.testing.assert_allclose(drawn.phase(146.1, window, PLAIN, 0.8), 2 * phase, rtol=1e-5)
    up = np.full(window.shape, 0.8, np.float32)
    np.testing.assert_allclose(drawn.phase(73.05, window, PLAIN, up), phase, rtol=1e-5)
    # A Gaussian: its second moments are those of half sizes of two standard deviations, but for the cut ends.
    area = phase.sum() / phase.max() * 400
    assert area == pytest.approx(2 * np.pi * body.along * body.across / 4, rel=0.08)
    kinds = drawn.at(window, PLAIN)
    np.testing.assert_array_equal(kinds == BOWL, phase > phase.max() * 0.1 * peak / phase.max() * (1 - 1e-6))
    assert np.all(drawn.quality(73.05, window, PLAIN) == 1)
    assert np.all(drawn.haste(window, PLAIN) == 1)


def test_sizes_of_bowls():
    drawn = look_alikes(bowls=1.0)
    sizes = [4 * b.across / 2 for b in drawn.near(Window(0, 0, 900, 900), PLAIN)]
    assert 300 <= min(sizes) < 400
    assert 2400 < max(sizes) <= 3000
    assert np.median(np.log(sizes)) == pytest.approx(np.log(np.sqrt(300 * 3000)), abs=0.25)


def test_glaciers_thin_fast_and_lose_their_echo():
    drawn, body, window = lone(GLACIER, HOLLOW)
    assert 1 <= body.rate <= 10
    phase = drawn.phase(12.0, window, HOLLOW, 0.8)
    peak = PER_METRE * body.rate * 0.8 * 12 / DAYS_PER_YEAR
    assert phase.max() == pytest.approx(peak, rel=1e-3)
    assert peak > 5
    inside = drawn.at(window, HOLLOW) == GLACIER
    np.testing.assert_array_equal(phase > 0, inside)
    np.testing.assert_array_equal(drawn.haste(window, HOLLOW), np.where(inside, 8, 1))
    assert np.pi * body.along * body.across * 0.6 < inside.sum() * 400 < np.pi * body.along * body.across * 1.6


def test_snow_is_wet_early_and_late_and_its_own_on_each_date():
    drawn, body, window = lone(SNOW, first_day=1.0, least=60.0)
    wet = {day: drawn.phase(day - 1.0, window, PLAIN, 0.8) for day in range(1, 366, 6)}
    days = [day for day, phase in wet.items() if phase.any()]
    assert days == [d for d in wet if 90 < d < body.melted or body.snowed < d < 330]
    assert min(days) < 100
    assert max(days) > 310
    assert not any(body.melted <= d <= body.snowed for d in days)
    peaks = np.array([wet[d].ravel()[np.abs(wet[d]).argmax()] for d in days])
    assert 0.6 < peaks.std() < 2.0
    assert len(np.unique(peaks)) == len(days)
    inside = drawn.at(window, PLAIN) == SNOW
    quality = drawn.quality(days[0] - 1.0, window, PLAIN)
    assert np.all(quality[~inside] == 1)
    assert quality.min() < 0.41
    assert np.all(drawn.quality(220.0, window, PLAIN) == 1)


def test_fields_are_parcels_of_one_moisture_each():
    drawn, body, window = lone(FIELD, first_day=150.0, least=600.0)
    phase = drawn.phase(6.0, window, PLAIN, 0.8)
    values, cells = np.unique(phase[phase != 0], return_counts=True)
    # A parcel has one value; its area is at most that of its sides.
    assert len(values) > 3
    assert values.min() > 0
    assert values.max() <= 1.5
    area = body.parcel[0] * body.parcel[1]
    assert cells.max() * 400 < 1.2 * area
    assert np.median(cells) * 400 > 0.3 * area
    assert all(100 <= side <= 400 for side in body.parcel)
    sown = drawn.at(window, PLAIN) == FIELD
    assert not phase[~sown].any()
    assert 0.3 < np.mean(phase[sown] > 0) < 0.7
    other = drawn.phase(18.0, window, PLAIN, 0.8)
    assert np.any(other != phase)
    np.testing.assert_array_equal(drawn.quality(6.0, window, PLAIN) < 1, phase > 0)
    assert drawn.quality(6.0, window, PLAIN).min() >= 0.75
    assert not drawn.phase(200.0, window, PLAIN, 0.8).any()


def test_acquisitions_are_drawn_alone():
    window = Window(0, 0, 150, 150)
    first = CROWD.phase(12.0, window, HOLLOW, 0.7)
    CROWD.phase(24.0, window, HOLLOW, 0.7)
    np.testing.assert_array_equal(CROWD.phase(12.0, window, HOLLOW, 0.7), first)
    assert CELL > 0


@pytest.mark.parametrize("name", ["bowls", "glaciers", "fields", "snow"])
def test_densities_are_not_negative(name):
    with pytest.raises(ValueError, match=rf"^{name} must be at least 0 per km2, instead got {name}=-0.1"):
        look_alikes(**{name: -0.1})
