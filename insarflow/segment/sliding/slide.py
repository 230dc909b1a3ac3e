"""Sliding windows: a classifier of small images over a whole region."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final, get_args

import numpy as np
from torch import nn

from insarflow.learn.resize import Resampling, resize_matrix
from insarflow.ops.checks import check_choice, check_kind, check_whole
from insarflow.segment.device import check_device
from insarflow.segment.sliding.classifier import Classifier, prepare, probabilities
from insarflow.segment.sliding.window_axis import Border, WindowAxis
from insarflow.segment.sliding.window_batches import predict_windows

BATCH: Final = 256
"""Windows classified at once: the activations of a small network then stay in the processor's cache."""


@dataclass(frozen=True)
class Plan:
    """Where the windows lie, and how they are classified."""

    y: WindowAxis
    x: WindowAxis
    size: int
    resampling: Resampling
    batch: int
    device: str | None


def sliding_window(
    image: np.ndarray,
    classifier: nn.Module,
    *,
    window: int = 25,
    step: int = 2,
    size: int = 32,
    resampling: Resampling = "bilinear",
    border: Border = "flush",
    batch: int = BATCH,
    device: str | None = None,
) -> np.ndarray:
    """Classify every window of an image.

    Parameters
    ----------
    image
        Real numbers, shape ``(channel, y, x)``. NaN is missing.
    classifier
        Takes float32 ``(batch, channel, size, size)``, gives logits ``(batch, 1)`` or ``(batch, classes)``: no
        sigmoid or softmax at its end. A copy in evaluation mode is used.
    window, step
        Side of the square windows, and from one to the next along both axes, pixels of the image.
    size
        Side of what the classifier gets, pixels: each window is resampled on its own.
    resampling
        ``"bilinear"``, ``"nearest"`` or ``"area"``.
    border
        ``"flush"``: windows start at multiples of `step`, and one more ends with the last pixel of an axis where pixels
        are left over. ``"drop"``: without that one. ``"published"``: as ``range(0, size - window, step)`` in published
        loops, which lose a window that ends with the last pixel, too.
    batch
        Windows classified at once, at most; bounds the memory.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default the fastest that is here.

    Returns
    -------
    ndarray
        float32 probabilities, one per window, by rows: shape ``(windows along y, windows along x)`` from one logit
        (its sigmoid), ``(classes, windows along y, windows along x)`` from several (their softmax). NaN where a pixel
        of the window is missing in any channel. `windows_to_pixels` makes a map of them.

    Raises
    ------
    TypeError
        If an argument is of a wrong type.
    ValueError
        If the image is smaller than a window, or a number or choice is not allowed.
    ModelError
        If the classifier does not take such images, or does not give logits.

    Notes
    -----
    The same as cutting, resampling and classifying windows one by one (to float32 rounding). Neighbouring windows share
    pixels, but no convolution of the classifier: each is resampled on its own grid and ends in its own zeros. So the
    network takes most of the time, and a larger `step` is what makes it shorter.

    References
    ----------
    Nava, Monserrat and Catani (2021): 25 x 25 pixels, step 2, resampled to 32 x 32. How they resample is not said.

    Examples
    --------
    >>> import torch
    >>> brightness = torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Flatten())
    >>> sliding_window(np.zeros((1, 40, 30)), brightness).shape
    (9, 4)
    """
    check_kind("image", image, np.ndarray, "a numpy.ndarray")
    if image.ndim != 3 or not len(image):
        raise ValueError(f"image must have the shape (channel, y, x), instead got shape={image.shape}")
    plan = make_plan(image.shape[1:], image.dtype, window, step, size, resampling, border, batch, device)
    ready = prepare(classifier, channels=len(image), size=size)
    found = classify_at(image, plan.y.starts, plan.x.starts, ready, plan)
    return found[..., 0] if ready.classes == 1 else np.ascontiguousarray(np.moveaxis(found, -1, 0))


def classify_at(image: np.ndarray, y: np.ndarray, x: np.ndarray, ready: Classifier, plan: Plan) -> np.ndarray:
    """Probabilities of the windows that begin in rows `y` and columns `x` of an image, ``(y, x, classes)``."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is missing
        image = image.astype(np.float32, copy=False)
    matrix = resize_matrix(plan.y.window, plan.size, plan.resampling)
    predict = partial(probabilities, ready, device=plan.device)
    return predict_windows(
        image, y, x, predict, matrix=matrix, step=plan.y.step, batch=plan.batch, classes=ready.classes
    )


def make_plan(
    shape: tuple[int, ...],
    dtype: np.dtype,
    window: int,
    step: int,
    size: int,
    resampling: Resampling,
    border: Border,
    batch: int,
    device: str | None,
) -> Plan:
    """All arguments but the classifier, checked."""
    if dtype.kind not in "fiu":
        raise TypeError(f"image must hold real numbers, instead got {dtype}: give parts of complex ones as channels")
    for name, value in (("window", window), ("step", step), ("size", size), ("batch", batch)):
        check_whole(name, value, low=1)
    check_choice("resampling", resampling, get_args(Resampling))
    check_choice("border", border, get_args(Border))
    check_device(device)
    needed = window + (border == "published")
    if min(shape) < needed:
        raise ValueError(
            f"image must have at least {needed} x {needed} pixels for border={border!r} and window={window}, instead "
            f"got shape={shape}: choose a smaller window"
        )
    y, x = (WindowAxis(n, window, step, border) for n in shape)
    return Plan(y, x, size, resampling, batch, device)
