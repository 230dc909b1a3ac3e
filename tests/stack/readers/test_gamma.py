import json

import numpy as np
import pytest

from insarflow.errors import ProductError
from insarflow.kernels.geometry import geodetic_to_ecef
from insarflow.schema import recipe_of, validate
from insarflow.stack.readers import gamma, parameters
from insarflow.stack.readers.gamma import read_acquisition, read_sidecars
from insarflow.stack.readers.geotiff import read_geotiff_pairs
from insarflow.types import Looks, Pair

PAIR = Pair.parse("20180106_20180118")
ANGULAR, RADIUS, START = 1.06e-3, 7.07e6, 2400.0


def state(time):
    """A circular orbit that passes west of the test grid, going north: position and velocity."""
    up = geodetic_to_ecef(np.radians(45.98), np.radians(2.0), np.float64(0))
    up /= np.linalg.norm(up)
    north = np.cross(np.cross(up, [0.0, 0.0, 1.0]), up)
    north /= np.linalg.norm(north)
    c, s = np.cos(ANGULAR * time), np.sin(ANGULAR * time)
    return RADIUS * (c * up + s * north), RADIUS * ANGULAR * (c * north - s * up)


def parameter_file(path, *, date="2018 01 06", looks=(2, 8), **changes):
    fields = {
        "sensor": "S1A IW IW1 VV",
        "date": date,
        "start_time": f"{START} s",
        "center_time": f"{START + 10} s",
        "azimuth_line_time": "0.1 s",
        "range_samples": "1000",
        "azimuth_lines": "200",
        "range_looks": str(looks[1]),
        "azimuth_looks": str(looks[0]),
        "heading": "-12.0 degrees",
        "range_pixel_spacing": "100.0 m",
        "near_range_slc": "770000.0 m",
        "radar_frequency": "5.405e+09 Hz",
        "number_of_state_vectors": "5",
        "time_of_first_state_vector": f"{START - 10} s",
        "state_vector_interval": "10.0 s",
    }
    for k in range(5):
        position, velocity = state(10.0 * k - 20.0)
        fields[f"state_vector_position_{k + 1}"] = " ".join(map(repr, map(float, position))) + " m m m"
        fields[f"state_vector_velocity_{k + 1}"] = " ".join(map(repr, map(float, velocity))) + " m/s m/s m/s"
    fields = {k: v for k, v in (fields | changes).items() if v is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Gamma header\n\n" + "".join(f"{k}:   {v}\n" for k, v in fields.items()))
    return path


def base_file(path, vector="0.0 40.0 4.0", rate="0.0 0.5 0.0", *, kind="precision"):
    zero = "0.0 0.0 0.0"
    values = {"initial": (zero, zero), "precision": (zero, zero)} | {kind: (vector, rate)}
    path.write_text(
        "".join(f"{k}_baseline(TCN): {v} m m m\n{k}_baseline_rate: {r} m/s m/s m/s\n" for k, (v, r) in values.items())
    )
    return path


def bperp_file(path, *, shape="interferogram lines: 200 range samples/line: 1000", rows=None):
    rows = [(line, sample) for line in (0, 100, 200) for sample in (0, 500, 1000)] if rows is None else rows
    table = "".join(f" {a} {b} 0 1 2 30.0 4 {20 + a / 100 - b / 1000:.4f} 6\n" for a, b in rows)
    path.write_text(f"{shape}\n  line range\n{'*' * 40}\n{table}")
    return path


@pytest.fixture
def product(folder):
    for date, name in (("2018 01 06", "20180106"), ("2018 1 18", "20180118"), ("2018 02 11", "20180211")):
        parameter_file(folder / "headers" / f"r{name}_mli.par", date=date)
    base_file(folder / "headers" / "20180106-20180118_base.par")
    bperp_file(folder / "headers" / "20180106-20180118_bperp.par")
    return folder


def point_of(product):
    """The middle of the test grid, with the height that the terrain has there."""
    height = float(read_geotiff_pairs(product)["dem"][15, 25])
    return geodetic_to_ecef(np.radians(46 - 0.0155), np.radians(7.0255), np.float64(height))


def seen_from(point, time):
    position, velocity = state(time - START - 10)
    return point - position, position, velocity


def passing(point):
    """When the satellite passes a point abeam: bisection on the exact orbit."""
    low, high = START - 10, START + 30
    for _ in range(60):
        middle = 0.5 * (low + high)
        sight, _, velocity = seen_from(point, middle)
        low, high = (middle, high) if sight @ velocity > 0 else (low, middle)
    return low


def test_acquisition(tmp_path):
    image = read_acquisition(parameter_file(tmp_path / "a_mli.par"))
    assert image.date == np.datetime64("2018-01-06")
    assert image.platform == "S1A"
    assert image.wavelength == pytest.approx(0.05546577, abs=1e-8)
    assert image.heading == pytest.approx(np.radians(-12))
    assert (image.looks, image.shape, image.centre_time) == (Looks(2, 8), (200, 1000), 2410.0)
    assert image.orbit.shape == (5, 7)
    np.testing.assert_allclose(image.orbit[3, 1:4], state(10.0)[0], rtol=1e-12)
    np.testing.assert_array_equal(image.orbit[:, 0], [2390, 2400, 2410, 2420, 2430])


def test_what_is_unknown_is_left_out(tmp_path):
    image = read_acquisition(
        parameter_file(
            tmp_path / "a_slc.par", radar_frequency=None, heading=None, sensor=None, number_of_state_vectors=None
        )
    )
    assert (image.wavelength, image.heading, image.platform, image.orbit) == (None, None, "", None)
    assert read_sidecars([tmp_path / "a_slc.par"]).attributes() == {
        "looks": [2, 8],
        "acquisition_times": '{"2018-01-06": 2410.0}',
    }


def test_stack_attributes(product):
    ds = validate(read_geotiff_pairs(product))
    assert ds.attrs["wavelength"] == pytest.approx(0.05546577, abs=1e-8)
    assert (ds.attrs["pass"], ds.attrs["platform"], ds.attrs["looks"]) == ("ascending", "S1A", [2, 8])
    assert json.loads(ds.attrs["acquisition_times"])["2018-02-11"] == 2410.0
    assert [s["operation"] for s in recipe_of(ds).steps] == ["read", "line_of_sight"]
    assert recipe_of(ds).steps[0]["product"] == "gamma geotiff"
    assert recipe_of(ds).steps[1]["orbit_of"] == "2018-01-06"


def test_images_that_disagree(product):
    parameter_file(
        product / "headers" / "r20180118_mli.par",
        date="2018 1 18",
        sensor="S1B IW",
        looks=(1, 4),
    )
    attrs = read_geotiff_pairs(product).attrs
    assert "looks" not in attrs
    assert attrs["platform"] == "S1A, S1B"


@pytest.mark.parametrize("skip_bad", [False, True])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "radar_frequency",
            "1.2e9",
            r"radar_frequency: 0\.0554\d+ m of wavelength in file='.*106_mli\.par' and 0\.24",
        ),
        ("heading", "-168.0", r"heading: -?0\.\d+ rad in file='.*106_mli\.par' and -2\.932\d+ in file='.*118_mli"),
    ],
)
def test_two_radars_or_tracks(product, field, value, message, skip_bad):
    parameter_file(product / "headers" / "r20180118_mli.par", date="2018 1 18", **{field: value})
    with pytest.raises(ProductError, match=r"^all images must be of one track and wavelength, instead got " + message):
        read_geotiff_pairs(product, skip_bad=skip_bad)


