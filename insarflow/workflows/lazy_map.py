"""The work of a map, laid out but not computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import dask.array as da
import xarray as xr

from insarflow.inventory import summarise
from insarflow.inventory.checks import settle_cut
from insarflow.learn.weights import ModelRef, load_card, resolve_model
from insarflow.segment import segment
from insarflow.stack.blocks import BlockStore
from insarflow.stack.store import open_stack
from insarflow.workflows.prepare import fit_notes, prepare, regrid
from insarflow.workflows.run import MapRun
from insarflow.workflows.windows import Windows, windows

RASTERS: Final = ("probability", "support")
"""Images of a map."""


@dataclass(frozen=True)
class LazyMap:
    """A map that is not computed yet.

    Attributes
    ----------
    source
        The stack before anything that the model's recipe asks for, lazy.
    stack
        What the model will see, lazy.
    summary
        ``probability`` and ``support``, ``(y, x)``, lazy.
    cut
        Probability from which a pixel counts as moving, and the one that some interferogram must reach in an outline.
    notes
        What is done to the data that a user may not expect, and what they do not tell, one sentence each.
    model
        The model.
    work
        How its blocks are computed, each on its own; None if they cannot be.
    """

    source: xr.Dataset
    stack: xr.Dataset
    summary: xr.Dataset
    cut: tuple[float, float]
    notes: tuple[str, ...]
    model: ModelRef
    work: Windows | None

    @property
    def identity(self) -> str:
        """What tells one computation from another: names of sources, parameters, model and software, hashed."""
        names = [da.asarray(self.summary[name].data).name for name in RASTERS]
        text = json.dumps([*names, version("insarflow"), version("torch")])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def blocks(self, path: Path) -> BlockStore:
        """Where the blocks of the summary are kept once computed."""
        images = {name: da.asarray(self.summary[name].data) for name in RASTERS}
        if self.work is None:
            return BlockStore(path, images)
        chunks = self.work.blocks()
        alone = partial(_summarised, self.work, self.cut)
        return BlockStore(path, {name: image.rechunk(chunks) for name, image in images.items()}, alone)


def _summarised(work: Windows, cut: tuple[float, float], rows: slice, cols: slice) -> Mapping[str, da.Array]:
    block = summarise(work.segmented(rows, cols), threshold=cut[0], peak=cut[1])
    return {name: da.asarray(block[name].data) for name in RASTERS}


def open_map(run: MapRun) -> LazyMap:
    """Open the source and the model of a map, and lay out the work; nothing is computed.

    Raises
    ------
    TypeError, ValueError
        If a parameter is wrong.
    InsarError
        If the source, the model or the recipe is no good.
    """
    ds, notes = open_source(run)
    lazy = lay_out(ds, run)
    return replace(lazy, notes=(*notes, *lazy.notes))


def open_source(run: MapRun) -> tuple[xr.Dataset, tuple[str, ...]]:
    """The source of a map on the pixels that are asked for, lazy, and what was done to it; errors as `open_map`."""
    resolve_model(run.model)
    ds = open_stack(run.source[0] if len(run.source) == 1 else run.source, **run.selection)
    return regrid(ds, load_card(run.model), run.recipe, run.resolution)


def lay_out(ds: xr.Dataset, run: MapRun) -> LazyMap:
    """The work of a map of a stack on the pixels that are wanted; source and resolution of `run` are not looked at."""
    card = load_card(run.model)
    threshold, peak = settle_cut(run.threshold, run.peak, (card.threshold, card.peak))
    prepared, notes = prepare(ds, card.recipe, run.recipe)
    probability = segment(prepared, run.model, device=run.device, tile_size=run.tile_size)
    work = windows(ds, prepared, model=run.model, recipe=run.recipe, device=run.device, tile_size=run.tile_size)
    summary = summarise(probability, threshold=threshold, peak=peak)
    notes = (*notes, *fit_notes(prepared, card))
    return LazyMap(ds, prepared, summary, (threshold, peak), notes, resolve_model(run.model), work)
