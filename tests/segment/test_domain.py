import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.errors import ModelError
from insarflow.learn.weights import load_card
from insarflow.segment.domain import FAR, Domain, check_domain, compare
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
ONCE = "once; patch_size=32, step=16, alpha=0.5"
READ = {"operation": "read", "product": "gamma geotiff"}


def of(*steps):
    return Recipe(tuple(steps))


def processed(ds, *steps, **attrs):
    return ds.assign_attrs(recipe=of(*steps).to_json(), **attrs)


def test_alike(make_stack, make_card):
    assert compare(make_stack((8, 9)), make_card()) == Domain()


def test_nothing_is_computed(make_stack, make_card, forbid_compute):
    ds = processed(make_stack((8, 9)).chunk(y=4), READ)
    with forbid_compute():
        assert compare(ds, make_card()).outside


@pytest.mark.parametrize(
    ("operations", "wanted"),
    [
        ([], [f"goldstein is applied not at all (model: {ONCE})"]),
        ([TRAINED] * 2, [f"goldstein is applied 2 times (model: {ONCE})"]),
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
    assert compare(with_recipe(*operations), make_card()) == Domain(outside=tuple(wanted))


def test_no_filter_on_either_side_and_no_recipe_at_all(with_recipe, make_stack, make_card):
    plain = make_card(recipe=Recipe())
    assert compare(with_recipe(), plain) == Domain()
    assert compare(with_recipe(TRAINED), plain).outside == ("goldstein is applied once (model: not at all)",)
    known = make_card(recipe=Recipe(), training={"product_filter": "none, or Goldstein with alpha 0.3 to 1"})
    assert compare(with_recipe(TRAINED), known).outside == ()
    assert compare(with_recipe(TRAINED, TRAINED), known).outside == (
        "goldstein is applied 2 times (model: not at all)",
    )
    bare = make_stack((8, 9))
    del bare.attrs["recipe"]
    assert compare(bare, plain) == Domain(unknown=("goldstein is unknown (model: not at all)",))
    assert compare(bare, make_card()) == Domain(unknown=(f"goldstein is unknown (model: {ONCE})",))


def test_what_follows_the_filter(make_stack, make_card):
    filtered = {"operation": "goldstein", **TRAINED}
    coarser = {"operation": "multilook", "y": 2, "x": 8}
    resampled = {"operation": "resample", "method": "nearest"}
    ds, card = make_stack((8, 9)), make_card()
    assert compare(processed(ds, resampled, coarser, filtered), card) == Domain()
    assert compare(processed(ds, filtered, resampled), card).outside == (
        "goldstein is followed by resample (model: by nothing)",
    )
    radar = make_card(recipe=of(filtered, coarser, resampled))
    assert compare(processed(ds, filtered, coarser, resampled), radar) == Domain()
    assert compare(processed(ds, filtered, resampled), radar).outside == (
        "goldstein is followed by resample (model: by multilook, resample)",
    )


def test_other_processing_of_the_recipe(make_stack, make_card):
    flat = {"operation": "deramp", "order": 1}
    ds, card = make_stack((8, 9)), make_card(recipe=of(flat))
    assert compare(processed(ds, flat), card) == Domain()
    assert compare(processed(ds), card).outside == ("deramp is applied not at all (model: once; order=1)",)
    assert compare(processed(ds, flat | {"order": 2}), card).outside == ("deramp.order is 2 (model: 1)",)
    assert compare(processed(ds, flat), make_card(recipe=Recipe())) == Domain()


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([{"operation": "coherence", "window": [5, 5], "estimator": "phase"}], Domain()),
        ([{"operation": "coherence", "window": [3, 5]}], Domain(("coherence.window is [3, 5] (model: [5, 5])",))),
        ([], Domain(unknown=("coherence.window is unknown (model: [5, 5])",))),
    ],
)
def test_coherence_window(make_stack, make_card, steps, wanted):
    card = make_card(recipe=of({"operation": "coherence", "window": 5}))
    assert compare(processed(make_stack((8, 9)), *steps), card) == wanted


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([{"operation": "resample", "method": "nearest"}], Domain()),
        ([{"operation": "resample", "method": "cubic"}], Domain(("resample.method is cubic (model: nearest)",))),
        ([], Domain(unknown=("resample.method is unknown (model: nearest)",))),
    ],
)
def test_interpolation(make_stack, make_card, steps, wanted):
    card = make_card(recipe=of({"operation": "resample", "method": "nearest"}))
    assert compare(processed(make_stack((8, 9)), *steps), card) == wanted


