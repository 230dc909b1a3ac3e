"""``insarflow simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from insarflow.cli.options import (
    Acquisitions,
    Delays,
    Dem,
    Flight,
    Interferograms,
    Movers,
    Output,
    Overwrite,
    PixelSize,
    Seed,
    Size,
    Start,
)
from insarflow.cli.screen import Screen
from insarflow.cli.values import output_path, parse_day, parse_delays, parse_size, read_flag
from insarflow.cli.verbs import verb
from insarflow.cli.words import command

if TYPE_CHECKING:
    from insarflow.simulate.scene import Direction


@verb(
    "simulate",
    examples=[
        "insarflow simulate -o region",
        "insarflow simulate -o region --size 1024,1536 --seed 7 --delays 6,12 --movers 60",
        "insarflow simulate -o region --processing isslide --pixel-size 14.64 --direction descending",
        "insarflow simulate -o region --dem heights.tif --movers 25",
    ],
)
def simulate(
    *,
    output: Output,
    overwrite: Overwrite = False,
    size: Size = "512,512",
    pixel_size: PixelSize = 20.0,
    movers: Movers = 40,
    acquisitions: Acquisitions = 8,
    seed: Seed = 0,
    start: Start = "2021-07-03",
    delays: Delays = "6,12,18",
    processing: Interferograms = "unfiltered",
    direction: Flight = "ascending",
    dem: Dem = None,
    screen: Screen,
) -> None:
    """Simulate a mountain region: a stack of interferograms, and the true movers."""
    from insarflow.workflows.simulate import simulate_region

    folder = output_path(output)
    region = simulate_region(
        folder,
        shape=read_flag("--size", size, parse_size),
        seed=seed,
        acquisitions=acquisitions,
        delays=read_flag("--delays", delays or "", parse_delays),
        movers=movers,
        pixel_size=pixel_size,
        start=read_flag("--start", start or "", parse_day),
        processing=processing,
        direction=cast("Direction", direction),
        dem=None if dem is None else read_flag("--dem", dem, Path),
        overwrite=overwrite,
        stage=screen.stage,
    )
    files = [folder / name for name in ("stack.zarr", "truth.gpkg", "truth_rate.tif")]
    seen = f"{region.movers} movers, {region.visible} of them visible in one of {region.interferograms} interferograms"
    screen.result(
        {
            "interferograms": region.interferograms,
            "movers": region.movers,
            "visible": region.visible,
            "written": files,
        },
        [seen, *(f"wrote {file}" for file in files)],
        then=command("map", folder / "stack.zarr", "-o", "my-map"),
    )
