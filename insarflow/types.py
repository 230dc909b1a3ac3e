"""Small frozen values. Everything two-dimensional is in ``(y, x)`` order."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

Precision = Literal["exact", "fast"]
"""How a network computes. ``"exact"``: float32. ``"fast"``: bfloat16, but for the last step to probabilities."""

Mode = Literal["patch", "blend"]
"""What is done about layers that look at the whole tile."""

Output = Literal["logits", "probability"]
"""What a module gives."""

DelayLike = int | str | np.timedelta64 | dt.timedelta
"""What a caller may write for a delay: ``12``, ``"12D"``, a timedelta (whole days)."""

_FIRST_DAY, _LAST_DAY = np.datetime64("1678-01-01"), np.datetime64("2261-12-31")  # what nanoseconds can hold

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


DateLike = str | np.datetime64 | dt.date
"""What a caller may write for an acquisition day: ``"20180702"``, ``"2018-07-02"``, ``"02Jul2018"``, a date."""


def parse_date(value: DateLike) -> np.datetime64:
    """Acquisition day as ``datetime64[ns]`` at midnight.

    Parameters
    ----------
    value
        ``20180702``, ``2018-07-02``, ``02Jul2018`` (SNAP's style), or a date of any resolution.

    Raises
    ------
    TypeError
        If `value` is of another kind (a number).
    ValueError
        If the text is no date, or the date is missing (NaT) or outside 1678 to 2261.

    Examples
    --------
    >>> str(parse_date("02Jul2018"))[:10]
    '2018-07-02'
    """
    wanted = "date must be like 20180702, 2018-07-02 or 02Jul2018, or a date object"
    if isinstance(value, str):
        day = np.datetime64(_parse_day(value), "D")
    elif isinstance(value, np.datetime64):
        day = value.astype("datetime64[D]")
    elif isinstance(value, dt.date) and value == value:  # pandas' NaT is a date that differs from itself
        day = np.datetime64(dt.date(value.year, value.month, value.day), "D")
    else:
        raise TypeError(f"{wanted}, instead got date={value!r} ({type(value).__name__})")
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError(f"{wanted}, from 1678 to 2261, instead got date={str(value)!r}")
    midnight: np.datetime64 = day.astype("datetime64[ns]")
    return midnight


def _parse_day(text: str) -> dt.date | None:
    for pattern, form in ((r"\d{8}", "%Y%m%d"), (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"), (r"\d\d[A-Za-z]{3}\d{4}", "%d%b%Y")):
        # strptime alone would read 201811 as 1 January 2018.
        if re.fullmatch(pattern, text):
            try:
                return dt.datetime.strptime(text, form).date()
            except ValueError:
                return None
    return None


def parse_delay(value: DelayLike) -> np.timedelta64:
    """Time between the two acquisitions of a pair as ``timedelta64[ns]``, whole positive days.

    Raises
    ------
    TypeError
        If `value` is of another kind (a float, a bool).
    ValueError
        If it is no whole positive number of days.

    Examples
    --------
    >>> bool(parse_delay(12) == parse_delay("12D") == parse_delay(np.timedelta64(288, "h")))
    True
    """
    wanted = 'delay must be a whole positive number of days such as 12, "12D" or a timedelta'
    if isinstance(value, bool) or not isinstance(value, int | np.integer | str | np.timedelta64 | dt.timedelta):
        raise TypeError(f"{wanted}, instead got delay={value!r} ({type(value).__name__})")
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,9})\s*(?:d|days?)?\s*", value, flags=re.IGNORECASE)
        if match is None:
            raise ValueError(f"{wanted}, instead got delay={value!r:.80}")
        days = int(match[1])
    elif isinstance(value, np.timedelta64 | dt.timedelta):
        if isinstance(value, np.timedelta64) and np.datetime_data(value.dtype)[0] in ("Y", "M"):
            raise ValueError(f"{wanted}, instead got delay={value}")  # a month is no number of days
        seconds = np.timedelta64(value) / np.timedelta64(1, "s")
        if not math.isfinite(seconds) or seconds % 86_400:
            raise ValueError(f"{wanted}, instead got delay={value}")
        days = int(seconds // 86_400)
    else:
        days = int(value)
    if not 0 < days < 36_500:
        raise ValueError(f"{wanted}, instead got delay={value!r}")
    delay: np.timedelta64 = np.timedelta64(days, "D").astype("timedelta64[ns]")
    return delay


@dataclass(frozen=True, order=True)
class Pair:
    """An interferometric pair: the earlier (`reference`) and the later (`secondary`) acquisition day.

    Examples
    --------
    >>> Pair.parse("20180702_20180714").delay_days
    12
    """

    reference: np.datetime64
    secondary: np.datetime64

    def __post_init__(self) -> None:
        if not self.reference < self.secondary:
            raise ValueError(
                "a pair must be (earlier, later), instead got "
                f"reference={_compact(self.reference)}, secondary={_compact(self.secondary)}: swap the dates"
            )

    @classmethod
    def parse(cls, name: str) -> Self:
        """Pair from its name: two dates joined by ``_`` (or ``-`` if they have none themselves).

        Raises
        ------
        ValueError
            If the name holds no two dates, or the later one comes first.
        """
        parts = name.split("_") if "_" in name else name.split("-")
        if len(parts) != 2:
            raise ValueError(f"pair name must be like 20180702_20180714, instead got {name!r}")
        return cls(parse_date(parts[0]), parse_date(parts[1]))

    @classmethod
    def at(cls, date: DateLike, delay: DelayLike) -> Self:
        """Pair that starts on `date` and spans `delay`."""
        reference = parse_date(date)
        return cls(reference, reference + parse_delay(delay))

    @property
    def delay(self) -> np.timedelta64:
        """Time from reference to secondary, ``timedelta64[ns]``."""
        return self.secondary - self.reference

    @property
    def delay_days(self) -> int:
        """Time from reference to secondary in days."""
        return int(self.delay / np.timedelta64(1, "D"))

    @property
    def name(self) -> str:
        """The pair's name everywhere: ``20180702_20180714``."""
        return f"{_compact(self.reference)}_{_compact(self.secondary)}"

    def __str__(self) -> str:
        return self.name


PairLike = str | Pair | tuple[DateLike, DelayLike]
"""What a caller may write for a pair: its name ``"20180702_20180714"``, or (date, delay)."""


def _compact(date: np.datetime64) -> str:
    return str(date.astype("datetime64[D]")).replace("-", "")


@dataclass(frozen=True)
class Looks:
    """Number of samples averaged along each axis."""

    y: int
    x: int


@dataclass(frozen=True)
class Window:
    """A rectangle of an array: rows ``y0:y1``, columns ``x0:x1``."""

    y0: int
    x0: int
    height: int
    width: int

    @property
    def y1(self) -> int:
        """Row after the last."""
        return self.y0 + self.height

    @property
    def x1(self) -> int:
        """Column after the last."""
        return self.x0 + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    def shared(self, other: Window) -> Window | None:
        """The part that lies in both; None if there is none."""
        y0, x0 = max(self.y0, other.y0), max(self.x0, other.x0)
        part = Window(y0, x0, min(self.y1, other.y1) - y0, min(self.x1, other.x1) - x0)
        return part if min(part.shape) > 0 else None

    def relative_to(self, outer: Window) -> Window:
        """The window in rows and columns of an array that covers `outer`."""
        return Window(self.y0 - outer.y0, self.x0 - outer.x0, *self.shape)

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Slices that cut this window out of an array that covers `outer`."""
        y, x = self.y0 - outer.y0, self.x0 - outer.x0
        return slice(y, y + self.height), slice(x, x + self.width)


@dataclass(frozen=True)
class Tile:
    """What a block function is told about its place in the whole array.

    Attributes
    ----------
    read
        The part of the *input* it was given, in the input's own pixels.
    core
        The part of the *output* it must return, in the output's own pixels.
    shape
        ``(y, x)`` size of the whole input.
    cells, cells_shape
        First index of the block along the leading dimensions, and their whole sizes.
    """

    read: Window
    core: Window
    shape: tuple[int, int]
    cells: tuple[int, ...] = ()
    cells_shape: tuple[int, ...] = ()

    @classmethod
    def whole(cls, shape: tuple[int, ...]) -> Self:
        """The tile that is a whole array of `shape` ``(..., y, x)``."""
        full = Window(0, 0, *shape[-2:])
        return cls(full, full, full.shape, (0,) * len(shape[:-2]), shape[:-2])

    def cell(self, index: tuple[int, ...]) -> int:
        """Running number, in the whole array, of the image at `index` of this block."""
        number = 0
        for i, start, size in zip(index, self.cells, self.cells_shape, strict=True):
            number = number * size + start + i
        return number


@dataclass(frozen=True)
class Grid:
    """A north-up raster grid: affine transform (GDAL's six, pixel edges), shape and CRS.

    Attributes
    ----------
    transform
        ``(x_origin, x_step, 0, y_origin, 0, y_step)`` in CRS units, origin at the outer corner of pixel (0, 0).
    shape
        ``(y, x)`` number of pixels.
    crs
        Coordinate reference system as WKT.
    """

    transform: tuple[float, float, float, float, float, float]
    shape: tuple[int, int]
    crs: str

    @property
    def y(self) -> np.ndarray:
        """Pixel-centre coordinates along y."""
        return self.transform[3] + self.transform[5] * (np.arange(self.shape[0]) + 0.5)

    @property
    def x(self) -> np.ndarray:
        """Pixel-centre coordinates along x."""
        return self.transform[0] + self.transform[1] * (np.arange(self.shape[1]) + 0.5)

    def same_as(self, other: Grid) -> bool:
        """Whether both describe the same pixels, opposite corners within a hundredth of a pixel."""
        if self.shape != other.shape or self.crs != other.crs:
            return False
        tolerance = 0.01 * max(abs(self.transform[1]), abs(self.transform[5]))
        corners = zip(self._corners(), other._corners(), strict=True)
        return all(abs(a - b) < tolerance for a, b in corners)

    def _corners(self) -> tuple[float, float, float, float]:
        x, step_x, _, y, _, step_y = self.transform
        return x, y, x + step_x * self.shape[1], y + step_y * self.shape[0]


@dataclass(frozen=True)
class Recipe:
    """How the data came to be: an ordered list of steps, kept as JSON in the attribute ``recipe``.

    Examples
    --------
    >>> Recipe().then("multilook", y=2, x=2).steps[-1]
    {'operation': 'multilook', 'y': 2, 'x': 2}
    """

    steps: tuple[dict[str, Any], ...] = ()

    def then(self, operation: str, /, **parameters: JsonValue) -> Recipe:
        """A new recipe with one more step."""
        return Recipe((*self.steps, {"operation": operation, **parameters}))

    def of(self, *operations: str) -> list[dict[str, Any]]:
        """The steps of these operations, in order."""
        return [s for s in self.steps if s.get("operation") in operations]

    def to_json(self) -> str:
        """JSON text for an attribute."""
        return json.dumps(list(self.steps))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Recipe from its JSON text.

        Raises
        ------
        ValueError
            If the text is no list of steps.
        """
        try:
            steps = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"recipe must be a JSON list of steps, instead got {text!r:.80}") from error
        if not isinstance(steps, list) or not all(isinstance(s, dict) for s in steps):
            raise ValueError(f"recipe must be a JSON list of steps, instead got {text!r:.80}")
        return cls(tuple(steps))
