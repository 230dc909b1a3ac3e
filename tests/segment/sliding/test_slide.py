import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from insarflow.errors import ModelError
from insarflow.segment import sliding_window
from insarflow.segment.sliding import window_batches
from insarflow.segment.sliding.classifier import prepare
from insarflow.learn.resize import resize_matrix
from insarflow.segment.sliding.window_axis import WindowAxis

MODES = {"bilinear": {"mode": "bilinear", "align_corners": False}, "nearest": {"mode": "nearest-exact"}}


def loop(image, classifier, *, window, step, size, resampling="bilinear", border="flush"):
    """The letter's loop: cut a window, resample it, classify it, go on. Shape ``(y, x, classes)``."""

    def starts(length):
        found = list(range(0, length - window + (border != "published"), step))
        return [*found, length - window] if border == "flush" and found[-1] != length - window else found

    rows, cols = (starts(n) for n in image.shape[1:])
    lines = []
    for y in rows:
        line = []
        for x in cols:
            patch = torch.from_numpy(image[None, :, y : y + window, x : x + window])
            if not torch.isfinite(patch).all():
                line.append(None)
                continue
            with torch.no_grad():
                logits = classifier(functional.interpolate(patch, (size, size), **MODES[resampling]))[0]
            line.append(torch.sigmoid(logits) if len(logits) == 1 else torch.softmax(logits, 0))
        lines.append(line)
    classes = next(p for line in lines for p in line if p is not None).numel()
    missing = np.full(classes, np.nan, np.float32)
    return np.array([[missing if p is None else p.numpy() for p in line] for line in lines])


def check(found, expected):
    expected = expected[..., 0] if expected.shape[-1] == 1 else np.moveaxis(expected, -1, 0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@given(st.data())
@settings(max_examples=20)
def test_the_same_as_the_loop(classifiers, make_image, data):
    window = data.draw(st.integers(1, 14), label="window")
    border = data.draw(st.sampled_from(["flush", "drop", "published"]), label="border")
    shape = tuple(window + (border == "published") + data.draw(st.integers(0, 20)) for _ in range(2))
    step = data.draw(st.integers(1, 9), label="step")
    how = {
        "window": window,
        "step": step,
        "size": data.draw(st.sampled_from([8, 16]), label="size"),
        "resampling": data.draw(st.sampled_from(sorted(MODES)), label="resampling"),
        "border": border,
    }
    classifier = classifiers(data.draw(st.sampled_from([1, 2, 3]), label="classes"), how["size"])
    image = make_image((3, *shape), seed=data.draw(st.integers(0, 9)))
    found = sliding_window(image, classifier, batch=data.draw(st.integers(1, 40), label="batch"), **how)
    check(found, loop(image, classifier, **how))


def test_the_letters_windows(classifiers, make_image):
    classifier, image = classifiers(2, 32), make_image((3, 44, 38))
    image[1, 40, 5] = np.nan
    image[2, 3, 37] = np.inf
    expected = loop(image, classifier, window=25, step=2, size=32)
    check(sliding_window(image, classifier), expected)
    assert expected.shape == (11, 8, 2)  # the last of each axis are flush with the border
    assert 5 < np.isnan(expected[..., 0]).sum() < 40
    assert np.nanstd(expected[..., 1]) > 0.1


def test_a_scene_wider_than_what_is_resampled_at_once(classifiers, make_image):
    classifier, image = classifiers(2, 8), make_image((3, 12, 2 * window_batches.PIECE + 9))
    how = {"window": 9, "step": 7, "size": 8}
    check(sliding_window(image, classifier, **how), loop(image, classifier, **how))


def test_each_border(classifiers):
    image = np.zeros((1, 30, 29), np.float32)
    classifier = classifiers(1, 8, channels=1)
    shapes = {b: sliding_window(image, classifier, size=8, step=2, border=b).shape for b in WINDOWS_OF}
    assert shapes == WINDOWS_OF


WINDOWS_OF = {"flush": (4, 3), "drop": (3, 3), "published": (3, 2)}


def test_a_scene_of_the_issue():
    axis = WindowAxis(1000, 25, 2, "published")
    assert len(axis.starts) ** 2 == 238_144
    assert WindowAxis(1000, 25, 2, "flush").starts[-2:].tolist() == [974, 975]


def test_integers_and_doubles(classifiers, make_image):
    classifier = classifiers(1, 8)
    image = (100 * make_image((3, 20, 20))).astype(np.int16)
    expected = sliding_window(image.astype(np.float32), classifier, window=9, size=8)
    for dtype in (np.int16, np.float64):
        np.testing.assert_array_equal(sliding_window(image.astype(dtype), classifier, window=9, size=8), expected)
    double = image.astype(np.float64)
    double[0, 0, 0] = 1e300
    assert np.isnan(sliding_window(double, classifier, window=9, size=8)).sum() == 1


def test_missing_everywhere_never_asks_the_classifier():
    def refuse(_):
        raise AssertionError("asked")

    matrix = resize_matrix(3, 4, "bilinear")
    found = window_batches.predict_windows(
        np.full((1, 5, 5), np.nan, np.float32), np.arange(3), np.arange(3), refuse,
        matrix=matrix, step=1, batch=4, classes=2,
    )  # fmt: skip
    assert found.shape == (3, 3, 2)
    assert np.isnan(found).all()


@given(
    window=st.integers(1, 5),
    step=st.integers(1, 4),
    batch=st.integers(1, 30),
    shape=st.tuples(*[st.integers(5, 14)] * 2),
)
def test_batches_are_full_and_hold_each_window_once(window, step, batch, shape):
    seen = []

    def predict(x):
        seen.append(x.copy())
        return x.reshape(len(x), -1)[:, :1]

    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    y, x = (WindowAxis(n, window, step, "flush").starts for n in shape)
    found = window_batches.predict_windows(
        image, y, x, predict, matrix=np.eye(window, dtype=np.float32), step=step, batch=batch, classes=1
    )
    np.testing.assert_array_equal(found[..., 0], image[0][np.ix_(y, x)])
    assert [len(b) for b in seen[:-1]] == [batch] * (len(seen) - 1)
    windows = np.concatenate(seen)[:, 0]
    np.testing.assert_array_equal(
        windows, np.array([image[0, a : a + window, b : b + window] for a in y for b in x], np.float32)
    )


def test_the_classifier_is_left_alone(make_image):
    classifier = torch.nn.Sequential(
        torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.5), torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(3, 1)
    ).train()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    first, again = (sliding_window(make_image((3, 12, 12)), classifier, window=9, size=8) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert all(part.training for part in classifier.modules())
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_trained_on_it_is_another(classifiers):
    classifier = classifiers(1, 8)
    first = prepare(classifier, channels=3, size=8)
    assert prepare(classifier, channels=3, size=8) == first
    with torch.no_grad():
        classifier[-1].bias.add_(1)
    assert prepare(classifier, channels=3, size=8) != first
    assert prepare(torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten()), channels=1, size=8) != prepare(
        torch.nn.Sequential(torch.nn.MaxPool2d(8), torch.nn.Flatten()), channels=1, size=8
    )


