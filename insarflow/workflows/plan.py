"""What a verb will need, told before it is done. Nothing is written, and no more than a sample computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from insarflow.errors import InsarError
from insarflow.ops.checks import check_whole
from insarflow.stack.append import not_held
from insarflow.stack.codes import Kind, check_kind_of_coherence
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack
from insarflow.workflows.measure import resident
from insarflow.workflows.needs import Needs, build_needs, cpus
from insarflow.workflows.sample import take_sample
from insarflow.workflows.selection import Building, Running, Selection, check_not_source
from insarflow.workflows.words import duration, size

if TYPE_CHECKING:
    from insarflow.segment.resolution import Resolution
    from insarflow.workflows.run import MapRun


@dataclass(frozen=True)
class Plan:
    """What work will need on this computer: memory and disk within about a fifth, time within about a half.

    Attributes
    ----------
    tasks
        Of the graph that dask will run.
    peak_memory
        Of the process, bytes.
    disk
        Of the results, bytes; as much again is used while they are made.
    seconds
        From opening to the end, with the computer as busy as it is now.
    workers
        Threads that compute.
    """

    tasks: int
    peak_memory: int
    disk: int
    seconds: float
    workers: int

    def rows(self) -> list[tuple[str, str]]:
        """What is needed, in words."""
        return [
            ("tasks", f"{self.tasks}"),
            ("workers", f"{self.workers}"),
            ("peak memory", size(self.peak_memory)),
            ("disk", size(self.disk)),
            ("time", duration(self.seconds)),
        ]

    def __str__(self) -> str:
        """Table of a few lines."""
        return "\n".join(f"{name:<11}  {value:>9}" for name, value in self.rows())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The table, in an interactive session."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """The table, in a notebook."""
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self.rows())
        return f"<table>{rows}</table>"


@dataclass(frozen=True)
class ExportPlan(Plan):
    """As `Plan`, and how many files there will be.

    Attributes
    ----------
    files
        Of the result.
    """

    files: int

    def rows(self) -> list[tuple[str, str]]:
        """What is needed, in words."""
        return [("files", f"{self.files}"), *super().rows()]


def plan_build(
    source: SourceLike,
    *,
    append_to: str | Path | None = None,
    workers: int | None = None,
    memory: int | None = None,
    selection: Building | Selection | None = None,
    exact: bool = False,
    coherence: Kind = "uint8",
) -> Plan:
    """Plan `insarflow.build_stack`, or `insarflow.append_stack`.

    Parameters
    ----------
    source, selection, exact, coherence
        As there.
    append_to
        A store: only what it does not hold is counted.
    workers
        Threads; by default one per core.
    memory
        Bytes that the process may have at most: the plan is for the most workers, up to `workers`, that keep to it.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    InsarError
        If the source is no good, or `memory` too little for one worker.
    """
    workers = _check(workers, memory)
    check_kind_of_coherence(coherence, exact=exact)
    ds = open_stack(source, **(selection or {}))
    if append_to is not None:
        ds = not_held(ds, append_to)
    base = resident()
    if "valid" in ds and not ds["valid"].values.any():
        return Plan(0, base, 0, 0.0, workers)
    needs = build_needs(ds, take_sample(ds), base, exact=exact, coherence=coherence)
    return _fit(needs, workers, memory)


def plan_segment(
    source: SourceLike,
    *,
    model: str | Path = "default",
    recipe: str | Path = "model",
    resolution: Resolution | None = None,
    device: str | None = None,
    workers: int | None = None,
    memory: int | None = None,
    selection: Selection | None = None,
    running: Running | None = None,
) -> Plan:
    """Plan `insarflow.workflows.segment.segment_source`; parameters and errors as there and in `plan_build`."""
    # Here, so that planning a build does not load torch, which its memory would seem to need.
    from insarflow.learn.weights import load_card
    from insarflow.workflows.model_needs import segment_needs
    from insarflow.workflows.prepare import regrid
    from insarflow.workflows.segment import lay_out_source

    workers = _check(workers, memory)
    ds, _ = regrid(open_stack(source, **(selection or {})), load_card(model), recipe, resolution)
    how = running or Running()
    stream = lay_out_source(ds, model=model, recipe=recipe, device=device, running=how)
    base = resident()
    needs = segment_needs(ds, stream, take_sample(ds), base, model=model, recipe=recipe, device=device, running=how)
    return _fit(needs, workers, memory)


def plan_map(run: MapRun, *, workers: int | None = None, memory: int | None = None) -> Plan:
    """Plan `insarflow.workflows.map.map_source`, begun anew; parameters and errors as there and in `plan_build`."""
    from insarflow.workflows.lazy_map import lay_out, open_source
    from insarflow.workflows.model_needs import map_needs

    workers = _check(workers, memory)
    ds, _ = open_source(run)
    lazy = lay_out(ds, run)
    base = resident()
    return _fit(map_needs(ds, lazy, take_sample(ds), base, run), workers, memory)


def plan_export(
    source: SourceLike,
    out: str | Path,
    *,
    to: str,
    variables: Sequence[str] | None = None,
    inventory: str | Path | None = None,
    selection: Selection | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    memory: int | None = None,
) -> ExportPlan:
    """Plan `insarflow.workflows.export.export_source`; parameters and errors as there and in `plan_build`.

    A task is a window of an interferogram. While GeoTIFFs are made, the images of as many interferograms as there are
    workers lie on disk uncompressed, besides what is told.
    """
    from insarflow.workflows.export import chosen, prepare
    from insarflow.workflows.export_needs import count_files, export_needs

    workers = _check(workers, memory)
    check_not_source(out, source)
    prepare(out, to=to, inventory=inventory, overwrite=overwrite)
    ds = open_stack(source, **(selection or {}))
    base = resident()
    stack = chosen(ds, to, variables)
    sample = take_sample(ds)
    needs = build_needs(ds, sample, base) if to == "zip" else export_needs(stack, sample, base, to=to)
    return ExportPlan(
        **asdict(_fit(needs, workers, memory)), files=count_files(stack, to=to, inventory=inventory is not None)
    )


def parse_memory(text: str | int) -> int:
    """Bytes from a size such as ``"4GB"`` (powers of 1000), ``"500 MiB"`` (of 1024), or a number of bytes.

    Raises
    ------
    TypeError
        If it is neither text nor a whole number.
    ValueError
        If it is no positive size, or has no unit.

    Examples
    --------
    >>> parse_memory("4GB"), parse_memory("1.5 MiB")
    (4000000000, 1572864)
    """
    wanted = "memory must be a size such as 4GB or 500MiB"
    if isinstance(text, int) and not isinstance(text, bool):
        count = text
    elif isinstance(text, str):
        found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kMGT])(i?)B?\s*", text, re.IGNORECASE)
        if found is None:
            raise ValueError(f"{wanted}, instead got memory={text!r:.80}")
        power = "kmgt".index(found[2].lower()) + 1
        count = int(float(found[1]) * (1024 if found[3] else 1000) ** power)
    else:
        raise TypeError(f"{wanted}, instead got memory={text!r:.80} ({type(text).__name__})")
    if count <= 0:
        raise ValueError(f"{wanted}, instead got memory={text!r:.80}")
    return count


def _check(workers: int | None, memory: int | None) -> int:
    if memory is not None:
        check_whole("memory", memory, low=1)
    return cpus() if workers is None else check_whole("workers", workers, low=1, high=4096)


def _fit(needs: Needs, workers: int, memory: int | None) -> Plan:
    """Plan for the most workers that keep to `memory`."""
    if memory is not None and needs.memory(1) > memory:
        raise InsarError(
            f"memory={memory / 1e9:.1f} GB is too little: one worker needs about {needs.memory(1) / 1e9:.1f} GB here; "
            "allow more, or take a smaller part with --bbox, --start, --end or --delays"
        )
    most = max(n for n in range(1, workers + 1) if memory is None or needs.memory(n) <= memory)
    return Plan(needs.tasks, needs.memory(most), needs.disk, needs.seconds(most), most)
