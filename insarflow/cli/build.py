"""``insarflow build``."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from insarflow.cli.errors import UsageError
from insarflow.cli.options import (
    Append,
    Coherence,
    DryRun,
    Exact,
    HashFiles,
    Machine,
    Output,
    Overwrite,
    Regrid,
    Select,
    SkipBad,
    Sources,
)
from insarflow.cli.plan import computing, show_plan
from insarflow.cli.screen import Screen
from insarflow.cli.values import one_or_many, output_place
from insarflow.cli.verbs import verb
from insarflow.cli.words import command

if TYPE_CHECKING:
    from insarflow.stack.codes import Kind
    from insarflow.workflows.plan import Plan


@verb(
    "build",
    examples=[
        "insarflow build interferograms/ -o stack.zarr",
        "insarflow build hyp3/*.zip -o stack.zarr --bbox 6.5,44.9,7.1,45.3 --delays 6,12",
        "insarflow build frames/*.zip -o stack.zarr --crs EPSG:32632 --resolution 20",
        "insarflow build frames/*.zip -o stack.zarr --grid intersection --crs utm",
        "insarflow build interferograms/ -o stack.zarr --grid reference.tif --skip-bad",
        "insarflow build interferograms/ -o stack.zarr --coherence uint16",
        "insarflow build new_interferograms/ -o stack.zarr --append",
        "insarflow build interferograms/ -o s3://bucket/stack.zarr",
        "insarflow build new_interferograms/ -o stack.zarr --append --dry-run",
        "insarflow build interferograms/ -o stack.zarr --dry-run",
    ],
)
def build(
    *,
    source: Sources,
    output: Output,
    overwrite: Overwrite = False,
    append: Append = False,
    exact: Exact = False,
    coherence: Coherence = "uint8",
    select: Select,
    skip_bad: SkipBad = False,
    hash_files: HashFiles = False,
    regrid: Regrid,
    machine: Machine,
    dry_run: DryRun = False,
    screen: Screen,
) -> None:
    """Make a stack, a Zarr store, from a product, or add to one. Interrupted, the same command goes on where it was."""
    from insarflow.stack.store import append_stack, build_stack
    from insarflow.workflows.selection import Kept

    kept = Kept(exact=exact, coherence=cast("Kind", coherence))
    refused = {"--overwrite": overwrite, "--exact": exact, "--coherence": coherence != "uint8"}
    given = next((name for name, value in refused.items() if value), None)
    if append and given:
        raise UsageError(f"--append goes without {given}: the stack's pixels, and how they are kept, stay as they are")
    sources, path = one_or_many(source), output_place(output)
    selection = regrid.keywords(select.keywords(), skip_bad=skip_bad, hash_files=hash_files)

    def planner(workers: int | None, memory: int | None) -> Plan:
        from insarflow.workflows.plan import plan_build

        held = path if append else None
        return plan_build(sources, append_to=held, workers=workers, memory=memory, selection=selection, **kept)

    if dry_run:
        show_plan(screen, machine, planner)
        return
    if append:
        with computing(screen, machine, planner), screen.stage("appending"):
            added = [pair.name for pair in append_stack(sources, path, **selection)]
        told = f"added {len(added)} interferograms to {path}" if added else f"{path} holds all of them already"
        screen.result({"written": [path] if added else [], "added": added}, [told], then=command("info", path))
        return
    with computing(screen, machine, planner), screen.stage("building"):
        build_stack(sources, path, overwrite=overwrite, **kept, **selection)
    screen.result({"written": [path]}, [f"wrote {path}"], then=command("info", path))
