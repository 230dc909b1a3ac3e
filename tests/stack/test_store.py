import json
import tracemalloc
import warnings

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr
from affine import Affine

from insarflow.errors import OutputExistsError, ProductError, SchemaError, SelectionError, StoreError
from insarflow.schema import DIMS
from insarflow.stack import layout, mosaic, stored
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.layout import shard_size
from insarflow.stack.raster import Pixels
from insarflow.stack.store import build_stack, create_stack, open_stack, write_stack
from insarflow.types import Grid, Pair

THIRD_PARTY_AFFINE = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def chunks_of(path, name):
    return sorted(str(p.relative_to(path / name / "c")) for p in (path / name / "c").rglob("*") if p.is_file())


def small_chunks(monkeypatch):
    """Shards of 16 and chunks of 8 pixels, so that a small image has several."""
    monkeypatch.setattr(layout, "INNER", 8)
    monkeypatch.setattr(layout, "SHARD", 16)


@pytest.fixture
def written(stack, tmp_path):
    return write_stack(stack, tmp_path / "s.zarr")


class TestWrite:
    def test_comes_back(self, stack, written):
        opened = open_stack(written)
        xr.testing.assert_identical(opened.drop_attrs().compute(), stack.drop_attrs().compute())
        assert opened.attrs == stack.attrs
        assert isinstance(opened["igram"].data, da.Array)
        assert opened["igram"].dtype == np.complex64
        assert isinstance(opened["valid"].data, np.ndarray)
        assert list(opened.data_vars) == list(stack.data_vars)

    def test_absent_cells_are_not_written(self, written):
        assert chunks_of(written, "igram") == ["0/0/0/0", "0/1/0/0", "1/0/0/0"]

    def test_absent_cells_are_not_computed(self, stack, tmp_path):
        def refuse(block, block_info):
            if block_info[0]["array-location"][:2] == [(1, 2), (1, 2)]:
                pytest.fail("the absent cell was computed")
            return block

        guarded = stack["igram"].data.map_blocks(refuse, dtype=np.complex64, meta=np.empty((0,) * 4, np.complex64))
        write_stack(stack.assign(igram=(DIMS, guarded)), tmp_path / "s.zarr")

    def test_shards_are_written_once_each(self, stack, tmp_path, monkeypatch):
        small_chunks(monkeypatch)
        calls = []
        original = layout._write_shard

        def counted(block, place, window):
            calls.append(place)
            return original(block, place, window)

        monkeypatch.setattr(layout, "_write_shard", counted)
        path = write_stack(stack[["igram", "valid"]].chunk({"y": 7, "x": 11}), tmp_path / "s.zarr")
        assert len(calls) == 3 * 2 * 4
        assert zarr.open_group(path, mode="r")["igram"].shards == (1, 1, 16, 16)
        assert len(chunks_of(path, "igram")) == 3 * 2 * 4
        opened = open_stack(path)
        assert opened["igram"].chunksizes["x"] == (16, 16, 16, 2)
        np.testing.assert_array_equal(opened["igram"], stack["igram"])

    def test_existence_is_found_where_not_told(self, stack, tmp_path):
        opened = open_stack(write_stack(stack.drop_vars(["valid", "perpendicular_baseline"]), tmp_path / "s.zarr"))
        np.testing.assert_array_equal(opened["valid"], stack["valid"])
        assert np.isnan(opened["perpendicular_baseline"]).all()
        assert chunks_of(tmp_path / "s.zarr", "igram") == ["0/0/0/0", "0/1/0/0", "1/0/0/0"]

    def test_without_images(self, stack, tmp_path):
        bare = stack[["dem"]].assign_coords(stack.coords)
        opened = open_stack(write_stack(bare, tmp_path / "s.zarr"))
        np.testing.assert_array_equal(opened["dem"], stack["dem"])
        assert not opened["valid"].any()

    def test_in_memory_and_numpy_attributes(self, stack, tmp_path):
        stack = stack.compute().assign_attrs(heading=np.float32(0.5), looks=np.array([2, 8]))
        opened = open_stack(write_stack(stack, tmp_path / "s.zarr"))
        np.testing.assert_array_equal(opened["igram"], stack["igram"])
        assert (opened.attrs["heading"], opened.attrs["looks"]) == (0.5, [2, 8])

    def test_is_one_computation(self, stack, tmp_path):
        runs = []

        def counting(graph, keys, **options):
            runs.append(1)
            return dask.get(graph, keys, **options)

        with dask.config.set(scheduler=counting):
            write_stack(stack, tmp_path / "s.zarr")
        assert len(runs) == 1

    def test_interferogram_of_nothing(self, stack, tmp_path):
        empty = stack["igram"].where(stack["delay"] != np.timedelta64(24, "D")).astype(np.complex64)
        with pytest.raises(ProductError, match=r"^interferogram 20180106_20180130 must hold pixels that are not NaN"):
            write_stack(stack.assign(igram=empty.transpose(*DIMS)), tmp_path / "s.zarr")
        assert list(tmp_path.iterdir()) == []

    def test_failure_leaves_nothing(self, stack, tmp_path):
        def fail(block):
            raise ProductError("broken")

        broken = stack["coherence"].data.map_blocks(fail, dtype=np.float32, meta=np.empty((0,) * 4, np.float32))
        with pytest.raises(ProductError, match=r"^broken$"):
            write_stack(stack.assign(coherence=(DIMS, broken)), tmp_path / "s.zarr")
        assert list(tmp_path.iterdir()) == []

    def test_disk_full(self, stack, tmp_path, monkeypatch):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(layout.zarr, "open_array", full)
        with pytest.raises(StoreError, match=r"^path='.*s\.zarr' could not be written: .*No space left.* goes on from"):
            write_stack(stack, tmp_path / "s.zarr")
        assert [p.name for p in tmp_path.iterdir()] == ["s.zarr.partial"]

    def test_overwrite(self, stack, written):
        with pytest.raises(OutputExistsError, match="pass overwrite=True"):
            write_stack(stack, written)
        lazily_itself = open_stack(written).isel(y=slice(10))
        write_stack(lazily_itself, written, overwrite=True)
        np.testing.assert_array_equal(open_stack(written)["igram"], stack["igram"][:, :, :10])

    def test_refused_variables_and_attributes(self, stack, tmp_path):
        with pytest.raises(SchemaError, match=r"^a store holds the contract's variables only, instead got \['speed'\]"):
            write_stack(stack.assign(speed=stack["dem"]), tmp_path / "s.zarr")
        with pytest.raises(TypeError, match=r"^attributes must be JSON values, instead got .*object"):
            write_stack(stack.assign_attrs(a=object()), tmp_path / "s.zarr")
        with pytest.raises(SchemaError, match=r"no CRS"):
            write_stack(stack.drop_vars("spatial_ref"), tmp_path / "s.zarr")
        assert list(tmp_path.iterdir()) == []