# what is refused ------------------------------------------------------------------------------------------------


def refused(error, message, *, image=None, classifier=None, **how):
    image = np.zeros((1, 30, 30), np.float32) if image is None else image
    classifier = torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Flatten()) if classifier is None else classifier
    with pytest.raises(error, match=f"^{message}$"):
        sliding_window(image, classifier, **how)


def test_wrong_images():
    refused(TypeError, r"image must be a numpy\.ndarray, instead got image=\[\] \(list\)", image=[])
    refused(
        ValueError,
        r"image must have the shape \(channel, y, x\), instead got shape=\(30, 30\)",
        image=np.zeros((30, 30)),
    )
    refused(
        TypeError,
        "image must hold real numbers, instead got complex64: give parts of complex ones as channels",
        image=np.zeros((1, 30, 30), np.complex64),
    )
    refused(
        ValueError,
        r"image must have at least 25 x 25 pixels for border='flush' and window=25, instead got shape=\(24, 30\): "
        "choose a smaller window",
        image=np.zeros((1, 24, 30)),
    )
    refused(
        ValueError,
        r"image must have at least 26 x 26 pixels for border='published' and window=25, instead got shape=\(25, 30\): "
        "choose a smaller window",
        image=np.zeros((1, 25, 30)),
        border="published",
    )


@pytest.mark.parametrize("name", ["window", "step", "size", "batch"])
def test_wrong_numbers(name):
    refused(ValueError, f"{name} must be a whole number of at least 1, instead got {name}=0", **{name: 0})
    refused(TypeError, f"{name} must be a whole number of at least 1, instead got {name}=2.0", **{name: 2.0})


def test_wrong_choices():
    refused(
        ValueError,
        r"resampling must be one of \('bilinear', 'nearest', 'area'\), instead got resampling='cubic'",
        resampling="cubic",
    )
    refused(
        ValueError, r"border must be one of \('flush', 'drop', 'published'\), instead got border='pad'", border="pad"
    )
    refused(
        ValueError, r"device must be one of \['cpu'.*\] or None \(the fastest\), instead got device='gpu'", device="gpu"
    )


class Gives(torch.nn.Module):
    """A classifier that gives the same whatever it gets."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value


def test_wrong_classifiers():
    refused(TypeError, "classifier must be a torch.nn.Module, instead got function", classifier=lambda x: x)
    refused(
        ModelError,
        r"classifier must take float32 \(2, 1, 32, 32\), but fails: (.|\n)+",
        classifier=torch.nn.Conv2d(3, 1, 3),
    )
    refused(
        ModelError,
        r"classifier must take float32 \(2, 1, 32, 32\), but fails: (.|\n)+",
        classifier=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(25 * 25, 1)),
    )
    refused(
        ModelError,
        r"classifier must give a tensor of logits \(batch, classes\), instead got dict",
        classifier=Gives({}),
    )
    for shape, dtype in (((2,), "float32"), ((2, 1, 32, 32), "float32"), ((1, 2), "float32"), ((2, 2), "float64")):
        refused(
            ModelError,
            r"classifier must give float32 logits of shape \(2, classes\) for a batch of 2, instead got "
            rf"{dtype} of shape {re.escape(str(shape))}",
            classifier=Gives(torch.zeros(shape, dtype=getattr(torch, dtype))),
        )


def test_a_classifier_that_changes_its_mind():
    refused(
        ModelError,
        r"classifier must give float32 logits of shape \(16, 1\) for a batch of 16, instead got float32 of shape "
        r"\(2, 1\)",
        classifier=Gives(torch.zeros(2, 1)),
    )
    refused(
        ModelError,
        "classifier must give numbers, but gives NaN for images that hold none: look at its weights",
        classifier=torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Flatten(), torch.nn.Hardtanh(np.nan, np.nan)),
    )
