import copy
import pickle
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.errors import GridMismatchError, MissingVariableError, ModelError, RecipeWarning, SchemaError
from insarflow.learn.phase import encode
from insarflow.learn.weights import load_card, resolve_model, save_model
from insarflow.schema import recipe_of
from insarflow.segment import blocks, device, engine, segment
from insarflow.segment.blocks import Tiling
from insarflow.segment.device import Predictor
from insarflow.types import Tile


@pytest.fixture(scope="module")
def oracle(stack, network):
    """Each image whole, through the network at once."""
    igram, coherence = stack["igram"].values, stack["coherence"].values
    out = np.full(igram.shape, np.nan, np.float32)
    for cell in np.ndindex(igram.shape[:2]):
        x = torch.from_numpy(encode(igram[cell], coherence[cell]))[None]
        h, w = x.shape[-2:]
        x = torch.nn.functional.pad(x, (0, -w % 4, 0, -h % 4))
        with torch.no_grad():
            out[cell] = torch.sigmoid(network(x))[0, 0, :h, :w]
    out[np.isnan(igram) | np.isnan(coherence)] = np.nan
    return out


def check(result, oracle):
    np.testing.assert_allclose(result["probability"].values, oracle, atol=1e-5, rtol=0)


def no_compute(*_, **__):
    raise AssertionError("something was computed")


def test_eager(stack, model, oracle):
    result = segment(stack, model)
    assert isinstance(result["probability"].data, np.ndarray)
    check(result, oracle)


def test_the_oracle_is_not_vacuous(stack, oracle):
    present = ~np.isnan(oracle)
    assert 0.5 < present.mean() < 0.9
    assert np.nanstd(oracle) > 0.1
    assert not present[-1, -1].any()


@pytest.mark.parametrize(
    "chunks",
    [
        {"y": 97, "x": 97},
        {"y": 500, "x": 500},
        {"y": (111, 1), "x": (130, 1)},
        {"y": (1, 50, 61), "x": (63, 3, 65)},
        {"date": 2, "delay": 2, "y": 60, "x": 50},
    ],
)
def test_chunkings(stack, model, oracle, chunks):
    result = segment(stack.chunk({"date": 1, "delay": 1} | chunks), model)
    assert result["probability"].chunks == result["igram"].chunks
    check(result, oracle)


def test_chunks_of_seven(make_stack, model):
    ds = make_stack((50, 45), cells=(1, 2)).isel(delay=[0])
    whole = segment(ds, model)["probability"].values
    assert np.isfinite(whole).any()
    check(segment(ds.chunk(y=7, x=7), model), whole)


def test_each_variable_chunked_its_own_way(stack, model, oracle):
    ds = stack.assign(igram=stack["igram"].chunk(y=50, x=70), coherence=stack["coherence"].chunk(date=1, y=112, x=31))
    check(segment(ds, model), oracle)
    check(segment(stack.assign(coherence=stack["coherence"].chunk(y=64)), model), oracle)


@st.composite
def cuts(draw, size):
    inner = sorted(draw(st.sets(st.integers(1, size - 1), max_size=3)))
    return tuple(np.diff([0, *inner, size]).tolist())


@given(y=cuts(112), x=cuts(131), tile_size=st.integers(4, 40).map(lambda k: 4 * k))
@settings(max_examples=12, deadline=None)
def test_any_chunks_and_any_tile_size(stack, model, oracle, y, x, tile_size):
    ds = stack.isel(date=[0], delay=[0])
    check(segment(ds.chunk(y=y, x=x), model, tile_size=tile_size), oracle[:1, :1])


def test_halo_is_needed(stack, model, oracle):
    """What the comparisons above would see if the windows were too small."""
    ds = stack.isel(date=0, delay=0).load()
    tile = Tile.whole(ds["igram"].shape)
    arrays, predictor = (ds["igram"].values, ds["coherence"].values), Predictor(resolve_model(model))

    def predicted(halo):
        return engine.predict_block(
            *arrays, tile=tile, predictor=predictor, tiling=Tiling(4, halo, tile_size=40), device=None
        )

    np.testing.assert_allclose(predicted(40), oracle[0, 0], atol=1e-5, rtol=0)
    short = predicted(24)
    assert np.nanmax(abs(short - oracle[0, 0])) > 1e-4


