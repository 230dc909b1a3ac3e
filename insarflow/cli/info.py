"""``insarflow info``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insarflow.cli.options import Fast, Select, Sources
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many
from insarflow.cli.verbs import verb
from insarflow.cli.words import columns, command


@verb(
    "info",
    examples=[
        "insarflow info stack.zarr",
        "insarflow info https://host/stack.zarr",
        "insarflow info interferograms/ --bbox 6.5,44.9,7.1,45.3",
        "insarflow info a.zip b.zip --json",
    ],
)
def info(*, source: Sources, select: Select, fast: Fast = False, screen: Screen) -> None:
    """Say what a stack or product holds."""
    from insarflow.workflows.info import describe_source

    with screen.stage("reading"):
        facts = describe_source(one_or_many(source), selection=select.keywords(), fast=fast)
    screen.facts(facts, _lines(facts), then=_next(source, facts["variables"]))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name != "pairs":
            shown = ", ".join(map(str, value)) if isinstance(value, list) else "unknown" if value is None else value
            yield f"{name:22} {shown}"
    yield ""
    head = ("pair", "days", "baseline (m)", "coherence", "valid")
    rows = [
        (
            pair["pair"],
            pair["temporal_baseline"],
            _number(pair.get("perpendicular_baseline"), 1),
            _number(pair.get("mean_coherence"), 3),
            _number(pair.get("valid_fraction"), 2),
        )
        for pair in facts["pairs"]
    ]
    yield from columns([head, *rows])


def _next(sources: list[str], variables: list[str]) -> str:
    if "probability" in variables:
        return command("inventory", *sources[:3], "-o", "inventory.gpkg")
    return command("map", *sources[:3], "-o", "my-map")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
