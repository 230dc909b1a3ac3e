import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma as gamma_function
from scipy.special import hyp2f1, spence

from insarflow.kernels.bias import mean_estimate, unbias
from insarflow.kernels.phase_statistics import phase_density, phase_std


def lee(phase, coherence, looks):
    """The density as Lee et al. (1994) print it, eq. 15."""
    beta = coherence * np.cos(phase)
    first = gamma_function(looks + 0.5) * (1 - coherence**2) ** looks * beta
    first /= 2 * np.sqrt(np.pi) * gamma_function(looks) * (1 - beta**2) ** (looks + 0.5)
    return first + (1 - coherence**2) ** looks / (2 * np.pi) * hyp2f1(looks, 1, 0.5, beta**2)


@pytest.mark.parametrize("looks", [1, 2.5, 16])
@pytest.mark.parametrize("coherence", [0.0, 0.3, 0.9])
def test_density_is_lees(coherence, looks):
    phase = np.linspace(-np.pi, np.pi, 21)
    np.testing.assert_allclose(
        phase_density(phase, coherence, looks), lee(phase, coherence, looks), rtol=1e-6, atol=1e-12
    )


@pytest.mark.parametrize("looks", [1.0, 4.0, 12.6])
def test_spread_is_the_integral(looks):
    for coherence in (0.05, 0.4, 0.8, 0.97):
        variance = quad(lambda p, c=coherence: p * p * lee(p, c, looks), -np.pi, np.pi, limit=400)[0]
        assert phase_std(np.array([coherence]), looks=looks)[0] == pytest.approx(np.sqrt(variance), rel=1e-5)


def test_single_look_has_a_closed_form():
    c = np.linspace(0, 0.999, 50)
    variance = np.pi**2 / 3 - np.pi * np.arcsin(c) + np.arcsin(c) ** 2 - spence(1 - c * c) / 2
    np.testing.assert_allclose(phase_std(c, looks=1.0), np.sqrt(variance), rtol=1e-5)


def test_limits():
    values = np.array([0, 1, np.nan], np.float32)
    np.testing.assert_allclose(phase_std(values, looks=5.0), [np.pi / np.sqrt(3), 0, np.nan], rtol=1e-6)
    high = np.array([0.95, 0.99])
    exact, bound = (phase_std(high, looks=200.0, method=m) for m in ("exact", "cramer-rao"))
    np.testing.assert_allclose(exact, bound, rtol=0.01)
    assert (
        phase_std(np.linspace(0, 1, 999), looks=30.0)[:-1] > phase_std(np.linspace(0, 1, 999), looks=30.0)[1:]
    ).all()


@pytest.mark.parametrize("truth", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("looks", [5, 25])
def test_bias_of_simulated_images(truth, looks):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(2, 20000, looks)) @ np.eye(looks) for _ in range(2))
    a, b = a[0] + 1j * a[1], b[0] + 1j * b[1]
    b = truth * a + np.sqrt(1 - truth**2) * b
    estimate = abs((a * b.conj()).sum(1)) / np.sqrt((abs(a) ** 2).sum(1) * (abs(b) ** 2).sum(1))
    assert mean_estimate(truth, looks) == pytest.approx(estimate.mean(), abs=0.004)
    mean = np.array([mean_estimate(truth, looks), 1.0, np.nan], np.float32)
    np.testing.assert_allclose(unbias(mean, method="touzi", looks=looks), [truth, 1, np.nan], atol=2e-3)
    simple = unbias(mean, method="simple", looks=looks)
    assert simple[0] == pytest.approx(max(0.0, mean[0] - (1 - mean[0] ** 2) / (2 * looks)), abs=1e-6)