def test_grid_is_needed(stack, model, oracle):
    ds = stack.isel(date=0, delay=0)
    cut = ds.isel(y=slice(2, None)).drop_vars(("y", "x"))
    shifted = segment(cut, model)["probability"].values
    assert np.nanmax(abs(shifted[60:] - oracle[0, 0, 62:])) > 1e-3


def test_without_date_and_delay(stack, model, oracle):
    np.testing.assert_allclose(
        segment(stack.isel(date=0, delay=1), model)["probability"], oracle[0, 1], atol=1e-5, rtol=0
    )


def test_missing_pixels(stack, model):
    ds = stack.isel(date=[0], delay=[0]).copy(deep=True)
    ds["igram"][0, 0, 20, 20] = np.inf
    ds["igram"][0, 0, 30, 30] = 0
    found = segment(ds, model)["probability"].isel(date=0, delay=0)
    assert np.isnan(found[20, 20])
    assert np.isfinite(found[30, 30])
    assert np.isfinite(found[21, 21])


def test_nothing_to_predict_skips_the_network(stack, model, monkeypatch):
    monkeypatch.setattr(blocks, "predict", no_compute)
    for chunks in ({}, {"y": 30, "x": 40}):
        result = segment(stack.isel(date=[1], delay=[1]).chunk(chunks), model)
        assert np.isnan(result["probability"]).all()


def test_lazy(stack, model, monkeypatch):
    ds = stack.chunk(date=1, delay=1, y=40, x=50)
    with dask.config.set(scheduler=no_compute):
        result = segment(ds, model)
        again = segment(ds, model)
    assert isinstance(result["probability"].data, da.Array)
    assert result["probability"].data.name == again["probability"].data.name
    assert dict(result["probability"].__dask_graph__()).keys() == dict(again["probability"].__dask_graph__()).keys()
    assert segment(ds, model, tile_size=64)["probability"].data.name != result["probability"].data.name


def test_other_model_other_name(stack, model, network, make_card, tmp_path):
    other = tmp_path / "random.safetensors"
    changed = copy.deepcopy(network)
    torch.nn.init.zeros_(changed.head.bias)
    save_model(changed, other, card=make_card())
    ds = stack.chunk(y=50)
    assert segment(ds, model)["probability"].data.name != segment(ds, other)["probability"].data.name


def test_graph_is_small(model, make_stack):
    dims = ("date", "delay", "y", "x")
    shape, chunks = (3, 1, 4000, 4000), (1, 1, 1000, 1000)
    ds = xr.Dataset(
        {
            "igram": (dims, da.zeros(shape, chunks=chunks, dtype="complex64")),
            "coherence": (dims, da.zeros(shape, chunks=chunks, dtype="float32")),
        },
        attrs=make_stack((8, 8)).attrs,
    )
    probability = segment(ds, model)["probability"].data
    own = probability.dask.layers[probability.name]
    assert len(own) == 48
    assert len(pickle.dumps(dict(own))) < 1000 * len(own) < model.stat().st_size


def test_loaded_once_by_all_threads(stack, model, monkeypatch, oracle):
    loads, inside = [], threading.Lock()

    def load(ref):
        loads.append(ref)
        network, card = real(ref)
        forward = network.forward

        def alone(x):
            assert inside.acquire(blocking=False), "two calls at once"
            try:
                return forward(x)
            finally:
                inside.release()

        network.forward = alone
        return network, card

    real = device.load_model
    monkeypatch.setattr(device, "load_model", load)
    device._loaded.cache_clear()
    try:
        lazy = segment(stack.chunk(date=1, delay=1, y=40, x=50), model)
        with dask.config.set(scheduler="threads", num_workers=4):
            check(lazy, oracle)
    finally:
        device._loaded.cache_clear()
    assert loads == [resolve_model(model)]


