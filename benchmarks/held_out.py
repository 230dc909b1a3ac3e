"""Held-out scenes for models to be compared on, simulated once by several processes and kept in a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import insarflow
from insarflow.errors import InsarError
from insarflow.learn import bank, trial
from insarflow.learn.trial import Setting, Trial, draw_trial
from insarflow.simulate.dem_relief import DemRelief


@dataclass(frozen=True)
class Kind:
    """Scenes of one kind.

    Attributes
    ----------
    name
        Of the kind.
    setting
        What they are like.
    seed
        Of all of them.
    count
        How many.
    reliefs
        The ground of one scene after the other, again from the first after the last; empty for drawn mountains.
    ground
        What tells `reliefs` apart.
    """

    name: str
    setting: Setting
    seed: int
    count: int
    reliefs: tuple[DemRelief, ...] = ()
    ground: str = ""

    def facts(self) -> dict[str, str]:
        """What the scenes are a function of, but for the simulator."""
        return {"setting": repr(self.setting), "seed": str(self.seed), "ground": self.ground}


def simulate(
    kinds: Sequence[Kind], cache: Path, *, workers: int = 1, said: Callable[[str], None] = print
) -> dict[str, list[Path]]:
    """Simulate the scenes that are not there yet.

    Parameters
    ----------
    kinds
        Wanted.
    cache
        Gets a folder for each kind, with one for each scene: ``.npy`` files of the fields of
        `insarflow.learn.trial.Trial`.
    workers
        Processes; the result does not depend on their number.
    said
        Told how it goes.

    Returns
    -------
    dict
        The folders of the scenes of each kind, by its name.

    Raises
    ------
    InsarError
        If the folder holds scenes of other settings, or less than are wanted and those of another simulator.
    """
    places = {kind.name: _places(kind, cache, said) for kind in kinds}
    tasks = [
        (kind.setting, kind.seed, k, kind.reliefs[k % len(kind.reliefs)] if kind.reliefs else None, place)
        for kind in kinds
        for k, place in enumerate(places[kind.name])
        if not place.exists()
    ]
    # The longest first, so that no process is left alone with one at the end.
    tasks.sort(key=lambda task: -task[0].area * task[0].acquisitions)
    for done, _ in enumerate(_mapped(tasks, workers), 1):
        if done % 10 == 0 or done == len(tasks):
            said(f"{done} of {len(tasks)} scenes simulated")
    return places


Task = tuple[Setting, int, int, DemRelief | None, Path]


def _mapped(tasks: list[Task], workers: int) -> Iterator[None]:
    if workers == 1 or len(tasks) < 2:
        yield from map(_keep, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_keep, tasks)


def _keep(task: Task) -> None:
    setting, seed, number, relief, place = task
    drawn: Trial = draw_trial(setting, seed=seed, number=number, relief=relief)
    partial = place.with_name(f"{place.name}.{os.getpid()}")
    partial.mkdir()
    drawn.save(partial)
    partial.rename(place)


def _places(kind: Kind, cache: Path, said: Callable[[str], None]) -> list[Path]:
    """Folders of the scenes of a kind, those to come included."""
    folder = cache / f"{kind.name} {kind.seed}".replace(",", "").replace(" ", "-")
    places = [folder / f"{k:04}" for k in range(kind.count)]
    note, wanted = folder / "facts.json", {**kind.facts(), "simulator": _simulator()}
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(wanted))
        return places
    there = json.loads(note.read_text())
    different = [name for name, value in wanted.items() if there.get(name) != value]
    if different == ["simulator"] and all(place.exists() for place in places):
        said(f"note: {folder} holds scenes of another version of the simulator")
    elif different:
        raise InsarError(
            f"{folder} must hold scenes of this {' and '.join(different)}, instead got others: delete it, or name "
            "another folder"
        )
    return places


def _simulator() -> str:
    """Of the source of all that draws scenes."""
    sources = sorted((Path(insarflow.__file__).parent / "simulate").glob("*.py"))
    text = [path.read_bytes() for path in (*sources, *(Path(m.__file__) for m in (bank, trial)))]
    return hashlib.sha256(b"".join(text)).hexdigest()[:16]
