import numpy as np
import pytest

from insarflow.kernels.residues import residues


def oracle(z):
    phase = np.angle(z.astype(complex))
    out = np.zeros(z.shape, int)
    for r, c in np.ndindex(z.shape[0] - 1, z.shape[1] - 1):
        loop = [phase[r, c], phase[r, c + 1], phase[r + 1, c + 1], phase[r + 1, c], phase[r, c]]
        steps = np.angle(np.exp(1j * np.diff(loop)))
        out[r, c] = 0 if np.isnan(steps).any() else round(steps.sum() / (2 * np.pi))
    return out


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_against_a_plain_loop(missing):
    rng = np.random.default_rng(0)
    z = (rng.normal(size=(40, 50)) + 1j * rng.normal(size=(40, 50))).astype(np.complex64)
    z[rng.uniform(size=z.shape) < missing] = np.nan
    result = residues(z)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, oracle(z))
    assert (result != 0).sum() > 200


def test_smooth_phase_has_none_and_a_vortex_has_one():
    y, x = np.mgrid[-8:8, -8:8] + 0.5
    assert not residues(np.exp(0.7j * x + 0.4j * y).astype(np.complex64)).any()
    vortex = residues((x + 1j * y).astype(np.complex64))
    assert np.argwhere(vortex).tolist() == [[7, 7]]
    assert abs(vortex).sum() == 1
