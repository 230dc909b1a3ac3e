import tempfile

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from insarflow.errors import InsarError, MissingVariableError
from insarflow.ops import unwrap_tile as tile_module
from insarflow.ops.layer import read_blocks
from insarflow.ops.unwrap import unwrap
from insarflow.ops.unwrap_tile import unwrap_tile
from insarflow.schema import recipe_of
from insarflow.simulate.stack import simulate_stack
from insarflow.stack.store import open_stack, write_stack
from insarflow.types import Tile

SHAPE = (60, 90)


@pytest.fixture
def snaphu():
    """SNAPHU itself, where there is a wheel of it."""
    return pytest.importorskip("snaphu", reason="the extra 'unwrap' is not installed")


@pytest.fixture
def installed(monkeypatch):
    """As if SNAPHU were there: graphs are made without it."""
    monkeypatch.setattr(tile_module, "find_spec", lambda name: name)


def _truth():
    """A ramp of nine cycles and a mover that is larger than a tile of 56 pixels, rad."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    return 0.6 * x + 0.15 * y + 25 * np.exp(-(((y - 30) / 24) ** 2 + ((x - 50) / 30) ** 2))


def _stack(phases, coherence=0.9, seed=0):
    """Pairs of these phases with a little noise."""
    rng = np.random.default_rng(seed)
    noisy = np.stack([phase + rng.normal(0, 0.2, phase.shape) for phase in phases])
    igram = np.exp(1j * noisy).astype("complex64")
    dims = ("pair", "y", "x")
    gamma = np.full(igram.shape, coherence, np.float32)
    return xr.Dataset({"igram": (dims, igram), "coherence": (dims, gamma)}, attrs={"looks": [2, 5]})


def _cycles_off(unwrapped, truth):
    return np.rint((unwrapped - truth) / (2 * np.pi))


def _congruent(result):
    turned = np.exp(1j * result["unwrapped"].values.astype(float)) * np.conj(result["igram"].values)
    return np.nanmax(np.abs(np.angle(turned)))


def test_tiles_give_what_the_whole_gives(snaphu, forbid_compute, capfd):
    truth = _truth()
    ds = _stack([truth])
    results = [unwrap(ds), unwrap(ds, tile=56, overlap=16)]
    with forbid_compute():
        cut = unwrap(ds.chunk(y=23, x=7), tile=56, overlap=16)
    assert cut["unwrapped"].chunks == ds.chunk(y=23, x=7)["igram"].chunks
    results.append(cut.compute())
    for result in results:
        assert result["unwrapped"].dtype == np.float32
        assert result["unwrapped"].attrs["units"] == "rad"
        assert np.unique(_cycles_off(result["unwrapped"].values[0], truth)).size == 1
        assert _congruent(result) < 1e-5
        assert (result["components"] == 1).all()
    np.testing.assert_array_equal(results[2]["unwrapped"], results[1]["unwrapped"])
    assert recipe_of(results[1]).steps[-1] == {
        "operation": "unwrap",
        "looks": 10.0,
        "cost": "smooth",
        "tile": 56,
        "overlap": 16,
    }
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_what_is_missing_stays_missing_and_magnitude_does_not_matter(snaphu, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    truth = _truth()[:40, :50]
    ds = _stack([truth, -truth])
    rng = np.random.default_rng(1)
    ds["igram"][0, 5:9, 5:20] = np.nan
    ds["igram"][0, 20, 20] = 0
    ds["igram"][1] = np.nan
    ds["coherence"][0, :2] = np.nan
    result = unwrap(ds, looks=8, cost="defo")
    missing = np.isnan(ds["igram"].values) | (ds["igram"].values == 0)
    np.testing.assert_array_equal(np.isnan(result["unwrapped"]), missing)
    assert (result["components"].values[missing] == 0).all()
    off = _cycles_off(result["unwrapped"].values[0], truth)
    assert np.unique(off[~missing[0]]).size == 1
    magnitude = rng.uniform(0.01, 100, ds["igram"].shape).astype("float32")
    scaled = unwrap(ds.assign(igram=ds["igram"] * magnitude), looks=8, cost="defo")
    np.testing.assert_allclose(scaled["unwrapped"], result["unwrapped"], atol=1e-5)
    assert list(tmp_path.iterdir()) == []


def test_the_simulators_stack_tile_by_tile(snaphu):
    ds, parts = simulate_stack((60, 90), delays=[6], acquisitions=2, movers=2, seed=4)
    ds.load()
    names = ("motion", "look_alike_phase", "atmosphere", "orbit", "topography")
    truth = sum(parts[name].values[0, 0] for name in names)
    result = unwrap(ds, tile=64, overlap=24).compute()
    off = _cycles_off(result["unwrapped"].values[0, 0], truth)
    trusted = (result["components"].values[0, 0] == 1) & (ds["coherence"].values[0, 0] > 0.5)
    assert trusted.mean() > 0.3
    assert (off[trusted] == np.median(off[trusted])).mean() > 0.99


def test_it_is_stored_as_it_is(snaphu, tmp_path):
    ds = simulate_stack((40, 50), delays=[6, 12], acquisitions=3, movers=1)[0].load()
    result = unwrap(ds.isel(date=[0, 1])).compute()
    opened = open_stack(write_stack(result, tmp_path / "s.zarr"))
    assert opened["components"].dtype == np.uint16
    for name in ("unwrapped", "components"):
        np.testing.assert_array_equal(opened[name], result[name])
    assert np.isnan(opened["unwrapped"].values[1, 1]).all()


def test_failures_name_the_tile_and_leave_no_files(snaphu, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    z, gamma = np.ones((20, 30), "complex64"), np.ones((20, 30), "float32")
    with pytest.raises(
        InsarError, match=r"^SNAPHU could not unwrap rows 0 to 20, columns 0 to 30: .*'topo' cost mode is not"
    ):
        unwrap_tile(z, gamma, tile=Tile.whole(z.shape), looks=4.0, cost="topo")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


class Unread:
    """A source of an image that nobody may read."""

    def __init__(self, dtype):
        self.shape, self.dtype = (20, 10, 300, 400), np.dtype(dtype)

    def __getitem__(self, index):
        raise AssertionError(f"read at {index}")


def test_the_graph_is_of_present_cells(installed, forbid_compute):
    valid = np.zeros((20, 10), bool)
    valid[:5, 1] = True
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset({"valid": (dims[:2], valid)})
    for name, dtype in (("igram", "complex64"), ("coherence", "float32")):
        ds[name] = (dims, read_blocks(Unread(dtype), (1, 1, 150, 200), name))
    with forbid_compute():
        result, again = (unwrap(ds, looks=4, tile=200, overlap=40) for _ in range(2))
    assert result["unwrapped"].data.name == again["unwrapped"].data.name
    assert not any(layer.is_materialized() for layer in result["unwrapped"].data.dask.layers.values())
    graph = dict(dask.optimize(result[["unwrapped", "components"]])[0].__dask_graph__())
    names = [key[0].rsplit("-", 1)[0] for key in graph]
    tiles, blocks = 5 * 2 * 3, 20 * 10 * 4
    counts = {name: names.count(name) for name in set(names)}
    assert counts == {
        "unwrap_tile": tiles, "seams": tiles, "offsets": 5, "cycles": tiles, "_radians": blocks, "_components": blocks,
    }  # fmt: skip
    absent = result["components"].isel(date=slice(10, 12)).compute(scheduler="sync")
    assert not absent.any()


def test_deep_chunks(installed, forbid_compute):
    ds = _stack([_truth()] * 3).chunk(pair=2)
    with forbid_compute():
        result = unwrap(ds)
    assert result["unwrapped"].chunks[0] == (1, 1, 1)
    assert isinstance(result["components"].data, da.Array)


def test_the_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(tile_module, "find_spec", lambda name: None)
    with pytest.raises(InsarError, match=r"not installed: pip install 'insarflow\[unwrap\]'$"):
        unwrap(_stack([_truth()]))


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (lambda ds: ds.drop_vars("coherence"), {}, MissingVariableError, "^unwrap needs the variable 'coherence'"),
        (lambda ds: ds.drop_vars("igram"), {}, MissingVariableError, "^unwrap needs the variable 'igram'"),
        (lambda ds: ds["igram"], {}, TypeError, "^unwrap needs an xarray.Dataset, instead got DataArray"),
        (lambda ds: ds.astype("complex128"), {}, TypeError, "^igram must be complex64, instead got complex128"),
        (
            lambda ds: ds.drop_attrs(),
            {},
            ValueError,
            "^looks must be given, as the stack has neither the attribute effective_looks nor",
        ),
        (lambda ds: ds.assign_attrs(looks="many"), {}, ValueError, "^looks must be given, as the attribute looks='m"),
        (lambda ds: ds, {"looks": 0.5}, ValueError, "^looks must be at least 1, instead got looks=0.5$"),
        (lambda ds: ds, {"looks": "4"}, TypeError, "^looks must be a number, instead got looks='4'$"),
        (lambda ds: ds, {"cost": "topo"}, ValueError, r"^cost must be one of \('smooth', 'defo'\), instead got cost="),
        (lambda ds: ds, {"tile": 8}, ValueError, "^tile must be a whole number of at least 16, instead got tile=8$"),
        (lambda ds: ds, {"tile": 32, "overlap": 20}, ValueError, "^overlap must be .* at most 16, instead got overlap"),
        (lambda ds: ds.isel(y=slice(3)), {}, ValueError, "^igram must have at least 4 pixels along y and x to be unwr"),
    ],
)
def test_bad_input(installed, change, arguments, error, message):
    with pytest.raises(error, match=message):
        unwrap(change(_stack([_truth()])), **arguments)
