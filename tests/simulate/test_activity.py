import numpy as np
import pytest

from insarflow.constants import DAYS_PER_YEAR
from insarflow.simulate.activity import HABITS, Activity

CASES = [(habit, seed) for habit in HABITS for seed in range(4)]


@pytest.fixture(params=CASES, ids=lambda c: f"{c[0]} {c[1]}")
def activity(request):
    habit, seed = request.param
    return Activity.draw(np.random.default_rng(seed), habit)


def test_progress_is_the_integral_of_the_pace(activity):
    middles = np.arange(-400, 900, 0.5) + 0.25
    summed = np.cumsum([activity.pace(d) for d in middles]) * 0.5
    told = np.array([activity.progress(d + 0.25) for d in middles]) - activity.progress(-400)
    np.testing.assert_allclose(told, summed, atol=0.1)


def test_first_year_has_the_mean_speed_and_nothing_goes_back(activity):
    assert activity.progress(0.0) == 0.0
    assert activity.progress(DAYS_PER_YEAR) == pytest.approx(DAYS_PER_YEAR)
    progress = np.array([activity.progress(d) for d in np.arange(-800, 2500, 1.5)])
    assert (np.diff(progress) >= -1e-9).all()


def test_steady():
    assert Activity().progress(123.0) == pytest.approx(123.0)


def test_seasonal_peaks_at_snowmelt_or_in_autumn():
    peaks = []
    for seed in range(40):
        activity = Activity.draw(np.random.default_rng(seed), "seasonal")
        peaks.append(int(np.argmax([activity.pace(d) for d in range(365)])))
        assert 0.3 <= activity.pace(peaks[-1]) - 1 <= 1.0001
    peaks = np.array(peaks)
    assert (np.abs(peaks - 150) < 80).sum() > 10
    assert (np.abs(peaks - 270) < 80).sum() > 10


def test_stop_and_go_rests_for_weeks_and_never_creeps():
    longest, active = [], []
    for seed in range(8):
        pace = [Activity.draw(np.random.default_rng(seed), "stop-and-go").pace(d) for d in range(730)]
        moving = np.array(pace) > 0
        edges = np.flatnonzero(np.diff(np.r_[True, moving, True].astype(int)))
        longest.append(np.diff(edges)[::2].max())
        active.append(moving.mean())
    assert min(longest) >= 21
    assert 0.15 < np.mean(active) < 0.6


def test_accelerating_is_faster_at_the_end():
    for seed in range(20):
        activity = Activity.draw(np.random.default_rng(seed), "accelerating")
        assert activity.pace(360) > 2 * activity.pace(0) > 0
        assert activity.pace(5000) < 8  # it does not grow without bound
