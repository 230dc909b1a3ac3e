"""Whether data are what a model was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from insarflow.errors import ModelError
from insarflow.learn.phase import CHANNELS
from insarflow.learn.weights import ModelCard
from insarflow.schema import recipe_of
from insarflow.stack.georeference import pixel_size_m

_ABSENT = "absent"


def check_channels(card: ModelCard, name: str) -> None:
    """Refuse a model whose input cannot be made from a stack.

    Raises
    ------
    ModelError
        Naming the model's channels and the data's.
    """
    if card.channels != CHANNELS:
        raise ModelError(
            f"model {name!r} needs the channels {list(card.channels)}, but the stack gives {list(CHANNELS)}: "
            "choose a model with these channels"
        )


def differences(ds: xr.Dataset, card: ModelCard) -> list[str]:
    """Name what differs between the data and the model's training data, one phrase each.

    Compared are every parameter of the phase filter, the pixel size, and the delays if the card states them.
    """
    data, trained = (r.of("goldstein") for r in (recipe_of(ds), card.recipe))
    found = []
    if len(data) != len(trained):
        found.append(f"goldstein is applied {_times(len(data))} (model: {_times(len(trained))}{_in_words(trained)})")
    else:
        for ours, theirs in zip(data, trained, strict=True):
            keys = sorted({*ours, *theirs} - {"operation"})
            pairs = ((k, ours.get(k, _ABSENT), theirs.get(k, _ABSENT)) for k in keys)
            found += [f"goldstein.{k} is {a} (model: {b})" for k, a, b in pairs if a != b]
    low, high = card.pixel_size_m
    size = pixel_size_m(ds)
    if size is None:
        found.append(f"pixel_size_m is unknown (model: {low:g} to {high:g})")
    elif not all(low <= s <= high for s in size):
        found.append(f"pixel_size_m is {size[0]:.3g} by {size[1]:.3g} (model: {low:g} to {high:g})")
    trained_delays = card.training.get("delays_days")
    if "delay" in ds.coords and isinstance(trained_delays, list) and trained_delays:
        days = np.atleast_1d(ds["delay"].values / np.timedelta64(1, "D"))
        shortest, longest = min(trained_delays), max(trained_delays)
        if days.min() < shortest or days.max() > longest:
            found.append(f"delay is {days.min():g} to {days.max():g} days (model: {shortest} to {longest})")
    return found


def _times(count: int) -> str:
    return ("not at all", "once")[count] if count < 2 else f"{count} times"


def _in_words(steps: list[dict[str, Any]]) -> str:
    return "".join("; " + ", ".join(f"{k}={v}" for k, v in s.items() if k != "operation") for s in steps)
