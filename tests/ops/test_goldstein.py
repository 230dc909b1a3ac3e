import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

import insarflow
from insarflow import goldstein
from insarflow.errors import MissingVariableError
from insarflow.kernels.goldstein import goldstein as kernel
from insarflow.ops.presets import PRESETS, Settings
from insarflow.schema import recipe_of


def noisy(shape, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * (0.2 * np.arange(shape[-1]) + rng.normal(0, 0.8, shape)))
    z[rng.uniform(size=shape) < 0.05] = np.nan
    return z.astype(np.complex64)


def labelled(data):
    return xr.DataArray(data, dims=("date", "delay", "y", "x")[-data.ndim :])


def coherence_like(shape):
    return np.random.default_rng(5).uniform(0, 1, shape).astype(np.float32)


def beside(preset, coherence):
    """The coherence that a preset needs."""
    return {"coherence": labelled(coherence)} if PRESETS[preset].alpha == "adaptive" else {}


def same_bits(a, b):
    np.testing.assert_array_equal(np.asarray(a).view(np.uint64), np.asarray(b).view(np.uint64))


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    patch_size = data.draw(st.sampled_from([16, 32]))
    shape = (2, patch_size + data.draw(st.integers(0, 50)), patch_size + data.draw(st.integers(0, 60)))
    options = {
        "patch_size": patch_size,
        "step": patch_size // data.draw(st.sampled_from([1, 2, 4])),
        "alpha": data.draw(st.sampled_from([0.5, 1.0, 0.3])),
        "amplitude": data.draw(st.sampled_from(["input", "filter", "unit"])),
        "smoothing": data.draw(st.sampled_from([1, 3])),
        "edges": data.draw(st.sampled_from(["fill", "zero"])),
        "normalise": data.draw(st.booleans()),
    }
    z = noisy(shape)
    chunks = data.draw(chunkings(shape))
    result = goldstein(labelled(lazy(z, chunks)), **options)
    assert result.chunks == chunks
    same_bits(result, kernel(z, **options))


@given(st.data(), st.sampled_from(list(PRESETS)))
def test_any_chunks_give_the_same_bits_with_every_preset(data, preset):
    shape = tuple(64 + data.draw(st.integers(0, 50)) for _ in range(2))
    z, gamma = noisy(shape), coherence_like(shape)
    whole = goldstein(labelled(z), preset=preset, **beside(preset, gamma))
    parts = {n: labelled(lazy(a, data.draw(chunkings(shape)))) for n, a in (("igram", z), ("coherence", gamma))}
    given = beside(preset, gamma) and {"coherence": parts["coherence"]}
    same_bits(goldstein(parts["igram"], preset=preset, **given), whole)


@pytest.mark.parametrize("chunks", [7, 97, 500, ((97, 33, 1), (128, 1))], ids=str)
def test_chunks_that_once_broke_something(chunks):
    z = noisy((131, 129))
    same_bits(goldstein(labelled(lazy(z, chunks))), goldstein(labelled(z)))


def test_stack_comes_back_with_all_it_holds(stack):
    result = goldstein(stack, alpha=0.7)
    others = [name for name in stack.variables if name != "igram"]
    for name in others:
        xr.testing.assert_identical(result[name], stack[name])
    assert result.igram.attrs == stack.igram.attrs
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    assert [s["operation"] for s in recipe_of(result).steps] == ["read", "goldstein"]
    assert recipe_of(result).steps[-1] == {
        "operation": "goldstein", "patch_size": 32, "step": 16, "alpha": 0.7, "min_valid": 0.5, "amplitude": "input",
    }  # fmt: skip
    assert "goldstein" not in stack.attrs["recipe"]


def test_absent_cells_stay_absent_and_touch_no_other(stack):
    result = goldstein(stack)
    assert np.isnan(result.igram[-1, -1]).all()
    same_bits(result.igram[0, 1], goldstein(stack.igram[0, 1]))
    np.testing.assert_array_equal(np.isnan(result.igram), np.isnan(stack.igram))
    assert np.abs(result.igram - stack.igram).max() > 0.1


def test_dimensions_in_another_order(stack):
    result = goldstein(stack.igram.transpose("x", "date", "y", "delay"))
    xr.testing.assert_equal(result.transpose("date", "delay", "y", "x"), goldstein(stack.igram))


