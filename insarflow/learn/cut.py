"""Where maps of probability are cut: so that movers are found, and ground at rest is left alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from insarflow.learn.calibration import Calibration
from insarflow.learn.metrics import ObjectScores, season, surest
from insarflow.learn.metrics.matching import SMALLEST_OBJECT, components
from insarflow.learn.metrics.objects import rates
from insarflow.learn.scoring import Place, choose_threshold, logits_of
from insarflow.learn.trial import SETTINGS, Setting, Trial, draw_trial
from insarflow.simulate.truth import MOVING

FALSE: Final = 1.0
"""False outlines of a single interferogram that are borne, per 100 km2."""

AT_REST: Final = replace(SETTINGS["at rest"], beyond=False)
"""Ground without movers and look-alikes, within the ranges of the training."""

_THRESHOLDS: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
_PEAKS: Final = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


class Cut(NamedTuple):
    """Where an inventory cuts a map of probability.

    Attributes
    ----------
    threshold
        From which a pixel counts as moving.
    peak
        That some interferogram must reach somewhere in an outline.
    """

    threshold: float
    peak: float


def at_rest(
    folder: Path,
    scenes: int,
    *,
    seed: int,
    setting: Setting = AT_REST,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Trial]:
    """Scenes in which nothing moves, simulated once and kept in `folder`; functions of ``(seed, number)``."""
    for number in range(scenes):
        place = folder / f"{seed}-{number:04}"
        if not place.exists():
            part = place.with_name(f"{place.name}.{os.getpid()}")
            part.mkdir(parents=True)
            draw_trial(setting, seed=seed, number=number).save(part)
            part.rename(place)
        if progress is not None:
            progress(number + 1, scenes)
        yield Trial.open(place)


def probabilities(network: nn.Module, trials: Iterable[Trial], calibration: Calibration) -> Iterator[np.ndarray]:
    """What a network says of each pair: float32 ``(y, x)``, one at a time."""
    for trial in trials:
        for image in trial.image:
            logits = logits_of(network, torch.from_numpy(np.array(image, np.float32))[None])
            yield calibration.probability(logits)[0]


def best_cut(places: Iterable[Place], calibration: Calibration, quiet: Collection[Cut] | None = None) -> Cut:
    """The cut that finds movers best, of those that leave ground at rest alone.

    Parameters
    ----------
    places
        With movers, as frequent as they are in use.
    calibration
        Of the network.
    quiet
        Cuts that may be chosen, see `quiet_cuts`; by default any of thresholds of 0.1 to 0.5, peaks of 0.5 to 0.9.

    Returns
    -------
    Cut
        With the highest sum of two F1 of objects: of single interferograms, and of seasons
        (`insarflow.learn.metrics.season`). Of equal ones the lowest threshold, then the lowest peak. Where no place
        holds a mover of 100 pixels, the threshold of the highest F1 of pixels, which is then the peak, too.

    Raises
    ------
    ValueError
        If no cut may be chosen, or nothing moves.
    """
    cuts = all_cuts() if quiet is None else sorted(quiet)
    if not cuts:
        raise ValueError(
            f"at every threshold and peak there are more than {FALSE:g} outlines per 100 km2 of ground at rest: train "
            "for longer"
        )
    single, whole = ({cut: ObjectScores() for cut in cuts} for _ in range(2))
    for place in places:
        probability = calibration.probability(place.logits)
        for one, target in zip(probability, place.target, strict=True):
            _count(single, one, target, one)
        _count(whole, *season(probability, place.target, place.delay), surest(probability, place.target))
    if not any(scores.found + scores.missed for scores in (single[cuts[0]], whole[cuts[0]])):
        threshold = round(choose_threshold(places, calibration), 4)
        return Cut(threshold, threshold)
    return max(cuts, key=lambda cut: sum(float(rates(of[cut].tally.total())[2]) for of in (single, whole)))


def _count(scores: Mapping[Cut, ObjectScores], probability: np.ndarray, target: np.ndarray, surest: np.ndarray) -> None:
    """Add a map; `surest` is the highest probability of any interferogram in it."""
    highest, moves = float(np.nanmax(probability, initial=0.0)), bool((target == MOVING).any())
    for cut, tally in scores.items():
        if moves or highest >= cut.threshold:
            tally.update(probability, target, cut.threshold, sure=surest >= cut.peak)


def all_cuts() -> list[Cut]:
    """Thresholds and peaks that are looked at, ascending."""
    return [Cut(threshold, peak) for threshold in _THRESHOLDS for peak in _PEAKS]


def quiet_cuts(maps: Iterable[np.ndarray], *, area: float, most: float = FALSE) -> list[Cut]:
    """The cuts at which ground at rest has at most so many outlines.

    Parameters
    ----------
    maps
        Probability of interferograms without a mover, ``(y, x)``, 0..1.
    area
        Of one of them, km2.
    most
        Outlines of at least 100 pixels per 100 km2 and interferogram.

    Returns
    -------
    list of Cut
        Of `all_cuts`.

    Raises
    ------
    ValueError
        If there is no map.

    Examples
    --------
    >>> still = np.zeros((64, 64), np.float32)
    >>> still[:16, :16] = 0.6
    >>> quiet_cuts([still], area=50.0)[0]
    Cut(threshold=0.1, peak=0.65)
    """
    cuts, count = all_cuts(), 0
    outlines = dict.fromkeys(cuts, 0)
    for probability in maps:
        count += 1
        for threshold in _THRESHOLDS:
            labels = components(probability >= threshold)
            large = np.flatnonzero(np.bincount(labels.ravel()) >= SMALLEST_OBJECT)
            highest = ndimage.maximum(probability, labels, large[large > 0])
            for peak in _PEAKS:
                outlines[Cut(threshold, peak)] += int(np.count_nonzero(np.asarray(highest) >= peak))
    if not count:
        raise ValueError("maps must hold an interferogram at rest, instead got none")
    return [cut for cut in cuts if 100.0 * outlines[cut] <= most * area * count]
