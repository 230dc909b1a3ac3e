import math

import numpy as np
import pytest
from slopes import SPACING, mover

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.errors import InsarError
from insarflow.kernels.phase_statistics import phase_std
from insarflow.simulate.activity import Activity
from insarflow.simulate.bodies import REACH, Bodies
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN, Sight, pair_target, peak_phase, sight
from insarflow.types import Window

UP = (0.0, 0.0, 1.0)
LOOKS = 30.0
TO_PHASE = 4 * math.pi / SENTINEL1_WAVELENGTH


def coherence(value):
    return lambda window: np.full(window.shape, value, np.float32)


COHERENT = coherence(0.8)


def seen(phase, coherence_of=COHERENT, looks=LOOKS, **changes):
    """Sight of a body whose core shows this phase over 12 days, seen from above."""
    speed = phase / TO_PHASE / math.sin(math.radians(20)) / 12 * 365.25
    return sight(mover(speed=speed, **changes), (10.0, 22.0), UP, coherence_of, spacing=SPACING, looks=looks)


def by_part(core, rest, ring=0.8):
    """Coherence that differs between core, margin and the ground about the body."""

    def coherence_of(window):
        radius, profile = mover().trace(window, SPACING)
        return np.where(radius > 1, ring, np.where(profile > 0.7, core, rest)).astype(np.float32)

    return coherence_of


def test_peak_is_speed_times_time_along_the_line_of_sight():
    body = mover(speed=0.365250)
    assert peak_phase(body, (0.0, 10.0), UP) == pytest.approx(TO_PHASE * 0.01 * math.sin(math.radians(20)))
    east = peak_phase(body, (0.0, 10.0), (-1.0, 0.0, 0.0))
    assert east == pytest.approx(TO_PHASE * 0.01 * math.cos(math.radians(20)))  # away from a satellite in the west


def test_peak_agrees_with_the_raster_of_motion():
    body = mover(activity=Activity("seasonal", 0.8, 150.0))
    bodies = Bodies.draw(body.window(SPACING), (body,), SPACING)
    los = (-0.5, 0.1, 0.85)
    phase = -TO_PHASE * (bodies.displacement(152.0, *los) - bodies.displacement(140.0, *los))
    assert peak_phase(body, (140.0, 152.0), los) == pytest.approx(phase.ravel()[np.abs(phase).argmax()])


@pytest.mark.parametrize(
    ("phase", "state", "peak_class"),
    [
        (0.05, "resting", None),
        (0.5, "hidden", None),
        (0.9, "visible", "0.8-1.5"),
        (2.0, "visible", "1.5-pi"),
        (5.0, "visible", ">pi"),
    ],
)
def test_classes_of_coherent_movers(phase, state, peak_class):
    found = seen(phase)
    assert (found.state, found.peak_class) == (state, peak_class)
    assert abs(found.peak) == pytest.approx(phase)


@pytest.mark.parametrize("value", [0.1, 0.2, 0.3, 0.5])
def test_three_sigma_of_the_filtered_phase(value):
    """Visible exactly from three times what `phase_std` says, if that is over 0.8 rad and no mere noise."""
    sigma = float(phase_std(np.array([value]), looks=LOOKS)[0])
    least = max(0.8, 3 * sigma)
    assert seen(0.98 * least, coherence(value), margin=0.95).state == "hidden"
    assert (seen(1.02 * least, coherence(value), margin=0.95).state == "visible") == (sigma <= 1.0)
    assert seen(least, coherence(value)).sigma == pytest.approx(sigma, rel=0.02)


def test_noise_hides_whatever_moves():
    for phase in (1.0, 3.0, 6.0, 20.0):
        assert seen(phase, coherence(0.0)).state == "hidden"
        assert seen(phase, by_part(0.9, 0.9, ring=0.0)).state == "hidden"


