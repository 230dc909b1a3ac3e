"""Tables of papers, worked out anew: on their data, or on simulated data in the same layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from insarflow.learn.cost import has_gpu
from insarflow.workflows.outputs import unfinished_folder
from insarflow.workflows.reproduce_asked import Reproduction, table_of
from insarflow.workflows.reproduce_results import AREA, DATA, TRAININGS, Reproduced, Results, check_ours, clear
from insarflow.workflows.reproduce_row import Work, costs, folder_of_row, hours_of, run_row, too_long
from insarflow.workflows.reproduce_table import Outcome, Row, Splits, Table, Wanted
from insarflow.workflows.reproduce_weights import Weights, assigned

HOURS: Final = 1.0
"""Longest training of a row without a GPU, unless more is asked for."""

Tell = Callable[[str], None]
"""Called with what is being done."""


def reproduce(
    asked: Reproduction,
    out: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    progress: bool = False,
    tell: Tell | None = None,
) -> Reproduced:
    """Train and score the rows of a table, and set them beside the published ones.

    Parameters
    ----------
    asked
        What to do.
    out
        Folder that gets ``table.md``, ``reproduction.json``, a folder for each training, and simulated data. The same
        call again goes on with it: rows that are done are kept, a training goes on after its last whole epoch.
    overwrite
        Begin anew.
    command
        That is noted with the results.
    progress
        Show a bar of each training.
    tell
        Called with what is being done.

    Returns
    -------
    Reproduced
        All rows that are asked for, and those that were done before.

    Raises
    ------
    OutputExistsError
        If `out` holds another reproduction, naming what differs, or another process writes there.
    InsarError
        As the data set, if its data are not there or a split has nothing to find; as `insarflow.learn.train.fit`.
    ModelError
        If a file of weights is of another network than those of the rows, naming the first key that differs.
    """
    table, say = table_of(asked.table), tell or (lambda _: None)
    chosen = table.chosen(asked.rows)
    check_ours(out, asked, overwrite=overwrite)
    if asked.data is not None:  # before anything is written
        table.open(Wanted(asked.data, chosen[0].data, asked.scheme, asked.seed, asked.area))
    weights, lacking = assigned(chosen, asked.pretrained)
    with unfinished_folder(out) as hidden:
        if overwrite:
            clear(out, hidden)
        results = Results(asked, out, hidden, command)
        results.add()
        opened = _Opened(table, asked, *_folders(table, asked, out, say))
        work = Work(table, out / TRAININGS, asked.epochs, asked.seed, progress)
        for row in chosen:
            if not _is_done(results.done.get(row.name), weights.get(row.name)):
                say(row.name)
                results.add(_outcome(work, asked, row, opened, weights.get(row.name), lacking.get(row.name)))
        return results.finish()


class _Opened:
    """Data of rows, the last ones kept: rows that follow each other often share theirs."""

    def __init__(self, table: Table, asked: Reproduction, folder: Path, area: Path | None) -> None:
        self._table, self._asked, self._folder, self._area = table, asked, folder, area
        self._last: tuple[str, Splits] | None = None

    def of(self, row: Row) -> Splits:
        if self._last is None or self._last[0] != row.data:
            wanted = Wanted(self._folder, row.data, self._asked.scheme, self._asked.seed, self._area)
            self._last = row.data, self._table.open(wanted)
        return self._last[1]


def _outcome(
    work: Work, asked: Reproduction, row: Row, opened: _Opened, weights: Weights | None, reason: str | None
) -> Outcome:
    """A row that is run, or why it is not."""
    splits = opened.of(row)
    limit = asked.hours if asked.hours is not None or has_gpu() else HOURS
    begun = (work.folder / folder_of_row(row, weights)).exists()
    if reason is None and asked.rows is None and limit is not None and not begun:
        hours = hours_of(work, row, splits)
        reason = too_long(hours, limit) if hours > limit else None
    if reason is None:
        return run_row(work, row, splits, weights)
    counted = costs(work.table, row, len(splits.channels))
    return Outcome(row.name, row.network, row.published, counted, reason=reason)


def _is_done(outcome: Outcome | None, weights: Weights | None) -> bool:
    """Whether a row is there already, from the same beginning."""
    if outcome is None or outcome.reason is not None:
        return False
    return weights is None or outcome.weights == weights.sha256


def _folders(table: Table, asked: Reproduction, out: Path, say: Tell) -> tuple[Path, Path | None]:
    """Folders of the data and of the other place, simulated if need be."""
    if asked.data is not None:
        return asked.data, asked.area
    folder = _simulated(table, out / DATA, asked.seed, say)
    if asked.area is not None or not table.area:
        return folder, asked.area
    # Another seed, another place.
    return folder, _simulated(table, out / AREA, asked.seed + 1000, say)


def _simulated(table: Table, folder: Path, seed: int, say: Tell) -> Path:
    """A folder of simulated data; it appears when it is whole."""
    if not folder.is_dir():
        say(f"simulating {folder.name}")
        draft = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(draft, ignore_errors=True)
        table.simulate(draft, seed)
        draft.replace(folder)
    return folder