def test_snap_interpolates_by_nearest_neighbour(make_stack, make_card):
    snap = {"operation": "read", "product": "snap geotiff"}
    ds = processed(make_stack((8, 9)), snap)
    assert compare(ds, make_card(recipe=of(snap, {"operation": "resample", "method": "bilinear"}))).outside == (
        "resample.method is nearest (model: nearest, bilinear)",
    )


@pytest.mark.parametrize(
    ("trained", "training", "wanted"),
    [
        ((), {}, ("product_filter is unknown (model: none)",)),
        ((), {"product_filter": "some"}, ("product_filter is unknown (model: some)",)),
        (({"operation": "read", "product": "x"},), {}, ("product_filter is unknown (model: that of x)",)),
        ((READ,), {}, ()),
    ],
)
def test_what_a_product_went_through(make_stack, make_card, trained, training, wanted):
    ds = processed(make_stack((8, 9)), READ)
    assert compare(ds, make_card(recipe=of(*trained), training=training)) == Domain(unknown=wanted)


def test_delays(make_stack, make_card):
    ds = make_stack((8, 9))  # 12 and 24 days
    for days in ([6, 12, 24], [12, 48], [24, 12]):
        assert compare(ds, make_card(training={"delays_days": days})) == Domain()
    few = make_card(training={"delays_days": [6, 12, 18]})
    assert compare(ds, few).outside == ("delay is 12 to 24 days (model: 6 to 18)",)
    assert compare(ds.isel(delay=0), few) == Domain()
    assert compare(ds.isel(delay=0, drop=True), few).unknown == ("delay is unknown (model: 6 to 18 days)",)


def test_looks(make_stack, make_card):
    ds, card = make_stack((8, 9)), make_card(training={"looks": [[1, 3], [2, 8], 36]})
    filtered = {"operation": "goldstein", **TRAINED}
    assert compare(ds.assign_attrs(looks=[2, 8]), card) == Domain()
    assert compare(ds.assign_attrs(looks=np.array([4, 20])), card).outside == ("looks is 80 (model: 3 to 36)",)
    assert compare(ds.assign_attrs(effective_looks=2.5), card).outside == ("looks is 2.5 (model: 3 to 36)",)
    assert compare(ds.assign_attrs(looks=[2, 2], effective_looks=2.5), card) == Domain()
    means = {"operation": "resample", "method": "bilinear", "averaged_px": [4.0, 3.0]}
    assert compare(processed(ds, means, filtered, looks=[1, 2]), card) == Domain()
    assert compare(processed(ds, means, filtered, looks=[1, 4]), card).outside == ("looks is 48 (model: 3 to 36)",)
    for nothing in ({}, {"looks": "many"}, {"looks": [0, 2]}, {"looks": True}):
        assert compare(ds.assign_attrs(nothing), card).unknown == ("looks is unknown (model: 3 to 36)",)


@pytest.mark.parametrize("wavelength", [SENTINEL1_WAVELENGTH, 0.0562, np.float32(0.0556)])
def test_one_radar_band(make_stack, make_card, wavelength):
    card = make_card(training={"wavelength_m": 0.05546576})
    assert compare(make_stack((8, 9)).assign_attrs(wavelength=wavelength), card) == Domain()


def test_another_radar_band(make_stack, make_card):
    ds, card = make_stack((8, 9)), make_card(training={"wavelength_m": 0.05546576})
    for wavelength, said in ((0.2384, "0.238"), (0.0311, "0.0311")):
        assert compare(ds.assign_attrs(wavelength=wavelength), card).outside == (
            f"wavelength_m is {said} (model: 0.0555)",
        )
    for nothing in ({}, {"wavelength": "C"}, {"wavelength": -1.0}, {"wavelength": float("nan")}):
        assert compare(ds.assign_attrs(nothing), card).unknown == ("wavelength_m is unknown (model: 0.0555)",)
    both = make_card(training={"wavelength_m": [0.05546576, 0.2384]})
    assert compare(ds.assign_attrs(wavelength=0.2384), both) == Domain()


@pytest.mark.parametrize(
    "training",
    [
        {"delays_days": "all", "looks": "many", "wavelength_m": None, "product_filter": 3},
        {"delays_days": [], "looks": [], "wavelength_m": [], "product_filter": None},
        {"delays_days": [6, "x"], "looks": [[2, None]], "wavelength_m": True},
        {"delays_days": {"a": 1}, "looks": {}, "wavelength_m": {}},
    ],
)
def test_a_card_may_state_anything(make_stack, make_card, training):
    assert compare(make_stack((8, 9)), make_card(training=training)) == Domain()


