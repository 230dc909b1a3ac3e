"""What flags hold, read from their text; what cannot be read is said in one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import typer

from insarflow.stack.remote import is_url
from insarflow.types import parse_date, parse_delay

T = TypeVar("T")


def _at_least(kind: type[int] | type[float], what: str, low: float) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        try:
            number = kind(str(value))
        except ValueError:
            number = kind(low) - 1
        if not low <= number < float("inf"):
            raise typer.BadParameter(f"it must be {what} of {low} or more, instead got {str(value)!r:.40}")
        return number

    return read


def whole(low: int) -> Callable[[object], Any]:
    """Reader of a whole number of `low` or more."""
    return _at_least(int, "a whole number", low)


def number(low: float) -> Callable[[object], Any]:
    """Reader of a finite number of `low` or more."""
    return _at_least(float, "a number", low)


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """Four numbers, joined by commas or spaces.

    Raises
    ------
    ValueError
        If there are not four numbers.
    """
    try:
        west, south, east, north = map(float, text.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(f"it must be four numbers W,S,E,N such as 6.5,44.9,7.1,45.3, instead got {text!r}") from error
    return west, south, east, north


def parse_delays(text: str) -> tuple[int, ...]:
    """Whole days joined by commas: ``6,12`` or ``6D,12D``.

    Raises
    ------
    ValueError
        If one is no whole number of days.
    """
    try:
        return tuple(int(parse_delay(item) / np.timedelta64(1, "D")) for item in text.split(","))
    except ValueError as error:
        raise ValueError(f"they must be whole days such as 6,12 or 12D, instead got {text!r}") from error


def parse_names(text: str) -> tuple[str, ...]:
    """Names joined by commas: ``igram,coherence``.

    Raises
    ------
    ValueError
        If one is empty.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError(f"they must be names such as igram,coherence, instead got {text!r:.80}")
    return names


def parse_resolution(text: str) -> float | tuple[float, float]:
    """One number above 0, or those along y and x joined by a comma.

    Raises
    ------
    ValueError
        If there are not one or two.
    """
    try:
        sizes = tuple(map(float, text.split(",")))
    except ValueError:
        sizes = ()
    if len(sizes) not in (1, 2) or not all(0.0 < size < float("inf") for size in sizes):
        raise ValueError(f"it must be a number above 0, or two as Y,X, in units of the CRS, instead got {text!r:.40}")
    return sizes[0] if len(sizes) == 1 else (sizes[0], sizes[1])


def parse_model_resolution(text: str) -> float | tuple[float, float] | Literal["model"]:
    """As `parse_resolution`, or ``model``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if text == "model":
        return "model"
    try:
        return parse_resolution(text)
    except ValueError as error:
        raise ValueError(f"{error}; or model, for the size that the model was trained on") from error


def parse_resources(text: str) -> dict[str, float]:
    """Names with numbers above 0, joined by commas: ``GPU=1``.

    Raises
    ------
    ValueError
        If it is something else.
    """
    found = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        if not name.strip() or not re.fullmatch(r"\d+(\.\d+)?", amount.strip()) or not float(amount):
            raise ValueError("it must be names with numbers above 0, such as GPU=1")
        found[name.strip()] = float(amount)
    return found


def parse_size(text: str) -> tuple[int, int]:
    """Rows and columns: ``512,768``.

    Raises
    ------
    ValueError
        If there are not two whole numbers.
    """
    try:
        rows, columns = map(int, text.split(","))
    except ValueError as error:
        raise ValueError(f"it must be ROWS,COLUMNS such as 512,768, instead got {text!r}") from error
    return rows, columns


def read_flag(name: str, text: str, parse: Callable[[str], T]) -> T:
    """The value of a flag, read by `parse`.

    Raises
    ------
    typer.BadParameter
        If it cannot be read: exit status 2, one line.
    """
    if not text.strip():
        raise typer.BadParameter("it must not be empty", param_hint=name)
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from error


def read_optional(name: str, text: str | None, parse: Callable[[str], T]) -> T | None:
    """As `read_flag`; None for a flag that was not given."""
    return None if text is None else read_flag(name, text, parse)


def parse_day(text: str) -> str:
    """An acquisition day, as `insarflow.open_stack` takes it.

    Raises
    ------
    ValueError
        If it is no date.
    """
    parse_date(text)
    return text


def one_or_many(sources: list[str]) -> str | tuple[str, ...]:
    """SOURCE as `insarflow.open_stack` takes it."""
    for source in sources:
        read_flag("SOURCE", source, str)
    return sources[0] if len(sources) == 1 else tuple(sources)


def output_path(text: str) -> Path:
    """``--output`` as a path."""
    return Path(read_flag("-o/--output", text, str)).expanduser()


def output_place(text: str) -> Path | str:
    """``--output`` as a path, or a URL as it is."""
    return text if is_url(text) else output_path(text)
