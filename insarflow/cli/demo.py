"""``insarflow demo``."""

from __future__ import annotations

from insarflow.cli.options import Output, Overwrite, Seed
from insarflow.cli.screen import Screen
from insarflow.cli.values import output_path
from insarflow.cli.verbs import verb
from insarflow.cli.words import columns


@verb(
    "demo",
    examples=["insarflow demo", "insarflow demo -o my-demo --seed 11", "insarflow demo --overwrite --json"],
)
def demo(*, output: Output = "insarflow-demo", overwrite: Overwrite = False, seed: Seed = 7, screen: Screen) -> None:
    """Simulate a mountain region, map its moving slopes, score the map: no network and no data are needed."""
    from insarflow.plot import draw_map
    from insarflow.workflows.demo import demo as run

    folder = output_path(output)
    result, score = run(folder, seed=seed, overwrite=overwrite, stage=screen.stage, draw=draw_map)
    names = list(score.table.columns)
    rows = [[str(cell) for cell in row] for row in score.table.itertuples(index=False)]
    files = [folder / name for name in ("map.png", "inventory.gpkg", "probability.tif", "support.tif", "stack.zarr")]
    screen.result(
        {
            "score": score.table.to_dict("records"),
            "false": score.false,
            "polygons": len(result.polygons),
            "written": files,
        },
        [
            *columns([names, *rows]),
            f"false: {score.false} of {len(result.polygons)} polygons touch no mover",
            *(f"wrote {file}" for file in files),
        ],
        then="the same on interferograms of your own: insarflow map FOLDER -o my-map",
    )
