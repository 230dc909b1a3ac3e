"""``insarflow segment``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from insarflow.cli.options import (
    Device,
    DryRun,
    Machine,
    Model,
    Output,
    Overwrite,
    Recipe,
    Resolution,
    Select,
    Sources,
)
from insarflow.cli.plan import computing, show_plan
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_path, parse_model_resolution, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import command

if TYPE_CHECKING:
    from insarflow.workflows.plan import Plan


@verb(
    "segment",
    examples=[
        "insarflow segment stack.zarr -o probability.zarr",
        "insarflow segment stack.zarr -o probability.zarr --delays 6,12 --device cpu",
    ],
)
def segment(
    *,
    source: Sources,
    output: Output,
    overwrite: Overwrite = False,
    select: Select,
    model: Model = "default",
    recipe: Recipe = "model",
    resolution: Resolution = None,
    device: Device = None,
    machine: Machine,
    dry_run: DryRun = False,
    screen: Screen,
) -> None:
    """Write the probability of movement of every interferogram to a Zarr store."""
    from insarflow.workflows.segment import segment_source

    sources, path, selection = one_or_many(source), output_path(output), select.keywords()
    pixels = read_optional("--resolution", resolution, parse_model_resolution)

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_segment

        return plan_segment(
            sources, model=model, recipe=recipe, resolution=pixels, device=device, workers=workers, memory=memory,
            selection=selection,
        )  # fmt: skip

    if dry_run:
        show_plan(screen, machine, planner)
        return
    with computing(screen, machine, planner):
        _, notes = segment_source(
            sources, path, model=model, recipe=recipe, resolution=pixels, device=device, overwrite=overwrite,
            selection=selection, stage=screen.stage,
        )  # fmt: skip
    for note in notes:
        screen.note(note)
    screen.result(
        {"written": [path], "notes": notes}, [f"wrote {path}"], then=command("inventory", path, "-o", "inventory.gpkg")
    )
