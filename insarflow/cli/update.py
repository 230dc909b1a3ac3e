"""``insarflow update``."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from insarflow.cli.errors import UsageError
from insarflow.cli.options import (
    PROCESSING,
    Crs,
    Device,
    Machine,
    Model,
    Output,
    Overwrite,
    Recipe,
    Run,
    Sources,
    flag,
)
from insarflow.cli.plan import computing
from insarflow.cli.screen import Screen
from insarflow.cli.slopes import Keep, Outline
from insarflow.cli.values import one_or_many, output_path, whole
from insarflow.cli.verbs import verb
from insarflow.cli.words import columns, command, describe

if TYPE_CHECKING:
    from insarflow.inventory.changes import Change
    from insarflow.workflows.plan import Plan

CHANGED = 10
"""Exit status, with ``--exit-code``, if something has changed."""

ExitCode = Annotated[
    bool,
    flag(
        "--exit-code",
        what=f"End with exit status {CHANGED} if a slope is new, faster, slower or gone.",
        panel="Display",
        metavar="",
    ),
]

WindowDays = Annotated[
    int | None,
    flag(
        "--window-days",
        what="Days up to the last acquisition that warn early: what moves in them, or at another rate than before.",
        panel=PROCESSING,
        metavar="N",
        parser=whole(1),
        show_default="as before, at first 60",
    ),
]


def _said_otherwise(group: type, name: str, **facts: Any) -> Any:
    """The flag of a group, with something of its help changed."""
    option = copy(get_type_hints(group, include_extras=True)[name].__metadata__[0])
    for fact, value in facts.items():
        setattr(option, fact, value)
    return option


@dataclass(frozen=True)
class OutlineAsBefore(Outline):
    """How slopes are outlined: what is not given is as before."""

    min_area: Annotated[float, _said_otherwise(Outline, "min_area", show_default="as before, at first 10000")] = (
        10_000.0
    )
    fill_holes: Annotated[float, _said_otherwise(Outline, "fill_holes", show_default="as before, at first 0")] = 0.0
    simplify: Annotated[float, _said_otherwise(Outline, "simplify", show_default="as before, at first 0")] = 0.0
    smooth: Annotated[int, _said_otherwise(Outline, "smooth", show_default="as before, at first 0")] = 0


@dataclass(frozen=True)
class RunAll(Run):
    """How a model runs, over all there is."""

    skip_bad: Annotated[bool, _said_otherwise(Run, "skip_bad", hidden=True)] = False


@verb(
    "update",
    examples=[
        "insarflow update stack.zarr -o my-slopes",
        "insarflow build new_interferograms/ -o stack.zarr --append",
        "insarflow update stack.zarr -o my-slopes --exit-code --quiet",
        "insarflow update stack.zarr -o my-slopes --json",
    ],
    stopped="the inventory is as it was; the same command goes on from here",
)
def update(
    *,
    ctx: typer.Context,
    source: Sources,
    output: Output,
    overwrite: Overwrite = False,
    crs: Crs = None,
    model: Model = "default",
    recipe: Recipe = "model",
    outline: OutlineAsBefore,
    keep: Keep,
    window_days: WindowDays = None,
    device: Device = None,
    running: RunAll,
    machine: Machine,
    exit_code: ExitCode = False,
    screen: Screen,
) -> None:
    """Bring an inventory up to date: segment what is new in a stack, tell which slopes are new, faster, slower, gone.

    Ids, and what people wrote in the inventory, stay. The folder keeps every version of it.
    """
    from insarflow.workflows.update import HISTORY, INVENTORY, update_source

    sources, folder, how = one_or_many(source), output_path(output), running.keywords()
    if how.pop("skip_bad"):
        raise UsageError("update goes without --skip-bad: it could not tell what is to be tried again", ctx)
    asked = outline.keywords()
    for name in [name for name in asked if not _given(ctx, name)]:
        del asked[name]  # type: ignore[misc]

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_segment

        return plan_segment(
            sources, model=model, recipe=recipe, device=device, workers=workers, memory=memory, running=how
        )

    with computing(screen, machine, planner):
        result = update_source(
            sources, folder, model=model, recipe=recipe, outlining=asked, crs=crs,
            window_days=window_days, criteria=_criteria(ctx, keep), device=device, running=how, overwrite=overwrite,
            stage=screen.stage,
        )  # fmt: skip
    for note in result.notes:
        screen.note(note)
    again = command("build", "NEW", "-o", *sources[:1] if isinstance(sources, tuple) else (sources,), "--append")
    facts: dict[str, Any] = {"added": result.added, **result.changes.to_dict()}
    if result.slopes is None:
        screen.result(
            facts | {"written": []}, [f"nothing is new: {folder / INVENTORY} is as it was"],
            then=f"add interferograms with {again}",
        )  # fmt: skip
        return
    slopes = result.slopes
    counted, text = describe(slopes)
    kept = [] if result.kept is None else [f"kept the one before as {folder / HISTORY / result.kept.name}"]
    screen.result(
        facts | counted | {"written": [folder / INVENTORY]},
        [
            *_table(result.changes.slopes),
            f"{text}, with {len(result.added)} more interferograms",
            *kept,
            f"wrote {folder / INVENTORY}",
        ],
        then=f"review {folder / INVENTORY} in QGIS; add interferograms with {again}, and run this again",
    )
    if exit_code and result.changes.any:
        raise typer.Exit(CHANGED)


def _given(ctx: typer.Context, name: str) -> bool:
    """Whether a flag was given: what is not is as it was at the last update."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _criteria(ctx: typer.Context, keep: Keep) -> dict[str, Any]:
    """The criteria that were given: numbers, and rasters by their path."""
    asked = {name: value for name, value in asdict(keep).items() if _given(ctx, name)}
    if "min_active" in asked:
        asked["min_active_fraction"] = asked.pop("min_active")
    for name in {"min_elevation", "max_elevation"} & set(asked):
        with suppress(ValueError):
            asked[name] = float(asked[name])
    return asked


def _table(slopes: tuple[Change, ...]) -> list[str]:
    """A line for each slope that changed, by what has become of it."""
    if not slopes:
        return ["no slope is new, faster, slower or gone"]
    from insarflow.inventory.changes import KINDS

    noted = any(one.note for one in slopes)
    rows = [
        (
            one.kind, one.id, f"{one.area_m2 / 1e6:.3f}", _rate(one.los_rate_mm_yr, one.los_rate_std_mm_yr),
            _rate(one.previous_rate_mm_yr), f"{one.longitude:.5f}", f"{one.latitude:.5f}",
            *([one.note] if noted else []),
        )
        for kind in KINDS for one in slopes if one.kind == kind
    ]  # fmt: skip
    return columns(
        [("slope", "id", "km²", "mm/yr", "before", "longitude", "latitude", *(["note"] if noted else [])), *rows]
    )


def _rate(rate: float, error: float = float("nan")) -> str:
    known, sure = rate == rate, error == error
    return f"{rate:+.1f}{f' ±{error:.1f}' if sure else ''}" if known else "-"