class TestOthersSee:
    """The store is right for someone who never heard of this package."""

    def test_xarray(self, stack, written):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plain = xr.open_zarr(written)
        assert "spatial_ref" in plain.coords
        assert plain["date"].dtype == "datetime64[ns]"
        assert plain["delay"].dtype == "timedelta64[ns]"
        for name in ("igram", "coherence", "dem", "water"):
            assert plain[name].attrs["grid_mapping"] == "spatial_ref"
            assert plain[name].dtype == stack[name].dtype
        absent = plain["igram"].isel(date=1, delay=1).values
        assert np.isnan(absent.real).all()
        assert np.isnan(absent.imag).all()
        xr.testing.assert_equal(plain.compute(), stack.compute())

    @THIRD_PARTY_AFFINE
    def test_rioxarray(self, written):
        plain = xr.open_zarr(written)
        assert plain.rio.crs.to_epsg() == 4326
        slices = plain["coherence"].isel(date=0).compute()
        moved = slices.rio.reproject("EPSG:32632", nodata=np.nan)
        assert moved.rio.crs.to_epsg() == 32632
        assert moved.sizes["delay"] == 2
        assert np.nanmean(moved) == pytest.approx(np.nanmean(slices), abs=0.01)

    @THIRD_PARTY_AFFINE
    def test_odc_geo(self, written):
        pytest.importorskip("odc.geo.xr")
        plain = xr.open_zarr(written)
        assert plain.odc.crs.to_epsg() == 4326
        assert plain["igram"].odc.crs.to_epsg() == 4326
        assert plain.odc.geobox.shape == (30, 50)

    def test_xarray_can_fill_a_cell(self, stack, grid, tmp_path):
        path = create_stack(tmp_path / "s.zarr", ["20180118", "20180106"], ["24D", 12], grid)
        cell = stack[["igram", "coherence"]].isel(date=[0], delay=[0]).compute()
        cell["valid"] = (("date", "delay"), [[True]])
        cell = cell.drop_vars(["y", "x", "spatial_ref"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cell.to_zarr(path, region={"date": slice(1, 2), "delay": slice(1, 2)}, consolidated=False)
        opened = open_stack(path)
        np.testing.assert_array_equal(opened["valid"], [[True, False], [False, False]])
        np.testing.assert_array_equal(opened["igram"][0, 0], stack["igram"][0, 0])
        assert chunks_of(path, "igram") == ["1/1/0/0"]


class TestCodes:
    """Phase as int16, coherence as uint8."""

    def test_only_where_nothing_is_lost(self, folder, tmp_path):
        ds = open_stack(folder)
        kept = {
            "as read": (ds, "int16"),
            "offset": (ds.insar.add_offset(1.0), "int16"),
            "looks": (ds.insar.multilook(y=2, x=2), None),
            "filtered": (ds.insar.goldstein(patch_size=16, step=8), "int16"),
            "filter's own amplitude": (ds.insar.goldstein(patch_size=16, step=8, amplitude="filter"), None),
        }
        for name, (stack, dtype) in kept.items():
            path = write_stack(stack, tmp_path / f"{name}.zarr")
            group = zarr.open_group(path, mode="r")
            assert (str(group["phase"].dtype) if "phase" in group else None) == dtype, name
            opened = open_stack(path)
            np.testing.assert_allclose(opened["igram"], stack["igram"], atol=1e-4)
            assert opened["igram"].attrs.get("long_name") == stack["igram"].attrs["long_name"]

    @pytest.mark.parametrize("resolution", [0.0008, 0.003])
    def test_resampled_phase_is_still_phase(self, folder, tmp_path, resolution):
        ds = open_stack(folder, resolution=resolution)
        path = write_stack(ds, tmp_path / "s.zarr")
        assert zarr.open_group(path, mode="r")["phase"].dtype == np.int16
        np.testing.assert_allclose(open_stack(path)["igram"], ds["igram"], atol=1e-4)

    def test_a_magnitude_is_no_loss_without_a_word(self, folder, tmp_path):
        ds = open_stack(folder)
        ds["igram"] = ds["igram"] * np.float32(2)
        with pytest.raises(SchemaError, match=r"^igram: igram must have magnitude 1 .*got 2; keep .* with exact=True$"):
            write_stack(ds, tmp_path / "s.zarr")
        assert open_stack(write_stack(ds, tmp_path / "s.zarr", exact=True)).attrs == ds.attrs

    @pytest.mark.parametrize(("kind", "step"), [("uint8", 1 / 254), ("uint16", 1 / 65534)])
    def test_coherence(self, folder, tmp_path, kind, step):
        ds = open_stack(folder)
        path = build_stack(folder, tmp_path / "s.zarr", coherence=kind)
        assert zarr.open_group(path, mode="r")["coherence"].dtype == kind
        opened = open_stack(path)
        assert opened["coherence"].dtype == np.float32
        assert opened["coherence"].attrs["quantisation_error"] == step / 2
        off = np.abs(opened["coherence"] - ds["coherence"]).max()
        assert step / 8 < off <= step / 2 + 1e-7
        np.testing.assert_array_equal(np.isnan(opened["coherence"]), np.isnan(ds["coherence"]))
        plain = xr.open_zarr(path)["coherence"]
        np.testing.assert_allclose(plain, opened["coherence"], atol=1e-7)
        again = write_stack(opened, tmp_path / "again.zarr", coherence=kind)
        np.testing.assert_array_equal(
            zarr.open_array(again / "coherence")[...], zarr.open_array(path / "coherence")[...]
        )

    def test_unfinished_work_on_other_codes_is_not_taken_up(self, folder, tmp_path, monkeypatch):
        ds, path = open_stack(folder), tmp_path / "s.zarr"
        monkeypatch.setattr("insarflow.stack.write.put_cells", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_stack(ds, path)
        monkeypatch.undo()
        write_stack(ds, path, coherence="uint16")
        assert zarr.open_group(path, mode="r")["coherence"].dtype == np.uint16
        assert open_stack(path)["coherence"].attrs["quantisation_error"] < 1e-5

    @pytest.mark.parametrize("strip", [7, 2**16])
    def test_encoded_while_it_is_read(self, write_tif, tmp_path, monkeypatch, strip):
        """Codes are those of the values in memory, byte by byte."""
        monkeypatch.setattr(mosaic, "_STRIP", strip)
        rng = np.random.default_rng(2)
        phase, coherence = rng.uniform(-3.2, 3.2, (2, 30, 50)).astype(np.float32), rng.uniform(0, 1.05, (2, 30, 50))
        phase[0, 3:9] = -9999
        for k, pair in enumerate(("20180106_20180118", "20180118_20180130")):
            write_tif(tmp_path / "product" / f"{pair}_phase.tif", phase[k])
            write_tif(tmp_path / "product" / f"{pair}_coh.tif", coherence[k].astype(np.float32))
        ds = open_stack(tmp_path / "product")
        unread = []
        original = layout.Unread.encoded
        monkeypatch.setattr(layout.Unread, "encoded", lambda self, code: unread.append(1) or original(self, code))
        lazy = write_stack(ds, tmp_path / "lazy.zarr")
        assert len(unread) == 4
        eager = write_stack(ds.compute(), tmp_path / "eager.zarr")
        assert len(unread) == 4
        for name in ("phase", "coherence"):
            for chunk in chunks_of(lazy, name):
                assert (lazy / name / "c" / chunk).read_bytes() == (eager / name / "c" / chunk).read_bytes()
            assert chunks_of(lazy, name) == chunks_of(eager, name)
        later = open_stack(tmp_path / "product", start="2018-01-18")
        xr.testing.assert_identical(
            open_stack(write_stack(later, tmp_path / "later.zarr"))["coherence"].compute(),
            open_stack(eager)["coherence"].isel(date=[1]).compute(),
        )
        assert len(unread) == 6
        write_stack(later.isel(y=slice(5, 20)), tmp_path / "cut.zarr")
        assert len(unread) == 6

    def test_refused_kinds(self, folder, stack, grid, tmp_path):
        message = r"^coherence must be one of \('uint8', 'uint16'\), instead got coherence='int8'$"
        with pytest.raises(ValueError, match=message):
            write_stack(stack, tmp_path / "s.zarr", coherence="int8")
        with pytest.raises(ValueError, match=message):
            build_stack(folder, tmp_path / "s.zarr", coherence="int8")
        with pytest.raises(ValueError, match=message):
            create_stack(tmp_path / "s.zarr", ["20180106"], [12], grid, coherence="int8")
        with pytest.raises(ValueError, match=r"^exact must be False to keep .*, instead got coherence='uint16'$"):
            write_stack(stack, tmp_path / "s.zarr", coherence="uint16", exact=True)
        assert not (tmp_path / "s.zarr").exists()


class TestCreate:
    @pytest.mark.parametrize("kind", ["uint8", "uint16"])
    def test_codes(self, grid, tmp_path, kind):
        path = create_stack(tmp_path / "s.zarr", ["20180106"], [12], grid, phase_only=True, coherence=kind)
        group = zarr.open_group(path, mode="r")
        assert (group["coherence"].dtype, group["phase"].dtype) == (kind, "int16")
        assert np.isnan(open_stack(path)["coherence"]).all()

    def test_is_empty_and_open(self, grid, tmp_path):
        dem = np.random.default_rng(0).random(grid.shape).astype(np.float32)
        path = create_stack(
            tmp_path / "s.zarr",
            ["2018-01-06", "06Jul2018"],
            [12, "6 days"],
            grid,
            variables=["igram", "unwrapped"],
            static={"dem": dem},
            attrs={"pass": "ascending"},
        )
        ds = open_stack(path)
        assert ds.sizes == {"date": 2, "delay": 2, "y": 30, "x": 50}
        assert np.isnan(ds["igram"]).all()
        assert np.isnan(ds["unwrapped"]).all()
        assert not ds["valid"].any()
        np.testing.assert_array_equal(ds["dem"], dem)
        assert ds.attrs["pass"] == "ascending"
        assert chunks_of(path, "igram") == []

    def test_sizes_on_disk(self, tmp_path):
        grid = Grid((0.0, 20.0, 0.0, 0.0, 0.0, -20.0), (5000, 700), "EPSG:32632")
        array = zarr.open_group(create_stack(tmp_path / "s.zarr", ["20180106"], [12], grid), mode="r")["igram"]
        assert (array.shards, array.chunks) == ((1, 1, 2048, 1024), (1, 1, 512, 512))
        assert open_stack(tmp_path / "s.zarr")["igram"].chunks[2:] == ((2048, 2048, 904), (700,))

    @pytest.mark.parametrize("size", [1, 60, 511, 512, 513, 2047, 2048, 2049, 10_000])
    def test_shards_are_whole_chunks(self, size):
        shard, inner = shard_size(size)
        assert shard % inner == 0
        assert inner <= min(512, size)
        assert min(size, 2048) <= shard <= 2048 + (size < 2048) * inner

    @pytest.mark.parametrize(
        ("dates", "options", "message"),
        [
            ([], {}, r"^dates must be at least one, without repetition"),
            (["20180106", "2018-01-06"], {}, r"^dates must be at least one, without repetition"),
            (
                ["20180106"],
                {"variables": ["phase"]},
                r"^a variable with dims .* must be one of .*, instead got 'phase'",
            ),
            (["20180106"], {"static": {"igram": np.zeros((30, 50))}}, r"must be one of .*'dem'.*, instead got 'igram'"),
            (["20180106"], {"static": {"dem": np.zeros((3, 5))}}, r"^static\['dem'\] must have the grid's shape"),
            (["tomorrow"], {}, r"^date must be like 20180702"),
        ],
    )
    def test_wrong_arguments(self, grid, tmp_path, dates, options, message):
        with pytest.raises(ValueError, match=message):
            create_stack(tmp_path / "s.zarr", dates, [12], grid, **options)
        assert list(tmp_path.iterdir()) == []


class TestKinds:
    """What is of another kind is told in one line, before any work."""

    @pytest.mark.parametrize("path", [None, 3, ""])
    def test_paths(self, stack, grid, path):
        message = r"^(path|out) must be a path, instead got "
        with pytest.raises(TypeError, match=message):
            create_stack(path, ["20180106"], [12], grid)
        with pytest.raises(TypeError, match=message):
            write_stack(stack, path)
        with pytest.raises(TypeError, match=message):
            build_stack("nowhere", path)

    def test_dataset(self, tmp_path):
        for ds in (None, 3, "stack"):
            with pytest.raises(TypeError, match=r"needs an xarray\.Dataset, instead got "):
                write_stack(ds, tmp_path / "s.zarr")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"dates": None}, r"^dates must be a sequence, instead got dates=None \(NoneType\)$"),
            ({"dates": "20180106"}, r"^dates must be a sequence, instead got dates='20180106' \(str\)$"),
            ({"delays": 12}, r"^delays must be a sequence, instead got delays=12 \(int\)$"),
            ({"variables": "igram"}, r"^variables must be a sequence, instead got variables='igram'"),
            ({"grid": None}, r"^grid must be a Grid, instead got grid=None \(NoneType\)$"),
            ({"static": [1]}, r"^static must be a mapping by name, instead got static=\[1\] \(list\)$"),
            ({"static": {"dem": [1]}}, r"^static\['dem'\] must be a NumPy or dask array, instead got "),
            ({"attrs": "x"}, r"^attrs must be a mapping by name, instead got attrs='x'"),
        ],
    )
    def test_create(self, tmp_path, grid, change, message):
        arguments = {"dates": ["20180106"], "delays": [12], "grid": grid} | change
        with pytest.raises(TypeError, match=message):
            create_stack(tmp_path / "s.zarr", **arguments)
        assert list(tmp_path.iterdir()) == []


