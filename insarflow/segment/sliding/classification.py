"""Sliding windows over labelled arrays, lazy if they are."""

from __future__ import annotations

from typing import Any, get_args

import dask.array as da
import numpy as np
import xarray as xr
from torch import nn

from insarflow.learn.resize import Resampling
from insarflow.ops.checks import check_choice, check_kind, check_whole, refuse_wrapped
from insarflow.ops.overlap import map_windows
from insarflow.schema import SPACE, recipe_of
from insarflow.segment.sliding.classifier import Classifier, prepare
from insarflow.segment.sliding.slide import BATCH, Plan, classify_at, make_plan
from insarflow.segment.sliding.window_axis import Border, Rule
from insarflow.segment.sliding.window_map import pixel_block
from insarflow.types import JsonValue, Tile


def classify_windows(
    image: xr.DataArray,
    classifier: nn.Module,
    *,
    window: int = 25,
    step: int = 2,
    size: int = 32,
    resampling: Resampling = "bilinear",
    border: Border = "flush",
    positive: int | None = None,
    batch: int = BATCH,
    device: str | None = None,
) -> xr.DataArray:
    """Probability of a class in every window of a region, at the windows' centres.

    Parameters
    ----------
    image
        Real numbers with the dims ``y``, ``x`` and one more, the channels. Any chunks. NaN is missing.
    positive
        Which class, counted from 0; by default the last. Of no effect with a single logit.
    classifier, window, step, size, resampling, border, batch, device
        As `sliding_window`.

    Returns
    -------
    xarray.DataArray
        ``probability``, float32, dims ``(y, x)``: one number per window, NaN where the window lacks a pixel. Lazy if
        the input is; each window is classified once. Where `image` has coordinates along ``y`` and ``x``, those of the
        windows' centres (with ``border="flush"`` the last step is shorter).

    Raises
    ------
    TypeError, ValueError, ModelError
        As `sliding_window`; or if `image` has other dims, is wrapped phase, or `positive` is no class.

    Notes
    -----
    Where this exceeds 0.5, the letter's maps show a point.

    References
    ----------
    Nava, Monserrat and Catani (2021), "Improving landslide detection on SAR data through deep learning", section 3.3.
    """
    channels = _channels(image)
    plan = make_plan(channels.shape[1:], image.dtype, window, step, size, resampling, border, batch, device)
    data, attrs = _classified(channels, classifier, plan, positive, None)
    coords: dict[str, Any] = {str(name): c for name, c in image.coords.items() if not c.dims}
    for dim, axis in zip(SPACE, (plan.y, plan.x), strict=True):
        if dim in image.indexes and image[dim].dtype.kind in "fiu":
            values = image.indexes[dim].to_numpy()
            coords[dim] = dim, (values[axis.starts] + values[axis.starts + window - 1]) / 2
    if "spatial_ref" in coords:
        coords["spatial_ref"] = coords["spatial_ref"].copy()
        coords["spatial_ref"].attrs.pop("GeoTransform", None)  # that of the pixels
    return xr.DataArray(data, coords, SPACE, "probability", attrs)


def classify(
    image: xr.DataArray,
    classifier: nn.Module,
    *,
    window: int = 25,
    step: int = 2,
    size: int = 32,
    resampling: Resampling = "bilinear",
    border: Border = "flush",
    rule: Rule = "centre",
    positive: int | None = None,
    batch: int = BATCH,
    device: str | None = None,
) -> xr.DataArray:
    """Probability of a class around every pixel of a region.

    Parameters
    ----------
    rule
        As `windows_to_pixels`.
    image, classifier, window, step, size, resampling, border, positive, batch, device
        As `classify_windows`.

    Returns
    -------
    xarray.DataArray
        ``probability``, float32, dims ``(y, x)`` and the coordinates of `image`. NaN where no complete window tells,
        hence where `image` is missing. Lazy if the input is, with its chunks. The recipe gains a step ``classify``.

    Raises
    ------
    TypeError, ValueError, ModelError
        As `classify_windows`.

    Notes
    -----
    The result does not depend on chunks or `batch` (to float32 rounding): windows start at multiples of `step`, counted
    from the region's first pixel, and each is classified once, in the chunk that holds its middle.
    """
    check_choice("rule", rule, get_args(Rule))
    channels = _channels(image)
    plan = make_plan(channels.shape[1:], image.dtype, window, step, size, resampling, border, batch, device)
    found, attrs = _classified(channels, classifier, plan, positive, rule)
    data = map_windows(
        pixel_block,
        found,
        reads=(plan.y.windows_of_pixels(rule), plan.x.windows_of_pixels(rule)),
        out_chunks=_chunks(channels),
        dtype=np.float32,
        y=plan.y,
        x=plan.x,
        rule=rule,
    )
    coords = {name: c for name, c in channels.coords.items() if set(c.dims) <= set(SPACE)}
    return xr.DataArray(data, coords, SPACE, "probability", attrs)


