"""What the GeoTIFFs of this package say of themselves: their names and tags, written and read in one place.

Tags come out of a file that anybody may have made. They are looked at only where they say that this package wrote
them, are bounded, and are numbers, text and JSON: nothing in them is run.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from insarflow.schema import DIMS, SPACE, VARIABLES
from insarflow.types import JsonValue, Pair, Recipe, parse_date

WORDS: Final = {"igram": "phase"}
"""What an image is called in files, where that is not the contract's name: interferograms leave as phase."""

MANIFEST: Final = "export.json"
"""File by which a folder is known as the work of `insarflow export`."""

MAX_TEXT: Final = 2**22
"""Most characters of a tag that is read."""

MAX_BASELINE: Final = 1e6
"""Largest perpendicular baseline that can be true, m."""

RECIPE: Final = "RECIPE"

OTHERS: Final = "ATTRIBUTES"
"""Attributes of the stack that have no tag of their own, or a value that it cannot tell: a JSON object."""

BASELINE: Final = "PERPENDICULAR_BASELINE_METRES"

_MAKER: Final = "insarflow"

_OF_A_READER: Final = ("recipe", "schema_version", "ignored_files", "skipped_files")
"""Attributes that whoever reads the files sets anew."""

_CONTRACT: Final = {
    WORDS.get(name, name): name for name, variable in VARIABLES.items() if variable.dims in (DIMS, SPACE)
}
"""Contract name of an image by what it is called in files."""

_NAME: Final = re.compile(r"(?:(\d{8}_\d{8})_)?([a-z_]+)\.tiff?", flags=re.IGNORECASE)


@dataclass(frozen=True)
class Tags:
    """What a file tells.

    Attributes
    ----------
    variable
        Contract name of its image.
    pair
        Its interferogram; None for what is the same for all.
    baseline
        Perpendicular baseline, m; None if unknown.
    stack
        Tags that are the same for all files of a stack, as text: those that `value_of` reads.
    """

    variable: str
    pair: Pair | None
    baseline: float | None
    stack: Mapping[str, str]


def software() -> str:
    """Name and version of this package."""
    return f"{_MAKER} {version('insarflow')}"


def file_dtype(variable: str) -> np.dtype:
    """Dtype of an image in a file: float32, uint8 for flags, whole numbers as they are."""
    kind = np.dtype(VARIABLES[variable].dtype)
    return np.dtype({"c": "float32", "b": "uint8"}.get(kind.kind, kind.name))


def layer_of_name(name: str) -> tuple[Pair | None, str] | None:
    """Pair and contract name that a file has whose name is as this package writes it; None for any other.

    Examples
    --------
    >>> layer_of_name("20180702_20180714_phase.tif")[1], layer_of_name("water.tif"), layer_of_name("my_water.tif")
    ('igram', (None, 'water'), None)
    """
    match = _NAME.fullmatch(name)
    variable = None if match is None else _CONTRACT.get(match[2].lower())
    if match is None or variable is None or (match[1] is None) != (VARIABLES[variable].dims == SPACE):
        return None
    try:
        return (None if match[1] is None else Pair.parse(match[1])), variable
    except ValueError:
        return None


def variable_of(tags: Mapping[str, str], dtype: str | np.dtype) -> str | None:
    """Contract name of the image in a file that this package wrote, from its tags and numbers; None for any other.

    A file of other numbers than were written has been worked on: what they mean is no longer ours to say.
    """
    variable = _CONTRACT.get(tags.get("VARIABLE", ""))
    if variable is None or tags.get("TIFFTAG_SOFTWARE", "").split(" ", 1)[0] != _MAKER:
        return None
    return variable if np.dtype(dtype) == file_dtype(variable) else None


def make_tags(attrs: Mapping[str, Any], recipe: Recipe) -> dict[str, str]:
    """Tags that all files of a stack have.

    Parameters
    ----------
    attrs
        Of the stack, any; see `plain_attributes`.
    recipe
        How it came to be.
    """
    plain = plain_attributes(attrs)
    tags = {}
    for tag, (name, _, _) in _STACK.items():
        text = _text(plain.get(name))
        if name in plain and _is_read_as(tag, text, plain[name]):
            del plain[name]
            tags[tag] = text
    return {**tags, **({OTHERS: json.dumps(plain)} if plain else {}), RECIPE: recipe.to_json()}


def pair_tags(pair: Pair, baseline: float) -> dict[str, str]:
    """Tags of an interferogram; its perpendicular baseline, m, may be NaN.

    ``FIRST_DATE`` and ``SECOND_DATE`` (ISO) are PyRate's names.
    """
    tags = {
        "FIRST_DATE": str(pair.reference)[:10],
        "SECOND_DATE": str(pair.secondary)[:10],
        "DELAY_DAYS": str(pair.delay_days),
    }
    # As many digits as tell a float32 from its neighbours.
    return {**tags, BASELINE: str(np.float32(baseline))} if np.isfinite(baseline) else tags


