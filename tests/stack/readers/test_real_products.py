"""The reader and the store on real data; skipped where the data is not beside the repository."""

import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import Resampling

from insarflow.kernels.geometry import geodetic_to_ecef, interpolate_orbit, zero_doppler
from insarflow.schema import recipe_of, validate
from insarflow.stack.assemble import pairs_table
from insarflow.stack.georeference import grid_of
from insarflow.stack.readers.gamma import read_sidecars
from insarflow.stack.store import build_stack, open_stack
from insarflow.types import Pair


def band(path):
    with rasterio.open(path) as source:
        return source.read(1)


@pytest.fixture(scope="module")
def product(real):
    return real("mexico-city-s1-stack")


@pytest.fixture(scope="module")
def stack(product, tmp_path_factory):
    return open_stack(build_stack(product, tmp_path_factory.mktemp("mexico") / "m.zarr", exact=True)).load()


class TestMexicoCity:
    def test_as_codes(self, product, stack, tmp_path):
        """By default phase is kept as int16 and coherence as uint8: no pixel lost, none far off."""
        path = build_stack(product, tmp_path / "m.zarr")
        opened = open_stack(path).load()
        turned = np.angle(opened["igram"].values * stack["igram"].values.conj())
        np.testing.assert_array_equal(np.isnan(turned), np.isnan(stack["igram"]))
        assert np.nanmax(np.abs(turned)) <= opened["igram"].attrs["quantisation_error"] * 1.02
        assert np.nanmax(np.abs(opened["coherence"] - stack["coherence"])) <= 0.00197
        xr.testing.assert_equal(opened[["unwrapped", "valid"]], stack[["unwrapped", "valid"]])
        plain = xr.open_zarr(path)["phase"]
        np.testing.assert_allclose(np.exp(1j * plain), opened["igram"].values, atol=1e-6)

    def test_round_trip(self, product, stack):
        validate(stack)
        xr.testing.assert_equal(open_stack(product).load(), stack)
        table = pairs_table(stack)
        assert len(table) == 30
        for name in table.index:
            pair = Pair.parse(name)
            there = stack.sel(date=pair.reference, delay=pair.delay)
            dashed = name.replace("_", "-")
            unwrapped = band(product / "unw" / f"cropA_{dashed}_VV_8rlks_eqa_unw.tif")
            coherence = band(product / "coh" / f"cropA_{dashed}_VV_8rlks_flat_eqa_cc.tif")
            np.testing.assert_array_equal(there["unwrapped"], np.where(unwrapped == 0, np.nan, unwrapped))
            np.testing.assert_array_equal(there["coherence"], np.where(coherence == 0, np.nan, coherence))
            expected = np.where(unwrapped == 0, np.nan, np.exp(1j * unwrapped.astype(float)))
            np.testing.assert_allclose(there["igram"], expected, atol=2e-6)

    def test_what_is_said_of_it(self, stack):
        assert stack.attrs["wavelength"] == pytest.approx(0.05546576, abs=1e-8)
        assert (stack.attrs["pass"], stack.attrs["platform"], stack.attrs["looks"]) == ("ascending", "S1A", [2, 8])
        assert len(json.loads(stack.attrs["acquisition_times"])) == 13
        assert recipe_of(stack).steps[0]["product"] == "gamma geotiff"
        ignored = json.loads(stack.attrs["ignored_files"])
        assert ignored == [f"expected_pyrate/{n}.tif" for n in ("coh_mean", "coh_median", "coh_std", "dem_error")]

    def test_incidence_is_the_crops_and_not_the_scenes(self, stack):
        assert np.degrees(float(stack["incidence"][30, 50])) == pytest.approx(31.7, abs=0.1)
        assert (stack["los_east"] < -0.5).all()
        np.testing.assert_allclose(
            stack["los_east"] ** 2 + stack["los_north"] ** 2 + stack["los_up"] ** 2, 1, atol=1e-6
        )

    def test_geometry_is_gammas(self, product, stack):
        """The lookup table says which range sample and line each pixel was seen in."""
        image = read_sidecars(product.rglob("*_mli.par")).acquisitions[np.datetime64("2018-01-06", "ns")]
        table = np.fromfile(product / "geometry" / "20180106_VV_8rlks_eqa_to_rdc.lt", ">c8").reshape(60, 100)
        lat, lon = np.meshgrid(np.radians(stack["y"]), np.radians(stack["x"]), indexing="ij")
        time, slant_range = zero_doppler(geodetic_to_ecef(lat, lon, stack["dem"].values), image.orbit)
        samples = (slant_range - image.near_range) / image.range_spacing
        lines = (time - image.start_time) / image.line_time
        # GAMMA's own terrain model is finer than this one, here and there by some tens of metres.
        assert np.percentile(np.abs(samples - table.real), 99) < 0.5
        assert abs(np.mean(samples - table.real)) < 0.05
        assert np.std(lines - table.imag) < 1e-3
        assert np.abs(lines - table.imag).max() < 0.6

    def test_baselines(self, product, stack):
        """GAMMA's table (refined on the fringes, flat terrain) against the orbits themselves, and its sign."""
        images = read_sidecars(product.rglob("*_mli.par")).acquisitions
        table = pairs_table(stack)
        assert table["perpendicular_baseline"].between(-109, 78).all()
        assert table.loc["20180106_20180130", "perpendicular_baseline"] == pytest.approx(33.4, abs=0.1)
        point = geodetic_to_ecef(
            np.radians(stack["y"].values[30]), np.radians(stack["x"].values[50]), stack["dem"].values[30, 50]
        )
        for name, value in table["perpendicular_baseline"].items():
            states = []
            for date in (table.loc[name, "reference"], table.loc[name, "secondary"]):
                orbit = images[np.datetime64(date, "ns")].orbit
                states.append(interpolate_orbit(orbit, float(zero_doppler(point, orbit)[0])))
            (first, velocity), (second, _) = states
            normal = np.cross(point - first, velocity)
            assert value == pytest.approx((second - first) @ normal / np.linalg.norm(normal), abs=1.2)

    def test_coherence_statistics_are_pyrates(self, product, stack):
        coherence = stack["coherence"].values[stack["valid"].values].astype(float)
        for name, function in (("mean", np.nanmean), ("std", np.nanstd)):
            expected = band(product / "expected_pyrate" / f"coh_{name}.tif")
            somewhere = ~np.isnan(expected)
            np.testing.assert_array_equal(somewhere, ~np.isnan(coherence).all(axis=0))
            np.testing.assert_allclose(function(coherence[:, somewhere], axis=0), expected[somewhere], atol=3e-7)

    def test_rate(self, stack):
        """Delay-weighted stacking; each pair referenced to its own median; mm/yr, positive away."""
        valid = stack["valid"].values
        phase = stack["unwrapped"].values[valid].astype(float)
        years = (stack["delay"].values / np.timedelta64(1, "D") / 365.25)[np.nonzero(valid)[1]][:, None, None]
        phase -= np.nanmedian(phase, axis=(1, 2), keepdims=True)
        rate = (years * phase).sum(axis=0) / (years**2).sum() * stack.attrs["wavelength"] / (4 * np.pi) * 1000
        np.testing.assert_allclose(np.nanpercentile(rate, [1, 99]), [-102, 208], atol=1)
        row, col = np.unravel_index(np.nanargmax(rate), rate.shape)
        assert (float(stack["x"][col]), float(stack["y"][row])) == pytest.approx((-99.053, 19.439), abs=0.003)


