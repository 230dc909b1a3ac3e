"""A table of a paper: its rows, how each was trained, what was published; and how it is printed beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from insarflow.errors import InsarError
from insarflow.learn.protocols.evaluation import Protocol
from insarflow.learn.training import Training

PUBLISHED: Final = "published"
"""Name of the split that a paper used, warts included."""

HONEST: Final[Mapping[str, str]] = {
    "f1": "F1",
    "iou": "IoU",
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "auroc": "AUC",
    "calibration_error": "calibration error",
    "object_f1": "F1 of objects",
    "hausdorff": "Hausdorff (px)",
    "threshold": "threshold",
}
"""Honest scores that are shown, and their headings."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    name
        As the paper has it.
    network
        Of `insarflow.learn.models.list_models`.
    training
        As published.
    published
        Scores by name; fractions, not per cent.
    data
        Which data, as `Table.open` takes it.
    pretrained
        Whether it starts from weights that somebody else trained.
    """

    name: str
    network: str
    training: Training
    published: Mapping[str, float] = field(default_factory=dict)
    data: str = ""
    pretrained: bool = False


@dataclass(frozen=True)
class Splits:
    """Data of a row.

    Attributes
    ----------
    train, validation, test
        Map-style datasets. The honest threshold is chosen on `validation`.
    channels
        Names of the images' channels.
    note
        What is to be known of them.
    area
        Another place to score on; None if there is none.
    """

    train: Any
    validation: Any
    test: Any
    channels: tuple[str, ...]
    note: str = ""
    area: Any = None


@dataclass(frozen=True)
class Wanted:
    """Which data are wanted.

    Attributes
    ----------
    folder
        That holds them.
    data
        Of the row.
    scheme
        How they are split.
    seed
        Of the split.
    area
        Folder of the other place.
    """

    folder: Path
    data: str
    scheme: str
    seed: int
    area: Path | None = None


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes
    ----------
    name
        What one types.
    title
        Which table of which paper.
    protocol
        Whose arithmetic the scores have.
    rows
        In the paper's order.
    scores
        Name of a score to its heading and the number of digits that are published.
    open
        Gives the data of a row.
    simulate
        Fills a folder with simulated data in the very same layout; called with the folder and a seed.
    schemes
        Splits there are, the published one first.
    side
        Pixels along a side of a sample.
    costs
        Side of the image whose multiply-adds are counted; None if the table has none.
    area
        Whether there is another place to score on.
    simulated
        Whether the data are simulated anyway.
    notes
        Fine print of the numbers.
    """

    name: str
    title: str
    protocol: Protocol
    rows: tuple[Row, ...]
    scores: Mapping[str, tuple[str, int]]
    open: Callable[[Wanted], Splits]
    simulate: Callable[[Path, int], object]
    schemes: tuple[str, ...] = (PUBLISHED,)
    side: int = 128
    costs: int | None = None
    area: bool = False
    simulated: bool = False
    notes: tuple[str, ...] = ()

    def chosen(self, names: Sequence[str] | None) -> tuple[Row, ...]:
        """The rows of these names, in the table's order; None for all.

        Raises
        ------
        ValueError
            If there is no such row, naming those there are.
        """
        if names is None:
            return self.rows
        wanted, known = set(map(_plain, names)), {_plain(row.name) for row in self.rows}
        for name in names:
            if _plain(name) not in known:
                there = ", ".join(row.name for row in self.rows)
                raise ValueError(f"rows must be among {there}, instead got rows={name!r:.80}")
        return tuple(row for row in self.rows if _plain(row.name) in wanted)


def _plain(name: str) -> str:
    """A row's name as people may type it: DRs-UNet+DEM for DRs-UNet + DEM."""
    return "".join(name.casefold().split())


@dataclass(frozen=True)
class Outcome:
    """What became of a row.

    Attributes
    ----------
    name, network
        Of the row.
    published, reproduced
        Scores by the paper's arithmetic: the paper's, and ours.
    honest
        This project's own scores.
    notes
        What was done.
    reason
        Why it was not run; None if it was.
    epochs, best_epoch, seconds
        Of the training; seconds of what this took in all, a stopped training left out.
    weights
        SHA-256 of the file that it started from; None of drawn weights.
    """

    name: str
    network: str
    published: Mapping[str, float]
    reproduced: Mapping[str, float] = field(default_factory=dict)
    honest: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reason: str | None = None
    epochs: int = 0
    best_epoch: int = -1
    seconds: float = 0.0
    weights: str | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON has it: what is no number is left out."""
        scores = {name: dict(getattr(self, name)) for name in ("reproduced", "honest")}
        known = {name: {k: v for k, v in of.items() if v == v} for name, of in scores.items()}
        return {**asdict(self), **known, "notes": list(self.notes)}

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Outcome:
        """What `plain` gave.

        Raises
        ------
        InsarError
            If it is something else.
        """
        try:
            return cls(**{**content, "notes": tuple(content["notes"])})
        except (TypeError, KeyError) as error:
            raise InsarError("the results there are of another version: reproduce into another folder") from error


def compared(table: Table, outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Cells of the table, headings first: ``published / here (difference)``."""
    used = {n for outcome in outcomes for n in (*outcome.published, *outcome.reproduced)}
    scores = {name: told for name, told in table.scores.items() if name in used}
    cells = [[o.name, *(_cell(o, name, digits) for name, (_, digits) in scores.items())] for o in outcomes]
    return [["row", *(heading for heading, _ in scores.values())], *cells]


def honest(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Cells of the project's own scores, headings first; none if no row was run."""
    run = [outcome for outcome in outcomes if outcome.honest]
    used = {name for outcome in run for name in outcome.honest}
    scores = {name: heading for name, heading in HONEST.items() if name in used}
    cells = [[o.name, *(_number(o.honest.get(name), 3) for name in scores)] for o in run]
    return [["row", *scores.values()], *cells] if run else []


def markdown(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return [lines[0], "|" + " --- |" * len(cells[0]), *lines[1:]] if lines else []


def _cell(outcome: Outcome, name: str, digits: int) -> str:
    published, here = outcome.published.get(name), outcome.reproduced.get(name)
    if here is None or here != here:
        none = "not run" if outcome.reason else "-"
        return "" if published is None else f"{_number(published, digits)} / {none}"
    if published is None:
        return _number(here, digits)
    return f"{_number(published, digits)} / {_number(here, digits)} ({here - published:+.{digits}f})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or value != value else f"{value:.{digits}f}"
