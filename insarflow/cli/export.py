"""``insarflow export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from insarflow.cli.options import (
    DryRun,
    Inventory,
    Machine,
    Output,
    Overwrite,
    Select,
    Sources,
    To,
    Variables,
    Workers,
)
from insarflow.cli.plan import computing, show_plan
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_path, parse_names, read_flag, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import command, size

if TYPE_CHECKING:
    from insarflow.workflows.plan import Plan


@verb(
    "export",
    examples=[
        "insarflow export stack.zarr --to cog -o geotiffs",
        "insarflow export stack.zarr --to netcdf -o stack.nc --bbox 6.5,44.9,7.1,45.3 --delays 6,12",
        "insarflow export stack.zarr --to qgis -o project --inventory my-map/inventory.gpkg",
        "insarflow export interferograms/ --to mintpy -o mintpy --start 2021-07-01",
        "insarflow export stack.zarr --to zip -o stack.zarr.zip",
        "insarflow export stack.zarr --to stac -o catalogue --variables igram,coherence --dry-run",
    ],
    stopped="nothing is left half written; the same command keeps the GeoTIFFs that are finished",
)
def export(
    *,
    source: Sources,
    to: To,
    output: Output,
    overwrite: Overwrite = False,
    inventory: Inventory = None,
    select: Select,
    variables: Variables = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    screen: Screen,
) -> None:
    """Write a stack to files that other programs open. Wrapped phase leaves in radians, with overviews made of it."""
    from insarflow.workflows.export import export_source

    sources, path, wanted = one_or_many(source), output_path(output), read_flag("--to", to, str)
    names = read_optional("--variables", variables, parse_names)
    polygons = read_optional("--inventory", inventory, str)
    selection, machine = select.keywords(), Machine(workers=workers)

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_export

        return plan_export(
            sources, path, to=wanted, variables=names, inventory=polygons, selection=selection, overwrite=overwrite,
            workers=workers, memory=memory,
        )  # fmt: skip

    if dry_run:
        show_plan(screen, machine, planner)
        return
    with computing(screen, machine, planner), screen.counter("exporting") as tell:

        def show(done: int, count: int) -> None:
            if tell is not None:
                tell("exporting", done, count)

        made = export_source(
            sources, path, to=wanted, variables=names, inventory=polygons, selection=selection, overwrite=overwrite,
            tell=show,
        )  # fmt: skip
    facts = {"interferograms": made.interferograms, "files": made.files, "bytes": made.size, "written": [path]}
    told = f"wrote {path} ({made.files} {'file' if made.files == 1 else 'files'}, {size(made.size)})"
    screen.result(facts, [told], then=_next(wanted, path))


def _next(to: str, path: Path) -> str:
    return {
        "netcdf": f"xarray.open_dataset({str(path)!r})",
        "qgis": f"open {path / 'project.qgs'} in QGIS",
        "mintpy": f"smallbaselineApp.py --start modify_network, in {path}",
        "stac": f"pystac.Collection.from_file({str(path / 'collection.json')!r})",
    }.get(to, command("info", path))