def plain_attributes(attrs: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Attributes that a file can tell: text, numbers, booleans, and lists of these.

    Those that whoever reads the files sets anew (``recipe``, ``schema_version``, ``ignored_files``,
    ``skipped_files``) are left out.
    """
    plain = {str(name): _plain(value) for name, value in attrs.items() if name not in _OF_A_READER}
    return {name: value for name, value in plain.items() if value is not None}


def parse_tags(tags: Mapping[str, str], variable: str) -> Tags:
    """Read the tags of a file that this package wrote, with `variable` as `variable_of` tells it.

    Raises
    ------
    ValueError
        Saying what a tag must hold, and what it holds.
    """
    texts = {tag: tags[tag] for tag in (*_STACK, OTHERS, RECIPE) if tag in tags}
    for tag, text in texts.items():
        if len(text) > MAX_TEXT:
            raise ValueError(f"at most {MAX_TEXT} characters in the tag {tag}, instead got {len(text)}")
    pair = _pair(tags) if VARIABLES[variable].dims == DIMS else None
    told = tags.get(BASELINE)
    baseline = None if told is None or pair is None else _number(told)
    if baseline is not None and not abs(baseline) <= MAX_BASELINE:
        raise ValueError(f"a number of metres in the tag {BASELINE}, instead got {told!r:.80}")
    return Tags(variable, pair, baseline, texts)


def value_of(tag: str, text: str) -> dict[str, Any]:
    """Attributes of the stack that one of `Tags.stack` tells; a recipe is a `Recipe`.

    Raises
    ------
    ValueError
        Saying what the tag must hold, and what it holds.
    """
    name: str
    read: Callable[[str], Any]
    if tag == RECIPE:
        name, read, what = "recipe", Recipe.from_json, "a JSON list of steps"
    elif tag == OTHERS:
        name, read, what = "", _others, "a JSON object of text, numbers and lists of these"
    else:
        name, read, what = _STACK[tag]
    try:
        value: Any = read(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} in the tag {tag}, instead got {text!r:.80}") from error
    return value if tag == OTHERS else {name: value}


def _pair(tags: Mapping[str, str]) -> Pair:
    days = [tags.get(name, "") for name in ("FIRST_DATE", "SECOND_DATE")]
    try:
        return Pair(parse_date(days[0][:80]), parse_date(days[1][:80]))
    except ValueError as error:
        wanted = "an earlier and a later day in the tags FIRST_DATE and SECOND_DATE"
        raise ValueError(f"{wanted}, instead got {days[0]!r:.80} and {days[1]!r:.80}") from error


def _plain(value: Any) -> JsonValue:
    """A value as JSON has it; None if it has none."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist() if value.dtype.kind in "biufU" and value.ndim < 2 else None
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return items if all(isinstance(item, str | int | float) for item in items) else None
    return value if isinstance(value, str | int | float) else None


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_read_as(tag: str, text: str, value: JsonValue) -> bool:
    """Whether a tag tells a value as it is, of the same type; GDAL takes blanks and strange characters away."""
    if not text or text != text.strip() or not text.isprintable():
        return False
    try:
        (found,) = value_of(tag, text).values()
    except ValueError:
        return False
    return type(found) is type(value) and found == value


def _number(text: str) -> float:
    """A number; NaN of what is none."""
    try:
        return float(text[:80])
    except ValueError:
        return math.nan


def _within(text: str, low: float, high: float) -> float:
    number = _number(text)
    if not low < number < high:
        raise ValueError
    return number


def _orbit(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\d{1,6}", text) else _short(text)


def _short(text: str) -> str:
    if len(text) > 1000:
        raise ValueError
    return text


def _looks(text: str) -> JsonValue:
    value = json.loads(text)
    numbers = value if isinstance(value, list) else [value]
    if not 1 <= len(numbers) <= 2 or not all(_is_number(n) and 0 < n < 1e6 for n in numbers):
        raise ValueError
    return _plain(value)


def _times(text: str) -> str:
    times = json.loads(text)
    if not isinstance(times, dict):
        raise ValueError
    for day, seconds in times.items():
        parse_date(day)
        if not _is_number(seconds) or not -86_400 < seconds < 2 * 86_400:
            raise ValueError
    return text


def _others(text: str) -> dict[str, JsonValue]:
    """Attributes without a tag of their own, but for those that are a reader's to say."""
    found = json.loads(text)
    if not isinstance(found, dict) or any(_plain(value) is None for value in found.values()):
        raise ValueError
    return plain_attributes(found)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_STACK: Final[Mapping[str, tuple[str, Callable[[str], Any], str]]] = {
    "WAVELENGTH_METRES": ("wavelength", lambda text: _within(text, 0.0, 10.0), "a length below 10 m"),
    "HEADING_RADIANS": ("heading", lambda text: _within(text, -10.0, 10.0), "an angle in radians"),
    "PASS": ("pass", _short, "a word"),
    "PLATFORM": ("platform", _short, "a name"),
    "RELATIVE_ORBIT": ("relative_orbit", _orbit, "a number"),
    "LOOKS": ("looks", _looks, "one or two numbers above 0"),
    "ACQUISITION_TIMES": ("acquisition_times", _times, "a JSON object of seconds by day"),
}
"""By tag: the attribute, what reads it, and what it must hold. ``WAVELENGTH_METRES`` is PyRate's name."""
