"""``insarflow inventory``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from insarflow.cli.options import PROCESSING, RESULT, Crs, Outputs, Overwrite, Select, flag
from insarflow.cli.screen import Screen
from insarflow.cli.slopes import Keep, Outline
from insarflow.cli.values import one_or_many, output_path, read_flag, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import describe

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr


@verb(
    "inventory",
    examples=[
        "insarflow inventory probability.zarr --stack stack.zarr -o inventory.gpkg -o inventory.html",
        "insarflow inventory probability.zarr -o inventory.gpkg --threshold 0.6 --low 0.3 --min-area 20000",
        "insarflow inventory probability.zarr --stack stack.zarr -o seen.parquet --min-pairs 3 --max-elevation ela.tif",
        "insarflow inventory --ascending a.gpkg --descending d.gpkg -o both.gpkg",
    ],
)
def inventory(
    *,
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE...]",
            help="Probabilities, as of insarflow segment: a folder, URL or zip.",
            show_default=False,
        ),
    ] = None,
    output: Outputs,
    overwrite: Overwrite = False,
    crs: Crs = None,
    rasters: Annotated[
        str | None,
        flag(
            "--rasters",
            what="Folder for cloud-optimised GeoTIFFs of probability, support and rate.",
            panel=RESULT,
            metavar="FOLDER",
        ),
    ] = None,
    select: Select,
    stack: Annotated[
        str | None,
        flag(
            "--stack",
            what="The stack that was segmented, to measure rates, coherence and terrain in.",
            panel=PROCESSING,
            metavar="SOURCE",
        ),
    ] = None,
    ascending: Annotated[
        str | None,
        flag("--ascending", what="Inventory, or probabilities, of one pass.", panel=PROCESSING, metavar="SOURCE"),
    ] = None,
    descending: Annotated[
        str | None,
        flag(
            "--descending",
            what="Of the other: slopes that both see count once.",
            panel=PROCESSING,
            metavar="SOURCE",
        ),
    ] = None,
    outline: Outline,
    keep: Keep,
    screen: Screen,
) -> None:
    """Outline and measure moving slopes, and write them to files.

    -o may be given several times: .gpkg, .parquet, .csv, .geojson, or .html for a map that opens offline.
    """
    from insarflow.workflows.inventory import PAGE, fuse_sources, inventory_source

    paths = [output_path(path) for path in output]
    if any(path.suffix.lower() in PAGE for path in paths):
        from insarflow.plot.offline import leaflet

        leaflet()  # an extra that is missing is told before the work
    if (ascending is None) != (descending is None):
        raise typer.BadParameter("--ascending and --descending go together", param_hint="--ascending")
    if (ascending is None) == (not source):
        raise typer.BadParameter("give probabilities, or else --ascending and --descending", param_hint="SOURCE")
    if ascending is not None and descending is not None:
        if stack is not None or rasters is not None or any(select.keywords().values()):
            raise typer.BadParameter(
                "it cannot go with --stack, --rasters and selections: make an inventory of each pass first",
                param_hint="--ascending",
            )
        slopes = fuse_sources(
            read_flag("--ascending", ascending, str), read_flag("--descending", descending, str), paths,
            outlining=outline.keywords(), criteria=keep.criteria(), crs=crs, overwrite=overwrite, draw_page=_page,
            stage=screen.stage,
        )  # fmt: skip
    else:
        slopes = inventory_source(
            one_or_many(source or []), paths, stack=read_optional("--stack", stack, str), outlining=outline.keywords(),
            criteria=keep.criteria(), crs=crs, rasters=None if rasters is None else output_path(rasters),
            overwrite=overwrite, selection=select.keywords(), draw_page=_page, stage=screen.stage,
        )  # fmt: skip
    facts, text = describe(slopes)
    left_out = slopes.attrs.get("left_out", {}) if keep != Keep() else {}
    lines = [text, *(f"left out by {name}: {count}" for name, count in left_out.items())]
    made = [*paths, *([output_path(rasters)] if rasters is not None else [])]
    opened_by = "a browser" if paths[0].suffix == ".html" else "QGIS, or with insarflow.inventory.read_inventory"
    screen.result(
        facts | {"left_out": left_out, "written": made}, [*lines, *(f"wrote {path}" for path in made)],
        then=f"open {paths[0]} in {opened_by}",
    )  # fmt: skip


def _page(slopes: gpd.GeoDataFrame, path: Path, dem: xr.DataArray | None) -> None:
    from insarflow.plot.page import write_page

    write_page(slopes, path, dem=dem, overwrite=True)
