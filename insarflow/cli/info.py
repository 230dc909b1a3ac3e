"""``insarflow info``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from insarflow.cli.errors import UsageError
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
        "insarflow info model.safetensors",
        "insarflow info default",
        "insarflow info mine.gpkg",
    ],
)
def info(*, source: Sources, select: Select, fast: Fast = False, screen: Screen) -> None:
    """Say what a stack or product holds, what the card of a model tells, or which fields a file of polygons has."""
    wanted = one_or_many(source)
    if isinstance(wanted, str) and wanted.lower().endswith(POLYGONS):
        from insarflow.workflows.info import describe_labels

        if select.keywords():
            raise UsageError(f"no part of the polygons {wanted} can be chosen: leave --bbox and the like out")
        facts = describe_labels(wanted)
        screen.facts(facts, _labels(facts), then=_training(wanted, facts))
        return
    if isinstance(wanted, str) and _may_name_model(wanted):
        from insarflow.workflows.model_facts import describe_model, names_model

        if names_model(wanted):
            if select.keywords():
                raise UsageError(f"no part of the model {wanted} can be chosen: leave --bbox and the like out")
            facts = describe_model(wanted)
            screen.facts(facts, _model(facts), then=command("map", "STACK", "--model", wanted, "-o", "my-map"))
            return
    from insarflow.workflows.info import describe_source

    with screen.stage("reading"):
        facts = describe_source(wanted, selection=select.keywords(), fast=fast)
    screen.facts(facts, _lines(facts), then=_next(source, facts["variables"]))


def _may_name_model(source: str) -> bool:
    """Without torch, which takes seconds to import: a word or a file's name that a stack does not have."""
    return source.endswith(".safetensors") or source.isalnum()


POLYGONS = (".gpkg", ".geojson", ".json", ".shp", ".parquet", ".geoparquet")
"""Endings of files of polygons."""


def _labels(facts: Mapping[str, Any]) -> Iterator[str]:
    shapes = ", ".join(f"{count} {kind}" for kind, count in facts["shapes"].items()) or "none"
    for name, value in (("polygons", facts["polygons"]), ("shapes", shapes), ("crs", facts["crs"] or "none")):
        yield f"{name:22} {value}"
    yield ""
    rows = [
        (
            field["name"],
            field["type"],
            field["empty"] or "-",
            ", ".join(field["values"])
            + (f", ... ({field['different']})" * (field["different"] > len(field["values"]))),
            field["could_be"] or "-",
        )
        for field in facts["fields"]
    ]
    yield from columns([("field", "type", "empty", "values", "could be"), *rows], left=5)
    if facts["levels"]:
        yield ""
        yield f"confidence {', '.join(facts['levels'])}: read_labels needs levels= that say how sure each is, 0 to 1"


def _training(path: str, facts: Mapping[str, Any]) -> str:
    """Training on the polygons, with the fields that it can read as they are."""
    from insarflow.learn.label_files import FIELDS

    known = {
        m: c for m, c in facts["fields_map"].items() if m in FIELDS and not (m == "confidence" and facts["levels"])
    }
    fields = [part for meaning, column in known.items() for part in ("--field", f"{meaning}={column}")]
    return command("train", "STACK", "--labels", path, *fields, "--holdout", "ZONE.gpkg", "-o", "my-model")


def _model(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name not in ("normalisation", "training", "scores"):
            yield f"{name:22} {_told(name, value)}"
    for name in ("normalisation", "training"):
        for place, leaves in _leaves(facts[name], (name,)):
            yield from ("", " / ".join(place))
            yield from (f"  {line}" for line in columns([(k, _short(v)) for k, v in leaves.items()], left=2))
    tables: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    for place, leaves in _leaves(facts["scores"], ()):
        tables.setdefault(tuple(leaves), []).append((" / ".join(place), *map(_short, leaves.values())))
    for head, rows in tables.items():
        yield ""
        yield from columns([("scores", *head), *rows])


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return f"{value[0]}, ... ({len(value)})" if len(value) > SHOWN else ", ".join(map(str, value))


SHOWN = 12
"""Values of a list that are printed; of longer ones, the first and how many they are."""


def _told(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if name == "recipe":
        return "; ".join(", ".join(f"{k} {v}" for k, v in step.items()) for step in value) or "none"
    if name == "cite":
        return "; ".join(value) or "nothing told"
    if isinstance(value, list):
        return (" to " if name == "pixel_size_m" else ", ").join(map(str, value)) or "none"
    return str(value)


def _leaves(values: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Objects in each other, one after the other, each with what it holds beside others."""
    own = {k: v for k, v in values.items() if not isinstance(v, Mapping)}
    if own:
        yield place, own
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*place, name))


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
