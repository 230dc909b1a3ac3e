"""One row of a table: how long it would take, its training, its scores."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insarflow.errors import InsarError
from insarflow.learn.classify import fit_clips
from insarflow.learn.cost import cost_of, has_gpu, step_seconds
from insarflow.learn.protocols import evaluate
from insarflow.learn.train import Fitted, fit, fresh_network
from insarflow.learn.training import Training
from insarflow.workflows.reproduce_table import Outcome, Row, Splits, Table

if TYPE_CHECKING:
    from torch import nn

    from insarflow.workflows.reproduce_weights import Weights


@dataclass(frozen=True)
class Work:
    """What is asked of every row.

    Attributes
    ----------
    table
        Whose rows.
    folder
        Gets a folder for each training.
    epochs
        Instead of the published number; None for that.
    seed
        Of weights, order and augmentations.
    progress
        Show bars.
    """

    table: Table
    folder: Path
    epochs: int | None
    seed: int
    progress: bool

    def training(self, row: Row) -> Training:
        """As published, but for the epochs that are asked for."""
        return replace(row.training, epochs=self.epochs or row.training.epochs, seed=self.seed)


def costs(table: Table, row: Row, channels: int) -> dict[str, float]:
    """Millions of parameters and billions of multiply-adds, where the table has them."""
    if table.costs is None:
        return {}
    cost = cost_of(row.network, channels, side=table.costs)
    return {"parameters": cost.parameters / 1e6, "multiply_adds": cost.multiply_adds / 1e9}


def hours_of(work: Work, row: Row, splits: Splits) -> float:
    """How long the training would take here, from a few timed steps."""
    training = work.training(row)
    size = training.batch_size
    steps = max(len(splits.train) // size, 1) * training.epochs
    seconds = step_seconds(row.network, len(splits.channels), side=work.table.side, batch_size=size)
    return steps * seconds / 3600


def too_long(hours: float, limit: float) -> str:
    """Why such a row is not run."""
    way = "choose fewer --epochs" if has_gpu() else "a GPU is needed"
    return f"about {hours:.2g} hours here, above --hours {limit:g}: {way}, or name the row with --rows"


def run_row(work: Work, row: Row, splits: Splits, weights: Weights | None) -> Outcome:
    """Train and score a row; a training that was stopped goes on.

    Raises
    ------
    InsarError
        As `insarflow.learn.train.fit` and `insarflow.learn.protocols.evaluate`, naming the row.
    """
    began, training = time.monotonic(), work.training(row)
    network = fresh_network(row.network, len(splits.channels), seed=work.seed)
    started = None if weights is None else f"{row.name} {weights.into(network)}"
    folder = work.folder / folder_of_row(row, weights)
    try:
        fitted = _fitted(network, splits, folder, training, progress=work.progress)
        found = evaluate(network, splits.test, work.table.protocol, validation=splits.validation, seed=work.seed)
        area = _area(work.table, network, splits)
    except InsarError as error:
        raise type(error)(f"row {row.name}: {error}") from error
    fewer = f"trained for {training.epochs} epochs, published are {row.training.epochs}"
    notes = [started, fewer if training.epochs != row.training.epochs else None, splits.note, *found.notes]
    return Outcome(
        row.name, row.network, row.published,
        reproduced={**found.published, **area, **costs(work.table, row, len(splits.channels))},
        honest=found.honest, notes=tuple(note for note in notes if note), epochs=fitted.epochs,
        best_epoch=fitted.best_epoch, seconds=round(time.monotonic() - began, 1),
        weights=None if weights is None else weights.sha256,
    )  # fmt: skip


def folder_of_row(row: Row, weights: Weights | None) -> str:
    """Name of the folder of a row's training: another beginning, another folder."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", row.name).strip("-")
    return name if weights is None else f"{name}-{weights.sha256[:12]}"


def _fitted(network: nn.Module, splits: Splits, folder: Path, training: Training, *, progress: bool) -> Fitted:
    if "label" in splits.train[0]:
        return fit_clips(
            network, splits.train, splits.validation, folder, training, channels=len(splits.channels), resume=True,
            progress=progress,
        )  # fmt: skip
    return fit(
        network, splits.train, splits.validation, folder, training, channels=splits.channels, resume=True,
        progress=progress,
    )  # fmt: skip


def _area(table: Table, network: nn.Module, splits: Splits) -> Mapping[str, Any]:
    """Scores of another place, by the paper's arithmetic."""
    if splits.area is None:
        return {}
    found = evaluate(network, splits.area, table.protocol)
    return {f"area_{name}": value for name, value in found.published.items()}
