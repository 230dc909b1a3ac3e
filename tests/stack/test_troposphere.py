import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from scipy.interpolate import RegularGridInterpolator
from strategies import chunkings

from insarflow.errors import GridMismatchError, MissingVariableError, NetworkError, ProductError, SchemaError
from insarflow.ops.layer import reading_of
from insarflow.ops.timeseries import timeseries
from insarflow.schema import recipe_of
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.store import open_stack, write_stack
from insarflow.stack.troposphere import open_troposphere
from insarflow.types import Grid, Pair

WAVELENGTH = 0.0555
SHAPE = (23, 31)
DAYS = ("20210703", "20210709", "20210715", "20210721", "20210727")
SCALES = (6000.0, 7200.0, 6500.0, 8000.0, 6100.0)
"""Heights, m, over which the delay falls by e: the air of each day is layered in its own way."""

UTM = Grid((330_000.0, 60.0, 0.0, 4_990_000.0, 0.0, -60.0), SHAPE, CRS.from_epsg(32632).to_wkt())
STEP = 1 / 1200
FIRST = (45.048, 6.838)
"""Latitude and longitude of the first delay: 27 x 38 of them cover the stack."""


def height(latitude, longitude):
    """Mountains of analytic form, 600 m high."""
    return 1200 + 300 * np.sin(300 * (latitude - 45)) + 300 * np.cos(250 * (longitude - 6.8))


def zenith(day, latitude, longitude):
    return 2.4 * np.exp(-height(latitude, longitude) / SCALES[DAYS.index(day)])


def nodes():
    return FIRST[0] - STEP * np.arange(27), FIRST[1] + STEP * np.arange(38)


