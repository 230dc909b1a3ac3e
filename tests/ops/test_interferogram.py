import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import coherence, interferogram, multilook
from insarflow.schema import recipe_of


def noise(shape, seed):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    z[rng.uniform(size=shape) < 0.1] = np.nan
    return z


def labelled(data):
    return xr.DataArray(data, dims=("pair", "y", "x")[-data.ndim :])


def two(shape, seed=0):
    a, b = noise(shape, seed), noise(shape, seed + 1)
    return a, (a * np.complex64(np.exp(0.5j)) + b).astype(np.complex64)


def oracle(a, b, phase, looks, min_valid=0.5):
    """Pixel by pixel."""
    rows, cols = a.shape[0] // looks[0], a.shape[1] // looks[1]
    igram, gamma = np.full((rows, cols), np.nan, complex), np.full((rows, cols), np.nan)
    for i, j in np.ndindex(rows, cols):
        cut = np.s_[i * looks[0] : (i + 1) * looks[0], j * looks[1] : (j + 1) * looks[1]]
        p, q, f = a[cut].astype(complex).ravel(), b[cut].astype(complex).ravel(), phase[cut].ravel()
        there = ~np.isnan(p + q + f)
        if there.any() and there.mean() >= min_valid:
            z = (p * q.conj() * np.exp(-1j * f))[there]
            power = np.sum(abs(p[there]) ** 2) * np.sum(abs(q[there]) ** 2)
            igram[i, j], gamma[i, j] = z.mean(), abs(z.sum()) / np.sqrt(power)
    return igram, gamma


@pytest.mark.parametrize("looks", [(1, 1), (2, 8), (8, 2), (3, 5), (13, 17)])
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_against_a_plain_loop(looks, dtype):
    a, b = two((29, 43))
    phase = np.random.default_rng(5).uniform(-300, 300, a.shape).astype(dtype or float)
    phase[3, 4] = np.nan if dtype else 0
    given = None if dtype is None else labelled(phase)
    result = interferogram(labelled(a), labelled(b), looks=looks, geometric_phase=given)
    igram, gamma = oracle(a, b, phase if dtype else 0 * phase, looks)
    np.testing.assert_allclose(result["igram"], igram, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result["coherence"], gamma, atol=3e-7)


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    shape = (2, data.draw(st.integers(6, 40)), data.draw(st.integers(6, 45)))
    options = {"looks": tuple(data.draw(st.integers(1, 5)) for _ in range(2))}
    if data.draw(st.booleans()):
        options |= {"coherence": "sliding", "window": tuple(data.draw(st.integers(1, 6)) for _ in range(2))}
    a, b = two(shape)
    phase = np.random.default_rng(5).uniform(-30, 30, shape[1:]).astype("float32")
    cut = [labelled(lazy(z, data.draw(chunkings(shape)))) for z in (a, b)]
    result = interferogram(*cut, geometric_phase=labelled(phase), **options)
    assert isinstance(result["igram"].data, da.Array)
    whole = interferogram(labelled(a), labelled(b), geometric_phase=labelled(phase), **options)
    xr.testing.assert_identical(result.compute(), whole)


def test_sliding_is_coherence_then_looks():
    """As SNAP does: the estimate at single look, then its mean."""
    a, b = map(labelled, two((300, 40)))
    pair = interferogram(a, b, looks=(2, 8), coherence="sliding", window=(3, 10))
    expected = multilook(coherence(a, b, window=(3, 10)), y=2, x=8)
    np.testing.assert_array_equal(pair["coherence"], expected)
    np.testing.assert_array_equal(pair["igram"], interferogram(a, b, looks=(2, 8))["igram"])
    assert pair["coherence"].attrs["estimator"] == "two images, sliding boxcar, mean over the looks"
    assert pair["coherence"].attrs["window"] == [3, 10]