class TestOpen:
    @pytest.mark.usefixtures("no_compute")
    def test_is_lazy(self, tmp_path, grid):
        with dask.config.set(scheduler="sync"):
            path = create_stack(tmp_path / "s.zarr", ["20180106"], [12], grid)
        open_stack(path)

    @pytest.mark.parametrize(
        "index", [np.s_[0, 1, 3], np.s_[0, 0, ::-2, 4:9], np.s_[:, :, 1:30:7, [40, 2]], np.s_[-1, 0, -1, -1]]
    )
    def test_any_selection(self, stack, written, index):
        np.testing.assert_array_equal(open_stack(written)["igram"].data[index], stack["igram"].values[index])

    def test_same_store_same_graph(self, written):
        assert open_stack(written)["igram"].data.name == open_stack(written)["igram"].data.name

    def test_cells_in_order_of_arrival(self, stack, tmp_path):
        mixed = stack.isel(date=[1, 0], delay=[1, 0])
        opened = open_stack(write_stack(mixed, tmp_path / "s.zarr"))
        xr.testing.assert_equal(opened.compute(), stack.compute())
        assert opened["igram"].chunksizes["date"] == (1, 1)
        np.testing.assert_array_equal(xr.open_zarr(tmp_path / "s.zarr")["date"], mixed["date"])

    def test_any_time_resolution(self, written):
        for name, units in (("date", "hours since 1970-01-01"), ("delay", "hours")):
            array = zarr.open_array(written / name, mode="r+")
            array[...] = array[...] * 24
            array.attrs["units"] = units
        zarr.open_array(written / "delay", mode="r+").attrs["dtype"] = "timedelta64[s]"
        layout.consolidate(written)
        opened = open_stack(written)
        assert opened["delay"].dtype == "timedelta64[ns]"
        np.testing.assert_array_equal(opened["delay"] / np.timedelta64(1, "D"), [12, 24])

    def test_variables_it_does_not_know_are_left_out(self, written):
        zarr.open_group(written, mode="r+").create_array("notes", data=np.arange(3), dimension_names=["k"])
        assert "notes" not in open_stack(written)

    def test_another_tools_store(self, stack, tmp_path):
        xr.Dataset({"a": ("x", np.arange(3))}).to_zarr(tmp_path / "a.zarr", consolidated=False)
        with pytest.raises(
            StoreError, match=r"^source='.*a\.zarr' is a Zarr store of another tool: it has no schema_v"
        ):
            open_stack(tmp_path / "a.zarr")

    def test_older_zarr(self, tmp_path):
        zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
        with pytest.raises(StoreError, match=r"^source='.*a\.zarr' is no Zarr v3 group"):
            open_stack(tmp_path / "a.zarr")

    def test_newer_schema(self, written):
        zarr.open_group(written, mode="r+").attrs["schema_version"] = 99
        with pytest.raises(StoreError, match=r"has schema_version=99, this insarflow reads up to 2: upgrade"):
            open_stack(written)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda p: (p / "zarr.json").write_text("{"),
            lambda p: (p / "date" / "c" / "0").write_bytes(b"?"),
            lambda p: [f.unlink() for f in (p / "delay").rglob("*") if f.is_file()],
        ],
    )
    def test_damage(self, written, damage):
        damage(written)
        with pytest.raises(StoreError, match=r"^source='.*s\.zarr' is "):
            open_stack(written)

    def test_damaged_pixels(self, written):
        (written / "igram" / "c" / "0" / "0" / "0" / "0").write_bytes(b"?")
        (written / "coherence" / "zarr.json").write_text("[]")
        opened = open_stack(written)
        for name in ("igram", "coherence"):
            with pytest.raises(StoreError, match=rf"^source='.*s\.zarr' is damaged: {name} cannot be read at "):
                opened[name][0, 0].load()

    @pytest.mark.parametrize(("key", "value"), [("shape", [2, 2, 10**9, 10**9]), ("shape", [10**12, 2, 30, 50])])
    def test_absurd_sizes(self, written, key, value):
        meta = json.loads((written / "igram" / "zarr.json").read_text())
        meta[key] = value
        (written / "igram" / "zarr.json").write_text(json.dumps(meta))
        layout.consolidate(written)
        with pytest.raises(StoreError, match=r"has the array 'igram' of shape .* too large"):
            open_stack(written)

    def test_no_store(self, tmp_path):
        with pytest.raises(ProductError, match=r"^the source must exist, instead got source='.*nowhere\.zarr'"):
            open_stack(tmp_path / "nowhere.zarr")
        (tmp_path / "hollow.zarr").mkdir()
        with pytest.raises(StoreError, match=r"^source='.*hollow\.zarr' holds no Zarr metadata .*damaged$"):
            open_stack(tmp_path / "hollow.zarr")

    def test_a_folder_that_looks_like_a_store(self, written, tmp_path):
        (tmp_path / "both.zarr").mkdir()
        written.rename(tmp_path / "both.zarr" / "stack.zarr")
        with pytest.raises(StoreError, match=r": open '.*both\.zarr.stack\.zarr' in it$"):
            open_stack(tmp_path / "both.zarr")