def test_computed_in_another_process(stack, model, oracle):
    lazy = segment(stack.isel(date=[0], delay=[0]).chunk(y=60), model)["probability"]
    graph = pickle.loads(pickle.dumps(lazy.data))
    np.testing.assert_allclose(graph.compute(scheduler="sync"), oracle[:1, :1], atol=1e-5, rtol=0)


def test_what_is_returned(stack, model):
    before = stack.copy(deep=True)
    result = segment(stack, model)
    xr.testing.assert_identical(stack, before)
    xr.testing.assert_equal(result.drop_vars("probability"), stack)
    assert set(result.variables) - set(stack.variables) == {"probability"}
    sha256 = load_card(model).sha256
    probability = result["probability"]
    assert probability.dtype == np.float32
    assert probability.dims == stack["igram"].dims
    assert probability.attrs == {
        "units": "1",
        "long_name": "probability of slope movement",
        "threshold": 0.4,
        "model": "random.safetensors",
        "model_sha256": sha256,
        "precision": "exact",
    }
    assert probability.encoding["grid_mapping"] == "spatial_ref"
    assert recipe_of(result).steps == (
        *recipe_of(stack).steps,
        {"operation": "segment", "model": "random.safetensors", "sha256": sha256, "precision": "exact"},
    )


def test_probability_at_the_ends(network, make_card, tmp_path, make_stack):
    path = tmp_path / "sure.safetensors"
    sure = copy.deepcopy(network)
    torch.nn.init.constant_(sure.head.bias, -500)
    save_model(sure, path, card=make_card())
    found = segment(make_stack((20, 20)), path)["probability"]
    assert np.nanmax(found) == 0


# what is warned of and refused ----------------------------------------------------------------------------------


def test_one_warning_names_all_that_differs(stack, model, recwarn):
    coarse = stack.assign_coords(y=5 * stack["y"], x=5 * stack["x"])
    segment(coarse.assign_attrs(recipe="[]"), model)
    (warning,) = recwarn
    assert warning.category is RecipeWarning
    assert warning.filename == __file__
    assert str(warning.message) == (
        "the data are not like those model 'random.safetensors' was trained on: goldstein is applied not at all "
        "(model: once; patch_size=32, step=16, alpha=0.5); pixel_size_m is 100 by 100 (model: 10 to 40). "
        "Process them likewise, or expect poorer maps"
    )


def test_what_is_unknown_is_told_and_not_warned_of(stack, model):
    result = segment(stack.drop_vars("spatial_ref"), model)
    assert result["probability"].attrs["unknown"] == "pixel_size_m is unknown (model: 10 to 40)"


def test_what_has_no_meaning_is_refused(stack, model):
    degrees = stack.assign_coords(y=1e-5 * stack["y"], x=1e-5 * stack["x"])
    with pytest.raises(ModelError, match=r"^model 'random.safetensors' needs pixels of 10 to 40 m, but those of the "):
        segment(degrees, model)


def test_missing_variables(stack, model):
    with pytest.raises(MissingVariableError, match=r"^segment needs the variable 'coherence'.*ds.insar.coherence"):
        segment(stack.drop_vars("coherence"), model)
    with pytest.raises(MissingVariableError, match=r"^segment needs the variable 'igram'"):
        segment(stack.drop_vars("igram"), model)
    with pytest.raises(TypeError, match=r"^segment needs an xarray.Dataset, instead got DataArray"):
        segment(stack["igram"], model)


def test_wrong_variables(stack, model):
    phase = stack.assign(igram=stack["coherence"])
    with pytest.raises(SchemaError, match=r"^igram must be complex, instead got float32"):
        segment(phase, model)
    with pytest.raises(SchemaError, match=r"^coherence must be floating point, 0 to 1, instead got uint8"):
        segment(stack.assign(coherence=stack["coherence"].fillna(0).astype("uint8")), model)
    with pytest.raises(SchemaError, match=r"^igram and coherence must have the same dims, \('y', 'x'\) among them"):
        segment(stack.assign(coherence=stack["coherence"].isel(date=0)), model)
    with pytest.raises(SchemaError, match=r"^igram must hold pixels, instead got sizes="):
        segment(stack.isel(y=slice(0, 0)), model)
    with pytest.raises(SchemaError, match=r"^coherence must be between 0 and 1, instead got .* rescale it$"):
        segment(stack.assign(coherence=stack["coherence"] * np.float32(100)), model)["probability"].compute()


