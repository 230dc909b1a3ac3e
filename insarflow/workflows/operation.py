"""What an operation on a stack will need, told before it is done: counted on its graph, measured on one block."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask._task_spec import Task
from dask.base import compute, optimize

from insarflow.errors import InsarError, SchemaError
from insarflow.ops.checks import check_whole
from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES, validate
from insarflow.stack.assemble import SHARD
from insarflow.stack.layout import shard_size
from insarflow.stack.write import lazy_writes, unknown_variables, write_stack
from insarflow.workflows.measure import Pace, folder_size, pace, resident, stored_size
from insarflow.workflows.needs import NOWHERE, count_tasks, cpus
from insarflow.workflows.operations import operations
from insarflow.workflows.plan import Plan

Work = Callable[[xr.Dataset], xr.Dataset | xr.DataArray]

_THREAD: Final = 12_000_000
"""Bytes that a thread holds besides its arrays."""

_TASK: Final = 5_000
"""Bytes of a task in a graph that is being run."""

_FEW: Final = 4
"""Interferograms whose tasks are counted; the others have as many each."""


def plan(
    ds: xr.Dataset,
    operation: str | Work,
    /,
    *,
    workers: int | None = None,
    **parameters: object,
) -> Plan:
    """What an operation will need, before it is done: tasks, memory, disk and time on this computer.

    Parameters
    ----------
    ds
        A stack.
    operation
        Name of an operation of ``ds.insar`` (``"goldstein"``, ``"multilook"``, ``"segment"``, ...); ``"write"`` for
        writing the stack as it is; or a function that takes the stack and returns a lazy Dataset or DataArray.
    workers
        Threads; by default one per core.
    **parameters
        Of the operation.

    Returns
    -------
    Plan
        If the result is a stack, of writing it with `insarflow.write_stack`; otherwise of computing it into memory.

    Raises
    ------
    TypeError, ValueError
        If there is no such operation, or it says so.
    InsarError
        Those of the operation; SchemaError if `ds` is no stack.

    Notes
    -----
    One block of one interferogram is computed, and thrown away, to measure memory and compression; for the time, by
    itself and several times at once, as workers share what the computer has. The rest follows from the graph. Where an
    operation mixes interferograms (``closure_phase``, a mean over dates), or chained ones have blocks wait for their
    neighbours, memory is a rough guess.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=1)
    >>> plan(ds, "multilook", y=2, x=2).disk > 0
    True
    """
    validate(ds)
    workers = cpus() if workers is None else check_whole("workers", workers, low=1, high=4096)
    work = _work(operation, parameters)
    ds = _chunked(ds)
    result = work(ds)
    if not isinstance(result, xr.Dataset | xr.DataArray):
        raise TypeError(f"operation must return a Dataset or DataArray, instead got {type(result).__name__}")
    exists = _exists(ds)
    if not exists.any():
        raise SchemaError("plan needs at least one interferogram, instead got valid=False everywhere")
    to_disk = _is_stack(result)
    trial = _Trial.of(ds, work, exists, result, to_disk, min(workers, cpus()))
    tasks = _count_stack(ds, work, exists) if to_disk else count_tasks(_lazy(result))
    held = 0.0 if to_disk else 2.0 * sum(array.nbytes for array in _lazy(result))
    memory = resident() + workers * (trial.memory + _THREAD) + trial.waiting + tasks * _TASK + held
    seconds = trial.once + trial.pace.seconds(trial.blocks, min(workers, cpus()))
    disk = int(trial.disk(result, int(exists.sum()))) if to_disk else 0
    return Plan(tasks, int(memory), disk, seconds, workers)


def _work(operation: str | Work, parameters: Mapping[str, object]) -> Work:
    if callable(operation):
        return partial(operation, **parameters)
    known = operations()
    if not isinstance(operation, str):
        raise TypeError(f"operation must be a name or a function, instead got {operation!r:.80}")
    if operation not in known:
        raise ValueError(f"operation must be one of {', '.join(known)}, instead got operation={operation!r:.80}")
    return partial(known[operation], **parameters)


def _chunked(ds: xr.Dataset) -> xr.Dataset:
    """The stack with images in blocks, so that no operation computes at once."""
    sizes = {"date": 1, "delay": 1, "y": SHARD, "x": SHARD}
    blocks = {
        name: array.chunk({dim: sizes[str(dim)] for dim in array.dims})
        for name, array in ds.data_vars.items()
        if set(SPACE) <= set(array.dims) and set(array.dims) <= set(DIMS) and array.chunks is None
    }
    return ds.assign(blocks)


def _exists(ds: xr.Dataset) -> np.ndarray:
    """Cells to work on: those that ``valid`` names in memory, or all."""
    if "valid" in ds and not isinstance(ds["valid"].data, da.Array):
        return np.asarray(ds["valid"].values, bool)
    return np.ones((ds.sizes["date"], ds.sizes["delay"]), bool)


def _is_stack(result: xr.Dataset | xr.DataArray) -> bool:
    if not isinstance(result, xr.Dataset) or unknown_variables(result):
        return False
    with suppress(SchemaError):
        validate(result)
        return any(VARIABLES[n].dims == DIMS for n in VARIABLES if n in result)
    return False


def _lazy(result: xr.Dataset | xr.DataArray) -> list[da.Array]:
    arrays = [result] if isinstance(result, xr.DataArray) else list(result.data_vars.values())
    return [array.data for array in arrays if isinstance(array.data, da.Array)]


def _writes(ds: Any) -> list[da.Array]:
    static, _, counts = lazy_writes(ds, NOWHERE, {})
    return [*static, counts]


def _count_stack(ds: xr.Dataset, work: Work, exists: np.ndarray) -> int:
    """Tasks of writing a result: those of a few interferograms, and as many more as each of these adds."""
    cells = np.argwhere(exists)

    def count(number: int) -> int:
        some = np.zeros_like(exists)
        some[tuple(cells[:number].T)] = True
        return count_tasks(_writes(work(_with_valid(ds, some))))

    if len(cells) <= 2 * _FEW:
        return count(len(cells))
    two, three, four = (count(k) for k in range(_FEW - 2, _FEW + 1))
    if four - three != three - two:
        return count(len(cells))
    return two + (len(cells) - _FEW + 2) * (three - two)


def _with_valid(ds: xr.Dataset, valid: np.ndarray) -> xr.Dataset:
    attrs = ds["valid"].attrs if "valid" in ds else {}
    return ds.assign(valid=(CELLS, valid, attrs))


@dataclass(frozen=True)
class _Trial:
    """The work on one block, measured.

    Attributes
    ----------
    blocks
        Number of such blocks in all.
    pace
        Time that each takes.
    once
        Time that a store takes once, however large, s.
    memory
        Bytes while it is computed.
    waiting
        Bytes of blocks that wait until their neighbours have used them.
    kept
        Bytes on disk of each variable, per pixel.
    rest
        Bytes on disk of all else.
    """

    blocks: float
    pace: Pace
    once: float
    memory: int
    waiting: float
    kept: Mapping[str, float]
    rest: int

    @classmethod
    def of(cls, ds: xr.Dataset, work: Work, exists: np.ndarray, result: Any, to_disk: bool, workers: int) -> _Trial:
        """Compute a block of an interferogram in the middle of the stack."""
        i, j = (int(k) for k in np.argwhere(exists)[int(exists.sum()) // 2])
        here = {"date": slice(i, i + 1), "delay": slice(j, j + 1)}
        if to_disk:
            alone = np.zeros_like(exists)
            alone[i, j] = True
            stack: Any = _of_alone(ds, alone, here, work, result)
            # Without "valid" a block without pixels is none that ought to have some.
            whole: Any = stack.drop_vars([n for n in stack.data_vars if n == "valid" or VARIABLES[n].dims == SPACE])
        else:
            stack = whole = _of_one(ds.isel(here), work, result)
        times = 1 if whole is result else int(exists.sum())
        block = _block(whole, ds, (i, j))
        part = whole.isel(block)
        arrays = (_writes(part), _writes(whole)) if to_disk else (_lazy(part), _lazy(whole))
        few, all_of_it = (_Graph.of(a) for a in arrays)
        with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="sync"):
            path = Path(folder) / "0.zarr"

            def run(number: int) -> object:
                return _write(part, folder, number) if to_disk else compute(*arrays[0])

            once = pace(partial(_write, _corner(part), folder), workers)[0] if to_disk else Pace(0.0, 0.0, 1)
            every, memory = pace(run, workers)
            if to_disk and len(stack.data_vars) > len(whole.data_vars) + 1:
                write_stack(stack.drop_vars("valid").isel(block), path, overwrite=True)
            images = [n for n in VARIABLES if to_disk and n in stack and VARIABLES[n].dims != CELLS]
            sizes = {n: stored_size(path, n) for n in images}
            rest = folder_size(path) - sum(sizes.values()) if to_disk else 0
        pixels = int(np.prod([part.sizes.get(dim, 1) for dim in SPACE]))
        waiting = 0.0
        if all_of_it.shared:
            # Whole rows of blocks wait for the next row.
            one = memory / max(1, few.work)
            waiting, memory = 3.0 * one * min(all_of_it.shared, 2 * all_of_it.shared**0.5), int(3 * one)
        kept = {name: size / pixels for name, size in sizes.items()}
        blocks = times * all_of_it.work / max(1, few.work)
        return cls(blocks, every.without(once), once.alone, memory, waiting, kept, rest)

    def disk(self, result: xr.Dataset | xr.DataArray, pairs: int) -> float:
        """Bytes of the whole result, of so many interferograms."""
        area = result.sizes["y"] * result.sizes["x"]
        images = sum(size for name, size in self.kept.items() if VARIABLES[name].dims == DIMS)
        static = sum(size for name, size in self.kept.items() if VARIABLES[name].dims == SPACE)
        return self.rest + area * (static + images * pairs)


@dataclass(frozen=True)
class _Graph:
    """Tasks of a graph that work on blocks, and those whose blocks several others use."""

    work: int
    shared: int

    @classmethod
    def of(cls, arrays: list[da.Array]) -> _Graph:
        """Count them after optimisation."""
        graph: dict[Any, Any] = {}
        for array in optimize(*arrays):
            graph.update(array.__dask_graph__())
        users: dict[Any, int] = {}
        work = 0
        for key, task in graph.items():
            if not isinstance(task, Task) or str(key[0] if isinstance(key, tuple) else key).startswith("written-"):
                continue
            work += 1
            for needed in task.dependencies:
                users[needed] = users.get(needed, 0) + 1
        return cls(work, sum(count > 1 for count in users.values()))


def _write(ds: xr.Dataset, folder: str, number: int) -> Path:
    out = Path(folder) / f"{number}.zarr"
    write_stack(ds, out, overwrite=True)
    return out


def _corner(part: xr.Dataset) -> xr.Dataset:
    """Four pixels in memory, which take what a store takes once."""
    corner = part.isel(y=slice(0, 2), x=slice(0, 2))
    images = [n for n in corner.data_vars if set(SPACE) <= set(corner[n].dims)]
    return corner.assign({n: corner[n].copy(data=np.ones(corner[n].shape, corner[n].dtype)) for n in images})


def _of_alone(ds: xr.Dataset, alone: np.ndarray, here: dict[str, slice], work: Work, result: Any) -> xr.Dataset:
    """The result for one interferogram; some one of all, if the operation is one that chooses or moves them."""
    with suppress(InsarError, IndexError):
        stack: Any = work(_with_valid(ds, alone)).isel(here)
        if all(stack.sizes.values()):
            return stack  # type: ignore[no-any-return]
    i, j = (int(k) for k in np.argwhere(_exists(result))[0])
    cell: xr.Dataset = result.isel(date=slice(i, i + 1), delay=slice(j, j + 1))
    return cell


def _of_one(alone: xr.Dataset, work: Work, result: xr.Dataset | xr.DataArray) -> xr.Dataset | xr.DataArray:
    """The operation on one interferogram; `result`, of all, if it needs several."""
    try:
        return work(alone)
    except (ValueError, InsarError):
        return result


def _block(whole: xr.Dataset | xr.DataArray, ds: xr.Dataset, cell: tuple[int, int]) -> dict[str, slice]:
    """The block of the result, or the shard if that is larger, in whose middle a pixel of the source is known."""
    others = {str(dim): slice(0, 1) for dim in whole.dims if dim not in SPACE}
    if not set(SPACE) <= set(whole.dims):
        return others
    array = (
        whole
        if isinstance(whole, xr.DataArray)
        else next(a for a in whole.data_vars.values() if {"y", "x"} <= set(a.dims) and a.chunks)
    )
    edges = []
    for dim in SPACE:
        shard = shard_size(array.sizes[dim])[0]
        sizes = array.chunksizes.get(dim, (array.sizes[dim],))
        blocks = list(pairwise(accumulate(sizes, initial=0)))
        if max(sizes) < shard:
            blocks = [(a, min(a + shard, array.sizes[dim])) for a in range(0, array.sizes[dim], shard)]
        edges.append(blocks)
    image = next(ds[n] for n in VARIABLES if n in ds and VARIABLES[n].dims == DIMS)[cell]
    for place in (0.5, 0.0, 1.0, 0.25, 0.75):
        rows, cols = (blocks[round(place * (len(blocks) - 1))] for blocks in edges)
        middle = [
            int((a + b) / 2 * image.sizes[dim] / array.sizes[dim])
            for dim, (a, b) in zip(SPACE, (rows, cols), strict=True)
        ]
        near = image.isel({dim: slice(max(0, m - 32), m + 32) for dim, m in zip(SPACE, middle, strict=True)})
        if np.isfinite(near.values).any():
            break
    return {**others, "y": slice(*rows), "x": slice(*cols)}