def places():
    """Latitude and longitude of the stack's pixels."""
    to_degrees = Transformer.from_crs(UTM.crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(*np.meshgrid(UTM.x, UTM.y))
    return latitude, longitude


def write_ztd(folder, day, values):
    """A file as GACOS writes it."""
    rows, cols = values.shape
    values.astype("<f4").tofile(folder / f"{day}.ztd")
    (folder / f"{day}.ztd.rsc").write_text(
        f"WIDTH {cols}\nFILE_LENGTH {rows}\nX_FIRST {FIRST[1]}\nY_FIRST {FIRST[0]}\nX_STEP {STEP:.15f}\n"
        f"Y_STEP {-STEP:.15f}\nZ_OFFSET 0\nZ_SCALE 1\nPROJECTION LATLON\nDATUM WGS84\n"
    )
    return folder / f"{day}.ztd"


def write_all(folder, days=DAYS):
    for day in days:
        write_ztd(folder, day, zenith(day, *np.meshgrid(*nodes(), indexing="ij")))
    return folder


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "gacos"
    folder.mkdir()
    return write_all(folder)


INCIDENCE = np.linspace(0.55, 0.75, SHAPE[1], dtype=np.float32) + np.zeros(SHAPE, np.float32)


def draw_stack(velocity=0.0):
    """Pairs of 6 and 12 days: steady motion, and the layered air of each day along the line of sight."""
    air = [zenith(day, *places()) / np.cos(INCIDENCE.astype(float)) for day in DAYS]
    cells = {}
    for i, first in enumerate(DAYS):
        for j in range(i + 1, min(i + 3, len(DAYS))):
            away = air[j] - air[i] - velocity * 6 * (j - i) / 365.25
            phase = (4 * np.pi / WAVELENGTH * away).astype(np.float32)
            cells[Pair.parse(f"{first}_{DAYS[j]}")] = {"unwrapped": phase}
    static = {"incidence": INCIDENCE, "los_up": np.cos(INCIDENCE)}
    return stack_pairs(cells, UTM, static=static, attrs={"wavelength": WAVELENGTH})


def test_delays_are_bilinear_and_along_the_line_of_sight(files):
    delays = open_troposphere(files, draw_stack())
    assert delays.dims == ("date", "y", "x")
    assert delays.dtype == np.float32
    assert delays.attrs["units"] == "m"
    assert [str(day)[:10].replace("-", "") for day in delays["date"].values] == list(DAYS)
    assert delays.rio.crs.to_epsg() == 32632
    assert recipe_of(delays).steps == (
        {
            "operation": "open_troposphere", "files": [f"{day}.ztd" for day in DAYS], "method": "bilinear",
            "averaged_px": [1.0, 1.0], "line_of_sight": "incidence",
        },
    )  # fmt: skip
    latitudes, longitudes = nodes()
    for k, day in enumerate(DAYS):
        stored = np.fromfile(files / f"{day}.ztd", "<f4").reshape(27, 38).astype(float)
        oracle = RegularGridInterpolator((latitudes[::-1], longitudes), stored[::-1])(places())
        # Positions are good to a hundredth of a pixel, over which this delay changes by up to half a millimetre.
        np.testing.assert_allclose(delays[k], oracle / np.cos(INCIDENCE.astype(float)), atol=5e-4)
        assert np.ptp(oracle) > 0.05


def test_corrected_series_show_the_motion_alone(files):
    velocity = 0.03
    ds = draw_stack(velocity)
    series = timeseries(ds, weights="uniform", troposphere=open_troposphere(files, ds))
    wrong = np.abs(timeseries(ds, weights="uniform")["velocity"].values - velocity)
    left = np.abs(series["velocity"].values - velocity)
    assert wrong.min() > 0.1
    # What is left is what bilinear interpolation of mountains at 90 m makes of a difference of two days.
    assert left.max() < 0.01 * wrong.min()
    years = 6 * np.arange(5) / 365.25
    np.testing.assert_allclose(series["displacement"], years[:, None, None] * velocity + np.zeros(SHAPE), atol=6e-4)


def test_geotiffs_give_the_same(files, tmp_path, write_tif):
    ds = draw_stack()
    folder = tmp_path / "tif"
    place = Affine(STEP, 0, FIRST[1] - STEP / 2, 0, -STEP, FIRST[0] + STEP / 2)
    for day in DAYS:
        values = np.fromfile(files / f"{day}.ztd", "<f4").reshape(27, 38)
        write_tif(folder / f"{day}.ztd.tif", values, transform=place)
    flat = open_troposphere(files, ds)
    np.testing.assert_allclose(open_troposphere(folder, ds), flat, rtol=0, atol=1e-6)
    mixed = [files / f"{day}.ztd" for day in DAYS[:2]] + [folder / f"{day}.ztd.tif" for day in DAYS[2:]]
    np.testing.assert_array_equal(open_troposphere(mixed, ds)[:2], flat[:2])


def test_on_the_lattice_of_the_stack_nothing_is_interpolated(tmp_path, stack, write_tif):
    values = np.random.default_rng(0).uniform(2, 2.5, (3, 30, 50)).astype(np.float32)
    for day, image in zip(("20180106", "20180118", "20180130"), values, strict=True):
        write_tif(tmp_path / f"{day}.ztd.tif", image)
    np.testing.assert_array_equal(open_troposphere(str(tmp_path / "*.tif"), stack, incidence=0.0), values)


def test_where_the_line_of_sight_comes_from(files):
    ds = draw_stack()
    vertical = open_troposphere(files, ds, incidence=0.0)
    expected = (vertical / np.cos(ds["incidence"])).astype(np.float32)
    np.testing.assert_array_equal(open_troposphere(files, ds), expected)
    upward = open_troposphere(files, ds.drop_vars("incidence"))
    np.testing.assert_array_equal(upward, (vertical / ds["los_up"]).astype(np.float32))
    assert recipe_of(upward).steps[-1]["line_of_sight"] == "los_up"
    slanted = open_troposphere(files, ds.drop_vars(["incidence", "los_up"]), incidence=np.pi / 3)
    np.testing.assert_allclose(slanted, 2 * vertical, rtol=1e-6)


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    ds = draw_stack()
    chunks = data.draw(chunkings(ds["unwrapped"].shape))
    cut = ds.assign(unwrapped=ds["unwrapped"].chunk(dict(zip(ds["unwrapped"].dims, chunks, strict=True))))
    look = data.draw(st.sampled_from(["as it is", "in memory", "chunked"]))
    if look != "as it is":
        cut["incidence"] = cut["incidence"].load() if look == "in memory" else cut["incidence"].chunk(y=5, x=7)
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder))
        whole, parts = open_troposphere(folder, ds), open_troposphere(folder, cut)
        assert parts.chunks == ((1,) * 5, *chunks[-2:])
        xr.testing.assert_identical(parts.compute(), whole.compute())


