"""What a worker is asked before work begins, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from insarflow.errors import StoreError
from insarflow.segment.device import check_device
from insarflow.stack.location import ROOT, Folder, WritableLocation
from insarflow.stack.witness import Witness

if TYPE_CHECKING:
    from distributed import Worker


@dataclass(frozen=True)
class Memory:
    """The least that tasks need, bytes: what they compute on beside is not counted.

    Attributes
    ----------
    window
        What a task reads and gives, for each that runs at a time.
    tile
        Pixels that are predicted at once.
    weights
        Of the model.
    """

    window: int
    tile: int
    weights: int

    def least(self, tasks: int) -> int:
        """Of so many tasks at a time."""
        return tasks * self.window + self.tile + self.weights

    def told(self, tasks: int) -> str:
        """What was counted."""
        parts = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in self._parts(tasks))
        return f"at least {self.least(tasks) / 1e6:.0f} MB ({parts})"

    def _parts(self, tasks: int) -> list[tuple[str, int]]:
        windows = "window of a shard" if tasks == 1 else f"windows of {tasks} shards at a time"
        return [(windows, tasks * self.window), ("tile", self.tile), ("weights", self.weights)]


@dataclass(frozen=True)
class Token:
    """A file of the client's in the folder of the output, which workers must find, and answer by one of their own."""

    folder: Path
    name: str

    @classmethod
    def put(cls, where: WritableLocation) -> Token | None:
        """A new one; None where it cannot be written: then nor can the output, which is told there."""
        if not isinstance(where, Folder):
            return None
        above = (folder for folder in where.path.resolve().parents if folder.is_dir())
        token = cls(next(above), f".insarflow-{uuid4().hex}")
        try:
            (token.folder / token.name).touch()
        except OSError:
            return None
        return token

    def answer(self) -> tuple[str | None, str | None]:
        """In a worker: what is wrong, or the name of its own file."""
        name = f"{self.name}-{uuid4().hex}"
        if not (self.folder / self.name).is_file():
            return f"the folder {str(self.folder)!r} of the output is not the same", None
        try:
            (self.folder / name).touch()
        except OSError as error:
            return f"the folder {str(self.folder)!r} of the output cannot be written ({error.strerror})", None
        return None, name

    def answered(self, name: str) -> bool:
        """Whether the file of a worker is here."""
        return (self.folder / name).is_file()

    def remove(self) -> None:
        """Remove it, and all answers."""
        for path in self.folder.glob(f"{self.name}*"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Question:
    """What a worker is asked.

    Attributes
    ----------
    witnesses
        What it must see.
    output, token
        Where it must write.
    device
        Where it must predict.
    """

    witnesses: tuple[Witness, ...]
    output: WritableLocation
    token: Token | None
    device: str | None


@dataclass(frozen=True)
class Answer:
    """What a worker says.

    Attributes
    ----------
    sources, output, device
        What is wrong with each; nothing if it is empty or None.
    file
        Name of its answer to the token.
    memory
        Its limit, bytes; None or 0 without one.
    threads
        Tasks that it runs at a time.
    resources
        By name.
    """

    sources: tuple[str, ...]
    output: str | None
    device: str | None
    file: str | None
    memory: int | None
    threads: int
    resources: Mapping[str, float]

    def has(self, resources: Mapping[str, float]) -> bool:
        """Whether it is given tasks that need these."""
        return all(self.resources.get(name, 0) >= amount for name, amount in resources.items())

    def at_once(self, resources: Mapping[str, float]) -> int:
        """How many such tasks it runs at a time."""
        rooms = [int(self.resources.get(name, 0) / amount) for name, amount in resources.items() if amount]
        return max(1, min([self.threads, *rooms]))


def answer(question: Question, dask_worker: Worker) -> Answer:
    """Asked of every worker, in its process."""
    problems = tuple(told for told in (one.problem() for one in question.witnesses) if told is not None)
    output, file = _output(question) if question.token is None else question.token.answer()
    state = dask_worker.state
    return Answer(
        problems, output, _device(question.device), file, dask_worker.memory_manager.memory_limit, state.nthreads,
        dict(state.total_resources),
    )  # fmt: skip


def _output(question: Question) -> tuple[str | None, None]:
    """Whether a place that is no folder can be reached; it may hold unfinished work, and is not written to."""
    if isinstance(question.output, Folder):
        return None, None
    try:
        question.output.read(ROOT)
    except StoreError as error:
        return f"the output cannot be reached: {error}", None
    return None, None


def _device(device: str | None) -> str | None:
    try:
        check_device(device)
    except ValueError as error:
        return str(error)
    return None
