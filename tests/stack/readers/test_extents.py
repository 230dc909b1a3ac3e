"""Images of one product that do not cover the same pixels."""

import json

import numpy as np
import pytest
from affine import Affine

from insarflow.errors import ProductError
from insarflow.schema import recipe_of
from insarflow.stack.readers.geotiff import read_geotiff_pairs
from insarflow.stack.store import open_stack, write_stack

STEP = 1.3151335759509794e-4


def at(row, col, step=STEP):
    return Affine(step, 0, 7.0 + col * step, 0, -step, 46.0 - row * step)


def drawn(shape, seed, holes=0.2):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(-3, 3, shape).astype(np.float32)
    phase[rng.random(shape) < holes] = 0
    return phase


def pasted(images, shape):
    """Pixels of images, 0 where missing, in a common grid: the first that has one."""
    out = np.zeros(shape, np.float32)
    for values, row, col in images:
        place = out[row : row + values.shape[0], col : col + values.shape[1]]
        place[...] = np.where(place == 0, values, place)
    return out


class TestDifferingExtents:
    @pytest.fixture
    def product(self, tmp_path, write_tif):
        """HyP3's way: each pair has its own extent, unwrapped phase larger than coherence, and a DEM of its own."""
        places = {"20230106_20230118": (0, 0, (30, 50)), "20230118_20230130": (4, 7, (31, 48))}
        for k, (name, (row, col, shape)) in enumerate(places.items()):
            write_tif(tmp_path / name / f"{name}_unw_phase.tif", drawn(shape, k), transform=at(row, col))
            coherence = np.abs(drawn((shape[0] - 5, shape[1] - 5), k + 9)) / 3
            write_tif(tmp_path / name / f"{name}_corr.tif", coherence, transform=at(row + 5, col + 5))
            heights = np.full(shape, 100 * (k + 1), np.int16)
            write_tif(tmp_path / name / f"{name}_dem.tif", heights, transform=at(row, col), nodata=0)
        return tmp_path

    def test_union(self, product):
        ds = open_stack(product)
        assert ds.sizes == {"date": 2, "delay": 1, "y": 35, "x": 55}
        for k, (row, col, shape) in enumerate([(0, 0, (30, 50)), (4, 7, (31, 48))]):
            expected = pasted([(drawn(shape, k), row, col)], (35, 55))
            found = ds["unwrapped"].values[k, 0]
            np.testing.assert_array_equal(np.nan_to_num(found), expected)
            np.testing.assert_array_equal(np.isnan(found), expected == 0)
            np.testing.assert_array_equal(np.isnan(ds["igram"].values[k, 0]), expected == 0)
            small = np.abs(drawn((shape[0] - 5, shape[1] - 5), k + 9)) / 3
            np.testing.assert_array_equal(
                np.nan_to_num(ds["coherence"].values[k, 0]), pasted([(small, row + 5, col + 5)], (35, 55))
            )
        np.testing.assert_allclose(ds["x"], 7 + STEP * (np.arange(55) + 0.5), rtol=1e-12)
        assert [s["operation"] for s in recipe_of(ds).steps] == ["read"]

    def test_terrain_of_all(self, product):
        ds = open_stack(product)
        expected = pasted([(np.full((30, 50), 100.0), 0, 0), (np.full((31, 48), 200.0), 4, 7)], (35, 55))
        np.testing.assert_array_equal(ds["dem"].fillna(0), expected)

    def test_terrain_beyond_the_images(self, product, write_tif):
        heights = np.arange(100 * 90, dtype=np.float32).reshape(100, 90) + 1
        write_tif(product / "0_dem.tif", heights, transform=at(-20, -10))
        ds = open_stack(product)
        np.testing.assert_array_equal(ds["dem"], heights[20:55, 10:65])
        ignored = json.loads(ds.attrs["ignored_files"])
        assert [name.rsplit("/")[-1] for name in ignored] == [
            "20230106_20230118_dem.tif",
            "20230118_20230130_dem.tif",
        ]

    def test_terrain_elsewhere_is_ignored(self, product, write_tif):
        for path in product.rglob("*_dem.tif"):
            path.unlink()
        write_tif(product / "a_dem.tif", np.ones((30, 50), np.float32), transform=at(0, 500))
        write_tif(product / "b_dem.tif", np.ones((30, 50), np.float32), transform=at(0.4, 0))
        ds = open_stack(product)
        assert "dem" not in ds
        assert json.loads(ds.attrs["ignored_files"]) == ["a_dem.tif", "b_dem.tif"]

    @pytest.mark.usefixtures("no_compute")
    def test_lazy_and_repeatable(self, product):
        first, second = open_stack(product), open_stack(product)
        assert all(first[n].data.name == second[n].data.name for n in ("igram", "coherence", "unwrapped", "dem"))

    def test_store(self, product, tmp_path):
        ds = open_stack(product)
        np.testing.assert_array_equal(
            open_stack(write_stack(ds, tmp_path / "s.zarr", exact=True))["igram"], ds["igram"]
        )