def test_descending(tmp_path):
    parameter_file(tmp_path / "a_slc.par", heading="-167.9 degrees")
    assert read_sidecars([tmp_path / "a_slc.par"]).attributes()["pass"] == "descending"


def test_multilooked_image_wins(tmp_path):
    files = [parameter_file(tmp_path / "z_mli.par"), parameter_file(tmp_path / "a_slc.par", looks=(1, 1))]
    for order in (files, files[::-1]):
        assert read_sidecars(order).acquisitions[np.datetime64("2018-01-06", "ns")].looks == Looks(2, 8)


def test_line_of_sight(product):
    ds = read_geotiff_pairs(product)
    point = point_of(product)
    sight, *_ = seen_from(point, passing(point))
    up = point / np.linalg.norm(point)  # geocentric, within 0.2 degrees of the normal
    assert float(ds["los_up"][15, 25]) == pytest.approx(-sight @ up / np.linalg.norm(sight), abs=0.004)
    assert float(ds["los_east"].mean()) < -0.3
    np.testing.assert_allclose(np.cos(ds["incidence"]), ds["los_up"], atol=1e-6)


def test_baseline_from_the_table(product):
    ds = read_geotiff_pairs(product)
    point = point_of(product)
    time = passing(point)
    sight, *_ = seen_from(point, time)
    line, sample = (time - START) / 0.1, (np.linalg.norm(sight) - 770_000) / 100
    assert 0 < line < 200
    assert 0 < sample < 1000
    assert float(ds["perpendicular_baseline"][0, 0]) == pytest.approx(20 + line / 100 - sample / 1000, abs=1e-3)
    assert np.isnan(ds["perpendicular_baseline"][1, 1])


