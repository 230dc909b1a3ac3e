"""Every worker is asked before work begins, and what it lacks is told by its address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from insarflow.errors import WorkerError
from insarflow.learn.model_files import ModelRef
from insarflow.segment.own import OwnModule
from insarflow.segment.workers.facts import Answer, Memory, Question, Token, answer
from insarflow.segment.workers.sending import send_model
from insarflow.stack.location import WritableLocation
from insarflow.stack.witness import Witness

if TYPE_CHECKING:
    from distributed import Client

PACKAGES: Final = ("insarflow", "torch", "numpy", "zarr", "dask", "distributed")
"""What must be of the same version everywhere; of Python, major and minor."""

_SEE: Final = "let it see the same files under the same path (copies made by rsync -t keep their times)"
_SHARE: Final = "choose an output in a folder that all workers share"

SCHEDULER: Final = "scheduler"


@dataclass(frozen=True)
class Needs:
    """What work needs of every worker.

    Attributes
    ----------
    witnesses
        What it must see.
    output
        Where it must write.
    model
        What it must have: it is sent to those that have not.
    memory
        The least that it must be allowed to use.
    device
        Where it must predict; None leaves it to the worker.
    resources
        What a worker must have to be given tasks: others need neither device nor memory.
    """

    witnesses: Sequence[Witness]
    output: WritableLocation
    model: ModelRef | OwnModule
    memory: Memory
    device: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


def ready_workers(client: Client, needs: Needs) -> None:
    """Check that every worker of a cluster can do the work, and send it the model if it must.

    Raises
    ------
    WorkerError
        If there is no worker, or none has the resources; or naming each worker that cannot be asked, is of other
        versions, does not see the source as it is here, does not see or cannot write the output's folder, has no such
        device, or too little memory. Of versions, the scheduler counts as a worker: it unpickles the graph.
    ModelError
        As `send_model`.
    """
    _check_versions(client)
    answers = _ask(client, needs)
    problems = _Problems()
    for worker, found in answers.items():
        for told in found.sources:
            problems.add(worker, told, _SEE)
        if found.output:
            problems.add(worker, found.output, _SHARE)
    chosen = {worker: found for worker, found in answers.items() if found.has(needs.resources)}
    if not chosen:
        wanted = " ".join(f"{name}={amount:g}" for name, amount in needs.resources.items())
        raise WorkerError(
            f"no worker has resources={dict(needs.resources)}, of {len(answers)}: start one by "
            f"'dask worker ... --resources \"{wanted}\"', or leave resources out"
        )
    for worker, found in chosen.items():
        if found.device:
            problems.add(worker, found.device, "choose another device, or give resources that only some workers have")
        tasks = found.at_once(needs.resources)
        if found.memory and found.memory < needs.memory.least(tasks):
            problems.add(
                worker, f"the limit of {found.memory / 1e6:.0f} MB is below what is needed, {needs.memory.told(tasks)}",
                "give workers more memory or fewer threads",
            )  # fmt: skip
    problems.refuse()
    send_model(client, needs.model)


class _Problems:
    """What is wrong, and with which workers: most often the same with many."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[str]] = {}

    def add(self, worker: str, told: str, remedy: str) -> None:
        """One more; `worker` is an address or the scheduler."""
        self.found.setdefault((told, remedy), []).append(worker)

    def refuse(self) -> None:
        """Raise one error that names all, if there are any."""
        parts = [f"{_named(workers)}: {told}: {remedy}" for (told, remedy), workers in self.found.items()]
        if parts:
            raise WorkerError(f"the cluster is not ready for this work; {'; '.join(parts)}")


def _named(workers: Sequence[str]) -> str:
    addresses = [worker for worker in workers if worker != SCHEDULER]
    listed = f"{'worker' if len(addresses) == 1 else 'workers'} {', '.join(addresses)}" if addresses else ""
    return " and ".join([listed] * bool(listed) + [SCHEDULER] * (SCHEDULER in workers))


def _check_versions(client: Client) -> None:
    """Refuse other versions, without a line of ours: what is not installed there says nothing."""
    found: Any = client.get_versions(packages=list(PACKAGES))
    if not found["workers"]:
        raise WorkerError(
            "the dask cluster has no workers: start some with 'dask worker', or wait for them with "
            "client.wait_for_workers(1)"
        )
    here = _versions(found["client"])
    problems = _Problems()
    for worker, told in {**found["workers"], SCHEDULER: found["scheduler"]}.items():
        for name, there in _versions(told).items():
            if there != here[name]:
                problems.add(
                    worker, f"{name} must be {here[name]} as here, instead got {name}={there}",
                    "start it in the same environment",
                )  # fmt: skip
    problems.refuse()


def _versions(told: Mapping[str, Any]) -> dict[str, str]:
    packages = told["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"python": python, **{name: packages.get(name) or "not installed" for name in PACKAGES}}


def _ask(client: Client, needs: Needs) -> dict[str, Answer]:
    """What each worker says; a file that it wrote must have arrived here."""
    token = Token.put(needs.output)
    question = Question(tuple(needs.witnesses), needs.output, token, needs.device)
    problems = _Problems()
    try:
        found: dict[str, Any] = client.run(answer, question, on_error="return")
        for worker, one in found.items():
            if not isinstance(one, Answer):
                problems.add(worker, f"it cannot be asked ({type(one).__name__}: {one})", "look into its log")
            elif token is not None and one.file is not None and not token.answered(one.file):
                problems.add(
                    worker, f"what it writes to {str(token.folder)!r} does not arrive here",
                    _SHARE,
                )  # fmt: skip
    finally:
        if token is not None:
            token.remove()
    problems.refuse()
    return found
