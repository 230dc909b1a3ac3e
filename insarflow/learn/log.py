"""The table that a training leaves: ``log/metrics.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

COLUMNS: Final = ("epoch", "step", "loss", "epoch_loss", "validation_loss", "learning_rate")


class CsvLog(Logger):
    """Rows of a CSV file, each on disk as soon as it is known; numbers with all their digits.

    Parameters
    ----------
    file
        Written anew, but for rows of epochs before `start`: of an epoch that was broken off nothing stays.
    start
        First epoch that will be trained.
    """

    def __init__(self, file: Path, start: int) -> None:
        super().__init__()
        self.file = file
        self._begin(start)

    @property
    def name(self) -> str:
        """Of the logger."""
        return "log"

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        row = {name: metrics.get(name, "") for name in COLUMNS} | {"step": "" if step is None else step}
        row["epoch"] = int(metrics["epoch"])
        with self.file.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, COLUMNS, lineterminator="\n").writerow(row)

    @rank_zero_only
    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """They stand in the run's own file."""

    @rank_zero_only
    def _begin(self, start: int) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if start and self.file.exists():
            with self.file.open(newline="", encoding="utf-8") as stream:
                rows = [row for row in csv.DictReader(stream) if None not in row.values()]
            kept = [row for row in rows if row["epoch"].isdecimal() and int(row["epoch"]) < start]
        draft = self.file.with_name(self.file.name + ".part")
        with draft.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(kept)
        draft.replace(self.file)


def loggers(folder: Path, start: int) -> list[Logger]:
    """The table, and TensorBoard's files where one of its packages is installed."""
    chosen: list[Logger] = [CsvLog(folder / "log" / "metrics.csv", start)]
    if find_spec("tensorboard") or find_spec("tensorboardX"):
        chosen.append(TensorBoardLogger(folder, name="log", version="tensorboard"))
    return chosen
