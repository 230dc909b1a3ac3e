import pickle

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.schema import recipe_of
from insarflow.segment import classify, classify_windows, sliding_window, windows_to_pixels
from insarflow.segment.sliding import classifier as classifier_module
from insarflow.segment.sliding import slide
from insarflow.segment.sliding.classifier import prepare
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

HOW = {"window": 9, "step": 2, "size": 16}
GRID = Grid((500_000.0, 20.0, 0.0, 5_000_000.0, 0.0, -20.0), (38, 45), "EPSG:32632")


@pytest.fixture(scope="module")
def classifier(classifiers):
    return classifiers(3, 16)


@pytest.fixture(scope="module")
def image(make_image):
    values = make_image((3, *GRID.shape))
    values[0, 20:22, 7] = np.nan
    values[2, :4, 30:] = np.nan
    ds = xr.Dataset({"bands": (("band", "y", "x"), values)}, {"band": ["vv_before", "vv_after", "vh_after"]})
    return georeference(ds, GRID)["bands"]


@pytest.fixture(scope="module")
def windows(image, classifier):
    return sliding_window(image.values, classifier, **HOW)[2]


def close(found, expected):
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
@given(data=st.data())
@settings(max_examples=8)
def test_any_chunks(image, classifier, windows, rule, data):
    chunks = data.draw(chunkings(image.shape))
    cut = image.copy(data=lazy(image.values, chunks))
    found = classify(cut, classifier, rule=rule, batch=data.draw(st.sampled_from([5, 100])), **HOW)
    assert found.chunks == chunks[1:]
    assert found.dtype == np.float32
    close(found, windows_to_pixels(windows, GRID.shape, window=9, step=2, rule=rule))


@given(data=st.data())
@settings(max_examples=8)
def test_windows_of_any_chunks(image, classifier, windows, data):
    border = data.draw(st.sampled_from(["flush", "drop", "published"]))
    step = data.draw(st.sampled_from([2, 3, 12]))
    cut = image.copy(data=lazy(image.values, data.draw(chunkings(image.shape))))
    how = HOW | {"step": step, "border": border}
    close(classify_windows(cut, classifier, **how), sliding_window(image.values, classifier, **how)[2])


def test_eager(image, classifier, windows):
    found = classify(image, classifier, **HOW)
    assert isinstance(found.data, np.ndarray)
    close(found, windows_to_pixels(windows, GRID.shape, window=9, step=2))
    close(classify_windows(image, classifier, **HOW), windows)


def test_the_test_is_not_vacuous(windows):
    assert 0.1 < np.isnan(windows).mean() < 0.5
    assert np.nanstd(windows) > 0.1


def test_missing_pixels_are_missing(image, classifier):
    for rule in ("centre", "mean", "max"):
        found = classify(image, classifier, rule=rule, **HOW)
        assert np.isnan(found.values[np.isnan(image.values).any(axis=0)]).all()
        assert np.isfinite(found.values[-1, -1])


def test_each_window_is_classified_once(image, classifier, windows, monkeypatch):
    seen = []

    def count(ready, x, *, device):
        seen.append(len(x))
        return real(ready, x, device=device)

    real = slide.probabilities
    monkeypatch.setattr(slide, "probabilities", count)
    close(
        classify(image.chunk(y=10, x=13), classifier, rule="mean", **HOW),
        windows_to_pixels(windows, GRID.shape, window=9, step=2, rule="mean"),
    )
    assert sum(seen) == np.isfinite(windows).sum()


def test_lazy(image, classifier, forbid_compute):
    cut = image.chunk(y=10, x=13)
    with forbid_compute():
        first, again = (classify(cut, classifier, **HOW) for _ in range(2))
        points = classify_windows(cut, classifier, **HOW)
    assert isinstance(first.data, da.Array)
    assert isinstance(points.data, da.Array)
    assert first.data.name == again.data.name
    others = [{"step": 4}, {"rule": "mean"}, {"positive": 0}, {"resampling": "area"}, {"border": "drop"}]
    names = {classify(cut, classifier, **HOW | other).data.name for other in others}
    assert len(names | {first.data.name}) == 1 + len(others)


def test_another_classifier_is_another_graph(image, classifiers):
    classifier, cut = classifiers(1, 16), image.chunk(y=20)
    first = classify(cut, classifier, **HOW)
    before = first.values
    with torch.no_grad():
        classifier[-1].bias.add_(3)
    second = classify(cut, classifier, **HOW)
    assert first.data.name != second.data.name
    np.testing.assert_array_equal(first, before)  # trained on after it was planned
    assert np.nanmin(second.values - before) > 0


