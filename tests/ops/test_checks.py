import numpy as np
import pytest
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.ops.checks import check_fraction, check_image, check_number, check_whole, on_igram
from insarflow.schema import recipe_of


def image(**options):
    return xr.DataArray(np.zeros((2, 3, 4), "complex64"), dims=("pair", "y", "x"), **options)


def test_image_gets_its_pixels_last():
    assert check_image(image().transpose("x", "pair", "y"), "igram", "complex64").dims == ("pair", "y", "x")


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((3, 4)), TypeError, "^igram must be an xarray.DataArray, instead got ndarray$"),
        (image().to_dataset(name="igram"), TypeError, "^igram must be an xarray.DataArray, instead got Dataset$"),
        (image().isel(y=0), ValueError, r"^igram must have the dimensions y and x, instead got dims=\('pair', 'x'\)$"),
        (image().real, TypeError, r"^igram must be complex64, instead got float32: convert it with .astype"),
        (image().isel(y=slice(0)), ValueError, r"^igram must hold pixels, instead got shape \(2, 0, 4\)$"),
    ],
)
def test_image_refused(array, error, message):
    with pytest.raises(error, match=message):
        check_image(array, "igram", "complex64")


def test_whole_numbers():
    assert check_whole("looks", np.int16(3), low=1) == 3
    assert type(check_whole("looks", np.int16(3), low=1)) is int
    for value in (3.0, True, "3", None):
        message = f"^looks must be a whole number of at least 1, instead got looks={value!r}$"
        with pytest.raises(TypeError, match=message):
            check_whole("looks", value, low=1)
    for value in (0, -3, 10):
        message = f"^looks must be a whole number of at least 1 and at most 9, instead got looks={value}$"
        with pytest.raises(ValueError, match=message):
            check_whole("looks", value, low=1, high=9)


def test_numbers():
    assert check_number("angle", np.float32(0.5)) == 0.5
    assert check_number("angle", -3) == -3.0
    for value in ("1", True, None, 1j):
        with pytest.raises(TypeError, match=r"^angle must be a number, instead got angle="):
            check_number("angle", value)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"^angle must be finite, instead got angle={value}$"):
            check_number("angle", value)


def test_fractions():
    assert [check_fraction("alpha", v) for v in (0, 0.5, 1)] == [0.0, 0.5, 1.0]
    for value in (-0.1, 1.01):
        with pytest.raises(ValueError, match=rf"^alpha must be between 0 and 1, instead got alpha={value}$"):
            check_fraction("alpha", value)


def test_on_igram_carries_everything_and_leaves_its_input_alone(stack):
    before = stack.copy(deep=True)
    result = on_igram(stack, lambda igram, present: igram * 2, "double", by=2)
    xr.testing.assert_identical(stack, before)
    for name in set(stack.variables) - {"igram"}:
        xr.testing.assert_identical(result[name], stack[name])
    np.testing.assert_array_equal(result.igram, stack.igram * 2)
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    assert [s["operation"] for s in recipe_of(result).steps] == ["read", "double"]
    assert recipe_of(result).steps[-1] == {"operation": "double", "by": 2}
    with pytest.raises(MissingVariableError, match=r"^double needs the variable 'igram', but the dataset holds"):
        on_igram(stack.drop_vars("igram"), lambda igram, present: igram, "double")
