"""How a moving slope moves in time: steadily, with the seasons, by fits and starts, or ever faster."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

import numpy as np

from insarflow.constants import DAYS_PER_YEAR

Habit = Literal["steady", "seasonal", "stop-and-go", "accelerating"]

HABITS: Final[tuple[Habit, ...]] = get_args(Habit)

SNOWMELT: Final = 150.0
"""Day of the year about which melting snow is at its most."""

AUTUMN: Final = 270.0
"""Day of the year about which the ground of high mountains is at its warmest, and rain comes."""


@dataclass(frozen=True)
class Activity:
    """Speed as a function of the day, relative to its mean over the first year, which is 1.

    Days are counted from a 1 January, so that a day modulo the year's 365.25 is a season; they may be negative.

    Attributes
    ----------
    habit
        Which of the following says how it moves.
    swing
        Of what is seasonal: 0..1, speed is ``1 + swing cos(2 pi (day - peak_day) / year)``. Of what accelerates: 0..1,
        speed is proportional to ``1 + swing tanh((day - peak_day) / ramp_days)``.
    peak_day
        Day of the year of the highest speed, or day of the fastest change of speed.
    ramp_days
        See `swing`.
    bursts
        Of what stops and goes: (first day, length in days, share of the year's motion) of each time of activity, the
        same each year; in it speed rises and falls as a cosine, and out of it nothing moves.
    """

    habit: Habit = "steady"
    swing: float = 0.0
    peak_day: float = 0.0
    ramp_days: float = 1.0
    bursts: tuple[tuple[float, float, float], ...] = ()

    @classmethod
    def draw(cls, rng: np.random.Generator, habit: Habit) -> Self:
        """Activity of this habit, its other numbers drawn."""
        if habit == "seasonal":
            season, spread = (SNOWMELT, 20.0) if rng.random() < 0.5 else (AUTUMN, 25.0)
            return cls(habit, swing=float(rng.uniform(0.3, 1.0)), peak_day=float(rng.normal(season, spread)))
        if habit == "accelerating":
            swing, onset, ramp = rng.uniform(0.6, 0.98), rng.uniform(90.0, 300.0), rng.uniform(20.0, 90.0)
            return cls(habit, float(swing), float(onset), float(ramp))
        if habit == "stop-and-go":
            return cls(habit, bursts=_draw_bursts(rng))
        return cls(habit)

    def progress(self, day: float) -> float:
        """Days of motion at the mean speed that move as far as was moved from day 0 to `day`: never falls."""
        if self.habit == "stop-and-go":
            return DAYS_PER_YEAR * sum(share * (_done(day, *b) - _done(0.0, *b)) for *b, share in self.bursts)
        if self.habit == "accelerating":
            start = self._surge(0.0)
            return DAYS_PER_YEAR * (self._surge(day) - start) / (self._surge(DAYS_PER_YEAR) - start)
        turn = 2.0 * math.pi / DAYS_PER_YEAR
        return day + self.swing / turn * (math.sin(turn * (day - self.peak_day)) + math.sin(turn * self.peak_day))

    def pace(self, day: float) -> float:
        """Speed on a day over the mean speed: the derivative of `progress`."""
        if self.habit == "stop-and-go":
            parts = ((((day - start) % DAYS_PER_YEAR) / length, length, share) for start, length, share in self.bursts)
            return sum(DAYS_PER_YEAR * w / n * (1.0 - math.cos(2.0 * math.pi * x)) for x, n, w in parts if x < 1.0)
        if self.habit == "accelerating":
            mean = (self._surge(DAYS_PER_YEAR) - self._surge(0.0)) / DAYS_PER_YEAR
            return (1.0 + self.swing * math.tanh((day - self.peak_day) / self.ramp_days)) / mean
        return 1.0 + self.swing * math.cos(2.0 * math.pi / DAYS_PER_YEAR * (day - self.peak_day))

    def _surge(self, day: float) -> float:
        """Integral of ``1 + swing tanh``; the logarithm of the hyperbolic cosine is written so that none overflows."""
        z = abs(day - self.peak_day) / self.ramp_days
        return day + self.swing * self.ramp_days * (z + math.log1p(math.exp(-2.0 * z)) - math.log(2.0))


def _done(day: float, start: float, length: float) -> float:
    """Times that a yearly burst has run by this day, with the part of the last."""
    years, since = divmod(day - start, DAYS_PER_YEAR)
    x = min(since / length, 1.0)
    return years + x - math.sin(2.0 * math.pi * x) / (2.0 * math.pi)


def _draw_bursts(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """One to three a year, each followed by a rest of weeks or more."""
    parts = rng.uniform(0.6, 1.4, int(rng.integers(1, 4)))
    parts *= DAYS_PER_YEAR / parts.sum()
    starts = rng.uniform(0.0, DAYS_PER_YEAR) + np.cumsum(parts) - parts
    lengths = parts * rng.uniform(0.15, 0.6, parts.size)
    shares = lengths * rng.uniform(0.5, 1.5, parts.size)
    shares /= shares.sum()
    return tuple((float(s), float(n), float(w)) for s, n, w in zip(starts, lengths, shares, strict=True))