def test_the_classifier_is_in_the_graph_once(image, classifier):
    found = classify(image.chunk(y=5, x=5), classifier, **HOW).data
    tasks = dict(found.__dask_graph__())
    holders = [key for key in tasks if str(key[0] if isinstance(key, tuple) else key).startswith("classifier-")]
    assert len(holders) == 1
    one = len(pickle.dumps(prepare(classifier, channels=3, size=16)))
    others = [len(pickle.dumps(task)) for key, task in tasks.items() if key not in holders]
    assert len(others) > 100
    assert sum(size > one for size in others) == 0


def test_computed_in_another_process(image, classifier, windows):
    graph = pickle.loads(pickle.dumps(classify_windows(image.chunk(y=20), classifier, **HOW).data))
    close(graph.compute(scheduler="sync"), windows)


def test_threads(image, classifier, windows):
    with dask.config.set(scheduler="threads", num_workers=4):
        close(classify_windows(image.chunk(y=10, x=10), classifier, **HOW).values, windows)


def test_what_is_returned(image, classifier):
    before = image.copy(deep=True)
    found = classify(image, classifier, **HOW)
    xr.testing.assert_identical(image, before)
    assert found.name == "probability"
    assert found.dims == ("y", "x")
    assert set(found.coords) == {"y", "x", "spatial_ref"}
    xr.testing.assert_identical(found["spatial_ref"], image["spatial_ref"].drop_vars("band", errors="ignore"))
    assert found.attrs["units"] == "1"
    step = {
        "operation": "classify",
        "window": 9,
        "step": 2,
        "size": 16,
        "resampling": "bilinear",
        "border": "flush",
        "positive": 2,
        "sha256": prepare(classifier, channels=3, size=16).sha256,
        "rule": "centre",
    }
    assert recipe_of(found).steps[-1] == step


def test_points_lie_at_the_centres(image, classifier):
    points = classify_windows(image, classifier, **HOW)
    assert points.sizes == {"y": 16, "x": 19}
    np.testing.assert_array_equal(points["y"][:3], image["y"][[4, 6, 8]])
    assert points["y"][-1] == image["y"][-5]
    assert points["x"][-1] == image["x"][-5]
    assert points.rio.crs == image.rio.crs
    assert "GeoTransform" not in points["spatial_ref"].attrs
    assert "GeoTransform" in image["spatial_ref"].attrs


def test_without_coordinates_and_in_another_order(image, classifier, windows):
    bare = xr.DataArray(image.values, dims=("channel", "y", "x")).transpose("y", "x", "channel")
    found = classify_windows(bare, classifier, **HOW)
    assert not found.coords
    close(found, windows)


def test_one_class_of_several(image, classifier):
    whole = sliding_window(image.values, classifier, **HOW)
    for k in range(3):
        close(classify_windows(image, classifier, positive=k, **HOW), whole[k])


# what is refused ------------------------------------------------------------------------------------------------


def test_wrong_images(image, classifier):
    with pytest.raises(TypeError, match=r"(?s)^image must be an xarray.DataArray, instead got image=.* \(Dataset\)$"):
        classify(image.to_dataset(name="a"), classifier)
    for wrong in (image[0], image.expand_dims("date"), image.rename(y="lat")):
        with pytest.raises(
            ValueError, match=r"^image must have the dims y, x and one more, the channels, instead got sizes=\{.*\}$"
        ):
            classify(wrong, classifier)
    with pytest.raises(ValueError, match=r"^phase must not be wrapped phase to be resampled: "):
        classify(image.rename("phase").assign_attrs(units="rad"), classifier)
    with pytest.raises(TypeError, match=r"^image must hold real numbers, instead got complex64: give parts of complex"):
        classify(image.astype(np.complex64), classifier)


def test_wrong_class_and_rule(image, classifier):
    message = r"^positive must be a whole number of at least 0 and at most 2, instead got positive=3$"
    with pytest.raises(ValueError, match=message):
        classify(image, classifier, positive=3, **HOW)
    with pytest.raises(ValueError, match=r"^rule must be one of \('centre', 'mean', 'max'\), instead got rule='vote'$"):
        classify(image, classifier, rule="vote", **HOW)


def test_out_of_memory(image, classifier, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(classifier_module, "_on", lambda *_: full)
    with pytest.raises(MemoryError, match=r"^a batch of shape \(256, 3, 16, 16\) does not fit on cpu: lower batch$"):
        classify(image, classifier, **HOW)