def test_pixel_size(make_stack, make_card):
    ds = make_stack((8, 9))
    assert compare(ds, make_card(pixel_size_m=(20.0, 20.0))) == Domain()
    assert compare(ds, make_card(pixel_size_m=(20.1, 30.0))) == Domain()  # a hundredth is no difference
    outside = compare(ds, make_card(pixel_size_m=(5.0, 15.0)))
    assert outside == Domain(outside=("pixel_size_m is 20 by 20 (model: 5 to 15)",))
    lost = ds.drop_vars("spatial_ref")
    assert compare(lost, make_card()) == Domain(unknown=("pixel_size_m is unknown (model: 10 to 40)",))


@given(size=st.floats(0.01, 1e4))
def test_a_pixel_is_alike_or_outside_or_refused(size, make_card):
    domain = compare(located((0, size, 0, 0, 0, -size), "EPSG:32632"), make_card())
    sizes = [what for what in ("outside", "meaningless") if any("pixel" in text for text in getattr(domain, what))]
    if 10 <= size <= 40:
        assert sizes == []
    elif size < 1 or size > 400:
        assert sizes == ["meaningless"]
    elif size < 9.8 or size > 41:
        assert sizes == ["outside"]


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


@pytest.mark.parametrize(
    ("transform", "crs", "said"),
    [
        ((6.0, 2e-4, 0, 45.0, 0, -2e-4), "EPSG:32632", "0.0002 by 0.0002"),  # degrees as metres
        ((20.0, 20.0, 0, 60.0, 0, -1.0), "EPSG:4326", r"1.11e\+05 by 1.28e\+06"),  # metres as degrees
        ((0.0, 401.0, 0, 0.0, 0, -20.0), "EPSG:32632", "20 by 401"),
        ((0.0, 20.0, 0, 0.0, 0, -0.99), "EPSG:32632", "0.99 by 20"),
    ],
)
def test_pixels_of_no_meaning(make_card, transform, crs, said):
    message = (
        rf"^model 'm' needs pixels of 10 to 40 m, but those of the stack are {said} m, more than {FAR:g} times "
        r"outside: check its CRS \(degrees are no metres\), or bring it to such pixels$"
    )
    with pytest.raises(ModelError, match=message):
        check_domain(located(transform, crs), make_card(), "m")


def test_pixels_with_no_place(make_card):
    message = r"^model 'm' needs pixels with a place on the Earth, but those of the stack have none: check its CRS$"
    with pytest.raises(ModelError, match=message):
        check_domain(located((500_000, 20.0, 0, 5e6, 0, -20.0), "EPSG:4326"), make_card(), "m")


def test_channels(make_stack, make_card):
    ds = make_stack((8, 9))
    assert check_domain(ds, make_card(), "m") == Domain()
    with pytest.raises(
        ModelError,
        match=r"^model 'm' needs the channels \['phase'\], but the stack gives \['coherence', 'cos', 'sin'\]: "
        r"choose a model with these channels$",
    ):
        check_domain(ds, make_card(channels=("phase",)), "m")
    with pytest.raises(ModelError, match=r"needs the channels \['cos', 'sin', 'coherence'\]"):
        check_domain(ds, make_card(channels=("cos", "sin", "coherence")), "m")


def test_all_that_has_no_meaning_is_said_at_once(make_stack, make_card):
    ds = make_stack((8, 9))
    wrong = ds.assign(igram=ds["coherence"], coherence=ds["coherence"].fillna(0).astype("uint8"))
    with pytest.raises(
        ModelError,
        match=r"^model 'm' needs complex igram, but the stack gives float32: make it exp\(1j \* phase\) of the wrapped "
        r"phase in radians; and it needs floating point coherence, 0 to 1, but the stack gives uint8: rescale it$",
    ):
        check_domain(wrong, make_card(), "m")


def test_words():
    domain = Domain(outside=("a is 1 (model: 2)", "b is 3 (model: 4)"), unknown=("c is unknown (model: 5)", "d"))
    assert domain.warning("m") == (
        "the data are not like those model 'm' was trained on: a is 1 (model: 2); b is 3 (model: 4). "
        "Process them likewise, or expect poorer maps"
    )
    assert domain.notes == (
        "not told by the data, so not compared with the model's training data: c is unknown (model: 5); d",
    )
    assert Domain().notes == ()


def test_the_default_model_tells_what_it_was_trained_on():
    training = load_card("default").training
    assert [2, 8] in training["looks"]
    assert training["wavelength_m"] == pytest.approx(SENTINEL1_WAVELENGTH, rel=1e-6)
    assert training["product_filter"] == "none, or Goldstein with alpha 0.3 to 1"
