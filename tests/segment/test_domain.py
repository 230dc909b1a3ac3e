import numpy as np
import pytest
import xarray as xr

from insarflow.errors import ModelError
from insarflow.segment.domain import check_channels, differences
from insarflow.stack.georeference import georeference, pixel_size_m
from insarflow.types import Grid, Recipe


@pytest.fixture
def with_recipe(make_stack):
    def build(*operations):
        recipe = Recipe()
        for parameters in operations:
            recipe = recipe.then("goldstein", **parameters)
        return make_stack((8, 9)).assign_attrs(recipe=recipe.to_json())

    return build


TRAINED = {"patch_size": 32, "step": 16, "alpha": 0.5}


def test_alike(make_stack, make_card):
    assert differences(make_stack((8, 9)), make_card()) == []


@pytest.mark.parametrize(
    ("operations", "wanted"),
    [
        ([], ["goldstein is applied not at all (model: once; patch_size=32, step=16, alpha=0.5)"]),
        ([TRAINED] * 2, ["goldstein is applied 2 times (model: once; patch_size=32, step=16, alpha=0.5)"]),
        ([TRAINED | {"alpha": 0.8}], ["goldstein.alpha is 0.8 (model: 0.5)"]),
        (
            [{"patch_size": 64, "step": 8, "alpha": 0.5}],
            ["goldstein.patch_size is 64 (model: 32)", "goldstein.step is 8 (model: 16)"],
        ),
        ([TRAINED | {"mode": "x"}], ["goldstein.mode is x (model: absent)"]),
        ([{"patch_size": 32, "step": 16}], ["goldstein.alpha is absent (model: 0.5)"]),
    ],
)
def test_filter(with_recipe, make_card, operations, wanted):
    assert differences(with_recipe(*operations), make_card()) == wanted


def test_no_filter_on_either_side_and_no_recipe_at_all(with_recipe, make_stack, make_card):
    assert differences(with_recipe(), make_card(recipe=Recipe())) == []
    assert differences(with_recipe(TRAINED), make_card(recipe=Recipe())) == [
        "goldstein is applied once (model: not at all)"
    ]
    bare = make_stack((8, 9))
    del bare.attrs["recipe"]
    assert differences(bare, make_card(recipe=Recipe())) == []


def test_pixel_size(make_stack, make_card):
    ds = make_stack((8, 9))
    assert differences(ds, make_card(pixel_size_m=(20.0, 20.0))) == []
    assert differences(ds, make_card(pixel_size_m=(5.0, 15.0))) == ["pixel_size_m is 20 by 20 (model: 5 to 15)"]
    lost = ds.drop_vars("spatial_ref")
    assert differences(lost, make_card()) == ["pixel_size_m is unknown (model: 10 to 40)"]


def located(transform, crs, shape=(10, 11)):
    ds = xr.Dataset({"igram": (("y", "x"), np.ones(shape, np.complex64))})
    return georeference(ds, Grid(transform, shape, crs))


def test_pixel_size_of_projections():
    assert pixel_size_m(located((0, 15.0, 0, 0, 0, -20.0), "EPSG:32632")) == pytest.approx((20, 15))
    feet = located((0, 100.0, 0, 0, 0, -100.0), "EPSG:2263")
    assert pixel_size_m(feet) == pytest.approx((30.48, 30.48), abs=1e-3)


def test_pixel_size_in_degrees():
    step = 1 / 3600
    at_equator = pixel_size_m(located((10, step, 0, 5 * step, 0, -step), "EPSG:4326"))
    assert at_equator == pytest.approx((30.715, 30.922), abs=1e-3)
    north = pixel_size_m(located((10, step, 0, 60 + 5 * step, 0, -step), "EPSG:4326"))
    # Prime vertical radius at 60 degrees north: a / sqrt(1 - e2 sin2).
    radius = 6378137 / np.sqrt(1 - 0.00669438 * 0.75)
    assert north[1] == pytest.approx(radius * 0.5 * np.radians(step), rel=1e-5)


def test_channels(make_card):
    check_channels(make_card(), "m")
    with pytest.raises(
        ModelError,
        match=r"^model 'm' needs the channels \['phase'\], but the stack gives \['coherence', 'cos', 'sin'\]",
    ):
        check_channels(make_card(channels=("phase",)), "m")
    with pytest.raises(ModelError, match=r"needs the channels \['cos', 'sin', 'coherence'\]"):
        check_channels(make_card(channels=("cos", "sin", "coherence")), "m")