def test_a_store_is_read_window_by_window(files, tmp_path, forbid_compute):
    ds = draw_stack()
    write_stack(ds, tmp_path / "stack.zarr")
    stored = open_stack(tmp_path / "stack.zarr")
    with forbid_compute():
        delays = open_troposphere(files, stored)
        number = open_troposphere(files, stored, incidence=0.6)
        series = timeseries(stored, weights="uniform", troposphere=delays)
    assert reading_of(delays.data) is not None
    assert reading_of(number.data) is not None
    layers = series["velocity"].data.dask.layers
    assert not any(name.startswith("troposphere") for name in layers)
    np.testing.assert_array_equal(delays, open_troposphere(files, ds))
    computed = timeseries(ds.compute(), weights="uniform", troposphere=delays.compute())
    np.testing.assert_array_equal(series["velocity"], computed["velocity"])


def test_a_part_of_a_stored_stack(files, tmp_path):
    ds = draw_stack()
    write_stack(ds, tmp_path / "stack.zarr")
    cut = open_stack(tmp_path / "stack.zarr").isel(y=slice(5, 20), x=slice(7, 29))
    np.testing.assert_array_equal(
        open_troposphere(files, cut), open_troposphere(files, ds.isel(y=slice(5, 20), x=slice(7, 29)))
    )


def test_only_the_days_of_pairs_that_exist_are_needed(files):
    ds = draw_stack()
    valid = ds["valid"].copy(data=np.zeros(ds["valid"].shape, bool))
    valid[1, 1] = True  # 20210709 and 20210721
    (files / "20210703.ztd").unlink()
    (files / "20210715.ztd.rsc").write_text("")
    (files / "20991231.ztd").touch()
    delays = open_troposphere(files, ds.assign(valid=valid))
    assert [str(day)[:10] for day in delays["date"].values] == ["2021-07-09", "2021-07-21"]
    assert np.isfinite(delays).all()


def test_what_is_missing_in_files_and_in_the_incidence_is_nan(files):
    ds = draw_stack()
    values = np.fromfile(files / "20210709.ztd", "<f4").reshape(27, 38)
    values[10, 13], values[19, 17] = 0, np.nan
    write_ztd(files, "20210709", values)
    look = ds["incidence"].compute()
    look[20, 3] = np.nan
    delays = open_troposphere(files, ds.assign(incidence=look)).compute()
    latitude, longitude = places()
    row, cols = (FIRST[0] - latitude) / STEP, (longitude - FIRST[1]) / STEP
    # A pixel is missing where less than half of the weight of bilinear interpolation is known.
    lost = [np.clip(1 - abs(row - i), 0, 1) * np.clip(1 - abs(cols - j), 0, 1) for i, j in ((10, 13), (19, 17))]
    assert all((weight > 0.55).any() for weight in lost)
    weight = np.sum(lost, axis=0)
    assert np.isnan(delays.values[1][weight > 0.55]).all()
    assert np.isfinite(delays.values[1][(weight < 0.45) & np.isfinite(look.values)]).all()
    assert np.isnan(delays[:, 20, 3]).all()
    assert np.isnan(delays[0]).sum() == 1
    assert float(delays.min()) > 1.5


def test_missing_days_are_all_listed(files):
    for day in (DAYS[0], DAYS[3]):
        (files / f"{day}.ztd").unlink()
    message = (
        r"^source='.*gacos' must hold a zenith delay for each of the 5 days of the pairs, instead 2 are missing: "
        r"20210703, 20210721; order them, or leave their pairs out with select_pairs$"
    )
    with pytest.raises(ProductError, match=message):
        open_troposphere(str(files), draw_stack())


