import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from insarflow.errors import ModelError, SchemaError
from insarflow.schema import recipe_of
from insarflow.segment.domain import FAR, Domain, compare
from insarflow.segment.resolution import nearest_size, to_resolution
from insarflow.stack.georeference import georeference, grid_of, pixel_size_m
from insarflow.types import Grid, Recipe

METRES, DEGREES = "EPSG:32632", "EPSG:4326"
FRINGE = 2000.0
"""Length of a fringe of the ramps below, m."""


def ramp(transform, crs, shape=(24, 30)):
    """A stack of one pair with a phase that is linear in y and x of the CRS."""
    grid = Grid(transform, shape, crs)
    phase = 2 * np.pi / FRINGE * (grid.y[:, None] - 0.5 * grid.x) * (1.0 if crs == METRES else 111_000.0)
    ds = xr.Dataset(
        {
            "igram": (("date", "delay", "y", "x"), np.exp(1j * phase).astype(np.complex64)[None, None]),
            "coherence": (("date", "delay", "y", "x"), np.full((1, 1, *shape), 0.7, np.float32)),
            "valid": (("date", "delay"), np.ones((1, 1), bool)),
        },
        {
            "date": np.array(["2024-01-01"], "datetime64[ns]"),
            "delay": np.array([12], "timedelta64[D]").astype("timedelta64[ns]"),
        },
        {"looks": [1, 2]},
    )
    return georeference(ds, grid)


coarse = ramp((500_000.0, 150.0, 0.0, 5_000_000.0, 0.0, -120.0), METRES)
degrees = ramp((-99.2, 1 / 720, 0.0, 19.45, 0.0, -1 / 720), DEGREES)
fine = ramp((500_000.0, 2.0, 0.0, 5_000_000.0, 0.0, -3.0), METRES, (120, 150))


def test_coarse_pixels_become_the_largest_that_the_model_knows(make_card, forbid_compute):
    with forbid_compute():
        result, note = to_resolution(coarse.chunk(y=10, x=11), make_card(), "model")
    assert pixel_size_m(result) == (40.0, 40.0)
    assert note == (
        "resampled from pixels of 120 by 150 m to 40 by 40 m, the nearest that the model was trained on (10 to 40 m); "
        "this adds no detail"
    )
    (step,) = recipe_of(result).of("resample")
    assert (step["method"], step["resolution"], step["averaged_px"]) == ("bilinear", [40.0, 40.0], [1.0, 1.0])
    assert [text for text in compare(result, make_card()).outside if "pixel" in text] == []
    # The complex number is interpolated: the phase stays the ramp, across its wraps too.
    y, x = result["y"].values[:, None], result["x"].values
    expected = np.exp(2j * np.pi / FRINGE * (y - 0.5 * x))
    igram = result["igram"].values[0, 0]
    inside = np.isfinite(igram)
    assert inside.mean() > 0.95
    # Half a pixel along the border has neighbours on one side only.
    inner = np.s_[2:-2, 2:-2]
    assert inside[inner].all()
    assert np.abs(np.angle(igram[inner] * expected[inner].conj())).max() < 0.02
    np.testing.assert_allclose(np.abs(igram[inside]), 1.0, atol=1e-5)
    np.testing.assert_allclose(result["coherence"].values[0, 0][inside], 0.7, atol=1e-6)


def test_degrees(make_card):
    result, note = to_resolution(degrees, make_card(), "model")
    assert pixel_size_m(result) == pytest.approx((40.0, 40.0), rel=1e-3)
    assert "from pixels of 154 by 146 m to 40 by 40 m, the nearest" in note
    assert grid_of(result).crs == grid_of(degrees).crs
    assert compare(result, make_card(recipe=Recipe())) == Domain()


def test_fine_pixels_are_averaged(make_card):
    result, note = to_resolution(fine, make_card(), "model")
    assert pixel_size_m(result) == (10.0, 10.0)
    assert note.endswith("to 10 by 10 m, the nearest that the model was trained on (10 to 40 m)")
    assert recipe_of(result).of("resample")[0]["averaged_px"] == [3.333, 5.0]
    looks = compare(result, make_card(recipe=Recipe(), training={"looks": [30, 40]}))
    assert looks == Domain()


def test_one_axis_alone(make_card):
    narrow = ramp((500_000.0, 8.0, 0.0, 5_000_000.0, 0.0, -17.0), METRES)
    assert pixel_size_m(to_resolution(narrow, make_card(), "model")[0]) == (17.0, 10.0)


def test_pixels_that_the_model_knows_stay(make_stack, make_card):
    ds = make_stack((8, 9))
    result, note = to_resolution(ds, make_card(), "model")
    assert result is ds
    assert note == "not resampled: the model was trained on pixels of 20 by 20 m too"


def test_a_size_that_is_named(make_stack, make_card):
    ds = make_stack((40, 40))
    result, note = to_resolution(ds, make_card(), (10, 25.0))
    assert pixel_size_m(result) == (10.0, 25.0)
    assert note == (
        "resampled from pixels of 20 by 20 m to 10 by 25 m; this adds no detail; the phase had been filtered before"
    )
    assert compare(result, make_card()).outside == ("goldstein is followed by resample (model: by nothing)",)
    same, note = to_resolution(ds, make_card(), 20)
    assert same is ds
    assert note == "not resampled: the pixels are of 20 by 20 m already"


@given(y=st.floats(0.5, 390), x=st.floats(0.5, 390), low=st.floats(5, 20), ratio=st.floats(1, 4))
def test_the_nearest_size_is_in_the_range_and_none_is_nearer(y, x, low, ratio, make_card):
    card = make_card(pixel_size_m=(low, low * ratio))
    found = nearest_size((y, x), card)
    for own, new in zip((y, x), (y, x) if found is None else found, strict=True):
        assert low * 0.99 <= new <= low * ratio * 1.01
        if new != own:
            assert abs(new - own) == pytest.approx(min(abs(own - end) for end in (low, low * ratio)))
    if found is not None:
        assert nearest_size(found, card) is None


def test_mistakes(make_stack, make_card):
    with pytest.raises(SchemaError, match=r"^the dataset has no CRS: set it with ds\.rio\.write_crs$"):
        to_resolution(coarse.drop_vars("spatial_ref"), make_card(), "model")
    with pytest.raises(ValueError, match=r"^resolution must be one number above 0, or \(y, x\), in units of the CRS"):
        to_resolution(coarse, make_card(), (10.0, 20.0, 30.0))
    nowhere = ramp((500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), DEGREES)
    with pytest.raises(ModelError, match=r"^resolution needs pixels with a place on the Earth: check the CRS of the "):
        to_resolution(nowhere, make_card(), "model")
    huge = ramp((20.0, 1.0, 0.0, 60.0, 0.0, -1.0), DEGREES)
    with pytest.raises(
        ModelError,
        match=rf"^resolution='model' must not divide pixels into more than {FAR:g} a side, instead got pixels of "
        r"1\.11e\+05 by \S+ m for a model of 10 to 40 m: check the CRS \(degrees are no metres\), or take finer data$",
    ):
        to_resolution(huge, make_card(), "model")
