"""A threshold that leaves ground at rest alone: of what a map outlines there, all is false."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from insarflow.learn.calibration import Calibration
from insarflow.learn.metrics.matching import SMALLEST_OBJECT, components
from insarflow.learn.scoring import logits_of
from insarflow.learn.trial import SETTINGS, Setting, Trial, draw_trial

FALSE: Final = 1.0
"""False outlines of a single interferogram that are borne, per 100 km2."""

AT_REST: Final = replace(SETTINGS["at rest"], beyond=False)
"""Ground without movers and look-alikes, within the ranges of the training."""

_THRESHOLDS: Final = np.arange(0.1, 0.96, 0.01).round(2)


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


def quiet_threshold(maps: Iterable[np.ndarray], *, area: float, most: float = FALSE) -> float:
    """The lowest threshold from which on ground at rest has at most so many outlines.

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
    float
        One of 0.10, 0.11, ... 0.95: the most movers are found that this many false outlines allow.

    Raises
    ------
    ValueError
        If there is no map, or none of these is high enough.

    Examples
    --------
    >>> still = np.zeros((64, 64), np.float32)
    >>> still[:16, :16] = 0.4
    >>> quiet_threshold([still], area=50.0)
    0.41
    """
    outlines, count = np.zeros(len(_THRESHOLDS), np.int64), 0
    for probability in maps:
        count += 1
        for k in np.flatnonzero(probability.max() >= _THRESHOLDS):
            sizes = np.bincount(components(probability >= _THRESHOLDS[k]).ravel())[1:]
            outlines[k] += np.count_nonzero(sizes >= SMALLEST_OBJECT)
    if not count:
        raise ValueError("maps must hold an interferogram at rest, instead got none")
    loud = np.flatnonzero(100.0 * outlines / (area * count) > most)
    first = int(loud[-1]) + 1 if loud.size else 0
    if first == len(_THRESHOLDS):
        raise ValueError(
            f"at every threshold there are more than {most:g} outlines per 100 km2 of ground at rest: train for longer"
        )
    return float(_THRESHOLDS[first])
