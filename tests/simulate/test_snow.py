import numpy as np
import pytest
from ground_windows import check_any_window, windows
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.simulate.snow import Snow, wetness
from insarflow.types import Window


def height(window):
    return (2000 + 2.0 * np.add.outer(np.arange(window.y0, window.y1), np.arange(window.x0, window.x1))).astype(
        np.float32
    )


def slope_from(low, high, shape=(300, 300)):
    """Heights that rise from north to south."""
    return np.broadcast_to(np.linspace(low, high, shape[0], dtype=np.float32)[:, None], shape).copy()


@settings(max_examples=20)
@given(windows, st.sampled_from([30, 150, 290]))
def test_any_window_has_the_same_bits(window, day):
    snow = Snow.draw(3, day, day, spacing=20.0)
    check_any_window(lambda w: snow.quality(w, height(w)), window)


def test_line_moves_with_the_season():
    days = np.arange(1, 366, 10)
    lines = np.array([[Snow.draw(s, int(d), float(d), spacing=20.0).line for d in days] for s in range(12)]).mean(0)
    assert 20 < days[np.argmin(lines)] < 75
    assert 200 < days[np.argmax(lines)] < 260
    assert 400 < lines.min() < 1300
    assert 2700 < lines.max() < 3500


def test_snow_melts_in_spring_and_a_little_in_autumn():
    assert wetness(150) > 0.95
    assert 0.3 < wetness(288) < 0.5
    assert wetness(15) < 0.01
    assert wetness(240) < 0.1
    assert wetness(1) == pytest.approx(wetness(366.25))


def test_wet_belt_lies_between_bare_ground_and_dry_snow():
    snow = Snow.draw(1, 4, 150.0, spacing=20.0)
    assert snow.band > 200
    window = Window(0, 0, 300, 300)
    heights = slope_from(snow.line - 1000, snow.line + snow.band + 1000)
    quality = snow.quality(window, heights)
    assert np.all(quality[heights < snow.line - 700] == 1)
    np.testing.assert_allclose(quality[heights > snow.line + snow.band + 700], snow.dry, rtol=1e-5)
    belt = quality[np.abs(heights - snow.line - snow.band / 2) < 20]
    assert np.median(belt) == pytest.approx(snow.wet, abs=1e-3)
    assert snow.wet <= 0.1
    assert 0.6 <= snow.dry <= 0.95
    # Ragged: at the line some is free and some is wet.
    at_line = quality[np.abs(heights - snow.line) < 20]
    assert 0.2 < np.mean(at_line > 0.9) < 0.8


def test_below_the_line_nothing_is_drawn():
    quality = Snow.draw(1, 0, 230.0, spacing=20.0).quality(Window(5, 5, 20, 30), np.full((20, 30), 300, np.float32))
    assert quality.dtype == np.float32
    assert np.all(quality == 1)


def test_dates_share_the_places_but_not_the_drifts():
    a, b = (Snow.draw(1, i, 150.0, spacing=20.0) for i in (0, 1))
    assert a.places == b.places
    assert a.drifts != b.drifts
    assert a == Snow.draw(1, 0, 150.0, spacing=20.0)
