"""Probability of movement straight to a store, shard by shard."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, get_args

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import annotate, tokenize

from insarflow.errors import OutputExistsError, ProductWarning, SelectionError
from insarflow.ops.checks import check_choice
from insarflow.ops.recipe import apply_recipe
from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES, recipe_of, validate
from insarflow.segment.chosen import ModelLike
from insarflow.segment.engine import TILE, lay_out_segment
from insarflow.segment.masks import Masks, check_masks
from insarflow.segment.shards import Work, shards
from insarflow.segment.workers import current_client, ready_workers
from insarflow.segment.workers.needs import needs_of
from insarflow.stack.assemble import as_blocks
from insarflow.stack.codes import Code, Encoding, codes_for_probability
from insarflow.stack.cube import Cell, pick
from insarflow.stack.draft import draft
from insarflow.stack.georeference import grid_of
from insarflow.stack.journal import Journal, remove_temporaries, unfinished
from insarflow.stack.layout import SKIPPED, Place, lay_out, put_cells, shard_size, write_image, write_images
from insarflow.stack.location import Folder, WritableLocation
from insarflow.stack.sources import as_location
from insarflow.stack.write import is_read_from, run
from insarflow.types import Mode, Output, Pair, Precision, Recipe

KEPT: Final = ("probability", "probability_std", "valid", "perpendicular_baseline", "fingerprint", "dem")
"""What of a stack goes to the store; the interferograms stay where they are."""

SKIPPED_LIST: Final = "skipped.json"
"""Object of a store that lists the shards that could not be read."""


def segment_to_zarr(
    ds: xr.Dataset,
    model: ModelLike,
    out: str | Path,
    *,
    before: Recipe | None = None,
    encoding: Encoding = "float16",
    skip_bad: bool = False,
    overwrite: bool = False,
    resources: Mapping[str, float] | None = None,
    device: str | None = None,
    tile_size: int = TILE,
    channels: Sequence[str] | None = None,
    stride: int | None = None,
    output: Output = "logits",
    precision: Precision = "exact",
    mode: Mode | None = None,
    patch: int | None = None,
    offsets: int = 1,
    mask: Masks = (),
) -> Path | str:
    """Write the probability that each pixel of each interferogram moves to a store, a shard at a time.

    Each shard is computed by one task from its own window of the source, and written by it: no task waits for another,
    and no memory grows with the region or the number of interferograms. Stopped at any time, even killed, the same call
    goes on where it was.

    Parameters
    ----------
    ds
        A stack as `insarflow.open_stack` gives it. What was changed since is computed lazily, with neighbouring blocks
        as dependencies: see `before`.
    model
        As `insarflow.segment.segment`.
    out
        Folder to make, or a URL of an object store that fsspec knows.
    before
        Steps that each window goes through before the network, with the margin that they need, such as
        ``Recipe().then("goldstein", alpha=0.5)``; none by default.
    encoding
        How probabilities are kept. ``"float16"``: off by at most 2.4e-4; ``"uint8"``: in steps of 1/254, off by at most
        0.002, in half the space; ``"float32"``: as they are. The attribute ``quantisation_error`` tells it.
    skip_bad
        Whether a shard of the source that cannot be read is passed over: it stays NaN, is named by a `ProductWarning`
        and listed in the object ``skipped.json`` of the store. The same call tries it again.
    overwrite
        Replace a store that is there, once the new one is complete; and unfinished work of other parameters.
    resources
        What a worker of a dask cluster must have to be given a task, such as ``{"GPU": 1}``.
    device, tile_size, channels, stride, output, precision, mode, patch, offsets, mask
        As `insarflow.segment.segment`; a mask lies on the grid of the result. Those that the store holds
        (``ds["water"]``) are read window by window; with others blocks depend on their neighbours.

    Returns
    -------
    Path or str
        `out`: a path, or a URL as it was given. `insarflow.open_stack` opens the store: ``probability`` with the
        attributes of `insarflow.segment.segment`, ``probability_std`` with several `offsets`, ``valid``, and
        ``perpendicular_baseline``, ``fingerprint`` and ``dem`` if the stack has them.

    Raises
    ------
    TypeError, ValueError, ModelError, SchemaError
        As `insarflow.segment.segment`.
    OutputExistsError
        If something is there and `overwrite` is False, or unfinished work of other parameters: what differs is named.
    SelectionError
        If the stack holds no interferogram.
    StoreError
        If a shard cannot be read (named) or written, for instance because the disk is full.
    WorkerError
        On a dask cluster, before any work: if a worker, named, is of other versions, does not see the source as it is
        here or the folder of `out`, has no such device or too little memory; or if there is none, or none has the
        `resources`. During the work: if workers, or the scheduler, are lost; the same call goes on.

    Warns
    -----
    RecipeWarning
        As `insarflow.segment.segment`.
    ProductWarning
        With `skip_bad`, naming what was passed over.

    Notes
    -----
    It is one dask computation: run it under ``dask.diagnostics.ProgressBar()`` or a distributed client to see it
    advance. The local scheduler's threads read and write while the network runs.

    On a cluster, workers that do not have the model are sent it once each, also those that start later; see
    `insarflow.segment.segment`. A worker that ends, even killed, costs no more than the shards that it was at.
    """
    target = as_location(out, "out")
    if is_read_from(ds, target):
        raise OutputExistsError(f"out={str(target)!r} is the store that is segmented: choose another path")
    with annotate(resources=dict(resources)) if resources else nullcontext():
        laid_out = lay_out_stream(
            ds, model, before=before, encoding=encoding, skip_bad=skip_bad, device=device, tile_size=tile_size,
            channels=channels, stride=stride, output=output, precision=precision, mode=mode, patch=patch,
            offsets=offsets, mask=mask,
        )  # fmt: skip
        client = current_client()
        if client is not None:
            needs = needs_of(ds, laid_out.work, [laid_out.ds.sizes[dim] for dim in SPACE], target)
            ready_workers(client, needs)
        skipped = _write(laid_out, target, overwrite=overwrite)
    if skipped:
        warnings.warn(
            f"{len(skipped)} shards of the source could not be read and are NaN: {'; '.join(skipped[:5])}"
            f"{' and others' if len(skipped) > 5 else ''}; all are listed in {target}/{SKIPPED_LIST}",
            ProductWarning,
            stacklevel=2,
        )
    return target.plain


@dataclass(frozen=True)
class Stream:
    """What `segment_to_zarr` writes, laid out.

    Attributes
    ----------
    ds
        All that goes to the store, probabilities lazy.
    facts
        What must be the same for work to be gone on with.
    work
        What is done in every shard.
    """

    ds: xr.Dataset
    facts: dict[str, Any]
    encoding: Encoding
    work: Work

    @property
    def codes(self) -> dict[str, Code]:
        """How variables are kept."""
        return {name: code for name, code in codes_for_probability(self.encoding).items() if name in self.ds}

    @property
    def cells(self) -> list[Cell]:
        """Interferograms."""
        known = self.ds["valid"].values if "valid" in self.ds else np.ones([self.ds.sizes[dim] for dim in CELLS], bool)
        return [(int(i), int(j)) for i, j in np.argwhere(known)]

    def names(self, dims: tuple[str, ...]) -> list[str]:
        """Variables with these dimensions, probability first."""
        return [name for name in KEPT if name in self.ds and VARIABLES[name].dims == dims]

    def writes(self, where: WritableLocation) -> tuple[list[da.Array], list[da.Array]]:
        """Lazy writes of static images; and, of each variable, of all interferograms' images."""
        static = [write_image(self.ds[name].data, Place(where, name)) for name in self.names(SPACE)]
        cells, codes = self.cells, self.codes
        images = [
            write_images(
                pick(as_blocks(self.ds[name]), cells),
                [Place(where, name, cell, code=codes.get(name)) for cell in cells],
            )
            for name in self.names(DIMS)
        ]
        return static, images