def test_decorrelated_core_with_a_fringed_rim():
    found = seen(4.0, by_part(0.02, 0.8))
    assert (found.state, found.peak_class) == ("visible", "decorrelated core")
    assert found.sigma > 1
    assert seen(4.0, by_part(0.02, 0.05)).state == "hidden"
    assert seen(1.0, by_part(0.02, 0.8)).state == "hidden"  # too little of the margin moves by 0.8 rad


def test_dense_fringes_lose_coherence():
    """A margin over which the phase turns faster than a cell can tell is no fringed rim."""
    assert seen(4.0, by_part(0.02, 0.8)).state == "visible"
    assert seen(400.0, by_part(0.02, 0.8)).state == "hidden"


def test_too_little_data_is_not_seen():
    def half(window):
        values = np.full(window.shape, 0.9, np.float32)
        values[:, : int(0.7 * window.width)] = np.nan
        return values

    found = seen(3.0, half)
    assert found.state == "hidden"
    assert math.isnan(found.sigma)
    assert seen(3.0, coherence(np.nan)).state == "hidden"


def test_rest_is_by_the_pair():
    body = mover(speed=1.0, activity=Activity("stop-and-go", bursts=((100.0, 50.0, 1.0),)))
    states = [
        sight(body, days, UP, coherence(0.8), spacing=SPACING, looks=LOOKS).state
        for days in ((60.0, 72.0), (120.0, 132.0), (160.0, 172.0))
    ]
    assert states == ["resting", "visible", "resting"]


def test_only_its_own_window_is_asked_for():
    asked = []

    def coherence_of(window):
        asked.append(window)
        return np.full(window.shape, 0.8, np.float32)

    seen(2.0, coherence_of)
    assert asked == [mover().window(SPACING, reach=REACH)]


def test_coherence_of_another_shape():
    with pytest.raises(
        InsarError, match=r"coherence_of must return the window's shape .* got shape \(3, 3\): return one"
    ):
        seen(2.0, lambda window: np.ones((3, 3), np.float32))


def target(state, phase=2.0, window=Window(30, -190, 80, 110)):  # noqa: B008  (a frozen value)
    body = mover()
    bodies = Bodies.draw(window, (body,), SPACING)
    valid = np.ones(window.shape, bool)
    valid[:, :5] = False
    sights = {body.id: Sight(body.id, phase, 0.1, state, None)}
    return bodies, pair_target(bodies, sights, bodies.profile * np.float32(-phase), valid), valid


def test_target_of_a_visible_mover():
    bodies, found, valid = target("visible")
    assert found.dtype == np.uint8
    body = bodies.label > 0
    fast = bodies.profile * 2 >= 0.3
    np.testing.assert_array_equal(found == MOVING, body & fast & valid)
    np.testing.assert_array_equal(found == OPEN, body & ~fast & valid)
    np.testing.assert_array_equal(found == ABSENT, ~body & valid)
    np.testing.assert_array_equal(found == MISSING, ~valid)
    assert all((found == s).any() for s in (ABSENT, MOVING, OPEN, MISSING))


@pytest.mark.parametrize(("state", "of_body"), [("hidden", OPEN), ("resting", ABSENT)])
def test_target_of_what_is_not_seen(state, of_body):
    bodies, found, valid = target(state)
    assert (found[(bodies.label > 0) & valid] == of_body).all()


def test_any_window_has_the_same_target():
    _, whole, _ = target("visible")
    part = Window(40, -170, 50, 60)
    np.testing.assert_array_equal(
        target("visible", window=part)[1][:, 5:], whole[part.within(Window(30, -190, 80, 110))][:, 5:]
    )


def test_target_without_a_sight():
    bodies = Bodies.draw(Window(60, -140, 9, 9), (mover(),), SPACING)
    still = np.zeros((9, 9), np.float32)
    with pytest.raises(InsarError, match=r"sights must hold every mover of the window, instead got none of id=7: add"):
        pair_target(bodies, {}, still, still == 0)
