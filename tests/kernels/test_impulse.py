import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from scipy.special import gammaln

from insarflow.kernels._jit import jit
from insarflow.kernels.impulse import (
    AZIMUTH_BAND,
    AZIMUTH_RATE,
    AZIMUTH_WEIGHT,
    RANGE_BAND,
    RANGE_RATE,
    RANGE_WEIGHT,
    REACH,
    filtered_row,
    filtered_rows,
    taps,
)


def both_sides(side):
    return np.concatenate([side[:0:-1], side]).astype(float)


def autocorrelation(side, lags):
    full = both_sides(side)
    own = np.correlate(full, full, "full")[full.size - 1 :]
    return np.pad(own, (0, lags))[:lags]


def of_the_sensor(subswath, axis, lags):
    """Autocorrelation of white speckle under a Hamming window, by summing over frequencies."""
    band = (AZIMUTH_BAND[subswath - 1] / AZIMUTH_RATE, RANGE_BAND[subswath - 1] / RANGE_RATE)[axis]
    a = (AZIMUTH_WEIGHT, RANGE_WEIGHT)[axis][subswath - 1]
    f = band * ((np.arange(20_000) + 0.5) / 20_000 - 0.5)
    power = (a + (1 - a) * np.cos(2 * np.pi * f / band)) ** 2
    return np.array([np.sum(power * np.cos(2 * np.pi * f * k)) for k in range(lags)]) / power.sum()


@pytest.mark.parametrize("subswath", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_autocorrelation_is_that_of_the_hamming_spectrum(subswath, axis):
    side = taps(subswath)[axis]
    assert autocorrelation(side, 1)[0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(autocorrelation(side, 50), of_the_sensor(subswath, axis, 50), atol=0.016)
    assert autocorrelation(side, 2)[1] > 0.4


def independent(correlations, size):
    """Independent samples in so many neighbours."""
    k = np.arange(1, size)
    return size**2 / (size + 2 * np.sum((size - k) * correlations[1:size] ** 2))


def test_looks_of_the_usual_window():
    found, wanted = [], []
    for s in (1, 2, 3):
        found.append(np.prod([independent(autocorrelation(taps(s)[axis], n), n) for axis, n in enumerate((3, 10))]))
        wanted.append(np.prod([independent(of_the_sensor(s, axis, n), n) for axis, n in enumerate((3, 10))]))
    np.testing.assert_allclose(found, wanted, rtol=0.01)
    assert found[1] == pytest.approx(12.6, abs=0.1)
    assert np.exp(gammaln(found[1]) - gammaln(found[1] + 0.5)) * np.sqrt(np.pi) / 2 == pytest.approx(0.25, abs=0.005)


@jit
def along(row, side, out):
    filtered_row(row, side, out)


@jit
def across(image, side, out):
    recent = np.empty((2 * REACH + 1, image.shape[1]), np.float32)
    for r in range(image.shape[0]):
        recent[r % recent.shape[0]] = image[r]
        if r >= 2 * REACH:
            filtered_rows(recent, r, side, out[r - 2 * REACH])


def test_filters_are_convolutions():
    side, rng = taps(2)[0], np.random.default_rng(0)
    z = (rng.normal(size=(40, 61)) + 1j * rng.normal(size=(40, 61))).astype(np.complex64)
    row, rows = np.empty(61 - 2 * REACH, np.complex64), np.empty((40 - 2 * REACH, 61), np.complex64)
    along(z[0].view(np.float32), side, row.view(np.float32))
    np.testing.assert_allclose(row, np.convolve(z[0], both_sides(side), "valid"), atol=1e-5)
    across(z.view(np.float32), side, rows.view(np.float32))
    expected = np.stack([np.convolve(column, both_sides(side), "valid") for column in z.T], axis=1)
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_autocorrelation_of_a_real_image(data):
    # IW3. About 10,000 independent samples leave errors of 0.01; buildings that stand out make it 0.02.
    z = np.load(data / "amsterdam-s1-slc-pair" / "slc_20230331_reference.npy")
    z = z / np.sqrt(uniform_filter(np.abs(z) ** 2, (9, 21)))
    power = np.mean(np.abs(z) ** 2)
    # Antenna steering turns lag products along the image at a constant rate: a single peak in frequency.
    lines = [np.mean(z[k:] * np.conj(z[:-k]), axis=1) for k in range(1, 6)]
    found = [np.abs(np.fft.fft(line, 4096)).max() / line.size / power for line in lines]
    np.testing.assert_allclose(found, np.abs(autocorrelation(taps(3)[0], 6))[1:], atol=0.03)
    found = [np.abs(np.mean(z[:, k:] * np.conj(z[:, :-k]))) / power for k in range(1, 6)]
    np.testing.assert_allclose(found, np.abs(autocorrelation(taps(3)[1], 6))[1:], atol=0.03)


@pytest.mark.parametrize("subswath", [0, 4, -1])
def test_no_such_subswath(subswath):
    with pytest.raises(ValueError, match=rf"^subswath must be 1, 2 or 3 .* instead got subswath={subswath}"):
        taps(subswath)