def test_fringes_bias_neither_output():
    a = np.exp(1j * np.random.default_rng(0).uniform(0, 6, (64, 64)))
    fringes = 0.9 * np.arange(64.0) + np.zeros((64, 1))
    b = (a * np.exp(-1j * (fringes + 0.3))).astype("complex64")
    earlier, later, phase = map(labelled, (a.astype("complex64"), b, fringes))
    for how in ("block", "sliding"):
        kept = interferogram(earlier, later, looks=8, coherence=how)
        flat = interferogram(earlier, later, looks=8, geometric_phase=phase, coherence=how)
        assert float(kept["coherence"].max()) < 0.6
        assert float(flat["coherence"].min()) > 1 - 1e-6
        np.testing.assert_allclose(flat["igram"], np.exp(0.3j), atol=1e-6)  # earlier * conj(later): away is positive


def test_result_is_labelled(forbid_compute):
    a, b = (labelled(z).assign_coords(y=10.0 * np.arange(12), pair=[1, 2]) for z in two((2, 12, 20)))
    a.attrs = {"grid_mapping": "spatial_ref", "looks": [1, 2]}
    with forbid_compute():
        result = interferogram(a.chunk(y=5), b, looks=(3, 4))
    assert dict(result.sizes) == {"pair": 2, "y": 4, "x": 5}
    np.testing.assert_array_equal(result["y"], [10, 40, 70, 100])
    assert (result["igram"].dtype, result["coherence"].dtype) == (np.complex64, np.float32)
    assert result["igram"].attrs["grid_mapping"] == "spatial_ref"
    assert result.attrs["looks"] == [3, 8]
    assert recipe_of(result).steps[-1] == {
        "operation": "interferogram",
        "looks": [3, 4],
        "coherence": "block",
        "min_valid": 0.5,
        "geometric_phase_removed": False,
    }


A, B = map(labelled, two((6, 8)))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((A, B), {"looks": (7, 1)}, ValueError, "^looks must be a whole number .* at most 6, instead got looks=7$"),
        ((A, B), {"looks": (1, 2, 3)}, ValueError, r"^looks must be one number or \(y, x\), instead got looks="),
        ((A, A), {"looks": 2}, ValueError, "^secondary must be another image than the reference"),
        ((A, B[:3]), {"looks": 2}, ValueError, "^secondary must have the reference's sizes"),
        ((A.real, B), {"looks": 2}, TypeError, "^reference must be complex64, instead got float32"),
        ((A, B), {"looks": 2, "coherence": "x"}, ValueError, r"^coherence must be one of \('block', 'sliding'\)"),
        (
            (A, B),
            {"looks": 2, "window": 3},
            ValueError,
            "^window must be left out with coherence='block', .* window=3$",
        ),
        (
            (A, B),
            {"looks": 2, "window": 9, "coherence": "sliding"},
            ValueError,
            "^window must be .* at most 6, instead got window=9$",
        ),
        ((A, B), {"looks": 2, "min_valid": 2}, ValueError, "^min_valid must be between 0 and 1"),
        ((A, B), {"looks": 2, "geometric_phase": 3.0}, TypeError, "^geometric_phase must be an xarray.DataArray"),
        ((A, B), {"looks": 2, "geometric_phase": A}, TypeError, "^geometric_phase must be float32 or float64"),
        ((A, B), {"looks": 2, "geometric_phase": A.real[:2]}, ValueError, "^geometric_phase must have the reference's"),
    ],
)
def test_bad_input(arguments, options, error, message):
    with pytest.raises(error, match=message):
        interferogram(*arguments, **options)


def test_real_pair(data):
    folder = data / "amsterdam-s1-slc-pair"
    later = labelled(np.load(folder / "slc_20230331_reference.npy"))
    earlier = labelled(np.load(folder / "slc_20230319_secondary_coregistered.npy"))
    gamma = coherence(earlier, later, window=5)
    np.testing.assert_allclose(np.nanpercentile(gamma, [5, 25, 50, 75, 95]), [0.32, 0.65, 0.82, 0.91, 0.96], atol=0.01)
    pair = interferogram(earlier, later, looks=(2, 8), coherence="sliding", window=(3, 10))
    assert np.angle(complex(pair["igram"].sum())) == pytest.approx(1.35, abs=0.1)  # the other way round than its README
    assert float(pair["coherence"].median()) == pytest.approx(0.8, abs=0.05)
