import numpy as np
import pytest

from insarflow.kernels.augment import conjugate, offset, ramp
from insarflow.types import Tile, Window


def draw(shape, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


def test_offset():
    z = draw((2, 5, 6), missing=0.2)
    np.testing.assert_allclose(offset(z, angle=1.3), z * np.exp(1.3j), rtol=1e-6)
    assert offset(z, angle=1.3).dtype == np.complex64


def test_conjugate():
    z = draw((2, 5, 6), missing=0.2)
    np.testing.assert_array_equal(conjugate(z), np.conj(z))


def test_ramp():
    z = draw((2, 5, 6), missing=0.2)
    result = ramp(z, slope_y=0.3, slope_x=-0.7)
    assert result.dtype == np.complex64
    for row, col in np.ndindex(5, 6):
        expected = z[:, row, col] * np.exp(1j * (0.3 * row - 0.7 * col))
        np.testing.assert_allclose(result[:, row, col], expected, rtol=1e-6)


def test_ramp_of_a_tile_far_out_is_that_of_the_whole():
    z = draw((4, 5))
    place = Window(20_000, 31_000, 4, 5)
    result = ramp(z, slope_y=0.3, slope_x=-0.7, tile=Tile(place, place, (40_000, 40_000)))
    y, x = np.mgrid[20_000:20_004, 31_000:31_005]
    np.testing.assert_allclose(result, z * np.exp(1j * (0.3 * y - 0.7 * x)), rtol=1e-6)


def test_offset_of_a_batch_in_place_and_elsewhere():
    z = draw((2, 3, 5, 6), missing=0.2)
    angle = np.arange(6.0).reshape(2, 3)
    expected = z * np.exp(1j * angle)[..., None, None]
    result = offset(z, angle=angle)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    room = np.empty_like(z)
    assert offset(z, angle=angle, out=room) is room
    here = z.copy()
    assert offset(here, angle=angle, out=here) is here
    for other in (room, here):
        np.testing.assert_array_equal(other, result)


def test_any_layout_has_the_same_bits():
    z = draw((3, 37, 41), missing=0.1)
    for change in (lambda a, **k: offset(a, angle=2.2, **k), lambda a, **k: ramp(a, slope_y=0.1, slope_x=0.2, **k)):
        whole = change(z)
        np.testing.assert_array_equal(change(np.asfortranarray(z)), whole)
        np.testing.assert_array_equal(change(np.repeat(z, 2, axis=-1)[..., ::2]), whole)
        here = z.copy()
        np.testing.assert_array_equal(change(here, out=here), whole)
    np.testing.assert_array_equal(offset(z[:, 3:20, 7:], angle=2.2), offset(z, angle=2.2)[:, 3:20, 7:])


def test_offset_commutes_with_ramp_and_conjugation_undoes_itself():
    z = draw((20, 30))
    plane = {"slope_y": 0.2, "slope_x": -0.05}
    np.testing.assert_allclose(offset(ramp(z, **plane), angle=2.0), ramp(offset(z, angle=2.0), **plane), rtol=1e-6)
    np.testing.assert_array_equal(conjugate(conjugate(z)), z)
    here = z.copy()
    np.testing.assert_array_equal(conjugate(here, out=here), np.conj(z))


def test_a_wrong_angle_or_out_is_refused():
    z = draw((2, 5, 6))
    with pytest.raises(ValueError, match=r"^angle must be one number or of shape \(2,\), instead got shape \(3,\)$"):
        offset(z, angle=np.zeros(3))
    with pytest.raises(
        ValueError, match=r"^out must be complex64, C-contiguous .*\(2, 5, 6\), instead got complex64 of"
    ):
        ramp(z, slope_y=0.0, slope_x=0.0, out=np.empty((2, 6, 5), np.complex64))
    with pytest.raises(ValueError, match=r"not contiguous$"):
        conjugate(z, out=np.empty((6, 5, 2), np.complex64).T)
