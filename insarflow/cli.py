"""The command line: parse, call a workflow, print."""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from dask.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from insarflow.errors import InsarError, RecipeWarning

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="From stacks of radar interferograms to maps of moving slopes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are already there.")]
Model = Annotated[str, typer.Option("--model", help="Name of a model, or path of its .safetensors file.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that a user can cause into one line and exit status 1, and show warnings as they come.

    The environment variable ``INSARFLOW_DEBUG`` shows the traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", RecipeWarning)
                warnings.showwarning = _show_warning
                return command(*args, **kwargs)
        except (InsarError, ValueError, OSError) as error:
            if os.environ.get("INSARFLOW_DEBUG"):
                raise
            err.print(f"error: {' '.join(str(error).split())}", style="red", markup=False, highlight=False)
            raise typer.Exit(1) from error

    return run


def _show_warning(message: Warning | str, *_args: Any, **_kwargs: Any) -> None:
    err.print(f"warning: {message}", style="yellow", markup=False, highlight=False)


@app.command()
@one_line_errors
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("insarflow-demo"),
    seed: Annotated[int, typer.Option(help="Which region to simulate.")] = 2024,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a mountain region, map its moving slopes with the embedded model, and score the map.

    Needs no network and no data. Example: insarflow demo -o insarflow-demo --overwrite.
    """
    from insarflow.plot import draw_map
    from insarflow.workflows.demo import demo as run

    result, score = run(output, seed=seed, overwrite=overwrite, stage=stage, draw=draw_map)
    table = Table(title="Moving slopes in the simulated region", title_justify="left")
    for name in score.table.columns:
        table.add_column(name, justify="left" if name == "movers" else "right")
    for row in score.table.itertuples(index=False):
        table.add_row(*map(str, row))
    out.print(table)
    out.print(f"false: {score.false} of {len(result.polygons)} polygons touch no mover")
    _files(output, ("map.png", "inventory.gpkg", "probability.tif", "support.tif", "stack.zarr"))
    out.print("The same on your own interferograms (a folder of GeoTIFF pairs, or a stack):")
    out.print("  insarflow map FOLDER -o my-map", markup=False)


@app.command()
@one_line_errors
def info(
    source: Annotated[Path, typer.Argument(help="A stack, or a folder of GeoTIFF interferograms.")],
    as_json: Json = False,
) -> None:
    """Say what a stack or product holds. Example: insarflow info stack.zarr --json."""
    from insarflow.workflows.info import describe_source

    with stage("reading", transient=True):
        facts = describe_source(source)
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    pairs = facts.pop("pairs")
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "unknown" if value is None else value
        out.print(f"{name:22} {shown}", markup=False, highlight=False)
    out.print()
    out.print(f"{'pair':17}  days  baseline (m)  coherence  valid", style="bold", highlight=False)
    for pair in pairs:
        days, baseline = pair["temporal_baseline"], _number(pair["perpendicular_baseline"], "12.1f")
        coherence, valid = _number(pair["mean_coherence"], "9.3f"), _number(pair["valid_fraction"], "5.2f")
        out.print(f"{pair['pair']}  {days:4}  {baseline}  {coherence}  {valid}", markup=False, highlight=False)


def _number(value: float | None, form: str) -> str:
    return " " * (int(form.split(".")[0]) - 1) + "-" if value is None else f"{value:{form}}"


@app.command()
@one_line_errors
def build(
    source: Annotated[Path, typer.Argument(help="A folder of GeoTIFF interferograms.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The Zarr store to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Make a stack from a product. Example: insarflow build interferograms/ -o stack.zarr."""
    from insarflow.stack.store import build_stack

    with stage("building"):
        path = build_stack(source, output, overwrite=overwrite)
    out.print(f"wrote {path}", markup=False)
    out.print(f"look at it: insarflow info {path}", markup=False)


@app.command(name="map")
@one_line_errors
def map_command(
    source: Annotated[Path, typer.Argument(help="A stack, or a folder of GeoTIFF interferograms.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    model: Model = "default",
    overwrite: Overwrite = False,
) -> None:
    """Map moving slopes: inventory, rasters, picture. Example: insarflow map stack.zarr -o my-map."""
    from insarflow.plot import draw_map
    from insarflow.workflows.map import map_source

    result = map_source(source, output, model=model, overwrite=overwrite, stage=stage, draw=draw_map)
    for note in result.notes:
        out.print(f"note: {note}", markup=False, highlight=False)
    area = result.polygons["area_m2"].sum() / 1e6
    slopes = "1 moving slope" if len(result.polygons) == 1 else f"{len(result.polygons)} moving slopes"
    out.print(f"{slopes}, {area:.3f} km², at probability {result.threshold:.2f} or more")
    _files(output, ("map.png", "inventory.gpkg", "probability.tif", "support.tif"))


@app.command()
@one_line_errors
def train(
    output: Annotated[Path, typer.Option("-o", "--output", help="The .safetensors file to write.")],
    preset: Annotated[str, typer.Option(help="What to train: default, or smoke (a minute, of no use).")] = "default",
    bank: Annotated[Path, typer.Option(help="Folder for simulated patches, used again if it is there.")] = Path("bank"),
    workers: Annotated[int, typer.Option(help="Processes that simulate.", min=1)] = 2,
) -> None:
    """Train the embedded model from its seed. Example: insarflow train --preset default -o default.safetensors."""
    try:
        from insarflow.workflows.train import PRESETS
        from insarflow.workflows.train import train as run
    except ModuleNotFoundError as error:
        raise InsarError(f"training needs {error.name}: pip install 'insarflow[train]'") from error

    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, instead got preset={preset!r}")
    with _bar() as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, wanted: int) -> None:
            task = tasks.setdefault(what, None)
            if task is None:
                task = tasks[what] = bar.add_task(what, total=wanted)
            bar.update(task, completed=done)

        card = run(PRESETS[preset], output, bank, workers=workers, progress=tell)
    out.print(f"wrote {output}; threshold {card.threshold}", markup=False)
    out.print_json(json.dumps(card.scores))


@contextmanager
def stage(what: str, *, transient: bool = False) -> Iterator[None]:
    """Show progress of whatever dask computes inside."""
    with _bar(transient) as bar:
        task = bar.add_task(what, total=None)

        class Report(Callback):
            def _start_state(self, _: Any, state: Any) -> None:
                total = sum(len(state[k]) for k in ("ready", "waiting", "running", "finished"))
                bar.update(task, total=total, completed=len(state["finished"]))

            def _posttask(self, _key: Any, _result: Any, _dsk: Any, state: Any, _worker: Any) -> None:
                bar.update(task, completed=len(state["finished"]))

        with Report():  # type: ignore[no-untyped-call]
            try:
                yield
            except BaseException:
                bar.live.transient = True
                raise
        bar.update(task, total=1, completed=1)


def _bar(transient: bool = False) -> Progress:
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=transient)


def _files(folder: Path, names: tuple[str, ...]) -> None:
    out.print("files:")
    for name in names:
        out.print(f"  {folder / name}", markup=False, highlight=False)


def main() -> None:
    """Run the command line."""
    # As an interrupt: what is half written is cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()


if __name__ == "__main__":
    main()