def test_lazy_in_lazy_out(stack, forbid_compute):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        one, two, other = goldstein(cut), goldstein(cut), goldstein(cut, alpha=0.6)
    assert isinstance(one.igram.data, da.Array)
    assert one.igram.chunks == cut.igram.chunks
    assert one.igram.data.name == two.igram.data.name != other.igram.data.name
    assert one.igram.dtype == np.complex64
    same_bits(one.igram, goldstein(stack).igram)
    assert isinstance(goldstein(stack).igram.data, np.ndarray)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patch_size": 33}, ValueError, "^patch_size must be a power of two, instead got patch_size=33$"),
        ({"patch_size": 4}, ValueError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"patch_size": 256}, ValueError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"patch_size": 32.0}, TypeError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"step": 0}, ValueError, "^step must be a whole number of at least 1 and at most 32, instead got step=0$"),
        ({"step": 12}, ValueError, "^step must divide patch_size=32, instead got step=12$"),
        ({"alpha": 1.5}, ValueError, "^alpha must be between 0 and 1, instead got alpha=1.5$"),
        ({"alpha": "half"}, ValueError, "^alpha must be a number from 0 to 1 or 'adaptive', instead got alpha='half'$"),
        ({"alpha": [0.5]}, TypeError, r"^alpha must be a number, instead got alpha=\[0.5\]$"),
        ({"alpha_range": 0.5}, ValueError, "^alpha_range must be two numbers, instead got alpha_range=0.5$"),
        ({"alpha_range": (0.5, 2)}, ValueError, "^alpha_range must be between 0 and 1, instead got alpha_range=2$"),
        ({"alpha_range": (1, 0.5)}, ValueError, r"^alpha_range must rise, instead got alpha_range=\(1.0, 0.5\)$"),
        ({"smoothing": 4}, ValueError, "^smoothing must be odd, instead got smoothing=4$"),
        ({"smoothing": 33}, ValueError, "^smoothing must be a whole number of at least 1 and at most 31, instead got"),
        ({"smoothing_ends": "x"}, ValueError, r"^smoothing_ends must be one of \('circular', 'clipped'\), instead got"),
        ({"window": "hann"}, ValueError, r"^window must be one of \('triangular', .*\), instead got window='hann'$"),
        ({"edges": "cut"}, ValueError, r"^edges must be one of \('fill', 'zero'\), instead got edges='cut'$"),
        ({"normalise": 1}, TypeError, "^normalise must be True or False, instead got normalise=1"),
        ({"swap_iq": "no"}, TypeError, "^swap_iq must be True or False, instead got swap_iq='no'"),
        ({"preset": "adf"}, ValueError, r"^preset must be one of \('default', .*\), instead got preset='adf'$"),
        (
            {"patch_size": 64},
            ValueError,
            "^patch_size must be at most the image's size, which is {'y': 41, 'x': 54}, instead got patch_size=64: ",
        ),
        ({"min_valid": -1}, ValueError, "^min_valid must be between 0 and 1, instead got min_valid=-1$"),
        ({"amplitude": "none"}, ValueError, r"^amplitude must be one of \('input', 'filter', 'unit'\), instead got"),
    ],
)
def test_arguments_refused(stack, options, error, message):
    with pytest.raises(error, match=message):
        goldstein(stack, **options)


def test_data_refused(stack):
    with pytest.raises(TypeError, match=r"^igram must be complex64 or float32, instead got float64: convert it with"):
        goldstein(stack.coherence.astype(float))
    with pytest.raises(TypeError, match=r"^igram must be an xarray.DataArray, instead got ndarray"):
        goldstein(stack.igram.values)
    with pytest.raises(ValueError, match=r"^igram must have the dimensions y and x"):
        goldstein(stack.igram.isel(x=0))


def test_infinite_values_are_missing():
    z = np.ones((40, 40), "complex64")
    z[3, 4] = np.inf
    result = goldstein(labelled(z)).values
    assert np.isnan(result[3, 4])
    assert np.isnan(result).sum() == 1


def test_coherence_refused(stack):
    igram, gamma = stack.igram[0, 0], stack.coherence[0, 0].fillna(0.5)
    for array, change, error, message in (
        (igram, {}, ValueError, "^coherence must be given if alpha='adaptive', instead got coherence=None$"),
        (stack, {"coherence": gamma}, TypeError, "^coherence must be left out with a Dataset, whose own is used$"),
        (igram, {"coherence": gamma.astype(float)}, TypeError, "^coherence must be float32, instead got float64"),
        (
            igram, {"coherence": gamma[:-1]}, ValueError,
            "^coherence must have the interferogram's sizes {'y': 41, 'x': 54}, instead got {'y': 40, 'x': 54}$",
        ),
        (
            igram, {"coherence": gamma, "alpha": 0.4}, ValueError,
            "^alpha must be 'adaptive' if coherence is given, instead got alpha=0.4$",
        ),
        (
            stack.drop_vars("coherence"), {}, MissingVariableError,
            "^goldstein with alpha='adaptive' needs the variable 'coherence'",
        ),
    ):  # fmt: skip
        with pytest.raises(error, match=message):
            goldstein(array, **({"alpha": "adaptive"} | change))


