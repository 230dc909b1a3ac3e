"""From interferograms to a store of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from insarflow.learn.weights import ModelCard, load_card
from insarflow.segment import segment_to_zarr
from insarflow.segment.resolution import Resolution
from insarflow.segment.stream import Stream, lay_out_stream
from insarflow.segment.windows import round_up
from insarflow.stack.assemble import SHARD
from insarflow.stack.draft import check_place
from insarflow.stack.sources import SourceLike, as_location
from insarflow.stack.store import open_stack
from insarflow.workflows.needs import stack_pixels
from insarflow.workflows.prepare import fit_notes, prepare, regrid, steps_before
from insarflow.workflows.selection import Running, Selection, check_not_source
from insarflow.workflows.stage import Stage, quiet


def segment_source(
    source: SourceLike,
    out: str | Path,
    *,
    model: str | Path = "default",
    recipe: str | Path = "model",
    resolution: Resolution | None = None,
    device: str | None = None,
    overwrite: bool = False,
    selection: Selection | None = None,
    running: Running | None = None,
    resources: Mapping[str, float] | None = None,
    stage: Stage = quiet,
) -> tuple[Path | str, tuple[str, ...]]:
    """Write the probability of movement of every interferogram to a store.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens.
    out
        The store to make, a folder or a URL. It appears whole or not at all; stopped, the same call goes on.
    model
        Name or path of a model.
    recipe
        As `insarflow.workflows.prepare.prepare`.
    resolution
        Size of a pixel that the source is brought to first, as `insarflow.segment.resolution.to_resolution`.
    device
        As `insarflow.segment.segment`.
    overwrite
        Replace a store that is there, once the new one is complete.
    selection
        Part of the source that is wanted.
    running
        How the model runs, and how probabilities are kept: keywords of `insarflow.segment_to_zarr`.
    resources
        As `insarflow.segment_to_zarr`.
    stage
        Shows progress.

    Returns
    -------
    Path or str
        The store, as of `insarflow.segment_to_zarr`.
    tuple of str
        What was done to the data that a user may not expect, and what they do not tell, one sentence each.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    InsarError
        If the source, the model or the output is no good.
    """
    check_place(as_location(out, "out"), overwrite=overwrite)
    check_not_source(out, source)
    running, card = running or Running(), load_card(model)
    with stage("opening"):
        ds = open_stack(source, skip_bad=running.get("skip_bad", False), **(selection or {}))
        ds, before = regrid(ds, card, recipe, resolution)
    steps = steps_before(ds, card.recipe, recipe)
    prepared, notes = prepare(ds, card.recipe, recipe)
    with stage("segmenting", pixels=stack_pixels(prepared)):
        written = segment_to_zarr(
            ds, model, out, before=steps, overwrite=overwrite, device=device, tile_size=tile_size(card),
            resources=resources, **running,
        )  # fmt: skip
    return written, (*before, *notes, *fit_notes(prepared, card))


def lay_out_source(
    ds: xr.Dataset,
    *,
    model: str | Path,
    recipe: str | Path,
    device: str | None,
    running: Running,
) -> Stream:
    """What `segment_source` writes of a stack on the pixels that are wanted, nothing computed."""
    card = load_card(model)
    steps = steps_before(ds, card.recipe, recipe)
    return lay_out_stream(ds, model, before=steps, device=device, tile_size=tile_size(card), **running)


def tile_size(card: ModelCard) -> int:
    """Side of what is predicted at once, pixels: two a side of a shard, margin included."""
    return round_up(-(-(SHARD + 2 * card.reach) // 2), card.stride)
