import numpy as np
import pytest
import xarray as xr
from scenes import still

from insarflow.inventory.truth import true_movers
from insarflow.simulate.marks import marks
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scenario, Scene
from insarflow.simulate.sights import TrueCoherence
from insarflow.simulate.stack import simulate_stack
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN, sight
from insarflow.simulate.truths import PARTS
from insarflow.types import Window

SHAPE = (90, 100)
SCENARIO = Scenario(
    slides={"density": 1.2, "size": (60.0, 180.0), "giants": 0.0, "speed": (0.2, 2.0)}, cover={"bare_chance": 1.0}
)


@pytest.fixture(scope="module")
def simulated():
    stack, truth = simulate_stack(SHAPE, seed=5, acquisitions=4, delays=(6, 18), scenario=SCENARIO)
    return stack[["valid", "los_up"]].load(), truth.load()


def test_truth_is_about_the_same_pixels(simulated):
    stack, truth = simulated
    for name in ("y", "x", "date", "delay", "spatial_ref"):
        xr.testing.assert_identical(truth[name], stack[name])
    numbers = np.unique(truth.label)
    np.testing.assert_array_equal(numbers, [0, *truth.mover])
    assert truth.visible.dims == ("date", "delay", "mover")
    assert truth.sizes["mover"] > 2
    assert not truth.los_rate.values[truth.label.values == 0].any()


def test_speeds_are_those_along_the_line_of_sight(simulated):
    _, truth = simulated
    fastest = [np.abs(truth.los_rate.values[truth.label.values == n]).max() for n in truth.mover.values]
    # The core's speed, where it lies in the region.
    whole = np.array([_is_inside(truth.label.values == n) for n in truth.mover.values])
    assert whole.sum() > 1
    np.testing.assert_allclose(truth.peak_rate.values[whole], np.array(fastest)[whole], rtol=0.02)
    assert (truth.peak_rate <= truth.speed * 1.0001).all()
    assert (truth.confidence >= 0).all()
    assert set(truth.kind.values) <= {"Landslide", "Rock glacier", "Unknown"}


def _is_inside(body):
    return not (body[0].any() or body[-1].any() or body[:, 0].any() or body[:, -1].any())


def test_visible_movers_against_a_loop(simulated):
    """The rules asked pair by pair and mover by mover, with what the mover's window alone tells."""
    _, truth = simulated
    scene = Scene.draw(5, SHAPE, pixel_size=20.0, first_day=184.0, scenario=SCENARIO)
    steps = PROCESSING["unfiltered"]
    bodies = scene.slides.bodies(scene.ground_of(Window(0, 0, *SHAPE)))
    numbers = {m.id: int(truth.label.values[bodies.label == k][0]) for k, m in enumerate(bodies.movers, 1)
               if (bodies.label == k).any()}  # fmt: skip
    assert sorted(numbers.values()) == truth.mover.values.tolist()
    seen = set()
    for i, j in np.argwhere(truth.visible.any("mover").values | True):
        if not (i + (1, 3)[j] < 4):
            assert not truth.visible.values[i, j].any()
            continue
        pair = int(i), int(i + (1, 3)[j])
        for mover in bodies.movers:
            if mover.id not in numbers:
                continue
            los = scene.radar.viewing.line_of_sight(mover.south / 20 - 0.5, mover.east / 20 - 0.5, mover.height)
            possible = sight(
                mover, (scene.day(pair[0]), scene.day(pair[1])), tuple(float(v) for v in los),
                lambda window, pair=pair: TrueCoherence.of(scene, window).at(pair),
                spacing=20.0, looks=steps.effective_looks, cell=steps.cell,
            )  # fmt: skip
            asked = np.array([[possible.peak if possible.state == "visible" else np.nan]])
            one = possible.marked(float(marks(scene, [mover], [pair], asked, steps)[0, 0]))
            at = i, j, numbers[mover.id] - 1
            assert bool(truth.visible.values[at]) == (one.state == "visible")
            assert truth.peak_phase.values[at] == np.float32(one.peak)
            target = truth.target.values[i, j][bodies.label == bodies.movers.index(mover) + 1]
            expected = {"visible": {MOVING, OPEN}, "hidden": {OPEN}, "resting": {ABSENT}}[one.state]
            assert set(np.unique(target)) <= expected
            seen.add(one.state)
    assert seen == {"visible", "hidden", "resting"}


