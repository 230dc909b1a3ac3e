"""What a verb would need, and the machine it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from insarflow.cli.options import Machine
from insarflow.cli.screen import Screen
from insarflow.cli.values import read_flag
from insarflow.cli.words import columns

if TYPE_CHECKING:
    from insarflow.workflows.plan import Plan

Planner = Callable[[int | None, int | None], "Plan"]
"""From workers and bytes of memory, None for what there is, to a plan."""


def show_plan(screen: Screen, machine: Machine, planner: Planner) -> None:
    """Answer ``--dry-run``."""
    with screen.stage("planning"):
        plan = _plan(machine, planner)
    screen.facts(asdict(plan), columns(plan.rows()), then="the same command without --dry-run does it")


@contextmanager
def computing(screen: Screen, machine: Machine, planner: Planner) -> Iterator[None]:
    """Compute inside on the machine that was asked for, with no more workers than its memory allows."""
    from insarflow.workflows.machine import machine as use

    workers = machine.workers
    if machine.memory is not None:
        with screen.stage("planning"):
            fitting = _plan(machine, planner).workers
        if machine.scheduler != "sync":
            workers = fitting
            screen.note(f"{fitting} {'worker fits' if fitting == 1 else 'workers fit'} into {machine.memory}")
    with use(machine.scheduler, workers) as used:
        if used.dashboard is not None:
            screen.note(f"progress is shown at {used.dashboard}")
        yield


def _plan(machine: Machine, planner: Planner) -> Plan:
    from insarflow.workflows.plan import parse_memory

    if machine.memory is not None and (machine.scheduler or "").startswith("tcp://"):
        said = "it is for this machine: workers of a scheduler have limits of their own"
        raise typer.BadParameter(said, param_hint="--memory")
    memory = None if machine.memory is None else read_flag("--memory", machine.memory, parse_memory)
    return planner(1 if machine.scheduler == "sync" else machine.workers, memory)
