"""What each field of a model's card may hold: bounded in size and depth, plain text, finite numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

LARGEST: Final = 1e9
"""Of the numbers that work depends on: pixels, metres, log-odds."""

MAX_DEPTH: Final = 16
"""Of objects and lists in each other."""

MAX_TEXT: Final = 20_000
"""Characters of a text."""


@dataclass(frozen=True)
class Rule:
    """What a field must be, in words, and whether a value is it."""

    wanted: str
    right: Callable[[Any], bool]


def short(value: object) -> str:
    """The value for a message, however large it is."""
    return f"{value!r:.80}"


def is_plain(value: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether JSON gives the value back, any program can print it, and it is not nested deeper than `depth`."""
    if isinstance(value, dict):
        inside = (isinstance(k, str) and is_plain(k) and is_plain(v, depth - 1) for k, v in value.items())
        return depth > 0 and all(inside)
    if isinstance(value, list | tuple):
        return depth > 0 and all(is_plain(v, depth - 1) for v in value)
    if isinstance(value, str):
        # JSON's escapes can write half a character, which no file and no terminal takes.
        return len(value) <= MAX_TEXT and not re.search("[\ud800-\udfff]", value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _is_probability(value: Any) -> bool:
    return _is_positive(value) and bool(value < 1)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and bool(value > 0)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_positive(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != "" and is_plain(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and is_plain(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 1000 and all(map(_is_text, value))


def _is_channels(value: Any) -> bool:
    return _is_texts(value) and len(value) in range(1, 65) and len({*value}) == len(value)


def _is_steps(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 1000
        and all(_is_object(step) and _is_text(step.get("operation")) for step in value)
    )


def _is_range(value: Any) -> bool:
    good = isinstance(value, list) and len(value) == 2 and all(map(_is_positive, value)) and bool(value[0] <= value[1])
    return value is None or good


def _is_normalisation(value: Any) -> bool:
    return _is_object(value) and all(
        isinstance(v, dict) and v.keys() == {"mean", "std"} and _is_number(v["mean"]) and _is_positive(v["std"])
        for v in value.values()
    )


_OBJECT: Final = f"an object of texts, finite numbers, lists and objects, {MAX_DEPTH} deep at most"

RULES: Final[dict[str, Rule]] = {
    "channels": Rule("a list of different channel names", _is_channels),
    "normalisation": Rule('an object with {"mean": number, "std": positive number} of channels', _is_normalisation),
    "stride": Rule("a whole positive number of pixels", _is_count),
    "reach": Rule("a whole positive number of pixels", _is_count),
    "recipe": Rule('a list of steps, each with an "operation"', _is_steps),
    "pixel_size_m": Rule("[smallest, largest] in metres, or null if it is unknown", _is_range),
    "threshold": Rule("a probability between 0 and 1", _is_probability),
    "peak": Rule("a probability between 0 and 1, or null", lambda v: v is None or _is_probability(v)),
    "temperature": Rule("a number from 0.001 to 1000", lambda v: _is_number(v) and 1e-3 <= v <= 1e3),
    "shift": Rule("a number, in log-odds", _is_number),
    "scores": Rule(_OBJECT, _is_object),
    "training": Rule(_OBJECT, _is_object),
    "training_data_licences": Rule("a list of texts", _is_texts),
    "dem_licences": Rule("a list of texts", _is_texts),
    "licence": Rule("a non-empty text", _is_text),
    "cite": Rule("a list of texts", _is_texts),
    "sha256": Rule("64 hexadecimal digits", lambda v: isinstance(v, str) and bool(re.fullmatch("[0-9a-f]{64}", v))),
}
"""By field; `architecture` is looked up in the registry."""
