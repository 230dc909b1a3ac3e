"""``insarflow evaluate``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from insarflow.cli.options import PROCESSING, SELECTION, flag
from insarflow.cli.screen import Screen
from insarflow.cli.values import number, read_flag, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import columns

if TYPE_CHECKING:
    from insarflow.inventory.scores import Evaluation

Outlines = Annotated[
    str,
    typer.Argument(
        metavar="INVENTORY",
        help="Outlines: a GeoPackage, GeoJSON, Shapefile or GeoParquet with one layer.",
        show_default=False,
    ),
]
Reference = Annotated[
    str,
    flag(
        "--reference",
        what="Outlines that are taken for true, in such a file.",
        panel=SELECTION,
        metavar="FILE",
        show_default=False,
    ),
]
Region = Annotated[
    str | None,
    flag("--region", what="Polygons in such a file: nothing outside is judged.", panel=SELECTION, metavar="FILE"),
]
MinIou = Annotated[
    float,
    flag(
        "--min-iou",
        what="Intersection over union from which an outline is a slope of the reference.",
        panel=PROCESSING,
        metavar="SHARE",
        parser=number(0),
    ),
]
RateField = Annotated[
    str | None,
    flag(
        "--rate-field",
        what="Column of the reference with the speed along the line of sight, mm/yr, positive toward the radar.",
        panel=PROCESSING,
        metavar="NAME",
        show_default="los_rate_mm_yr, if it has it",
    ),
]

_WORDS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "located": "slopes located",
    "on_reference": "outlines on slopes",
    "area_precision": "precision of the area",
    "area_recall": "recall of the area",
    "area_iou": "IoU of the area",
    "area_ratio": "area, found / true (median)",
    "rate_bias_mm_yr": "rate, found - true (mm/yr)",
    "rate_rms_mm_yr": "the same, root mean square",
    "rate_within_2_std": "rates within 2 std",
    "direction": "same direction",
}


@verb(
    "evaluate",
    examples=[
        "insarflow evaluate inventory.gpkg --reference mapped.gpkg",
        "insarflow evaluate inventory.gpkg --reference mapped.gpkg --region visited.geojson --min-iou 0.5",
        "insarflow evaluate inventory.gpkg --reference mapped.gpkg --rate-field velocity --json",
    ],
)
def evaluate(
    *,
    inventory: Outlines,
    reference: Reference,
    region: Region = None,
    min_iou: MinIou = 0.3,
    rate_field: RateField = None,
    screen: Screen,
) -> None:
    """Compare an inventory with a reference: slopes found, missed and false, areas, rates."""
    from insarflow.workflows.evaluate import evaluate_files

    evaluation = evaluate_files(
        read_flag("INVENTORY", inventory, str), read_flag("--reference", reference, str),
        region=read_optional("--region", region, str), min_iou=min_iou,
        rate_field=read_optional("--rate-field", rate_field, str), stage=screen.stage,
    )  # fmt: skip
    for text in _notes(evaluation):
        screen.note(text)
    screen.facts(evaluation.to_dict(), _lines(evaluation), then="the same command with --json tells which slopes")


def _lines(evaluation: Evaluation) -> Iterator[str]:
    e = evaluation
    yield from columns(
        [
            ("", "number", "km²", "found", "missed", "false"),
            ("reference", e.found + e.missed, f"{e.reference_area_m2 / 1e6:.3f}", e.found, e.missed, ""),
            ("inventory", e.outlines, f"{e.area_m2 / 1e6:.3f}", "", "", e.false),
        ]
    )
    yield ""
    told = {name: score for name, score in e.scores.items() if score.value == score.value}
    rows = [(_WORDS[name], *(_number(value) for value in score)) for name, score in told.items()]
    yield from columns([("score", "value", "95 % from", "to"), *rows])


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "-"


def _notes(evaluation: Evaluation) -> Iterator[str]:
    e = evaluation
    for name, rejected, outside, twice in (
        ("inventory", e.rejected, e.outside, e.duplicates),
        ("reference", e.reference_rejected, e.reference_outside, e.reference_duplicates),
    ):
        told = {"rejected, left out": rejected, "outside the region, not judged": outside, "outlined twice": twice}
        if any(told.values()):
            yield f"{name}: {'; '.join(f'{count} {what}' for what, count in told.items() if count)}"
    if e.aliased:
        yield f"{e.aliased} found with a rate that may lack whole cycles: not compared"