def test_masks(stack, model):
    water = xr.zeros_like(stack["igram"][0, 0].real, dtype=bool)
    water[30:60, 20:50] = True
    shadow = water.copy(data=np.roll(water.values, 40, axis=1))
    hidden = water.values | shadow.values
    alike = segment(stack.assign(igram=stack["igram"].where(~hidden)), model)["probability"]
    np.testing.assert_array_equal(segment(stack, model, mask=[water, shadow])["probability"], alike)
    lazy = segment(stack.chunk(y=40, x=50), model, mask=[water.chunk(x=33).T, shadow])["probability"]
    np.testing.assert_allclose(lazy.values, alike.values, atol=1e-5)
    assert np.isnan(alike[0, 0].values[hidden]).all()


def test_masks_on_another_grid(stack, model):
    water = xr.zeros_like(stack["igram"][0, 0].real, dtype=bool)
    with pytest.raises(
        GridMismatchError, match=r"^mask must have the stack's \(y, x\) sizes \(112, 131\), instead got"
    ):
        segment(stack, model, mask=water[:-1])
    with pytest.raises(GridMismatchError, match=r"^mask must lie on the stack's grid, instead got x from .* \(stack: "):
        segment(stack, model, mask=water.assign_coords(x=water["x"] + 10))
    with pytest.raises(
        SchemaError, match=r"^mask must be boolean with dims \('y', 'x'\), instead got float32 with dims"
    ):
        segment(stack, model, mask=stack["coherence"])
    with pytest.raises(TypeError, match=r"^mask must be an xarray.DataArray or several, instead got str$"):
        segment(stack, model, mask="water")


def test_order_of_dims_does_not_matter(stack, model):
    turned = segment(stack.transpose("y", "x", ...), model)["probability"]
    np.testing.assert_array_equal(turned.values, segment(stack, model)["probability"].transpose(*turned.dims).values)


def test_wrong_channels(stack, network, make_card, tmp_path):
    path = tmp_path / "other.safetensors"
    save_model(network, path, card=make_card(channels=("dem", "cos", "sin")))
    with pytest.raises(
        ModelError, match=r"^model 'other.safetensors' needs the channels \['dem', 'cos', 'sin'\], but the stack gives"
    ):
        segment(stack, path)


def test_wrong_model(stack, tmp_path):
    with pytest.raises(ModelError, match=r"^model must be one of \['default'\] or the path"):
        segment(stack, "none")
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(ModelError, match=r"is a pickle \(torch.save\), and a pickle can run code"):
        segment(stack, path)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", ""])
def test_wrong_device(stack, model, name):
    with pytest.raises(ValueError, match=rf"^device must be one of \['cpu'.*\] or None.*instead got device='{name}'$"):
        segment(stack, model, device=name)


def test_device_of_a_wrong_type(stack, model):
    with pytest.raises(TypeError, match=r"^device must be a text or None, instead got device=0 \(int\)$"):
        segment(stack, model, device=0)


@pytest.mark.parametrize("tile_size", [0, 2, 66, -4])
def test_wrong_tile_size(stack, model, tile_size):
    with pytest.raises(
        ValueError, match=rf"^tile_size must be a positive multiple of .* 4, instead got .*{tile_size}$"
    ):
        segment(stack, model, tile_size=tile_size)


@pytest.mark.parametrize("tile_size", [64.0, True, "64"])
def test_tile_size_of_a_wrong_type(stack, model, tile_size):
    with pytest.raises(TypeError, match=r"^tile_size must be a positive multiple of the model's stride 4, instead got"):
        segment(stack, model, tile_size=tile_size)


def test_out_of_memory(stack, model, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(device, "_loaded", lambda *_: full)
    with pytest.raises(MemoryError, match=r"does not fit on cpu: lower tile_size$"):
        segment(stack, model)
