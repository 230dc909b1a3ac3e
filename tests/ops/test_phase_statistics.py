import dask
import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow import circular_mean, circular_std, closure_phase, phase_std, residue_count, residues
from insarflow.ops.layer import read_blocks


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_along_date_and_delay(stack):
    z = stack["igram"].values.astype(complex)
    for dim, axis in (("date", 0), ("delay", 1)):
        mean, spread = circular_mean(stack, dim), circular_std(stack, dim)
        phasor = np.nanmean(z / np.abs(z), axis=axis)
        assert set(mean.dims) == {"date", "delay", "y", "x"} - {dim}
        assert (mean.dtype, mean.attrs["units"], spread.dtype) == (np.float32, "rad", np.float32)
        np.testing.assert_allclose(np.exp(1j * mean), phasor / np.abs(phasor), atol=1e-5)
        inside = np.abs(phasor) < 0.999
        np.testing.assert_allclose(spread.values[inside], np.sqrt(-2 * np.log(np.abs(phasor)))[inside], rtol=1e-3)


def test_lazy_is_eager(stack, forbid_compute):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        results = [circular_mean(cut, "date"), circular_std(cut, "delay"), phase_std(cut, looks=4)]
        results += [closure_phase(with_triplet(cut)), residues(cut), residue_count(cut)]
    wanted = [circular_mean(stack, "date"), circular_std(stack, "delay"), phase_std(stack, looks=4)]
    wanted += [closure_phase(with_triplet(stack)), residues(stack), residue_count(stack)]
    for result, expected in zip(results, wanted, strict=True):
        xr.testing.assert_identical(xr.DataArray(result.compute()), xr.DataArray(expected))


def with_triplet(ds):
    """Days 3, 9 and 15 July: 6 and 6 and 12 days."""
    return ds.drop_vars("valid")


def test_closure_of_a_triplet(stack):
    closed = closure_phase(stack)
    a, b, both = (stack["igram"].values[index].astype(complex) for index in ((0, 0), (1, 0), (0, 1)))
    assert closed.dims == ("triplet", "y", "x")
    assert str(closed["third"].values[0])[:10] == "2021-07-15"
    np.testing.assert_allclose(np.exp(1j * closed[0]), np.exp(1j * np.angle(a * b * both.conj())), atol=1e-5)
    phases = np.angle(a), np.angle(b)
    consistent = stack["igram"].copy(deep=True)
    consistent[0, 1] = np.exp(1j * (phases[0] + phases[1])).astype("complex64")
    np.testing.assert_allclose(closure_phase(stack.assign(igram=consistent)).fillna(0), 0, atol=1e-5)
    with pytest.raises(ValueError, match=r"^closure_phase needs three pairs of three days, instead got 20210703_2021"):
        closure_phase(stack.isel(delay=[0]))


def test_residues_do_not_depend_on_chunks(stack):
    whole = residues(stack)
    for chunks in (7, 13, 40):
        xr.testing.assert_identical(residues(stack.chunk(y=chunks, x=chunks)).compute(), whole)
    np.testing.assert_array_equal(residue_count(stack), (whole != 0).sum(("y", "x")))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: phase_std(s, looks=0.5), ValueError, "^looks must be at least 1, instead got looks=0.5$"),
        (lambda s: phase_std(s, looks=2, method="x"), ValueError, "^method must be one of .*, instead got method='x'$"),
        (
            lambda s: phase_std(s["igram"], looks=2),
            TypeError,
            "^coherence must be float32 or float64, instead got compl",
        ),
        (
            lambda s: phase_std(-s["coherence"], looks=2),
            ValueError,
            "^coherence must be between 0 and 1 .* coherence=-0",
        ),
        (lambda s: phase_std(2 * s["coherence"], looks=2), ValueError, "^coherence must be between 0 and 1 .*=1"),
        (lambda s: circular_mean(s, "y"), ValueError, r"^dim must be one of \('date', 'delay'\), instead got dim='y'$"),
        (lambda s: circular_std(s["dem"], "date"), TypeError, "^igram must be complex64, instead got float32"),
        (lambda s: residues(s["dem"]), TypeError, "^igram must be complex64, instead got float32"),
    ],
)
def test_bad_input(stack, call, error, message):
    with pytest.raises(error, match=message):
        call(stack)


def test_residues_of_the_real_pair(data):
    folder = data / "amsterdam-s1-slc-pair"
    a, b = (np.load(folder / f) for f in ("slc_20230331_reference.npy", "slc_20230319_secondary_coregistered.npy"))
    igram = xr.DataArray((a * b.conj()).astype("complex64"), dims=("y", "x"))
    assert float(residue_count(igram)) / igram[1:, 1:].size == pytest.approx(0.10, abs=0.01)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_along_both_and_along_pairs(stack, forbid_compute):
    z = stack["igram"].values.astype(complex)
    phasor = np.nanmean((z / np.abs(z)).reshape(4, *z.shape[2:]), axis=0)
    cut = stack.chunk(date=1, delay=2, y=13, x=30)
    with forbid_compute():
        lazy = [circular_mean(cut, ("date", "delay")), circular_mean(insarflow.to_pairs(cut), "pair")]
        spread = circular_std(insarflow.to_pairs(cut), dim="pair")
    for mean in (circular_mean(stack, ("delay", "date")), *lazy):
        assert mean.dims == ("y", "x")
        np.testing.assert_allclose(np.exp(1j * mean), phasor / np.abs(phasor), atol=1e-5)
    wanted = np.sqrt(np.maximum(-2 * np.log(np.abs(phasor)), 0))
    np.testing.assert_allclose(spread, wanted, rtol=1e-3, atol=1e-3)
    assert lazy[0].attrs["long_name"] == "circular mean of the phase along date and delay"
    turned = circular_mean(stack["igram"].transpose("y", "delay", "x", "date"), "date")
    assert turned.dims == ("y", "delay", "x")
    np.testing.assert_array_equal(turned.transpose("delay", "y", "x"), circular_mean(stack, "date"))


def test_graph_of_a_large_stack_is_of_its_pairs(forbid_compute):
    pairs, size, block = 1500, 4096, 2048
    valid = np.zeros((300, 60), bool)
    valid[:, :5] = True

    class Nothing:
        shape, dtype = (*valid.shape, size, size), np.dtype("complex64")

    igram = read_blocks(Nothing(), (1, 1, block, block), "nothing")
    ds = xr.Dataset({"igram": (("date", "delay", "y", "x"), igram), "valid": (("date", "delay"), valid)})
    blocks = (size // block) ** 2
    for dim, shape in ((("date", "delay"), ()), ("date", (60,)), ("delay", (300,))):
        with forbid_compute():
            mean = circular_mean(ds, dim)
        assert mean.shape == (*shape, size, size)
        tasks = len(dict(dask.optimize(mean.data)[0].dask))
        # A step takes four images, and each image of the result has a root, a field and an angle.
        assert tasks < blocks * (pairs / 2 + 3 * max(1, int(np.prod(shape))))


def test_dims_are_checked(stack):
    for dim in ((), ("date", "date"), ("date", "y"), "pair"):
        with pytest.raises(ValueError, match=r"^dim must be one of \('date', 'delay'\), instead got dim="):
            circular_mean(stack, dim)
