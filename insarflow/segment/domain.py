"""Whether data are what a model was trained on.

Differences are of three kinds. *Meaningless*: the network would get something else than what it knows, so its answer
would say nothing of slopes; refused. *Outside*: the right kind of data, but unlike all that it has seen, so maps are
poorer; one warning. *Unknown*: the model's card tells, the data do not; nobody can say, so it is a note.

Whether an interferogram has a magnitude is no difference: networks are given the cosine and sine of its phase.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from insarflow.errors import ModelError
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import ModelCard
from insarflow.ops.recipe import OPERATIONS
from insarflow.schema import recipe_of
from insarflow.stack.georeference import pixel_size_m
from insarflow.types import Recipe

FAR: Final = 10.0
"""Pixels so many times smaller or larger than any of the training data are refused.

Of the embedded model (10 to 100 m): at 1 km the widest of its training slopes are some pixels; at 1 m the narrowest,
220 m, fill most of the 351 pixels that its network sees. Degrees taken for metres, and metres for
degrees, are wrong by thousands of times and more.
"""

TOLERANCE: Final = 0.01
"""Sizes of pixels are alike within this part: in degrees they change by as much from south to north of a region."""

_BAND: Final = 0.05
"""Wavelengths are of one radar band within this part: ENVISAT's is longer than Sentinel-1's by 0.014."""

_ABSENT: Final = "absent"
_OTHERWISE: Final = ("goldstein", "multilook", "coherence")
"""Operations that have their own comparison."""

Kind = Literal["outside", "unknown", "meaningless"]
_Found = Iterator[tuple[Kind, str]]


@dataclass(frozen=True)
class Domain:
    """How data differ from what a model was trained on, one phrase for each difference.

    Attributes
    ----------
    outside
        What the data have otherwise than the training data, ``key is value (model: value)``.
    unknown
        What the data do not tell, ``key is unknown (model: value)``.
    meaningless
        Why the model's answer would have no meaning; each goes on from "model 'name'".
    """

    outside: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    meaningless: tuple[str, ...] = ()

    def warning(self, name: str) -> str:
        """What to warn of, all of it, for the model of this name."""
        return (
            f"the data are not like those model {name!r} was trained on: {'; '.join(self.outside)}. Process them "
            "likewise, or expect poorer maps"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """All that is unknown, as one sentence; none if nothing is."""
        if not self.unknown:
            return ()
        return (f"not told by the data, so not compared with the model's training data: {'; '.join(self.unknown)}",)


def check_domain(ds: xr.Dataset, card: ModelCard, name: str) -> Domain:
    """`compare`, refusing what has no meaning.

    Raises
    ------
    ModelError
        Naming the model and all reasons.
    """
    domain = compare(ds, card)
    if domain.meaningless:
        raise ModelError(f"model {name!r} {'; and it '.join(domain.meaningless)}")
    return domain


def compare(ds: xr.Dataset, card: ModelCard) -> Domain:
    """Compare a stack with the training data of a model.

    Parameters
    ----------
    ds
        A stack; only its metadata are looked at.
    card
        The model's. Of its ``training`` these are compared, if they are there: ``delays_days`` (list), ``looks`` (list
        of numbers or of ``[y, x]``), ``wavelength_m`` (number or list), ``product_filter`` (a text: how the phase had
        been filtered before the recipe began).

    Returns
    -------
    Domain
        Meaningless: other channels than a stack gives; phase that is not complex, or coherence that is not floating
        point; pixels without a place, or more than `FAR` times outside the range of the card. Outside or unknown:
        every parameter of the phase filter and how often it is applied, what changes the pixels after it, all other
        processing of the model's recipe, the window of the coherence and the interpolation if the model's recipe holds
        them, pixel size, delays, looks, wavelength, the filter of the product.

    Notes
    -----
    That coherence is from 0 to 1 is checked where its values are read, block by block.
    """
    found = [difference for look in _LOOKS for difference in look(ds, card)]

    def of(kind: Kind) -> tuple[str, ...]:
        return tuple(phrase for what, phrase in found if what == kind)

    return Domain(of("outside"), of("unknown"), of("meaningless"))


ANY: Final = (0.0, np.inf)
"""Sizes of pixels, m, of a model whose card tells none."""


def fits(size: float, card: ModelCard) -> bool:
    """Whether the side of a pixel, m, is among those of the training data; it is if these are unknown."""
    low, high = card.pixel_size_m or ANY
    return low * (1.0 - TOLERANCE) <= size <= high * (1.0 + TOLERANCE)


def _kinds(ds: xr.Dataset, card: ModelCard) -> _Found:
    if card.channels != CHANNELS:
        yield (
            "meaningless",
            f"needs the channels {list(card.channels)}, but the stack gives {list(CHANNELS)}: "
            "choose a model with these channels",
        )
    for name, kind, wanted, way_out in (
        ("igram", "c", "complex igram", "make it exp(1j * phase) of the wrapped phase in radians"),
        ("coherence", "f", "floating point coherence, 0 to 1", "rescale it"),
    ):
        if name in ds and ds[name].dtype.kind != kind:
            yield "meaningless", f"needs {wanted}, but the stack gives {ds[name].dtype}: {way_out}"


def _filter(ds: xr.Dataset, card: ModelCard) -> _Found:
    ours, theirs = recipe_of(ds), card.recipe
    if "recipe" not in ds.attrs:
        yield "unknown", f"goldstein is unknown (model: {_applied(theirs.of('goldstein'))})"
        return
    if not theirs.of("goldstein") and len(ours.of("goldstein")) == 1 and "product_filter" in card.training:
        return  # what was filtered before it was read is among the training data
    yield from _steps("goldstein", ours, theirs)
    if ours.of("goldstein") and theirs.of("goldstein") and (a := _pixels_after(ours)) != (b := _pixels_after(theirs)):
        yield "outside", f"goldstein is followed by {a} (model: by {b})"


def _processing(ds: xr.Dataset, card: ModelCard) -> _Found:
    named = {str(step["operation"]) for step in card.recipe.steps}
    for operation in OPERATIONS:
        if operation in named and operation not in _OTHERWISE:
            yield from _steps(operation, recipe_of(ds), card.recipe)


def _steps(operation: str, ours: Recipe, theirs: Recipe) -> _Found:
    """How often an operation is applied, and with which parameters."""
    data, trained = ours.of(operation), theirs.of(operation)
    if len(data) != len(trained):
        yield "outside", f"{operation} is applied {_times(len(data))} (model: {_applied(trained)})"
        return
    for a, b in zip(data, trained, strict=True):
        for key in sorted({*a, *b} - {"operation"}):
            if a.get(key, _ABSENT) != b.get(key, _ABSENT):
                yield "outside", f"{operation}.{key} is {a.get(key, _ABSENT)} (model: {b.get(key, _ABSENT)})"


def _coherence(ds: xr.Dataset, card: ModelCard) -> _Found:
    if not (trained := card.recipe.of("coherence")):
        return
    data = recipe_of(ds).of("coherence")
    for key in sorted({*trained[-1]} - {"operation"}):
        theirs = _window(trained[-1][key])
        ours = _window(data[-1].get(key, _ABSENT)) if data else None
        if ours is None:
            yield "unknown", f"coherence.{key} is unknown (model: {theirs})"
        elif ours != theirs:
            yield "outside", f"coherence.{key} is {ours} (model: {theirs})"


def _interpolation(ds: xr.Dataset, card: ModelCard) -> _Found:
    if not (theirs := _methods(card.recipe)):
        return
    ours = _methods(recipe_of(ds))
    if not ours:
        yield "unknown", f"resample.method is unknown (model: {theirs})"
    elif ours != theirs:
        yield "outside", f"resample.method is {ours} (model: {theirs})"


def _pixel_size(ds: xr.Dataset, card: ModelCard) -> _Found:
    low, high = card.pixel_size_m or ANY
    size = pixel_size_m(ds)
    if card.pixel_size_m is None:
        yield "unknown", "pixel_size_m is unknown to the model's card"
    if size is None and card.pixel_size_m is None:
        return
    if size is None:
        yield "unknown", f"pixel_size_m is unknown (model: {low:g} to {high:g})"
        return
    is_size = f"{size[0]:.3g} by {size[1]:.3g}"
    if not np.isfinite(size).all():
        yield "meaningless", "needs pixels with a place on the Earth, but those of the stack have none: check its CRS"
    elif not all(low / FAR <= s <= high * FAR for s in size):
        yield (
            "meaningless",
            f"needs pixels of {low:g} to {high:g} m, but those of the stack are {is_size} m, more than {FAR:g} times "
            "outside: check its CRS (degrees are no metres), or bring it to such pixels",
        )
    elif not all(fits(s, card) for s in size):
        yield "outside", f"pixel_size_m is {is_size} (model: {low:g} to {high:g})"


def _delay(ds: xr.Dataset, card: ModelCard) -> _Found:
    if not (trained := _numbers(card.training.get("delays_days"))):
        return
    if "delay" not in ds.coords:
        yield "unknown", f"delay is unknown (model: {_range(trained)} days)"
        return
    days = np.atleast_1d(ds["delay"].values / np.timedelta64(1, "D"))
    if days.min() < min(trained) or days.max() > max(trained):
        yield "outside", f"delay is {days.min():g} to {days.max():g} days (model: {_range(trained)})"


def _looks(ds: xr.Dataset, card: ModelCard) -> _Found:
    trained = card.training.get("looks")
    totals = [_total(looks) for looks in trained] if isinstance(trained, list) else []
    if not totals or not all(totals):
        return
    # Nominal looks first: a card states these, which are more than the effective ones.
    total = _total(ds.attrs.get("looks")) or _total(ds.attrs.get("effective_looks"))
    for step in recipe_of(ds).of("resample"):
        total *= _total(step.get("averaged_px")) or 1.0
    if not total:
        yield "unknown", f"looks is unknown (model: {_range(totals)})"
    elif not min(totals) <= total <= max(totals):
        yield "outside", f"looks is {total:.3g} (model: {_range(totals)})"


def _wavelength(ds: xr.Dataset, card: ModelCard) -> _Found:
    if not (trained := _numbers(card.training.get("wavelength_m"))):
        return
    known = _numbers(ds.attrs.get("wavelength"))
    if len(known) != 1:
        yield "unknown", f"wavelength_m is unknown (model: {_range(trained)})"
    elif not min(trained) * (1.0 - _BAND) <= known[0] <= max(trained) * (1.0 + _BAND):
        yield "outside", f"wavelength_m is {known[0]:.3g} (model: {_range(trained)})"


def _product(ds: xr.Dataset, card: ModelCard) -> _Found:
    """What a product went through before it was read, of which files tell nothing."""
    ours, theirs = ({str(step.get("product")) for step in r.of("read")} for r in (recipe_of(ds), card.recipe))
    if ours and ours != theirs:
        trained = card.training.get("product_filter")
        known = trained if isinstance(trained, str) else f"that of {', '.join(sorted(theirs))}" if theirs else "none"
        yield "unknown", f"product_filter is unknown (model: {known})"


_LOOKS: Final[tuple[Callable[[xr.Dataset, ModelCard], _Found], ...]] = (
    _kinds, _filter, _processing, _coherence, _interpolation, _pixel_size, _delay, _looks, _wavelength, _product,
)  # fmt: skip


def _pixels_after(recipe: Recipe) -> str:
    """What changes the pixels after the last filter."""
    names = [str(step["operation"]) for step in recipe.steps]
    last = len(names) - names[::-1].index("goldstein")
    return ", ".join(name for name in names[last:] if name in ("multilook", "resample")) or "nothing"


def _methods(recipe: Recipe) -> str:
    """How values between pixels were found; SNAP's exports are made by nearest neighbour."""
    snap = any(str(step.get("product")).startswith("snap") for step in recipe.of("read"))
    steps = [str(step["method"]) for step in recipe.of("resample") if "method" in step]
    return ", ".join([*(["nearest"] if snap else []), *steps])


def _applied(steps: list[dict[str, Any]]) -> str:
    parameters = ("; " + ", ".join(f"{k}={v}" for k, v in step.items() if k != "operation") for step in steps)
    return _times(len(steps)) + "".join(parameters)


def _times(count: int) -> str:
    return ("not at all", "once")[count] if count < 2 else f"{count} times"


def _window(value: Any) -> Any:
    return [value, value] if isinstance(value, int) and not isinstance(value, bool) else value


def _numbers(value: Any) -> list[float]:
    """Finite numbers above 0 of what a card or an attribute holds; none if it holds anything else."""
    values = value if isinstance(value, list | tuple) else np.atleast_1d(value).ravel().tolist()
    right = all(isinstance(v, int | float) and not isinstance(v, bool) and 0 < v < math.inf for v in values)
    return [float(v) for v in values] if right else []


def _total(looks: Any) -> float:
    """Product of looks along y and x; 0 if they are not known."""
    numbers = _numbers(looks)
    return math.prod(numbers) if numbers else 0.0


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
