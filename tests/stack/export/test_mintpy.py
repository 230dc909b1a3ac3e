import numpy as np
import pytest

import insarflow
from insarflow.errors import MissingVariableError, OutputExistsError, ProductWarning, SchemaError
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.mintpy import write_mintpy
from insarflow.stack.export.mintpy_attributes import orbit_radius

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def inputs(wide, tmp_path_factory):
    return write_mintpy(stack_of(wide), tmp_path_factory.mktemp("mintpy") / "work", "a") / "inputs"


def test_the_stack_reads_back_equal(wide, inputs):
    pairs = insarflow.to_pairs(wide)
    with h5py.File(inputs / "ifgramStack.h5") as file:
        for name, true in {
            "unwrapPhase": pairs["unwrapped"],
            "coherence": pairs["coherence"],
            "wrapPhase": np.angle(pairs["igram"]),
            "bperp": pairs["perpendicular_baseline"],
        }.items():
            assert file[name].dtype == np.float32
            np.testing.assert_array_equal(file[name][...], true)
        assert file["date"][...].tolist() == [
            [b"20180106", b"20180118"], [b"20180106", b"20180130"], [b"20180118", b"20180130"]
        ]  # fmt: skip
        assert file["dropIfgram"].dtype == bool
        assert file["dropIfgram"][...].all()


def test_the_geometry_reads_back_equal(wide, inputs):
    with h5py.File(inputs / "geometryGeo.h5") as file:
        held = {name: values[...] for name, values in file.items()}
    np.testing.assert_array_equal(held["height"], wide["dem"])
    np.testing.assert_allclose(np.radians(held["incidenceAngle"]), wide["incidence"], rtol=1e-6)
    incidence, azimuth = np.radians(held["incidenceAngle"]), np.radians(held["azimuthAngle"])
    # The unit vector from the ground to the satellite, azimuth from north and anti-clockwise.
    np.testing.assert_allclose(-np.sin(incidence) * np.sin(azimuth), wide["los_east"], atol=1e-6)
    np.testing.assert_allclose(np.sin(incidence) * np.cos(azimuth), wide["los_north"], atol=1e-6)
    np.testing.assert_array_equal(held["shadowMask"], wide["shadow"])
    np.testing.assert_array_equal(held["waterMask"], ~wide["water"])
    assert held["slantRangeDistance"].min() > 700_000
    assert held["slantRangeDistance"].max() < 1_000_000


def test_attributes_are_those_that_mintpy_asks_for(inputs):
    with h5py.File(inputs / "ifgramStack.h5") as file:
        found = dict(file.attrs)
    wanted = {
        "FILE_TYPE": "ifgramStack", "LENGTH": "530", "WIDTH": "610", "X_FIRST": "330000.0", "Y_FIRST": "4990000.0",
        "X_STEP": "20.0", "Y_STEP": "-20.0", "X_UNIT": "meters", "Y_UNIT": "meters", "EPSG": "32632", "UTM_ZONE": "32N",
        "WAVELENGTH": "0.0555", "ORBIT_DIRECTION": "ASCENDING", "PLATFORM": "S1A", "ALOOKS": "2", "RLOOKS": "8",
        "START_DATE": "20180106", "END_DATE": "20180130", "CENTER_LINE_UTC": "2421.167", "PROCESSOR": "insarflow",
    }  # fmt: skip
    assert wanted.items() <= found.items()
    assert float(found["HEADING"]) == pytest.approx(-12.27, abs=0.01)
    assert float(found["EARTH_RADIUS"]) == pytest.approx(6.3675e6, abs=1e3)
    assert float(found["LAT_REF1"]) < float(found["LAT_REF3"])  # the first line of an ascending pass lies in the south
    with h5py.File(inputs / "geometryGeo.h5") as file:
        assert file.attrs["FILE_TYPE"] == "geometry"


def test_what_is_not_known_is_left_out(stack, tmp_path):
    unwrapped = stack["coherence"].rename("unwrapped")
    ds = stack.assign(unwrapped=unwrapped).drop_vars(["water", "igram"])
    with pytest.warns(ProductWarning, match="baseline of 2 of 3 interferograms is unknown and becomes 0 m"):
        out = write_mintpy(stack_of(ds), tmp_path / "out", "a")
    with h5py.File(out / "inputs" / "ifgramStack.h5") as file:
        assert file["bperp"][...].tolist() == [-31.5, 0, 0]
        assert file.attrs["X_UNIT"] == "degrees"
        assert not {"UTM_ZONE", "HEADING", "HEIGHT", "PLATFORM", "ORBIT_DIRECTION"} & set(file.attrs)
        assert "wrapPhase" not in file
    with h5py.File(out / "inputs" / "geometryGeo.h5") as file:
        assert set(file) == {"height"}
    known = ds.assign(perpendicular_baseline=ds["perpendicular_baseline"].fillna(1))
    with pytest.raises(OutputExistsError, match="the output must not exist"):
        write_mintpy(stack_of(known), tmp_path / "out", "a")


def test_what_mintpy_needs_is_asked_for_first(wide, tmp_path):
    for ds, error, words in [
        (wide.drop_vars("unwrapped"), MissingVariableError, "MintPy needs the variable 'unwrapped'.*unwrap the stack"),
        (wide.drop_vars("dem"), MissingVariableError, r"MintPy needs the variable 'dem'.*dem\.tif"),
        (wide.assign_attrs(wavelength=None), SchemaError, "MintPy needs the attribute 'wavelength'"),
        (wide.rio.write_crs("+proj=laea +lat_0=45 +lon_0=7"), SchemaError, "MintPy needs a CRS with an EPSG code"),
    ]:
        with pytest.raises(error, match=words):
            write_mintpy(stack_of(ds), tmp_path / "out", "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("platform", ["S1A", "S1B, S1C", "simulated Sentinel-1", "sentinel-1a"])
def test_orbits_are_known_of_sentinel_1_only(platform):
    assert orbit_radius(platform) == 7_074_000
    assert orbit_radius("ENVISAT") is None
    assert orbit_radius(None) is None


def test_slant_range_of_a_real_orbit(data, tmp_path):
    """Beside the zero-Doppler distance from the orbit's state vectors, which the stack no longer has."""
    from insarflow.kernels.geometry import geodetic_to_ecef, zero_doppler
    from insarflow.stack.readers.gamma import read_sidecars

    root = data / "mexico-city-s1-stack"
    ds = insarflow.open_stack(root)
    out = write_mintpy(
        stack_of(ds.isel(date=[0], delay=[0, 1]), ["unwrapped", "dem", "los_north", "los_up"]), tmp_path / "out", "a"
    )
    with h5py.File(out / "inputs" / "geometryGeo.h5") as file:
        found = file["slantRangeDistance"][...]
    y, x = np.meshgrid(np.radians(ds["y"]), np.radians(ds["x"]), indexing="ij")
    orbit = read_sidecars(path for path in root.rglob("*") if path.is_file()).orbit()
    _, true = zero_doppler(geodetic_to_ecef(y, x, ds["dem"].values.astype(float)), orbit)
    np.testing.assert_allclose(found, true, rtol=0.015)
