"""``insarflow train``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import typer

from insarflow.cli.options import Bank, Output, Overwrite, Preset, Workers
from insarflow.cli.screen import Screen
from insarflow.cli.values import output_path, read_flag
from insarflow.cli.verbs import verb
from insarflow.cli.words import command
from insarflow.errors import InsarError


@verb(
    "train",
    examples=[
        "insarflow train -o default.safetensors",
        "insarflow train -o smoke.safetensors --preset smoke --bank smoke-bank --workers 2",
    ],
)
def train(
    *,
    output: Output,
    overwrite: Overwrite = False,
    preset: Preset = "default",
    bank: Bank = "bank",
    workers: Workers = None,
    screen: Screen,
) -> None:
    """Train the embedded model from its seed, on simulated regions alone."""
    try:
        from insarflow.workflows.train import PRESETS
        from insarflow.workflows.train import train as run
    except ModuleNotFoundError as error:
        raise InsarError(f"training needs {error.name}: pip install 'insarflow[train]'") from error

    if preset not in PRESETS:
        raise typer.BadParameter(
            f"it must be one of {', '.join(PRESETS)}, instead got {preset!r}", param_hint="--preset"
        )
    path, folder = output_path(output), Path(read_flag("--bank", bank, str))
    # Lightning's own bar goes to stdout, which is for results.
    with screen.counter("training") as tell, redirect_stdout(sys.stderr):
        card = run(PRESETS[preset], path, folder, workers=workers or 2, overwrite=overwrite, progress=tell)
    scores = [f"{where}: {what}" for where, what in card.scores.items()]
    screen.result(
        {"written": [path], "threshold": card.threshold, "scores": card.scores},
        [*scores, f"threshold {card.threshold}", f"wrote {path}"],
        then=command("map", "stack.zarr", "-o", "my-map", "--model", path),
    )