def lay_out_stream(
    ds: xr.Dataset,
    model: ModelLike,
    *,
    before: Recipe | None = None,
    encoding: Encoding = "float16",
    skip_bad: bool = False,
    device: str | None = None,
    tile_size: int = TILE,
    channels: Sequence[str] | None = None,
    stride: int | None = None,
    output: Output = "logits",
    precision: Precision = "exact",
    mode: Mode | None = None,
    patch: int | None = None,
    offsets: int = 1,
    mask: Masks = (),
) -> Stream:
    """Check everything and lay out the work; parameters as `segment_to_zarr`."""
    validate(ds)
    check_choice("encoding", encoding, get_args(Encoding))
    steps = before or Recipe()
    laid_out = lay_out_segment(
        apply_recipe(ds, steps), model, device=device, tile_size=tile_size, channels=channels, stride=stride,
        output=output, precision=precision, mode=mode, patch=patch, offsets=offsets, mask=mask,
    )  # fmt: skip
    chosen = laid_out.chosen
    work = Work(chosen.predictor, laid_out.tiling, device, steps, recipe_of(ds).to_json(), skip_bad)
    streamed = shards(ds, check_masks(mask, laid_out.ds), (laid_out.ds.sizes["y"], laid_out.ds.sizes["x"]), work)
    kept = laid_out.ds if streamed is None else laid_out.with_data(streamed)
    facts = {
        "model": chosen.name, "sha256": chosen.sha256, "encoding": encoding, "skip_bad": skip_bad, **chosen.facts(),
    }  # fmt: skip
    stream = Stream(kept[[name for name in KEPT if name in kept]], facts, encoding, work)
    if not stream.cells:
        raise SelectionError("the stack holds no interferogram that could be segmented: see ds.insar.pairs")
    return stream


