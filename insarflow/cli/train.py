"""``insarflow train``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import typer

from insarflow.cli.options import Bank, Config, Output, Overwrite, Preset, Resume, Workers
from insarflow.cli.screen import Screen
from insarflow.cli.tuning import Stacks, Tuning
from insarflow.cli.values import output_path, read_flag
from insarflow.cli.verbs import verb
from insarflow.cli.words import command
from insarflow.errors import InsarError


@verb(
    "train",
    examples=[
        "insarflow train stack.zarr --from default --labels mine.gpkg --holdout zone.gpkg -o my-model",
        "insarflow train stack.zarr --labels mine.gpkg --field confidence=CONF --holdout-start 2022-06-01 -o my-model",
        "insarflow train -o default.safetensors",
        "insarflow train -o smoke.safetensors --preset smoke --bank smoke-bank --workers 2",
        "insarflow train -o my-run --config run.yaml",
        "insarflow train -o my-run --config my-run/run.yaml --resume",
    ],
)
def train(
    stacks: Stacks = None,
    *,
    output: Output,
    overwrite: Overwrite = False,
    config: Config = None,
    resume: Resume = False,
    preset: Preset = "default",
    bank: Bank = "bank",
    workers: Workers = None,
    tuning: Tuning,
    screen: Screen,
) -> None:
    """Train a model: on stacks with labels of your own, as a run file describes, or the embedded one from its seed.

    With stacks or --config the output is a folder: model.safetensors with its card, run.yaml, the state to go on from;
    and leakage.txt, what training on labels shares with what is kept for the score.
    """
    try:
        from insarflow.workflows.run_train import read_train_run
        from insarflow.workflows.train import PRESETS, train_run
        from insarflow.workflows.train import train as run
        from insarflow.workflows.train_labelled import LEAKAGE
    except ModuleNotFoundError as error:
        raise InsarError(f"training needs {error.name}: pip install 'insarflow[train]'") from error

    _check(stacks, config, tuning, resume=resume)
    if preset not in PRESETS:
        raise typer.BadParameter(
            f"it must be one of {', '.join(PRESETS)}, instead got {preset!r}", param_hint="--preset"
        )
    path, folder = output_path(output), Path(read_flag("--bank", bank, str))
    # Lightning's own bar goes to stdout, which is for results.
    with screen.counter("training") as tell, redirect_stdout(sys.stderr):
        if config is None and not stacks:
            card = run(PRESETS[preset], path, folder, workers=workers or 2, overwrite=overwrite, progress=tell)
            written = [path]
        else:
            described = tuning.described(stacks) if stacks else read_train_run(Path(str(config)).expanduser())
            card = train_run(described, path, resume=resume, overwrite=overwrite, workers=workers or 2, progress=tell)
            written = [path / "model.safetensors", *(file for file in [path / LEAKAGE] if file.exists())]
    told = written[-1].read_text(encoding="utf-8").splitlines() if len(written) > 1 else []
    screen.result(
        {"written": written, "threshold": card.threshold, "peak": card.peak, "scores": card.scores},
        [
            *told,
            *scores_of(card.scores),
            f"threshold {card.threshold}, peak {card.peak}",
            *(f"wrote {file}" for file in written[::-1]),
        ],
        then=command("map", stacks[0] if stacks else "stack.zarr", "-o", "my-map", "--model", written[0]),
    )


def _check(stacks: list[str] | None, config: str | None, tuning: Tuning, *, resume: bool) -> None:
    """Refuse flags that do not go together."""
    asked = tuning.asked()
    if config is not None and (stacks or asked):
        raise typer.BadParameter("a run file tells it: leave it out", param_hint="STACK" if stacks else asked[0])
    if stacks or config is not None:
        return
    if asked:
        raise typer.BadParameter("it needs a STACK", param_hint=asked[0])
    if resume:
        raise typer.BadParameter("it needs --config, the run to go on with", param_hint="--resume")


def scores_of(scores: Mapping[str, Any]) -> list[str]:
    """A line for each kind of pairs of each set of data."""
    lines = []
    for where, kinds in scores.items():
        for kind, one in kinds.items():
            name = "season" if kind == "season" else "pairs" if kind == "all" else f"{kind} days"
            objects = "{found} of {movers} movers found, {false} false polygons".format(
                **one["object"], movers=one["object"]["found"] + one["object"]["missed"]
            )
            lines.append(f"{where}, {name}: {objects}; pixels: F1 {one['pixel']['f1']}, IoU {one['pixel']['iou']}")
    return lines