def test_target_is_missing_where_there_is_no_pair(simulated):
    stack, truth = simulated
    missing = truth.target.values == MISSING
    np.testing.assert_array_equal(missing.all(axis=(2, 3)), ~stack.valid.values)
    np.testing.assert_array_equal(missing.any(axis=(2, 3)), ~stack.valid.values)
    for name in PARTS:
        np.testing.assert_array_equal(np.isnan(truth[name]).all(axis=(2, 3)), ~stack.valid.values)


def test_motion_away_from_the_satellite_is_a_positive_phase(simulated):
    _, truth = simulated
    steady = np.isin(truth.label, truth.mover)
    motion = truth.motion.values[0, 1]
    rate = truth.los_rate.values
    clear = steady & (np.abs(motion) > 0.2)
    assert clear.sum() > 50
    assert (np.sign(motion[clear]) == -np.sign(rate[clear])).all()
    assert not motion[truth.label.values == 0].any()
    # At rest or at most some times the mean of its year: 18 days of it.
    assert np.abs(motion).max() < 4 * np.pi / 0.05546576 * np.abs(rate).max() * 18 / 365.25 * 8


def test_parts_of_triplets_close(simulated):
    _, truth = simulated
    for name in PARTS:
        phase = truth[name].values
        gap = phase[0, 0] + phase[1, 0] + phase[2, 0] - phase[0, 1]
        np.testing.assert_allclose(gap, 0, atol=1e-4 * max(1.0, np.nanmax(np.abs(phase))))
        assert name == "look_alike_phase" or np.nanmax(np.abs(phase)) > 0.01


def test_movers_become_polygons(simulated):
    movers = true_movers(simulated[1])
    assert movers["number"].tolist() == simulated[1].mover.values.tolist()
    assert movers["visible_pairs"].sum() == simulated[1].visible.values.sum()


@pytest.fixture(scope="module")
def quiet():
    """A pair without noise, and how far its image is off the sum of the truth's parts."""

    def pair(processing, direction):
        ranges = still(
            1.0, relief=200.0, air={}, orbit={}, bursts={}, dem_error={"rms": (3.0, 3.0), "correlation": (150.0,) * 2},
            slides={"density": 1.0, "size": (80.0, 200.0), "giants": 0.0, "speed": (0.1, 0.4), "slopes": (0.05, 0.8)},
        )  # fmt: skip
        stack, truth = simulate_stack(
            (100, 110), seed=3, pixel_size=15.0, acquisitions=2, delays=[6], processing=processing, direction=direction,
            scenario=ranges,
        )  # fmt: skip
        parts = {name: truth[name].values[0, 0] for name in PARTS}
        assert not (stack.layover | stack.shadow).any()
        return parts, np.angle(stack.igram.values[0, 0] * np.exp(-1j * sum(parts.values())))

    return pair


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_an_image_without_noise_is_the_sum_of_the_parts(quiet, direction):
    """But for what looks and the nearest neighbour leave, and the receiver's noise."""
    parts, off = quiet("unfiltered", direction)
    assert np.ptp(sum(parts.values())) > 2
    assert np.median(np.abs(off)) < 0.06
    assert np.percentile(np.abs(off), 95) < 0.2
    moving = np.abs(parts["motion"]) > 0.2
    assert moving.sum() > 20
    assert np.median(np.abs(off[moving])) < 0.12
    # Each part counts: without it, or the other way round, the image is farther off.
    for name in ("motion", "atmosphere", "orbit", "topography"):
        counts = np.abs(parts[name]) > (0.2 if name == "motion" else 0.1)
        if counts.sum() > 50:
            for times in (1, 2):
                without = np.angle(np.exp(1j * (off + times * parts[name])))[counts]
                assert np.mean(without**2) > 2 * np.mean(off[counts] ** 2)


def test_a_filter_smooths_what_is_small_and_keeps_what_is_large(quiet):
    parts, off = quiet("isslide", "ascending")
    assert np.median(np.abs(off)) < 0.15
    assert np.percentile(np.abs(off), 95) < 0.4
    assert np.std(parts["atmosphere"]) > 2 * np.std(off)


def test_phases_of_images_without_noise_close():
    stack, _ = simulate_stack((60, 70), acquisitions=3, delays=[6, 12], movers=1, scenario=still(1.0, air={}, orbit={}))
    z = stack.igram.values
    gap = np.angle(z[0, 0] * z[1, 0] * np.conj(z[0, 1]))
    assert np.sqrt(np.mean(gap**2)) < 0.05
