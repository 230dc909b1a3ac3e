import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import still

from insarflow.kernels.phase_statistics import phase_std
from insarflow.simulate.observe import observe, single_look_images, sum_of
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Scenario, Scene
from insarflow.types import Window

SIDE = 40
WHOLE = Window(0, 0, SIDE, SIDE)
PIXELS = {"unfiltered": 14.64, "isslide": 14.64, "looks1x4": 12.0, "looks5x20": 40.0, "looks4x20": 40.0}
PIXELS |= {"looks10x40": 40.0, "boxcar3x10": 14.0}


def mountains(pixel_size, direction):
    scenario = Scenario(slides={"density": 0.5, "size": (60.0, 200.0), "giants": 0.0})
    return Scene.draw(4, (SIDE, SIDE), pixel_size=pixel_size, direction=direction, scenario=scenario)


@pytest.fixture(scope="module")
def regions():
    """A scene of each direction and product, and three pairs of it: drawn once."""
    known = {}

    def region(name, direction):
        if (name, direction) not in known:
            scene = mountains(PIXELS[name], direction)
            known[name, direction] = scene, observe(scene, [(0, 1), (0, 2), (1, 2)], WHOLE, PROCESSING[name])
        return known[name, direction]

    return region


@pytest.mark.parametrize("name", PROCESSING)
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_any_window_and_any_set_of_pairs_has_the_same_bits(regions, name, data):
    scene, whole = regions(name, data.draw(st.sampled_from(["ascending", "descending"])))
    y, x = data.draw(st.integers(0, SIDE - 1)), data.draw(st.integers(0, SIDE - 1))
    part = Window(y, x, data.draw(st.integers(1, SIDE - y)), data.draw(st.integers(1, SIDE - x)))
    k, pair = data.draw(st.sampled_from(list(enumerate([(0, 1), (0, 2), (1, 2)]))))
    # The first of two images is that of the pair that is looked at.
    alone = observe(scene, [pair, (5, 3)], part, PROCESSING[name])[0]
    for field in ("igram", "coherence"):
        np.testing.assert_array_equal(alone[field], whole[field][(k, *part.within(WHOLE))])


def test_refine_is_one_and_more():
    assert {mountains(size, "ascending").refine for size in PIXELS.values()} == {1, 3}


def test_pixels_beyond_the_region_are_there_too(regions):
    scene, whole = regions("unfiltered", "ascending")
    wide = observe(scene, [(0, 1)], Window(-6, -5, 12, 15), PROCESSING["unfiltered"])[0]
    np.testing.assert_array_equal(wide["igram"][6:, 5:], whole["igram"][0, :6, :10])
    assert np.isfinite(wide["igram"]).all()


def test_product_of_swapped_images_is_the_conjugate(regions):
    scene, whole = regions("unfiltered", "descending")
    swapped = observe(scene, [(1, 0)], WHOLE, PROCESSING["unfiltered"])[0]
    np.testing.assert_allclose(swapped["igram"], np.conj(whole["igram"][0]), atol=1e-5)
    np.testing.assert_allclose(swapped["coherence"], whole["coherence"][0], atol=1e-5)


def test_phase_alone_has_unit_magnitude(regions):
    np.testing.assert_allclose(np.abs(regions("isslide", "ascending")[1]["igram"]), 1.0, rtol=1e-6)
    assert np.ptp(np.abs(regions("unfiltered", "ascending")[1]["igram"])) > 0.1


def test_sum_of_parts_leaves_them_as_they_are():
    parts = {"a": np.ones(3, np.float32), "b": np.full(3, 2.0, np.float32)}
    np.testing.assert_array_equal(sum_of(parts), [3, 3, 3])
    np.testing.assert_array_equal(parts["a"], 1)


def test_images_of_flat_ground_have_unit_power():
    scene = Scene.draw(1, (100, 100), pixel_size=14.64, scenario=still(0.5))
    images = single_look_images(scene, [0, 3], Window(200, 1500, 60, 300))
    assert images.dtype == np.complex64
    assert np.mean(np.abs(images) ** 2) == pytest.approx(1.01, abs=0.06)


def flat(coherence, name="unfiltered", seed=5):
    """A pair of flat ground at rest."""
    scene = Scene.draw(seed, (200, 200), pixel_size=14.64, scenario=still(coherence))
    return observe(scene, [(0, 1)], Window(0, 0, 200, 200), PROCESSING[name])[0]


@pytest.fixture(scope="module")
def noise():
    return {coherence: flat(coherence) for coherence in (0.0, 0.35, 0.6, 0.85)}


def test_coherence_of_noise_alone_is_that_of_12_looks_in_30_samples(noise):
    """For L looks its mean is Gamma(3/2) Gamma(L) / Gamma(L + 1/2): 0.250 for 12.6, and 0.16 for 30."""
    assert noise[0.0]["coherence"].mean() == pytest.approx(0.250, abs=0.008)


def test_coherence_follows_that_of_the_ground(noise):
    # The estimate is biased upwards, less and less as coherence rises; the receiver's noise takes a hundredth.
    means = [float(noise[g]["coherence"].mean()) for g in (0.35, 0.6, 0.85)]
    np.testing.assert_allclose(means, [0.42, 0.61, 0.84], atol=0.025)
    spread = [float(noise[g]["coherence"].std()) for g in (0.0, 0.35, 0.6, 0.85)]
    assert spread[1] > spread[2] > spread[3]
    assert spread[3] < 0.06


@pytest.mark.parametrize("coherence", [0.35, 0.6, 0.85])
def test_phase_is_as_noisy_as_that_of_eight_looks(noise, coherence):
    """Sixteen samples of 13.9 by 2.33 m make eight independent looks."""
    found = float(np.angle(noise[coherence]["igram"]).std())
    most, least = (float(phase_std(np.array([coherence], np.float32), looks=n)[0]) for n in (7.0, 9.0))
    assert least < found < most


def autocorrelation(phase, lags):
    rough = phase - phase.mean()
    power = np.mean(rough**2)
    rows = [np.mean(rough[: -k or None] * rough[k:]) / power for k in lags]
    return np.array(rows), np.array([np.mean(rough[:, : -k or None] * rough[:, k:]) / power for k in lags])


def test_noise_has_the_size_of_radar_cells_not_of_pixels(noise):
    """A cell of 28 by 30 m takes four or five pixels, which the nearest neighbour gives one value."""
    along, across = autocorrelation(np.angle(noise[0.6]["igram"]), range(7))
    for values in (along, across):
        assert values[0] == 1
        assert 0.35 < values[1] < 0.75
        assert values[2] < 0.4
        assert np.abs(values[4:]).max() < 0.05
    _, smooth = autocorrelation(np.angle(flat(0.6, "isslide")["igram"]), range(7))
    assert smooth[2] > across[2] + 0.2


def test_noise_of_pairs_that_share_no_image_is_independent():
    scene = Scene.draw(3, (120, 120), pixel_size=14.64, scenario=still(0.0))
    one, other, shared = observe(scene, [(0, 1), (2, 3), (0, 2)], Window(0, 0, 120, 120), PROCESSING["unfiltered"])
    for a, b in ((one, other), (one, shared)):
        product = (a["igram"] * np.conj(b["igram"])).mean()
        assert abs(product) < 0.05 * (np.abs(a["igram"]) * np.abs(b["igram"])).mean()