@pytest.mark.parametrize("wrong", [-0.5, np.nan, 1.25])
def test_wrong_coherence_is_found_where_it_is_read(stack, wrong, forbid_compute):
    gamma = stack.coherence[0, 0].fillna(0.5).copy()
    gamma[20, 30] = wrong
    igram = stack.igram[0, 0].fillna(1)
    message = f"^coherence must be between 0 and 1 wherever the interferogram is valid, instead got coherence={wrong}"
    with pytest.raises(ValueError, match=message):
        goldstein(igram, coherence=gamma, alpha="adaptive")
    with forbid_compute():
        result = goldstein(igram.chunk(), coherence=gamma.chunk(), alpha="adaptive")
    with pytest.raises(ValueError, match=message):
        result.compute()


def test_a_preset_is_its_parameters_and_can_be_changed(stack):
    ds = stack.assign(coherence=stack.coherence.fillna(0.5))
    for name in ("goldstein98", "baran03", "isce2"):
        parameters = {k: v for k, v in Settings.of(name).noted().items() if k != "operation"}
        result = goldstein(ds, preset=name)
        xr.testing.assert_identical(result, goldstein(ds, **parameters))
        assert recipe_of(result).steps[-1] == {"operation": "goldstein", **parameters}
    changed = goldstein(ds, preset="snap_legacy", patch_size=32, step=8, edges="fill")
    step = recipe_of(changed).steps[-1]
    assert (step["patch_size"], step["smoothing"], step["smoothing_ends"]) == (32, 3, "clipped")
    assert "edges" not in step  # the default again
    xr.testing.assert_identical(ds.insar.goldstein(preset="baran03"), goldstein(ds, preset="baran03"))


def test_a_recipe_repeats_what_was_done(stack):
    ds = stack.assign(coherence=stack.coherence.fillna(0.5))
    done = goldstein(ds, preset="snap14", patch_size=32, step=8)
    again = insarflow.apply_recipe(ds, insarflow.Recipe(recipe_of(done).steps[1:]))
    xr.testing.assert_identical(again, done)
    by_name = insarflow.Recipe().then("goldstein", preset="snap14", patch_size=32, step=8)
    xr.testing.assert_identical(insarflow.apply_recipe(ds, by_name), done)


def test_snap14_has_a_fixed_exponent_without_coherence():
    z = labelled(noisy((70, 80)))
    result = goldstein(z, preset="snap14")
    assert recipe_of(result).steps[-1]["alpha"] == 1.0
    same_bits(result, goldstein(z, preset="snap_legacy", swap_iq=True))
    adapted = goldstein(z, preset="snap14", coherence=labelled(coherence_like((70, 80))))
    assert recipe_of(adapted).steps[-1]["alpha_range"] == [0.2, 1.0]
    assert np.abs(adapted - result).max() > 0


def test_wrapped_phase(forbid_compute):
    z = noisy((70, 80))
    phase = labelled(np.angle(z))
    with forbid_compute():
        result = goldstein(phase.chunk(y=33, x=29))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, goldstein(phase))
    assert np.abs(result).max() <= np.pi


@pytest.mark.filterwarnings("ignore")
def test_residues_of_a_real_pair_become_fewer(data):
    """Residues: closed sums of the four wrapped differences around a corner that are no zero."""
    ds = insarflow.open_stack(data / "morocco-2023-s1-pair")

    def residues(igram):
        phase = np.angle(igram.values[0, 0])
        wrap = lambda d: (d + np.pi) % (2 * np.pi) - np.pi  # noqa: E731
        dy, dx = wrap(np.diff(phase, axis=0)), wrap(np.diff(phase, axis=1))
        around = dx[:-1] + dy[:, 1:] - dx[1:] - dy[:, :-1]
        return int((np.abs(around[np.isfinite(around)]) > np.pi).sum())

    before = residues(ds.igram)
    for options, most in (({}, 0.5), ({"preset": "isce2"}, 0.5), ({"preset": "snap_legacy", "edges": "fill"}, 0.2)):
        assert residues(ds.insar.goldstein(**options).igram) < most * before