class TestBuild:
    def test_product_to_store(self, folder, tmp_path):
        path = build_stack(folder, tmp_path / "out.zarr", exact=True)
        xr.testing.assert_equal(
            open_stack(path).compute(),
            open_stack(folder).compute().assign(perpendicular_baseline=open_stack(path)["perpendicular_baseline"]),
        )
        assert open_stack(path).attrs["recipe"] == open_stack(folder).attrs["recipe"]

    def test_every_file_is_read_once(self, folder, tmp_path, monkeypatch):
        """The phase of an unwrapped image is made of the block that is read for it."""
        read = []
        original = Pixels.read
        monkeypatch.setattr(Pixels, "read", lambda self, w: read.append(self.raster.path.name) or original(self, w))
        build_stack(folder, tmp_path / "out.zarr")
        images = [name for name in read if name != "dem.tif"]  # a pixel of which is read for the baselines
        assert len(images) == len(set(images)) == 4

    def test_output_is_checked_first(self, tmp_path):
        (tmp_path / "out.zarr").mkdir()
        with pytest.raises(OutputExistsError):
            build_stack(tmp_path / "nowhere", tmp_path / "out.zarr")

    def test_a_part(self, folder, tmp_path):
        chosen = {"bbox": (7.01, 45.98, 7.03, 45.99), "start": "20180101", "end": "20180201", "track": 5}
        opened = open_stack(build_stack(folder, tmp_path / "out.zarr", exact=True, **chosen))
        expected = open_stack(folder, **chosen)
        assert opened.sizes == {"date": 1, "delay": 1, "y": 10, "x": 20}
        np.testing.assert_array_equal(opened["igram"], expected["igram"])
        assert opened.attrs == expected.attrs

    def test_a_part_without_pixels(self, folder, tmp_path, write_tif):
        """A pair that has no pixel in the bbox is left out, as long as another has one."""
        corner = Affine(0.001, 0, 7.04, 0, -0.001, 46.0)
        write_tif(folder / "unw" / "a_20180211-20180223_eqa_unw.tif", np.ones((30, 50), np.float32), transform=corner)
        opened = open_stack(build_stack(folder, tmp_path / "out.zarr", bbox=(7.0, 45.97, 7.03, 46.0)))
        np.testing.assert_array_equal(opened["valid"], [[True, False], [False, True], [False, False]])
        with pytest.raises(SelectionError, match=r"^no interferogram has a pixel in the bbox or aoi: choose a larger"):
            build_stack(folder, tmp_path / "none.zarr", bbox=(7.0, 45.97, 7.03, 46.0), start="20180211")
        assert not (tmp_path / "none.zarr").exists()

    def test_empty_interferogram(self, folder, tmp_path, write_tif):
        write_tif(folder / "unw" / "a_20180211-20180223_eqa_unw.tif", np.zeros((30, 50), np.float32))
        with pytest.raises(ProductError, match=r"^interferogram 20180211_20180223 must hold pixels that are not NaN"):
            build_stack(folder, tmp_path / "out.zarr")
        assert [p.name for p in tmp_path.iterdir()] == ["product"]

    def test_truncated_after_opening(self, folder, tmp_path):
        file = folder / "coh" / "a_20180106-20180118_flat_eqa_cc.tif"
        ds = open_stack(folder)
        with file.open("r+b") as stream:
            stream.truncate(2000)
        with pytest.raises(ProductError, match=r"^file='.*a_20180106-20180118_flat_eqa_cc\.tif' was changed after"):
            write_stack(ds, tmp_path / "out.zarr")
        assert [p.name for p in tmp_path.iterdir()] == ["product"]


def test_memory_does_not_grow_with_pairs(tmp_path):
    """A write holds a few blocks, whatever the number of pairs."""
    grid = Grid((0.0, 1.0, 0.0, 512.0, 0.0, -1.0), (512, 512), "EPSG:32632")

    def most(count):
        pairs = [Pair.at("20180106", 6 * k) for k in range(1, count + 1)]
        images = [da.full(grid.shape, k, chunks=-1).astype(np.complex64) for k in range(count)]
        ds = stack_pairs({p: {"igram": image} for p, image in zip(pairs, images, strict=True)}, grid)
        tracemalloc.start()
        with dask.config.set(scheduler="sync"):
            write_stack(ds, tmp_path / f"{count}.zarr")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak / 512**2 / 8

    most(2)
    assert most(20) < most(3) + 3


def test_limits_are_what_the_layout_makes():
    assert stored.MAX_CHUNK >= layout.SHARD**2