def _write(stream: Stream, target: WritableLocation, *, overwrite: bool) -> list[str]:
    """Compute and write all that is not there; what was passed over, a phrase each."""
    ds, cells = stream.ds, stream.cells
    attrs = {str(name): ds[name].attrs for name in ds.data_vars}
    empty = lay_out(ds["date"].values, ds["delay"].values, grid_of(ds), attrs, ds.attrs, stream.codes)
    begun = {"segment": stream.facts, "versions": {name: version(name) for name in ("insarflow", "torch")}}
    journal = Journal(json.dumps({**begun, "data": tokenize(ds, stream.encoding)}, sort_keys=True))
    if not overwrite:
        _refuse_other_work(target, journal)
    with draft(target, journal, empty, overwrite=overwrite, keep=True) as work:
        static, images = stream.writes(work)
        counts = run([*static, *images], target, partial(_named, stream, {image.name for image in images}))
        counts = counts[len(static) :]
        if current_client() is not None and isinstance(work, Folder):
            # Of workers that were killed while they wrote.
            remove_temporaries(work.path)
        for name in stream.names(CELLS):
            put_cells(work, name, ds[name].values)
        if "valid" not in ds:
            valid = np.zeros([ds.sizes[dim] for dim in CELLS], bool)
            valid[tuple(np.transpose(cells))] = (counts[0] > 0).any(axis=(1, 2))
            put_cells(work, "valid", valid)
        skipped = _skipped(ds, cells, counts[0])
        if skipped:
            work.write(SKIPPED_LIST, json.dumps(skipped, indent=1).encode())
    return skipped


def _skipped(ds: xr.Dataset, cells: Sequence[Cell], counts: np.ndarray) -> list[str]:
    """Interferogram, rows and columns of each shard that was passed over."""
    return [shard_name(ds, cells[image], at) for image, *at in np.argwhere(counts == SKIPPED).tolist()]


def shard_name(ds: xr.Dataset, cell: Cell, shard: Sequence[int]) -> str:
    """Interferogram, rows and columns of a shard."""
    date, delay = ds["date"].values[cell[0]], ds["delay"].values[cell[1]]
    sides = [shard_size(ds.sizes[dim])[0] for dim in SPACE]
    rows, cols = (
        f"{k * side}:{min(ds.sizes[dim], (k + 1) * side)}" for k, side, dim in zip(shard, sides, SPACE, strict=True)
    )
    return f"{Pair(date, date + delay).name} rows {rows}, columns {cols}"


def _named(stream: Stream, writes: set[str], key: object) -> str | None:
    """What the task with this key writes; None if it is none of `writes`."""
    if not isinstance(key, tuple) or key[0] not in writes:
        return None
    _, image, *shard = key
    return shard_name(stream.ds, stream.cells[image], shard)


def _refuse_other_work(target: WritableLocation, journal: Journal) -> None:
    """Refuse to throw away, or to mix with, unfinished work of other parameters."""
    begun = unfinished(target)
    if begun is None or begun == journal:
        return
    try:
        before, now = json.loads(begun.identity), json.loads(journal.identity)
        old, new = {**before["segment"], **before["versions"]}, {**now["segment"], **now["versions"]}
    except (ValueError, KeyError, TypeError):
        return
    different = [f"{key}={old.get(key)!r}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    raise OutputExistsError(
        f"output {target} holds unfinished work with {', '.join(different) or 'other data'}: go on as it was begun, "
        "choose another path, or start anew with overwrite=True (--overwrite)"
    )
