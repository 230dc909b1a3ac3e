"""How well a network does on labelled data: calibration, threshold, scores; place by place, nothing kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from insarflow.learn.bank import Bank
from insarflow.learn.calibration import (
    Calibration,
    LogitHistogram,
    fit_temperature,
    fit_temperature_and_shift,
)
from insarflow.learn.metrics import Interval, ObjectScores, PixelScores, season, surest
from insarflow.learn.patches import PatchDataset
from insarflow.types import JsonValue

AS_IT_IS: Final = Calibration()

_PLACES: Final = 4
"""Places of a scene of a bank: they share its air and its ground."""

_SHOWN: Final = ("precision", "recall", "f1", "iou", "calibration_error")
"""Scores that get an interval."""


class Place(NamedTuple):
    """All that is known of one place.

    Attributes
    ----------
    scene
        What intervals draw again as one.
    logits
        float32 ``(pair, y, x)``.
    target
        uint8, same shape, states of `insarflow.simulate.truth`.
    delay
        int, ``(pair,)``, days.
    """

    scene: str
    logits: np.ndarray
    target: np.ndarray
    delay: np.ndarray


@dataclass(frozen=True)
class BankPlaces:
    """What a network says of a bank of patches, place by place, anew each time one goes through."""

    network: nn.Module
    bank: Bank

    def __iter__(self) -> Iterator[Place]:
        for place in np.unique(self.bank.place):
            here = self.bank.at(np.flatnonzero(self.bank.place == place))
            image = torch.from_numpy(np.asarray(here.image, dtype=np.float32))
            yield Place(str(place // _PLACES), logits_of(self.network, image), np.array(here.target), here.delay)


@dataclass(frozen=True)
class PatchPlaces:
    """What a network says of patches of stacks, place by place, anew each time one goes through.

    Attributes
    ----------
    network
        Takes the channels as they are encoded.
    patches
        Of each stack.
    """

    network: nn.Module
    patches: tuple[PatchDataset, ...]

    def __iter__(self) -> Iterator[Place]:
        for number, patches in enumerate(self.patches):
            index = patches.index.reset_index(drop=True)
            for (y, x), rows in index.groupby(["y", "x"]):
                samples = [patches[k] for k in rows.index]
                logits = logits_of(self.network, torch.stack([sample["image"] for sample in samples]))
                target = torch.stack([sample["mask"] for sample in samples]).numpy()
                delay = (rows["delay"].to_numpy() / np.timedelta64(1, "D")).astype(np.int64)
                yield Place(f"{number}/{y}/{x}", logits, target, delay)


def logits_of(network: nn.Module, image: Tensor, *, batch_size: int = 32) -> np.ndarray:
    """Logits of images ``(batch, channel, y, x)``, float32 ``(batch, y, x)``."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network(image[k : k + batch_size].contiguous(memory_format=torch.channels_last))[:, 0].float()
            for k in range(0, len(image), batch_size)
        ]
    logits: np.ndarray = torch.cat(parts).numpy()
    return logits


def calibrate(places: Iterable[Place], shift: float | None) -> Calibration:
    """The calibration of a network on validation data.

    Parameters
    ----------
    places
        As frequent as they are in use.
    shift
        Log-odds to be added to the logits, from what is known of loss and sampling; None if nothing is: then it is
        fitted with the temperature.

    Raises
    ------
    ValueError
        If there are no moving or no absent pixels.
    """
    histogram = LogitHistogram()
    for place in places:
        histogram.update(place.logits, place.target)
    return fit_temperature_and_shift(histogram) if shift is None else fit_temperature(histogram, shift=shift)


def choose_threshold(places: Iterable[Place], calibration: Calibration = AS_IT_IS) -> float:
    """The probability with the highest pixel F1 on maps of whole seasons: what an inventory is cut at.

    Raises
    ------
    ValueError
        If nothing moves.
    """
    scores = PixelScores()
    for place in places:
        scores.update(*season(calibration.probability(place.logits), place.target, place.delay))
    return scores.best_threshold()


def score(
    places: Iterable[Place],
    *,
    threshold: float,
    peak: float | None = None,
    calibration: Calibration = AS_IT_IS,
    seed: int = 0,
) -> dict[str, JsonValue]:
    """Pixel and object scores.

    Parameters
    ----------
    places
        To score.
    threshold
        Calibrated probability from which a pixel moves; objects have at least 100 pixels.
    peak
        Calibrated probability that some interferogram must reach in an object; by default `threshold`.
    calibration
        Of the network.
    seed
        Of the intervals.

    Returns
    -------
    dict
        ``{"all": {"pixel": ..., "object": ...}, ...}``: of single pairs, all and by delay in days, and of whole seasons
        (``"season"``). Each holds ``intervals`` too, ``{"pixel": {"f1": [low, high], ...}, "object": ...}``, 95 %, over
        scenes, if there are two scenes.
    """
    peak = threshold if peak is None else peak
    pixels, objects = PixelScores(), ObjectScores()
    whole, locations = PixelScores(), ObjectScores()
    for place in places:
        probability = calibration.probability(place.logits)
        for one, target, delay in zip(probability, place.target, place.delay.tolist(), strict=True):
            of = {"delay": delay}
            pixels.update(one, target, scene=place.scene, strata=of)
            objects.update(one, target, threshold, sure=one >= peak, scene=place.scene, strata=of)
        highest, target = season(probability, place.target, place.delay)
        whole.update(highest, target, scene=place.scene)
        locations.update(highest, target, threshold, sure=surest(probability, place.target) >= peak, scene=place.scene)
    told = {"all": _told(pixels, objects, threshold, None, seed)}
    delays = sorted((label for _, label in pixels.strata()), key=int)
    told |= {label: _told(pixels, objects, threshold, ("delay", label), seed) for label in delays}
    return told | {"season": _told(whole, locations, threshold, None, seed)}


def _told(
    pixels: PixelScores, objects: ObjectScores, threshold: float, of: tuple[str, object] | None, seed: int
) -> JsonValue:
    told: dict[str, JsonValue] = {"pixel": {**pixels.at(threshold, of=of)}, "object": {**objects.scores(of=of)}}
    if len(pixels.tally.by_scene(of)) > 1:
        told["intervals"] = {
            "pixel": _ends(pixels.intervals(threshold, seed=seed, of=of)),
            "object": _ends(objects.intervals(seed=seed, of=of)),
        }
    return told


def _ends(intervals: dict[str, Interval]) -> dict[str, JsonValue]:
    """Both ends of those that are defined, four digits."""
    ends = {name: (float(found.low), float(found.high)) for name, found in intervals.items() if name in _SHOWN}
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in ends.items() if not math.isnan(low + high)}