class TestMorocco:
    def test_wrapped_pair(self, real):
        root = real("morocco-2023-s1-pair")
        ds = validate(open_stack(root))
        images = {n: band(root / "ifg_20230904_20230916" / f"{n}_vv.tif") for n in ("phi", "coh", "amp_prm")}
        igram = ds["igram"].values[0, 0]
        there = images["phi"] != -9999
        np.testing.assert_array_equal(~np.isnan(igram), there)
        np.testing.assert_allclose(igram[there], np.exp(1j * images["phi"][there].astype(float)), atol=1e-6)
        for name, source in (("coherence", "coh"), ("amplitude", "amp_prm")):
            np.testing.assert_array_equal(ds[name][0, 0], np.where(images[source] == 0, np.nan, images[source]))
        assert pairs_table(ds)["valid_fraction"].item() == pytest.approx(0.83, abs=0.005)
        percentiles = np.nanpercentile(ds["coherence"], [5, 25, 50, 75, 95])
        np.testing.assert_allclose(percentiles, [0.49, 0.69, 0.81, 0.89, 0.94], atol=0.006)
        assert "wavelength" not in ds.attrs
        assert len(json.loads(ds.attrs["ignored_files"])) == 3
        assert recipe_of(ds).steps[0]["nodata"]["phase"] == [-9999.0]

    def test_one_file(self, real):
        ds = open_stack(real("morocco-2023-s1-pair") / "ifg_20230904_20230916" / "phi_vv.tif")
        assert list(pairs_table(ds).index) == ["20230904_20230916"]


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
@pytest.mark.parametrize(
    ("product", "resolution", "p95"),
    [("mexico-city-s1-stack", None, 0.002), ("morocco-2023-s1-pair", None, 0.02), ("morocco-2023-s1-pair", 100, 0.1)],
)
def test_resampled_to_utm_as_gdal_does(real, product, resolution, p95):
    """Against GDAL's bilinear warp of real and imaginary part, on the same pixels."""
    plain, utm = open_stack(real(product)), open_stack(real(product), crs="utm", resolution=resolution)
    name = utm.insar.pairs.index[0]
    ours = utm.insar.pair(name)["igram"].values
    theirs = []
    for part in ("real", "imag"):
        image = getattr(plain.insar.pair(name)["igram"], part).rio.write_nodata(np.nan)
        place = Affine.from_gdal(*grid_of(utm).transform)
        warped = image.rio.reproject(utm.rio.crs, shape=ours.shape, transform=place, resampling=Resampling.bilinear)
        theirs.append(warped.values)
    gdal = theirs[0] + 1j * theirs[1]
    both = ~np.isnan(gdal) & ~np.isnan(ours)
    assert both.mean() > 0.98 * max((~np.isnan(z)).mean() for z in (gdal, ours))
    apart = ours[both] * np.conj(gdal[both] / np.abs(gdal[both]))
    assert np.abs(apart.mean()) > 0.999
    assert np.percentile(np.abs(np.angle(apart)), 95) < p95
    assert np.abs(ours[both]) == pytest.approx(1.0, abs=1e-5)
    step = recipe_of(utm).of("resample")[0]
    assert step["resolution"] == [abs(r) for r in utm.rio.resolution()]
