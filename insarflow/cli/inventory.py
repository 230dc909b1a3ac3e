"""``insarflow inventory``."""

from __future__ import annotations

from insarflow.cli.options import Crs, MinArea, Output, Overwrite, Select, Sources, Threshold
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_path
from insarflow.cli.verbs import verb
from insarflow.cli.words import describe


@verb(
    "inventory",
    examples=[
        "insarflow inventory probability.zarr -o inventory.gpkg",
        "insarflow inventory probability.zarr -o inventory.gpkg --threshold 0.6 --min-area 20000 --crs EPSG:4326",
    ],
)
def inventory(
    *,
    source: Sources,
    output: Output,
    overwrite: Overwrite = False,
    crs: Crs = None,
    select: Select,
    threshold: Threshold = None,
    min_area: MinArea = 10_000.0,
    screen: Screen,
) -> None:
    """Outline moving slopes from probabilities and write them as a GeoPackage."""
    from insarflow.workflows.inventory import inventory_source

    path = output_path(output)
    polygons = inventory_source(
        one_or_many(source), path, threshold=threshold, min_area=min_area, crs=crs, overwrite=overwrite,
        selection=select.keywords(), stage=screen.stage,
    )  # fmt: skip
    facts, text = describe(polygons)
    screen.result(
        facts | {"written": [path]}, [text, f"wrote {path}"], then=f"open {path} in QGIS, or with geopandas.read_file"
    )
