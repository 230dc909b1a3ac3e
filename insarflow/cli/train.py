"""``insarflow train``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import typer

from insarflow.cli.options import Bank, Config, Output, Overwrite, Preset, Resume, Workers
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
        "insarflow train -o my-run --config run.yaml",
        "insarflow train -o my-run --config my-run/run.yaml --resume",
    ],
)
def train(
    *,
    output: Output,
    overwrite: Overwrite = False,
    config: Config = None,
    resume: Resume = False,
    preset: Preset = "default",
    bank: Bank = "bank",
    workers: Workers = None,
    screen: Screen,
) -> None:
    """Train a model: the embedded one from its seed, on simulated regions alone, or what a run file describes.

    With --config the output is a folder: model.safetensors with its card, run.yaml, and the state to go on from.
    """
    try:
        from insarflow.workflows.run_train import read_train_run
        from insarflow.workflows.train import PRESETS, train_run
        from insarflow.workflows.train import train as run
    except ModuleNotFoundError as error:
        raise InsarError(f"training needs {error.name}: pip install 'insarflow[train]'") from error

    if resume and config is None:
        raise typer.BadParameter("it needs --config, the run to go on with", param_hint="--resume")
    if preset not in PRESETS:
        raise typer.BadParameter(
            f"it must be one of {', '.join(PRESETS)}, instead got {preset!r}", param_hint="--preset"
        )
    path, folder = output_path(output), Path(read_flag("--bank", bank, str))
    # Lightning's own bar goes to stdout, which is for results.
    with screen.counter("training") as tell, redirect_stdout(sys.stderr):
        if config is None:
            card = run(PRESETS[preset], path, folder, workers=workers or 2, overwrite=overwrite, progress=tell)
        else:
            described = read_train_run(Path(config).expanduser())
            card = train_run(described, path, resume=resume, overwrite=overwrite, workers=workers or 2, progress=tell)
            path = path / "model.safetensors"
    scores = [f"{where}: {what}" for where, what in card.scores.items()]
    screen.result(
        {"written": [path], "threshold": card.threshold, "scores": card.scores},
        [*scores, f"threshold {card.threshold}", f"wrote {path}"],
        then=command("map", "stack.zarr", "-o", "my-map", "--model", path),
    )
