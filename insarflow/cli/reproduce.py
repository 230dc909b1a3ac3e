"""``insarflow reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insarflow.cli.options import MACHINE, PROCESSING, SELECTION, Output, Overwrite, epochs, flag
from insarflow.cli.screen import Screen
from insarflow.cli.values import number, output_path, parse_names, read_flag, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import columns, command
from insarflow.errors import InsarError

if TYPE_CHECKING:
    from insarflow.workflows.reproduce_results import Reproduced

TableName = Annotated[
    str, typer.Argument(metavar="isslide|drsunet|nava|sim1", help="Which paper's table.", show_default=False)
]
Data = Annotated[
    str | None,
    flag("--data", what="Folder of the data set, in its published layout.", panel=SELECTION, metavar="FOLDER"),
]
Simulate = Annotated[
    bool, flag("--simulate", what="Simulate data in the same layout, under the output.", panel=SELECTION, metavar="")
]
Rows = Annotated[
    str | None,
    flag(
        "--rows",
        what="Rows to run, however long they take: ResUNet,SepUNet.",
        panel=SELECTION,
        metavar="NAMES",
        show_default="all",
    ),
]
Scheme = Annotated[
    str,
    flag(
        "--scheme",
        what="Split: published, or isslide: released, zone, acquisitions, apart; drsunet: apart; nava: random.",
        panel=SELECTION,
        metavar="NAME",
    ),
]
Area = Annotated[
    str | None,
    flag("--area", what="Folder of another place, that Table 4 is scored on.", panel=SELECTION, metavar="FOLDER"),
]
Epochs = Annotated[int | None, epochs(show_default="as published")]
Pretrained = Annotated[
    list[str] | None,
    flag(
        "--pretrained",
        what="Local file of weights (safetensors, or a state dict) for rows that start from some.",
        panel=PROCESSING,
        metavar="FILE",
        show_default=False,
    ),
]
Hours = Annotated[
    float | None,
    flag(
        "--hours",
        what="Leave out rows that would be trained for longer here.",
        panel=MACHINE,
        metavar="N",
        parser=number(0),
        show_default="1; any with a GPU",
    ),
]


@verb(
    "reproduce",
    examples=[
        "insarflow reproduce isslide --data ISSLIDE -o table-1 --rows UNet,ResUNet,SepUNet",
        "insarflow reproduce isslide --data ISSLIDE -o table-1 --pretrained fcn.safetensors --pretrained deeplab.pth",
        "insarflow reproduce drsunet --simulate --epochs 5 -o drsunet",
        "insarflow reproduce nava --simulate -o nava",
        "insarflow reproduce sim1 --data sim1 -o networks --hours 2",
    ],
    stopped="rows that are done are kept; the same command goes on",
)
def reproduce(
    *,
    table: TableName,
    output: Output,
    overwrite: Overwrite = False,
    data: Data = None,
    simulate: Simulate = False,
    rows: Rows = None,
    scheme: Scheme = "published",
    area: Area = None,
    epochs: Epochs = None,
    pretrained: Pretrained = None,
    hours: Hours = None,
    screen: Screen,
) -> None:
    """Train the networks of a paper's table and set its numbers beside ours: published / here.

    Scores are worked out as in the paper, warts included; honest ones stand
    below. isslide: means over patches that move, at the threshold that is best
    on the test set itself; F1 of mean precision and mean recall; the AUC of
    the last patch; a distance that is a maximum. drsunet: all pixels at 0.5;
    F1 and IoU of Table 4 need --area. nava: the more probable class.

    The published splits leak: isslide's share radar images, drsunet's random
    patches overlap by half. Other --scheme leak less, or nothing. Rows _P
    start from weights that others trained, from a file of yours.

    Published trainings take days without a GPU: such rows are "not run". The
    same command goes on where it was stopped.
    """
    try:
        from insarflow.workflows.reproduce import reproduce as run
        from insarflow.workflows.reproduce_asked import Reproduction
    except ModuleNotFoundError as error:
        raise InsarError(f"training needs {error.name}: pip install 'insarflow[train]'") from error

    if (data is None) == (not simulate):
        way = "give one of --data and --simulate" if data else "it, or --simulate, is needed"
        raise typer.BadParameter(way, param_hint="--data")
    asked = Reproduction(
        table, data=_folder("--data", data), rows=read_optional("--rows", rows, parse_names), epochs=epochs,
        pretrained=tuple(Path(read_flag("--pretrained", file, str)).expanduser() for file in pretrained or ()),
        scheme=scheme, area=_folder("--area", area), hours=hours,
    )  # fmt: skip
    out, line = output_path(output), command(*sys.argv[1:])
    # Lightning's own bar goes to stdout, which is for results.
    with screen.counter("reproducing"), redirect_stdout(sys.stderr):
        found = run(asked, out, overwrite=overwrite, command=line, progress=screen.live, tell=screen.note)
    screen.facts(
        {"title": found.title, "rows": [outcome.plain() for outcome in found.outcomes], "notes": list(found.notes),
         "written": [out / "table.md", out / "reproduction.json"]},
        _lines(found, out), then="the same command goes on with rows that are not run",
    )  # fmt: skip


def _folder(name: str, text: str | None) -> Path | None:
    given = read_optional(name, text, str)
    return None if given is None else Path(given).expanduser()


def _lines(found: Reproduced, out: Path) -> Iterator[str]:
    yield from (found.title, "")
    yield from columns(found.comparison)
    if found.own:
        yield from ("", "this project's own scores")
        yield from columns(found.own)
    yield ""
    yield from found.notes
    yield f"wrote {out / 'table.md'}"
