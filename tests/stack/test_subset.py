import json

import dask
import dask.array as da
import numpy as np
import pyproj
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import SchemaError, SelectionError
from insarflow.ops.goldstein import goldstein
from insarflow.ops.layer import read_blocks
from insarflow.schema import DIMS, recipe_of, validate
from insarflow.stack.assemble import pairs_table, stack_pairs
from insarflow.stack.georeference import georeference, grid_of
from insarflow.stack.pairs import to_pairs
from insarflow.stack.store import open_stack, write_stack
from insarflow.stack.subset import subset
from insarflow.types import Grid, Pair

UTM = pyproj.CRS.from_epsg(32632).to_wkt()
DAYS = ("20180106", "20180112", "20180118", "20180124", "20180130")


@pytest.fixture(scope="module")
def network():
    """All pairs of five dates up to 18 days, on an UTM grid of 20 m."""
    rng = np.random.default_rng(0)
    grid = Grid((400_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (24, 31), UTM)
    pairs = [Pair.parse(f"{a}_{b}") for k, a in enumerate(DAYS) for b in DAYS[k + 1 : k + 4]]
    cells = {}
    for pair in pairs:
        igram = np.exp(1j * rng.uniform(-3, 3, grid.shape)).astype(np.complex64)
        cells[pair] = {"igram": igram, "coherence": rng.random(grid.shape, np.float32)}
    dem = rng.random(grid.shape).astype(np.float32)
    return stack_pairs(cells, grid, static={"dem": dem}, baselines={p: float(k) for k, p in enumerate(pairs)})


def names(ds):
    return list(pairs_table(ds).index)


class TestTime:
    def test_both_acquisitions_lie_between(self, network):
        found = validate(subset(network, start="20180112", end="2018-01-24"))
        assert names(found) == ["20180112_20180118", "20180112_20180124", "20180118_20180124"]
        assert found.sizes == {"date": 2, "delay": 2, "y": 24, "x": 31}

    @given(st.integers(0, 4), st.integers(0, 4), st.sets(st.sampled_from([6, 12, 18]), min_size=1))
    def test_any(self, network, first, last, delays):
        kept = [
            name
            for name in names(network)
            if name[:8] >= DAYS[first] and name[9:] <= DAYS[last] and Pair.parse(name).delay_days in delays
        ]
        chosen = {"start": DAYS[first], "end": DAYS[last], "delays": sorted(delays)}
        if first > last or not kept:
            with pytest.raises(ValueError if first > last else SelectionError):
                subset(network, **chosen)
            return
        found = subset(network, **chosen)
        assert names(found) == kept
        for i, j in np.ndindex(found.sizes["date"], found.sizes["delay"]):
            cell = {"date": found["date"][i], "delay": found["delay"][j]}
            there = found.sel(cell)
            if there["valid"]:
                xr.testing.assert_equal(there.compute(), network.sel(cell).compute())
            else:
                assert all(np.isnan(there[n].values).all() for n in ("igram", "coherence", "perpendicular_baseline"))
                assert np.isnan(there["igram"].values.imag).all()

    @given(st.data())
    def test_any_chunking(self, network, data):
        chunks = dict(zip(DIMS, data.draw(chunkings(network["igram"].shape)), strict=True))
        chosen = {"start": "20180112", "end": "20180130", "delays": [6, 18]}
        expected = subset(network, **chosen).compute()
        assert subset(network.chunk(chunks), **chosen).compute().identical(expected)
        assert subset(network.compute(), **chosen).identical(expected)

    def test_cells_that_fall_out_are_not_read(self, network):
        def refuse(block, block_info):
            if block_info[0]["array-location"][:2] == [(1, 2), (2, 3)]:
                pytest.fail("a cell outside the selection was read")
            return block

        guarded = network["igram"].data.map_blocks(refuse, dtype=np.complex64, meta=np.empty((0,) * 4, np.complex64))
        ds = network.assign(igram=(DIMS, guarded))
        found = subset(ds, end="20180124")
        assert found.sizes["delay"] == 3
        found["igram"].compute()

    def test_what_is_lazy_stays_lazy(self, network, forbid_compute):
        with forbid_compute():
            found, again = (subset(network, start="20180112", delays=[12]) for _ in range(2))
        assert isinstance(found["igram"].data, da.Array)
        assert found["igram"].data.name == again["igram"].data.name
        assert isinstance(subset(network.compute(), end="20180124")["igram"].data, np.ndarray)

    def test_a_lazy_valid_is_not_computed(self, network, forbid_compute):
        lazy = network.chunk({"date": 1, "delay": 1})
        with forbid_compute():
            found = subset(lazy, end="20180118")
        assert names(found) == ["20180106_20180112", "20180106_20180118", "20180112_20180118"]

    def test_without_valid(self, network):
        found = subset(network.drop_vars("valid"), end="20180118")
        assert "valid" not in found
        assert names(found) == ["20180106_20180112", "20180106_20180118", "20180112_20180118"]


class TestGraphs:
    """A stored stack of 12 dates by 10 delays, 24 interferograms of nine blocks each."""

    @pytest.fixture
    def stored(self, network):
        class Unread:
            shape, dtype = (12, 10, 96, 124), np.dtype("complex64")

            def __getitem__(self, index):
                raise AssertionError(f"read at {index}")

        valid = np.zeros((12, 10), bool)
        valid[:, :2] = True
        data = read_blocks(Unread(), (1, 1, 32, 48), "unread")
        days = np.datetime64("2018-01-06", "ns") + np.timedelta64(6, "D") * np.arange(12)
        delays = (np.timedelta64(6, "D") * np.arange(1, 11)).astype("timedelta64[ns]")
        ds = xr.Dataset({"igram": (DIMS, data), "valid": (DIMS[:2], valid)}, {"date": days, "delay": delays})
        return georeference(ds, Grid((400_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (96, 124), UTM))

    def tasks(self, ds):
        return len(dict(dask.optimize(to_pairs(ds)["igram"])[0].__dask_graph__()))

    def test_one_task_a_block_of_what_is_left(self, stored, forbid_compute):
        with forbid_compute():
            found = subset(stored, start="20180118", delays=[6], bbox=(7.705, 46.035, 7.72, 46.045))
            filtered = goldstein(found, patch_size=16, step=8)
        pairs, blocks = int(found["valid"].sum()), np.prod(found["igram"].data.numblocks[2:])
        assert (pairs, found.sizes["delay"]) == (10, 1)
        assert found.sizes["x"] < 124
        assert self.tasks(found) == pairs * blocks
        assert self.tasks(filtered) == 2 * pairs * blocks  # the second names the pair
        assert not any(layer.is_materialized() for layer in filtered["igram"].data.dask.layers.values())

    def test_an_area_is_shared_by_all_pairs(self, stored, tmp_path, forbid_compute):
        corners = [(400_105, 5_099_905), (402_000, 5_099_905), (402_000, 5_098_300), (400_105, 5_098_300)]
        ring = [list(corner) for corner in (*corners, corners[0])]
        path = tmp_path / "area.geojson"
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
        with forbid_compute():
            found = subset(stored, aoi=path, end="20180118")
        pairs, blocks = int(found["valid"].sum()), int(np.prod(found["igram"].data.numblocks[2:]))
        assert pairs == 3
        assert self.tasks(found) == 2 * pairs * blocks + blocks + 1  # each mask once, and the polygons


class TestPlace:
    def test_against_xarray(self, network):
        to_degrees = pyproj.Transformer.from_crs(UTM, 4326, always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(400_105, 5_099_705, 400_395, 5_099_895)
        found = subset(network, bbox=(west, south, east, north))
        # Straight degrees are not straight metres: less than a pixel is added.
        expected = network.sel(x=slice(400_100, 400_400), y=slice(5_099_900, 5_099_700))
        xr.testing.assert_equal(found.drop_vars("spatial_ref").compute(), expected.drop_vars("spatial_ref").compute())
        grid = grid_of(found)
        assert grid.transform == (400_100.0, 20.0, 0.0, 5_099_900.0, 0.0, -20.0)
        assert found["spatial_ref"].attrs["GeoTransform"] == "400100.0 20.0 0.0 5099900.0 0.0 -20.0"
        assert found["igram"].encoding["grid_mapping"] == "spatial_ref"

    def test_pixels_that_are_touched(self, stack):
        """The grid of `stack` is of degrees: 7..7.05 and 45.97..46."""
        for bbox, expected in (
            ((7.01, 45.98, 7.02, 45.99), (slice(10, 20), slice(10, 20))),
            ((7.0105, 45.9805, 7.0115, 45.9815), (slice(18, 20), slice(10, 12))),
            ((7.0102, 45.9802, 7.0103, 45.9803), (slice(19, 20), slice(10, 11))),
            ((-180, -90, 180, 90), (slice(None), slice(None))),
        ):
            found = subset(stack, bbox=bbox)
            assert found.drop_vars("spatial_ref").equals(
                stack.isel(y=expected[0], x=expected[1]).drop_vars("spatial_ref")
            )

    @pytest.mark.parametrize("bbox", [(-180, -90, 180, 90), (7.70, 46.03, 7.75, 46.06), (-170, 46.03, 179, 89)])
    def test_all_of_it(self, network, bbox):
        assert subset(network, bbox=bbox).sizes == network.sizes

    def test_across_the_antimeridian(self, network):
        utm = pyproj.CRS.from_epsg(32760).to_wkt()
        west, north = pyproj.Transformer.from_crs(4326, utm, always_xy=True).transform(179.997, -17.0)
        grid = Grid((west, 20.0, 0.0, north, 0.0, -20.0), (24, 31), utm)
        ds = georeference(network.drop_vars(["spatial_ref", "y", "x"]), grid)
        assert subset(ds, bbox=(179, -18, 180, -16)).sizes["x"] in range(15, 19)
        assert subset(ds, bbox=(-180, -18, -179, -16)).sizes["x"] in range(13, 17)

    def test_lazy(self, network, forbid_compute):
        with forbid_compute():
            assert isinstance(subset(network, bbox=(7, 40, 8, 60))["igram"].data, da.Array)

    def test_store_of_a_part(self, stack, tmp_path):
        found = subset(stack, bbox=(7.0102, 45.9802, 7.0103, 45.9803))
        opened = open_stack(write_stack(found, tmp_path / "s.zarr"))
        np.testing.assert_array_equal(opened["igram"], found["igram"])
        assert grid_of(opened) == grid_of(found)


class TestRecipe:
    def test_what_was_asked(self, stack):
        found = subset(stack, bbox=(7, 45, 8, 46), start="20180101", delays=["12D", 24], track=88)
        assert recipe_of(found).steps[-1] == {
            "operation": "subset",
            "bbox": [7.0, 45.0, 8.0, 46.0],
            "start": "2018-01-01",
            "delays": [12, 24],
            "track": 88,
        }
        assert found.attrs["relative_orbit"] == 88

    def test_nothing_asked(self, stack):
        assert subset(stack) is stack

    def test_track(self, stack):
        known = stack.assign_attrs(relative_orbit=88)
        assert subset(known, track=88).attrs["relative_orbit"] == 88
        with pytest.raises(
            SelectionError, match=r"^track must be the stack's relative orbit 88, instead got track=15$"
        ):
            subset(known, track=15)


class TestErrors:
    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            ({"delays": [6, 9]}, r"^delay 9 days is not in the stack: it has 6, 12, 18 days$"),
            (
                {"start": "20190101"},
                r"^start=2019-01-01 leaves no interferogram, both acquisitions of which must lie between: "
                r"the stack holds 9, from 2018-01-06 to 2018-01-30$",
            ),
            ({"start": "20180113", "end": "20180117"}, r"^start=2018-01-13 and end=2018-01-17 leaves no interferogram"),
            (
                {"start": "20180118", "delays": [18]},
                r"^delays=\[18\] days leaves no interferogram: those of the dates asked for have 6, 12 days$",
            ),
            (
                {"bbox": (9, 45, 10, 46)},
                r"^bbox=\[9\.0, 45\.0, 10\.0, 46\.0\] does not touch the stack, which lies within west, south, east, "
                r"north = 7\.7\d+, 46\.0\d+, 7\.7\d+, 46\.0\d+$",
            ),
        ],
    )
    def test_nothing_left(self, network, chosen, message):
        with pytest.raises(SelectionError, match=message):
            subset(network, **chosen)

    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            (
                {"bbox": (400_000, 5_000_000, 400_100, 5_100_000)},
                r"^bbox must be west, south, east, north in degrees of longitude and latitude, instead got "
                r"bbox=.*: for other coordinates give an aoi file, which carries its CRS$",
            ),
            ({"bbox": (8, 45, 7, 46)}, r"with west < east and south < north, instead got bbox="),
            ({"bbox": (7, 46, 8, 45)}, r"with west < east and south < north, instead got bbox="),
            ({"bbox": (7, 45, 8)}, r"^bbox must be west, south, east, north .*, instead got 3 numbers$"),
            ({"bbox": (7, 45, 8, float("nan"))}, r"^bbox north must be finite, instead got bbox north=nan$"),
            ({"start": "20180201", "end": "20180101"}, r"^start must not be after end, instead got start=2018-02-01, "),
            ({"start": "soon"}, r"^date must be like 20180702"),
            ({"delays": []}, r"^delays must name at least one, instead got none$"),
            ({"delays": [-6]}, r"^delay must be a whole positive number of days"),
            ({"track": 0}, r"^track must be a whole number of at least 1, instead got track=0$"),
        ],
    )
    def test_values(self, network, chosen, message):
        with pytest.raises(ValueError, match=message):
            subset(network, **chosen)

    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            (
                {"bbox": "7,45,8,46"},
                r"^bbox must be west, south, east, north .*, instead got bbox='7,45,8,46'",
            ),
            ({"bbox": ("7", 45, 8, 46)}, r"^bbox west must be a number, instead got bbox west='7'$"),
            ({"delays": 12}, r"^delays must be several, such as \[6, 12\], instead got delays=12$"),
            ({"delays": "12"}, r"^delays must be several"),
            ({"start": 20180101}, r"^date must be like 20180702"),
            ({"aoi": 3}, r"^aoi must be a path, instead got aoi=3 \(int\)$"),
            ({"track": "88"}, r"^track must be a whole number of at least 1, instead got track='88'$"),
        ],
    )
    def test_kinds(self, network, chosen, message):
        with pytest.raises(TypeError, match=message):
            subset(network, **chosen)

    def test_no_stack(self, network):
        with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
            subset(network.isel(date=0), delays=[6])
        with pytest.raises(TypeError, match=r"needs an xarray\.Dataset"):
            subset(None, delays=[6])