@pytest.mark.parametrize("kind", ["precision", "initial"])
@pytest.mark.parametrize("table", ["absent", "of another size", "that ends before"])
def test_baseline_from_the_vector(product, kind, table):
    path = product / "headers" / "20180106-20180118_bperp.par"
    if table == "absent":
        path.unlink()
    elif table == "of another size":
        bperp_file(path, shape="interferogram lines: 5 range samples/line: 1000")
    else:
        for name in ("20180106", "20180118", "20180211"):
            date = f"{name[:4]} {name[4:6]} {name[6:]}"
            parameter_file(product / "headers" / f"r{name}_mli.par", date=date, near_range_slc="90000.0")
    base_file(product / "headers" / "20180106-20180118_base.par", kind=kind)
    point = point_of(product)
    time = passing(point)
    sight, position, _ = seen_from(point, time)
    look = np.arccos(-sight @ position / np.linalg.norm(sight) / np.linalg.norm(position))
    expected = (40.0 + 0.5 * (time - START - 10)) * np.cos(look) - 4.0 * np.sin(look)
    found = float(read_geotiff_pairs(product)["perpendicular_baseline"][0, 0])
    assert found == pytest.approx(expected, abs=1e-3)


def test_sign_of_the_vector(product):
    """A second orbit displaced outward (N) and to the left or right (C) is projected on line of sight x velocity."""
    (product / "headers" / "20180106-20180118_bperp.par").unlink()
    base_file(product / "headers" / "20180106-20180118_base.par", "0.0 10.0 0.0", "0.0 0.0 0.0")
    point = point_of(product)
    sight, position, velocity = seen_from(point, passing(point))
    right = np.cross(velocity, position)
    normal = np.cross(sight, velocity)
    expected = 10 * right @ normal / np.linalg.norm(right) / np.linalg.norm(normal)
    assert float(read_geotiff_pairs(product)["perpendicular_baseline"][0, 0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("change", [{"number_of_state_vectors": "0"}, {"number_of_state_vectors": "2"}])
def test_no_orbit_no_baseline(product, change):
    for name in ("20180106", "20180118", "20180211"):
        date = f"{name[:4]} {name[4:6]} {name[6:]}"
        parameter_file(product / "headers" / f"r{name}_mli.par", date=date, **change)
    ds = read_geotiff_pairs(product)
    assert "perpendicular_baseline" not in ds
    assert ("incidence" in ds) == (change["number_of_state_vectors"] == "2")
    assert "incidence" not in ds or np.isnan(ds["incidence"]).all()


def test_no_terrain(product):
    (product / "dem.tif").unlink()
    ds = read_geotiff_pairs(product)
    assert "incidence" not in ds
    assert np.isfinite(ds["perpendicular_baseline"][0, 0])


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"date": "2018 13 06"}, r"must have a date, instead got date=2018 13 6"),
            ({"date": None}, r"must have 3 numbers in the field 'date', instead got ''"),
            ({"near_range_slc": "far m"}, r"must have 1 numbers in the field 'near_range_slc', instead got 'far m'"),
            (
                {"radar_frequency": "nan Hz"},
                r"must have 1 numbers in the field 'radar_frequency', instead got 'nan Hz'",
            ),
            ({"state_vector_position_3": "1 2"}, r"must have 3 numbers in the field 'state_vector_position_3'"),
            ({"state_vector_interval": "0.0 s"}, r"must have a state_vector_interval above 0, instead got 0\.0"),
            ({"number_of_state_vectors": "1000000"}, r"must have at most 10000 state vectors, instead got 1000000"),
        ],
    )
    def test_acquisition(self, tmp_path, change, message):
        with pytest.raises(ProductError, match=r"^file='.*a_mli\.par' " + message):
            read_acquisition(parameter_file(tmp_path / "a_mli.par", **change))

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([], r"must hold a table of baselines, instead there is none: it is truncated"),
            ([(0, 0), (0, 1), (1, 0)], r"must hold 2 lines of 2 samples, instead got 3 rows: it is truncated"),
        ],
    )
    def test_table(self, product, rows, message):
        bperp_file(product / "headers" / "20180106-20180118_bperp.par", rows=rows)
        with pytest.raises(ProductError, match=r"^file='.*_bperp\.par' " + message):
            read_geotiff_pairs(product)

    def test_table_of_words(self, product):
        path = product / "headers" / "20180106-20180118_bperp.par"
        path.write_text(path.read_text().replace("30.0 4 ", "30.0 4 x"))
        with pytest.raises(ProductError, match=r"^file='.*_bperp\.par' must hold a table of numbers"):
            read_geotiff_pairs(product)

    def test_huge_or_unreadable(self, tmp_path, monkeypatch):
        path = parameter_file(tmp_path / "a_mli.par")
        monkeypatch.setattr(parameters, "MAX_BYTES", 100)
        with pytest.raises(ProductError, match=r"^file='.*' must be a parameter file, instead it has over 100 bytes"):
            read_acquisition(path)
        with pytest.raises(ProductError, match=r"^file='.*b_mli\.par' cannot be read: No such file"):
            read_acquisition(tmp_path / "b_mli.par")


def test_binary_noise_is_an_error_not_a_crash(tmp_path):
    rng = np.random.default_rng(5)
    for _ in range(20):
        (tmp_path / "a_mli.par").write_bytes(rng.integers(0, 256, 3000, np.uint8).tobytes())
        with pytest.raises(ProductError):
            gamma.read_acquisition(tmp_path / "a_mli.par")