def test_what_is_not_covered_is_told(files):
    ds = draw_stack()
    values = np.fromfile(files / "20210715.ztd", "<f4").reshape(27, 38)
    write_ztd(files, "20210715", values[:, :30])
    message = (
        r"^file='.*20210715.ztd' must cover the stack, which lies within 6.84.*, 45.03.*, 6.86.*, 45.04.* degrees, "
        r"instead .*% of the stack's pixels lie outside it: order a larger region, or allow it with max_missing=0.\d*$"
    )
    with pytest.raises(GridMismatchError, match=message) as told:
        open_troposphere(files, ds)
    share = float(str(told.value).rsplit("=", 1)[1])
    allowed = open_troposphere(files, ds, max_missing=share)
    assert share - 0.01 <= float(np.isnan(allowed[2]).mean()) <= share
    assert np.isfinite(allowed[[0, 1, 3, 4]]).all()


@pytest.mark.parametrize(
    ("change", "values", "remedy"),
    [
        (lambda z: 100 * z, ".* to .*", "they seem to be in cm, divide them by 100$"),
        (lambda z: 1000 * z, ".* to .*", "they seem to be in mm, divide them by 1000$"),
        (lambda z: z - 2, "-.* to .*", r"they are no zenith delays \(their difference, or radians\), big endian, or d"),
        (lambda z: z.astype(">f4").view("<f4"), ".* to .*", "they are no zenith delays .*, big endian, or damaged$"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_delays_in_metres(files, change, values, remedy):
    ds = draw_stack()
    stored = np.fromfile(files / "20210709.ztd", "<f4").reshape(27, 38)
    write_ztd(files, "20210709", change(stored))
    message = rf"^file='.*20210709.ztd' must hold zenith delays of 0.5 to 3 m, instead they go from {values}: {remedy}"
    delays = open_troposphere(files, ds)
    with pytest.raises(ProductError, match=message):
        delays.compute()


def test_an_incidence_that_is_none(files):
    ds = draw_stack()
    degrees = open_troposphere(files, ds.assign(incidence=np.degrees(ds["incidence"]).astype(np.float32)))
    message = (
        r"^incidence must be in rad, at least 0 and below pi/2, instead got 31.5127: correct the stack's, or pass "
        r"open_troposphere\(..., incidence=\) in rad$"
    )
    with pytest.raises(ValueError, match=message):
        degrees.compute()
    downward = open_troposphere(files, ds.drop_vars("incidence").assign(los_up=-ds["los_up"]))
    with pytest.raises(ValueError, match=r"^los_up must be above 0 and at most 1, instead got -0.8525"):
        downward.compute()


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (None, {"incidence": 39.0}, ValueError, "^incidence must be in rad, at least 0 and below pi/2, instead got i"),
        (None, {"incidence": "x"}, TypeError, "^incidence must be a number, instead got incidence='x'$"),
        (None, {"max_missing": 2}, ValueError, "^max_missing must be between 0 and 1, instead got max_missing=2$"),
        (lambda ds: 3, {}, TypeError, "^the stack contract needs an xarray.Dataset, instead got int$"),
        (lambda ds: ds.drop_vars("unwrapped"), {}, MissingVariableError,
         "^open_troposphere needs the variable 'unwrapped', but the dataset holds"),
        (lambda ds: ds.drop_vars(["incidence", "los_up"]), {}, MissingVariableError,
         r"^open_troposphere needs the variable 'incidence' or 'los_up', but the dataset holds \['unwrapped', 'valid'\]"
         r"; pass incidence=... \(rad\), or 0.0 for zenith delays$"),
        (lambda ds: ds.drop_vars("spatial_ref"), {}, SchemaError, "^the dataset has no CRS: set it with ds.rio.wri"),
        (lambda ds: ds.assign(valid=ds["valid"] & False), {}, NetworkError,
         "^open_troposphere needs interferograms, instead got valid=False everywhere$"),
    ],
)  # fmt: skip
def test_bad_input(files, change, arguments, error, message):
    ds = draw_stack()
    with pytest.raises(error, match=message):
        open_troposphere(files, ds if change is None else change(ds), **arguments)
