"""``insarflow map``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from insarflow.cli.errors import UsageError
from insarflow.cli.options import (
    Crs,
    Device,
    DryRun,
    Machine,
    MaybeOutput,
    MinArea,
    Model,
    Overwrite,
    Peak,
    Recipe,
    Resolution,
    Select,
    Sources,
    Threshold,
)
from insarflow.cli.plan import computing, show_plan
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_path, parse_model_resolution, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import command, describe

if TYPE_CHECKING:
    from insarflow.workflows.plan import Plan
    from insarflow.workflows.run import MapRun

FREE = {"source", "output", "overwrite", "device", "scheduler", "workers", "memory", "dry_run"}
FREE |= {"json", "quiet", "verbose"}
"""Flags that may go with a run.yaml: they do not change the map."""


@verb(
    "map",
    examples=[
        "insarflow map stack.zarr -o my-map",
        "insarflow map interferograms/ -o my-map --bbox 6.5,44.9,7.1,45.3 --delays 6,12 --crs EPSG:4326",
        "insarflow map stack.zarr -o my-map --dry-run",
        "insarflow map my-map/run.yaml --overwrite",
    ],
    stopped="the same command goes on from here",
)
def map_command(
    *,
    ctx: typer.Context,
    source: Sources,
    output: MaybeOutput = None,
    overwrite: Overwrite = False,
    crs: Crs = None,
    select: Select,
    model: Model = "default",
    recipe: Recipe = "model",
    resolution: Resolution = None,
    threshold: Threshold = None,
    peak: Peak = None,
    min_area: MinArea = 10_000.0,
    device: Device = None,
    machine: Machine,
    dry_run: DryRun = False,
    screen: Screen,
) -> None:
    """Map moving slopes: inventory, rasters, picture; or repeat a map from its run.yaml.

    What is done is kept: after an interrupt the same command goes on.
    """
    from insarflow.workflows.run import MapRun

    one_or_many(source)
    if len(source) == 1 and Path(source[0]).suffix in (".yaml", ".yml"):
        run = _repeated(ctx, Path(source[0]), device)
        folder = Path(source[0]).parent if output is None else output_path(output)
    else:
        part: dict[str, Any] = {**select.keywords()}
        run = MapRun(
            tuple(source), model=model, recipe=recipe,
            resolution=read_optional("--resolution", resolution, parse_model_resolution), threshold=threshold,
            peak=peak, min_area=min_area, crs=crs, device=device, **part,
        )  # fmt: skip
        folder = _folder(ctx, output, dry_run=dry_run)

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_map

        return plan_map(run, workers=workers, memory=memory)

    if dry_run:
        show_plan(screen, machine, planner)
    else:
        with computing(screen, machine, planner):
            _make(screen, run, folder, overwrite=overwrite)


def _make(screen: Screen, run: MapRun, folder: Path, *, overwrite: bool) -> None:
    from insarflow.plot import draw_map
    from insarflow.workflows.map import map_source

    result = map_source(run, folder, overwrite=overwrite, stage=screen.stage, draw=draw_map)
    for note in result.notes:
        screen.note(note)
    facts, text = describe(result.polygons)
    cut = {"threshold": result.threshold, "peak": result.polygons.attrs["peak"]}
    text += ", at probability {threshold:.2f} or more, {peak:.2f} somewhere".format(**cut)
    files = [folder / name for name in ("map.png", "inventory.gpkg", "probability.tif", "support.tif", "run.yaml")]
    screen.result(
        facts | cut | {"notes": result.notes, "written": files},
        [text, *(f"wrote {file}" for file in files)],
        then=f"look at {files[0]}; open {files[1]} in QGIS; again: {command('map', files[-1], '-o', 'another')}",
    )


def _repeated(ctx: typer.Context, path: Path, device: str | None) -> MapRun:
    """The run of a run.yaml; where the model runs is this machine's affair."""
    from insarflow.workflows.run import read_run

    _refuse_parameters(ctx)
    run = read_run(path)
    return run if device is None else replace(run, device=device)


def _refuse_parameters(ctx: typer.Context) -> None:
    for param in ctx.command.params:
        source = ctx.get_parameter_source(str(param.name))
        if param.name not in FREE and source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"with a run.yaml {param.opts[-1]} comes from the file: leave it out, or edit the file", ctx
            )


def _folder(ctx: typer.Context, output: str | None, *, dry_run: bool) -> Path:
    if output is None and not dry_run:
        raise UsageError(f"{ctx.command_path} needs -o/--output (Where the result goes)", ctx)
    return Path() if output is None else output_path(output)