def window_block(*channels: np.ndarray, tile: Tile, classifier: np.ndarray, plan: Plan, positive: int) -> np.ndarray:
    """Classify the windows of one dask block, or of a whole region.

    Parameters
    ----------
    *channels
        The pixels of these windows, shape ``(y, x)``.
    classifier
        Array of one `Classifier`, which thus is in the graph once, however many blocks there are.
    """
    core, read = tile.core, tile.read
    y, x = plan.y.starts[core.y0 : core.y1] - read.y0, plan.x.starts[core.x0 : core.x1] - read.x0
    return classify_at(np.stack(channels), y, x, classifier[0], plan)[..., positive]


def _classified(
    channels: xr.DataArray, classifier: nn.Module, plan: Plan, positive: int | None, rule: Rule | None
) -> tuple[Any, dict[str, Any]]:
    """Probabilities of all windows, lazy if the channels are, and their attributes."""
    ready = prepare(classifier, channels=len(channels), size=plan.size)
    last = ready.classes - 1
    chosen = last if positive is None else check_whole("positive", positive, low=0, high=last)
    along_y, along_x = _chunks(channels)
    data = map_windows(
        window_block,
        *(channel.data for channel in channels),
        reads=(plan.y.pixels_of_windows, plan.x.pixels_of_windows),
        out_chunks=(plan.y.chunks(along_y), plan.x.chunks(along_x)),
        dtype=np.float32,
        parts=False,
        per_cell={"classifier": _travelling(ready, lazy=isinstance(channels.data, da.Array))},
        plan=plan,
        positive=chosen,
    )
    step: dict[str, JsonValue] = {
        "window": plan.y.window,
        "step": plan.y.step,
        "size": plan.size,
        "resampling": plan.resampling,
        "border": plan.y.border,
        "positive": chosen,
        "sha256": ready.sha256,
    }
    if rule is not None:
        step["rule"] = rule
    recipe = recipe_of(channels).then("classify", **step).to_json()
    attrs = {"units": "1", "long_name": "probability of the class", "recipe": recipe}
    if "grid_mapping" in channels.attrs:
        attrs["grid_mapping"] = channels.attrs["grid_mapping"]
    return data, attrs


def _travelling(ready: Classifier, *, lazy: bool) -> Any:
    """The classifier as an array of one, whose only block is a node of the graph that all tasks name."""
    held = np.empty(1, object)
    held[0] = ready
    name = f"classifier-{ready.sha256}"
    return da.Array({(name, 0): held}, name, chunks=((1,),), dtype=object) if lazy else held


def _channels(image: xr.DataArray) -> xr.DataArray:
    """The image with dims ``(channel, y, x)``."""
    check_kind("image", image, xr.DataArray, "an xarray.DataArray")
    if image.ndim != 3 or not set(SPACE) <= set(image.dims) or 0 in image.shape:
        raise ValueError(
            f"image must have the dims y, x and one more, the channels, instead got sizes={dict(image.sizes)}"
        )
    refuse_wrapped(image, str(image.name or "image"), to="resampled")
    return image.transpose(..., *SPACE)


def _chunks(channels: xr.DataArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks along y and x, those of no pixel dropped."""
    chunks = getattr(channels.data, "chunks", None) or tuple((n,) for n in channels.shape)
    along_y, along_x = (tuple(n for n in sizes if n) for sizes in chunks[-2:])
    return along_y, along_x