class TestSwaths:
    """The folder that ISSLIDE's scripts make of SNAP's exports."""

    SHIFT = 0.3

    @pytest.fixture
    def product(self, tmp_path, write_tif):
        for k, (delay, name) in enumerate([("6days", "30Oct2018_05Nov2018"), ("12days", "30Oct2018_11Nov2018")]):
            for swath, (row, col, shape) in {
                1: (0, 0, (40, 30)),
                2: (6 + self.SHIFT, 22 - self.SHIFT, (38, 33)),
            }.items():
                for role in ("phase", "coherence"):
                    values = drawn(shape, 10 * k + swath)
                    write_tif(
                        tmp_path / delay / f"SW{swath}" / role / f"Queyras_IW{swath}_VV_{name}.tif",
                        values if role == "phase" else np.abs(values) / 3,
                        transform=at(row, col),
                    )
        write_tif(tmp_path / "masks" / "Queyras.tif", np.ones((5, 5), np.uint8), transform=at(0, 0))
        return tmp_path

    def test_merged(self, product):
        ds = read_geotiff_pairs(product)
        assert ds.sizes == {"date": 1, "delay": 2, "y": 44, "x": 55}
        for k in range(2):
            images = [(drawn((40, 30), 10 * k + 1), 0, 0), (drawn((38, 33), 10 * k + 2), 6, 22)]
            expected = pasted(images, (44, 55))
            found = ds["igram"].values[0, k]
            np.testing.assert_array_equal(np.isnan(found), expected == 0)
            np.testing.assert_allclose(np.angle(found[expected != 0]), expected[expected != 0], atol=1e-5)
            np.testing.assert_allclose(ds["coherence"].fillna(0)[0, k], np.abs(expected) / 3, atol=1e-6)
        assert json.loads(ds.attrs["ignored_files"]) == ["masks/Queyras.tif"]

    def test_recipe(self, product):
        steps = recipe_of(read_geotiff_pairs(product)).steps
        assert steps[0]["product"] == "snap geotiff"
        assert steps[1:] == (
            {"operation": "align", "method": "nearest", "largest_shift_px": 0.3},
            {"operation": "merge_swaths", "swaths": [1, 2]},
        )

    @pytest.mark.usefixtures("no_compute")
    def test_lazy_and_repeatable(self, product):
        assert read_geotiff_pairs(product)["igram"].data.name == read_geotiff_pairs(product)["igram"].data.name

    def test_one_swath(self, product):
        ds = read_geotiff_pairs(product / "6days" / "SW2")
        np.testing.assert_array_equal(np.isnan(ds["igram"][0, 0]), drawn((38, 33), 2) == 0)
        assert len(recipe_of(ds).steps) == 1

    def test_without_swath_folders(self, tmp_path, write_tif):
        for role in ("phase", "coherence"):
            values = np.abs(drawn((9, 8), 1)) / 3
            write_tif(tmp_path / "6days" / role / "Queyras_VV_30Oct2018_05Nov2018.tif", values, transform=at(0, 0))
        assert read_geotiff_pairs(tmp_path).sizes["delay"] == 1

    def test_swath_of_the_folder_alone(self, product):
        for path in sorted(product.rglob("Queyras_IW*.tif")):
            path.rename(path.with_name(path.name.replace("_IW1", "").replace("_IW2", "")))
        assert recipe_of(read_geotiff_pairs(product)).of("merge_swaths")

    def test_same_swath_twice(self, product):
        path = next((product / "6days" / "SW1" / "phase").iterdir())
        (path.parent / f"again_{path.name}").write_bytes(path.read_bytes())
        with pytest.raises(
            ProductError,
            match=r"^pair 20181030_20181105 must be there once, instead its phase is in .*IW1.*IW1",
        ):
            read_geotiff_pairs(product)

    def test_a_file_of_no_swath_beside_one(self, product, write_tif):
        write_tif(product / "0_30Oct2018_05Nov2018_pha.tif", drawn((40, 30), 1), transform=at(0, 0))
        with pytest.raises(ProductError, match=r"^pair 20181030_20181105 must be there once"):
            read_geotiff_pairs(product)

    def test_complex_beside_real(self, product, write_tif):
        path = next((product / "6days" / "SW2" / "phase").iterdir())
        write_tif(path, np.ones((38, 33), np.complex64), transform=at(6, 22))
        with pytest.raises(ProductError, match=r"^the swaths of an interferogram must be of one kind, instead file="):
            read_geotiff_pairs(product)
