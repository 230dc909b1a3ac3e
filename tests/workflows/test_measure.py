import threading
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.workflows.measure import Pace, pace

TIMES = st.floats(0.01, 10)


@given(TIMES, TIMES, st.integers(1, 4), st.integers(1, 64))
def test_time_of_many(alone, together, number, workers):
    one = Pace(alone, together, number)
    assert one.seconds(1, workers) == pytest.approx(alone)
    assert one.seconds(12, 1) == pytest.approx(12 * alone)
    assert one.seconds(640, 64) == pytest.approx(10 * (together if number > 1 else alone))
    assert one.slowdown(1) == pytest.approx(1)
    assert one.without(Pace(0, 0, number)) == one
    assert one.without(one).seconds(7, workers) == 0


def test_work_is_tried_alone_and_beside_its_like():
    most, now, numbers = 0, 0, set()
    lock = threading.Lock()

    def run(number):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
            numbers.add(number)
        time.sleep(0.01)
        with lock:
            now -= 1

    found, memory = pace(run, 3)
    assert (most, numbers, found.number) == (3, {0, 1, 2}, 3)
    assert found.alone > 0.009
    assert found.together > 0.009
    assert memory >= 0
    assert pace(run, 1)[0].number == 1


@pytest.mark.parametrize(("most", "wanted"), [(20.0, [0, 0]), (0.0, [0])])
def test_long_work_is_done_alone_and_once_more_unless_it_is_very_long(monkeypatch, most, wanted):
    """The first time something may be compiled."""
    monkeypatch.setattr("insarflow.workflows.measure._PATIENCE", 0.0)
    monkeypatch.setattr("insarflow.workflows.measure._MOST", most)
    runs = []
    found, _ = pace(runs.append, 4)
    assert runs == wanted
    assert found.alone == found.together


def test_threads_let_no_warning_out():
    def run(number):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            time.sleep(0.001 * (number + 1))
            warnings.warn("not for users", stacklevel=1)
            time.sleep(0.001)

    before = list(warnings.filters)
    for _ in range(5):
        pace(run, 4)
    assert warnings.filters == before
