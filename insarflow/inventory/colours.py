"""Colours of moving slopes, the same in QGIS and on the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from insarflow.inventory.velocity import LEAST_CLASSES, UNDEFINED, VELOCITY_CLASSES

VELOCITY: Final = dict(
    zip(VELOCITY_CLASSES, ("#2c7bb6", "#7fbfd6", "#ffd34d", "#fd8d3c", "#e31a1c", "#800026"), strict=True)
)
"""Velocity classes of RGIK, from slow to fast."""

AT_LEAST: Final = dict(zip(LEAST_CLASSES[1:-1], list(VELOCITY.values())[1:-1], strict=True))
"""Of slopes whose speed has only a lower bound: the colour of the class that begins there."""

PROBABILITY: Final = ((0.0, "#ffffb2"), (0.5, "#fecc5c"), (0.7, "#fd8d3c"), (0.8, "#f03b20"), (0.9, "#bd0026"))
"""Mean probability from which a colour holds."""

UNKNOWN: Final = "#9e9ac8"
"""Of slopes whose class or probability nobody knows."""

REJECTED: Final = "#969696"

_OTHERS: Final = ("#1b9e77", "#7570b3", "#e7298a", "#66a61e", "#a6761d", "#666666")


def velocity_colours(classes: Iterable[str]) -> dict[str, str]:
    """Colour of each class: all of RGIK, then those of `classes` that are none of them; the empty text is no class."""
    there = {*classes} - {"", *VELOCITY}
    bounds = {name: colour for name, colour in AT_LEAST.items() if name in there}
    others = {name: _OTHERS[k % len(_OTHERS)] for k, name in enumerate(sorted(there - {*AT_LEAST, UNDEFINED}))}
    return VELOCITY | bounds | others | ({UNDEFINED: UNKNOWN} if UNDEFINED in there else {})


def probability_classes() -> list[tuple[float, float, str]]:
    """Lower bound, upper bound (not included, but 1) and colour of each class of mean probability."""
    bounds = [low for low, _ in PROBABILITY] + [1.0]
    return [(low, high, colour) for (low, colour), high in zip(PROBABILITY, bounds[1:], strict=True)]
