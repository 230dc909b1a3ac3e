"""The results of a reproduction in its folder: rows that are done, and the table as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from insarflow.errors import OutputExistsError
from insarflow.workflows.outputs import check_folder, publish, remove
from insarflow.workflows.reproduce_asked import SIMULATED, Reproduction, table_of
from insarflow.workflows.reproduce_table import Outcome, compared, honest, markdown
from insarflow.workflows.versions import versions

RESULTS, PAGE, TRAININGS, DATA, AREA = "reproduction.json", "table.md", "trainings", "data", "area"
"""What a reproduction leaves."""

_FILES: Final = (PAGE, RESULTS)
_FOLDERS: Final = (TRAININGS, DATA, AREA)


@dataclass(frozen=True)
class Reproduced:
    """A table as it came out.

    Attributes
    ----------
    title
        Which table of which paper, and of what data.
    outcomes
        Of the rows, in the table's order.
    comparison, own
        Cells, headings first: published beside ours; this project's own scores, none if no row was run.
    notes
        Fine print.
    """

    title: str
    outcomes: tuple[Outcome, ...]
    comparison: list[list[str]]
    own: list[list[str]]
    notes: tuple[str, ...]


def reproduced(asked: Reproduction, done: Mapping[str, Outcome]) -> Reproduced:
    """The rows that are there, in the paper's order, with what is to be known of them."""
    table = table_of(asked.table)
    outcomes = tuple(done[row.name] for row in table.rows if row.name in done)
    title = table.title
    if asked.simulated and not table.simulated:
        title = f"{title}, on SIMULATED data: no reproduction of its numbers"
    reasons = (f"{outcome.name} not run: {outcome.reason}" for outcome in outcomes if outcome.reason)
    said = dict.fromkeys(note for outcome in outcomes for note in outcome.notes)
    notes = (*reasons, f"split: {asked.scheme}", *said, *table.notes)
    return Reproduced(title, outcomes, compared(table, outcomes), honest(outcomes), notes)


def check_ours(out: Path, asked: Reproduction, *, overwrite: bool) -> None:
    """See whether a folder is new, or holds this very reproduction, and that the data lie elsewhere.

    Raises
    ------
    OutputExistsError
        If it does not, naming what differs; or if it holds folders that no reproduction made, which are never removed.
    """
    _check_apart(out, asked)
    if overwrite or not (out / RESULTS).exists():
        foreign = [name for name in _FOLDERS if (out / name).exists() and name not in _made(out)]
        if foreign:
            raise OutputExistsError(f"{out} holds {', '.join(foreign)}, made by no reproduction: choose another folder")
        check_folder(out, (PAGE, *_FOLDERS), overwrite=overwrite)
        return
    there, wanted = _read(out / RESULTS)["asked"], asked.identity()
    other = [f"{name}={wanted[name]} (there: {there.get(name)})" for name in wanted if wanted[name] != there.get(name)]
    if other:
        raise OutputExistsError(
            f"{out} holds another reproduction: {'; '.join(other)}. Choose another folder, or begin anew in this one "
            "with overwrite=True (--overwrite)"
        )


def clear(out: Path, hidden: Path) -> None:
    """Remove what a reproduction left, by way of the folder of what is half written, and nothing else."""
    for name in _made(out):
        if (out / name).exists():
            # Never half of it under its name: simulated data would be taken for whole.
            remove(hidden / name)
            (out / name).replace(hidden / name)
            remove(hidden / name)
    for name in _FILES:
        (out / name).unlink(missing_ok=True)


def _made(out: Path) -> tuple[str, ...]:
    """Folders that are a reproduction's own, as its results tell."""
    if not (out / RESULTS).exists():
        return ()
    return _FOLDERS if _read(out / RESULTS)["asked"].get("data") == SIMULATED else (TRAININGS,)


def _check_apart(out: Path, asked: Reproduction) -> None:
    """Refuse data where results go, and results among the data."""
    target = out.resolve()
    for folder in (asked.data, asked.area):
        if folder is None:
            continue
        path = folder.resolve()
        if target.is_relative_to(path) or any(path.is_relative_to(target / name) for name in _FOLDERS):
            raise OutputExistsError(f"{out} must be apart from the data in {folder}: choose another folder for results")


class Results:
    """Rows that are done, on disk as soon as they are.

    Parameters
    ----------
    asked
        What is reproduced.
    out
        Folder of the results; those of an earlier call are taken up.
    hidden
        Folder for what is half written.
    command
        That is noted.
    """

    def __init__(self, asked: Reproduction, out: Path, hidden: Path, command: str) -> None:
        self._asked, self._out, self._hidden, self._command = asked, out, hidden, command
        self._about = {name: told for name, told in versions().items() if name != "models"}
        file = out / RESULTS
        rows = _read(file)["rows"] if file.exists() else []
        self.done = {outcome.name: outcome for outcome in map(Outcome.read, rows)}

    def add(self, outcome: Outcome | None = None) -> None:
        """Write down what is there, and one more row."""
        if outcome is not None:
            self.done[outcome.name] = outcome
        self._write()
        for name in _FILES:
            (self._hidden / name).replace(self._out / name)

    def finish(self) -> Reproduced:
        """Write down what is there, and leave nothing half done."""
        found = self._write()
        publish(self._hidden, self._out, _FILES)
        return found

    def _write(self) -> Reproduced:
        found = reproduced(self._asked, self.done)
        facts = {
            "title": found.title, "command": self._command, "asked": self._asked.identity(), "versions": self._about,
            "rows": [outcome.plain() for outcome in found.outcomes],
        }  # fmt: skip
        (self._hidden / RESULTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        (self._hidden / PAGE).write_text("\n".join(self._page(found)) + "\n", encoding="utf-8")
        return found

    def _page(self, found: Reproduced) -> list[str]:
        machine, gpu, packages = (self._about[name] for name in ("machine", "gpu", "packages"))
        own = ["", "This project's own scores:", "", *markdown(found.own)] if found.own else []
        return [
            f"# {found.title}", "", "Published / here (difference).", "", *markdown(found.comparison), *own, "",
            *(f"- {note}" for note in found.notes), "", *([f"Command: `{self._command}`", ""] if self._command else []),
            f"Machine: {_told(machine)}; {_told(gpu)}.", "",
            f"insarflow {self._about['insarflow']['version']}, torch {packages['torch']}; seed {self._asked.seed}.",
        ]  # fmt: skip


def _told(facts: Mapping[str, Any] | str) -> str:
    """What is known of a machine, or why nothing is."""
    return facts if isinstance(facts, str) else ", ".join(f"{name} {value}" for name, value in facts.items())


def _read(file: Path) -> dict[str, Any]:
    """What a reproduction wrote.

    Raises
    ------
    OutputExistsError
        If it is something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputExistsError(f"{file} cannot be read as results of a reproduction: choose another folder") from error
    if not isinstance(content, dict) or not isinstance(content.get("asked"), dict):
        raise OutputExistsError(f"{file} is of no reproduction: choose another folder")
    if not isinstance(content.get("rows"), list):
        raise OutputExistsError(f"{file} holds no rows: choose another folder")
    return content
