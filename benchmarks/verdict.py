"""Scores of a model on held-out scenes, each with its interval, and the goals they are held against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import nn

from benchmarks.held_out import Kind
from insarflow.errors import ModelError
from insarflow.learn.metrics import Interval, LocationScores, ObjectScores, PixelScores, bootstrap, season, surest
from insarflow.learn.metrics.pixel import STEPS
from insarflow.learn.metrics.tally import Stratum
from insarflow.learn.phase import CHANNELS
from insarflow.learn.trial import CLASSES, DELAYS, Trial
from insarflow.learn.weights import load_model
from insarflow.segment.adjustment import AS_IT_IS, Adjustment

_SEED = 0
"""Of the draws of the intervals."""


@dataclass(frozen=True)
class Candidate:
    """A model that is tried.

    Attributes
    ----------
    name
        As it was asked for.
    network
        Gives logits.
    threshold
        Probability from which a pixel counts as moving.
    peak
        Probability that some pair must reach somewhere in an object.
    adjustment
        What comes before and after the network.
    """

    name: str
    network: nn.Module
    threshold: float
    peak: float
    adjustment: Adjustment = AS_IT_IS

    @classmethod
    def load(cls, name: str) -> Self:
        """A model with what its card says.

        Raises
        ------
        ModelError
            If there is no such model, or it takes other channels than those of the scenes.
        """
        network, card = load_model(name)
        if tuple(card.channels) != tuple(CHANNELS):
            raise ModelError(
                f"{name} must take the channels {', '.join(CHANNELS)}, instead got {', '.join(card.channels)}"
            )
        return cls(name, network, card.threshold, card.peak or card.threshold, Adjustment.of(card))

    def probability(self, image: np.ndarray) -> np.ndarray:
        """Of each pixel of the pairs of a scene, one pair at a time: float32 ``(pair, y, x)``."""
        with torch.inference_mode():
            maps = []
            for pair in image:
                x = torch.from_numpy(pair.astype(np.float32))[None].contiguous(memory_format=torch.channels_last)
                maps.append(self.adjustment.probability(self.network(self.adjustment.normalised(x)))[0, 0].numpy())
        return np.stack(maps)


@dataclass(frozen=True)
class Score:
    """A number and where it lies on other scenes of its kind.

    Attributes
    ----------
    model, kind
        Of which model on which scenes.
    of
        Which pairs or movers.
    measure
        What it is.
    value, low, high
        The number and its interval; NaN where it is not known.
    count
        Of how many movers (precision: objects outlined), pixels that move, or km2.
    """

    model: str
    kind: str
    of: str
    measure: str
    value: float
    low: float
    high: float
    count: int

    def text(self) -> str:
        """Of a table."""
        return f"{self.value:.3f} [{self.low:.3f} {self.high:.3f}]"


class Goal(NamedTuple):
    """What a score is to be, `at_least` or at most."""

    kind: str
    of: str
    measure: str
    bound: float
    at_least: bool = True

    def text(self) -> str:
        """Of a table."""
        return f"{self.measure}, {self.of}: {'at least' if self.at_least else 'at most'} {self.bound:g}"


GOALS = (
    Goal("isslide", "season", "F1", 0.8),
    Goal("isslide", "18 days", "F1", 0.75),
    Goal("isslide", "12 days", "F1", 0.65),
    Goal("isslide", "pairs", "pixel IoU", 0.5),
    Goal("isslide", "pairs", "calibration", 0.05, at_least=False),
    Goal("at rest", "pairs", "false per 100 km2", 1.0, at_least=False),
)
"""Of the embedded model, all on scenes partly outside the training ranges."""


def met(goal: Goal, scores: Iterable[Score]) -> str:
    """What became of a goal."""
    for score in scores:
        if (score.kind, score.of, score.measure) == goal[:3]:
            right = score.value >= goal.bound if goal.at_least else score.value <= goal.bound
            return f"{score.value:.3f} {'met' if right else 'missed'}"
    return "not tried"


def judged(model: Candidate, kind: Kind, places: Sequence[Path]) -> Iterator[Score]:
    """Try a model on the scenes of a kind."""
    counts = Rest(kind.setting.area) if kind.setting.at_rest else Movers()
    for place in places:
        trial = Trial.open(place)
        counts.add(model.probability(trial.image), trial, model.threshold, model.peak, scene=place.name)
    for of, measure, interval, n in counts.rows(model.threshold):
        yield Score(model.name, kind.name, of, measure, *(round(float(v), 4) for v in interval), n)


Row = tuple[str, str, Interval, int]
"""Which pairs or movers, what is measured, the number with its interval, of how many."""


class Movers:
    """Counts of scenes in which something moves: of single pairs, and of the season."""

    def __init__(self) -> None:
        self.objects, self.locations = ObjectScores(), LocationScores()
        self.pixels, self.maps = PixelScores(), PixelScores()

    def add(self, probability: np.ndarray, trial: Trial, threshold: float, peak: float, *, scene: str) -> None:
        """Count a scene."""
        label, target = np.array(trial.label), np.array(trial.target)
        for k, (p, t, days) in enumerate(zip(probability, target, trial.delay.tolist(), strict=True)):
            classes = trial.classes(k)
            self.objects.update(
                p, t, threshold, label=label, sure=p >= peak, scene=scene, strata={"delay": days},
                mover_strata={"peak": classes, f"peak {days}": classes},
            )  # fmt: skip
            self.pixels.update(p, t, scene=scene, strata={"delay": days})
        self.locations.update(probability, target, trial.delay, threshold, peak=peak, label=label, scene=scene)
        self.maps.update(*season(probability, target, np.array(trial.delay)), scene=scene)

    def rows(self, threshold: float) -> Iterator[Row]:
        """All scores."""
        delays: list[tuple[str, Stratum]] = [(f"{d} days", ("delay", str(d))) for d in DELAYS]
        for of, stratum in [("pairs", None), *delays]:
            if stratum is None or stratum in self.objects.tally.strata():
                yield from _of_objects(of, self.objects, stratum)
                yield from _of_pixels(of, self.pixels, stratum, threshold)
        yield from _of_objects("season", self.locations.season)
        yield from _of_pixels("season", self.maps, None, threshold)
        yield from _of_objects("season, in any pair", self.locations.persistent)
        for days in ("", *(f" {d}" for d in DELAYS)):
            for name in CLASSES[1:]:
                stratum = f"peak{days}", name
                if stratum in self.objects.movers.strata():
                    counts = self.objects.movers.by_scene(stratum)
                    of = f"{name},{days} days" if days else name
                    yield of, "recall", _interval(counts, _recall), int(counts.sum())


class Rest:
    """Counts of scenes of `area` km2 in which nothing moves."""

    def __init__(self, area: float) -> None:
        self.area = area
        self.pairs, self.season = ObjectScores(), ObjectScores()
        self.maps: Counter[str] = Counter()

    def add(self, probability: np.ndarray, trial: Trial, threshold: float, peak: float, *, scene: str) -> None:
        """Count a scene."""
        target = np.array(trial.target)
        for p, t, days in zip(probability, target, trial.delay.tolist(), strict=True):
            self.pairs.update(p, t, threshold, sure=p >= peak, scene=scene, strata={"delay": days})
            self.maps.update(("pairs", f"{days} days"))
        highest, whole = season(probability, target, np.array(trial.delay))
        self.season.update(highest, whole, threshold, sure=surest(probability, target) >= peak, scene=scene)
        self.maps.update(("season",))

    def rows(self, threshold: float) -> Iterator[Row]:
        """False outlines per 100 km2."""
        for of, maps in self.maps.items():
            days = of.removesuffix(" days")
            scores = self.season if of == "season" else self.pairs
            false = scores.tally.by_scene(("delay", days) if days.isdigit() else None)[:, 2]
            area = self.area * maps
            yield of, "false per 100 km2", _interval(false, lambda c, area=area: 100 * float(c) / area), round(area)


def _of_objects(of: str, scores: ObjectScores, stratum: Stratum = None) -> Iterator[Row]:
    found, missed, false = scores.tally.total(stratum).tolist()
    whole = scores.intervals(seed=_SEED, of=stratum)
    for measure, name, n in (
        ("precision", "precision", found + false), ("recall", "recall", found + missed), ("F1", "f1", found + missed),
    ):  # fmt: skip
        yield of, measure, whole[name], n


def _of_pixels(of: str, scores: PixelScores, stratum: Stratum, threshold: float) -> Iterator[Row]:
    moving = int(scores.tally.total(stratum)[STEPS + 1 : 2 * STEPS + 2].sum())
    whole = scores.intervals(threshold, seed=_SEED, of=stratum)
    for measure, name in (("pixel IoU", "iou"), ("calibration", "calibration_error")):
        yield of, measure, whole[name], moving


def _interval(counts: np.ndarray, statistic: Callable[[np.ndarray], float]) -> Interval:
    """Of a statistic of summed counts; of one scene alone there is none."""
    if len(counts) > 1:
        return bootstrap(counts, statistic, seed=_SEED)
    return Interval(statistic(counts[0].astype(np.float64)), math.nan, math.nan)


def _recall(counts: np.ndarray) -> float:
    return float(counts[0] / counts.sum()) if counts.sum() else math.nan
