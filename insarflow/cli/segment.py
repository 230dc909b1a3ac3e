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
    Resources,
    Run,
    Select,
    Sources,
)
from insarflow.cli.plan import computing, show_plan
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_place, parse_model_resolution, parse_resources, read_optional
from insarflow.cli.verbs import verb
from insarflow.cli.words import command

if TYPE_CHECKING:
    from insarflow.workflows.plan import Plan


@verb(
    "segment",
    examples=[
        "insarflow segment stack.zarr -o probability.zarr",
        "insarflow segment stack.zarr -o probability.zarr --delays 6,12 --device cpu",
        "insarflow segment stack.zarr -o s3://bucket/probability.zarr --encoding uint8 --offsets 8",
        "insarflow segment stack.zarr -o probability.zarr --scheduler tcp://10.0.0.1:8786 --resources GPU=1",
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
    running: Run,
    machine: Machine,
    resources: Resources = None,
    dry_run: DryRun = False,
    screen: Screen,
) -> None:
    """Write the probability of movement of every interferogram to a Zarr store. Stopped, the same command goes on."""
    from insarflow.workflows.segment import segment_source

    sources, path, selection = one_or_many(source), output_place(output), select.keywords()
    how, needed = running.keywords(), read_optional("--resources", resources, parse_resources)
    pixels = read_optional("--resolution", resolution, parse_model_resolution)

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_segment

        return plan_segment(
            sources, model=model, recipe=recipe, resolution=pixels, device=device, workers=workers, memory=memory,
            selection=selection, running=how,
        )  # fmt: skip

    if dry_run:
        show_plan(screen, machine, planner)
        return
    with computing(screen, machine, planner):
        _, notes = segment_source(
            sources, path, model=model, recipe=recipe, resolution=pixels, device=device, overwrite=overwrite,
            selection=selection, running=how, resources=needed, stage=screen.stage,
        )  # fmt: skip
    for note in notes:
        screen.note(note)
    screen.result(
        {"written": [path], "notes": notes}, [f"wrote {path}"], then=command("inventory", path, "-o", "inventory.gpkg")
    )
