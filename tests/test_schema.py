import numpy as np
import pytest
import xarray as xr

from insarflow.errors import InsarError, MissingVariableError, SchemaError
from insarflow.schema import COORDINATE_ATTRS, DIMS, VARIABLES, describe, normalise_time, recipe_of, require, validate
from insarflow.types import Recipe

DATES = np.array(["2021-07-03", "2021-07-09"], "datetime64[ns]")
DELAYS = np.array([6, 12, 18], "timedelta64[D]").astype("timedelta64[ns]")


def stack(**changes):
    """The smallest dataset with every variable of the contract."""
    sizes = {"date": 2, "delay": 3, "y": 4, "x": 5}
    variables = {
        name: (v.dims, np.zeros([sizes[d] for d in v.dims], v.dtype)) for name, v in VARIABLES.items()
    } | changes
    coords = {"date": DATES, "delay": DELAYS, "y": np.arange(4.0), "x": np.arange(5.0)}
    return xr.Dataset(variables, coords)


def test_valid_stack_comes_back_itself():
    ds = stack()
    assert validate(ds) is ds


def test_every_variable_may_be_missing():
    ds = stack()
    for name in VARIABLES:
        validate(ds.drop_vars(name))


def test_contract_is_consistent():
    for variable in VARIABLES.values():
        assert set(variable.dims) <= set(DIMS)
        assert np.dtype(variable.dtype)
        assert variable.units
        assert variable.long_name
        assert len(variable.flags) <= 8 * np.dtype(variable.dtype).itemsize
        assert ("flag_masks" in variable.attrs) == ("flag_meanings" in variable.attrs) == bool(variable.flags)
    assert COORDINATE_ATTRS["delay"]["long_name"] == "temporal baseline"


def test_validation_is_lazy(forbid_compute):
    with forbid_compute():
        validate(stack().chunk())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda ds: ds.isel(date=0), r"^a stack must have dimensions \('date', 'delay', 'y', 'x'\), instead got"),
        (lambda ds: ds.drop_vars("y"), "^a stack must have coordinate values along 'y', but there are none$"),
        (lambda ds: ds.assign_coords(date=DATES.astype("datetime64[s]")), r"^date must be datetime64\[ns\]"),
        (lambda ds: ds.assign_coords(delay=[6, 12, 18]), r"^delay must be timedelta64\[ns\], instead got int64"),
        (lambda ds: ds.assign_coords(date=DATES[[0, 0]]), r"^date must not repeat, instead got \[Timestamp"),
        (lambda ds: ds.assign_coords(delay=DELAYS[[0, 1, 0]]), "^delay must not repeat"),
        (lambda ds: ds.assign(dem=ds.igram), r"^dem must have dims \('y', 'x'\), instead got \('date', "),
        (lambda ds: ds.transpose("delay", "date", ...), r"^igram must have dims \('date', 'delay', 'y', 'x'\)"),
        (lambda ds: ds.assign(igram=ds.igram.astype("complex128")), "^igram must be complex64, instead"),
        (lambda ds: ds.assign(valid=ds.valid.astype("uint8")), "^valid must be bool, instead got uint8$"),
    ],
)
def test_broken_contract(broken, message):
    with pytest.raises(SchemaError, match=message):
        validate(broken(stack()))


def test_validate_needs_a_dataset():
    with pytest.raises(TypeError, match=r"^the stack contract needs an xarray.Dataset, instead got DataArray$"):
        validate(stack().igram)


def test_require_names_what_is_missing():
    ds = stack().drop_vars("coherence")
    require(ds, "igram", "dem", to="segment")
    message = r"^segment needs the variable 'coherence', but the dataset holds \['amplitude', .*; estimate it with "
    with pytest.raises(MissingVariableError, match=message):
        require(ds, "igram", "coherence", to="segment")
    with pytest.raises(MissingVariableError, match=r"^show needs the variable 'snow', but .*'water'\]$"):
        require(ds, "snow", to="show")
    with pytest.raises(MissingVariableError, match=r"^show needs the variable 'snow', .*'water'\]; let it fall$"):
        require(ds, "snow", to="show", remedy="let it fall")
    assert issubclass(MissingVariableError, SchemaError)
    assert issubclass(SchemaError, InsarError)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_time_in_any_resolution_becomes_nanoseconds(unit):
    ds = stack().assign_coords(date=DATES.astype(f"datetime64[{unit}]"), delay=DELAYS.astype(f"timedelta64[{unit}]"))
    xr.testing.assert_identical(validate(normalise_time(ds)), stack())


def test_time_in_nanoseconds_is_left_alone():
    ds = stack()
    assert normalise_time(ds) is ds


def test_recipe_of():
    recipe = Recipe().then("read")
    assert recipe_of(stack()) == Recipe()
    assert recipe_of(stack().assign_attrs(recipe=recipe.to_json())) == recipe


def test_describe_writes_units_and_keeps_the_rest():
    array = xr.DataArray(np.zeros((2, 2)), dims=("y", "x"), attrs={"units": "feet", "grid_mapping": "spatial_ref"})
    dem = describe(array, "dem")
    assert dem.name == "dem"
    assert dem.attrs == {"units": "m", "long_name": "terrain height", "grid_mapping": "spatial_ref"}
    assert array.attrs["units"] == "feet"


def test_whole_numbers_are_no_times():
    ds = xr.Dataset(coords={"delay": ("delay", [6, 12])})
    with pytest.raises(SchemaError, match=r"^delay must hold timedeltas, instead got int64: open the store with"):
        normalise_time(ds)
