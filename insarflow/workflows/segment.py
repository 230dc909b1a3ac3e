"""From interferograms to a store of probabilities."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import xarray as xr

from insarflow.learn.weights import ModelCard, load_card
from insarflow.segment import segment
from insarflow.segment.resolution import Resolution
from insarflow.segment.windows import round_up
from insarflow.stack.assemble import SHARD
from insarflow.stack.replace import check_output
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack, write_stack
from insarflow.workflows.prepare import fit_notes, prepare, regrid
from insarflow.workflows.selection import Selection, check_not_source
from insarflow.workflows.stage import Stage, quiet
from insarflow.workflows.windows import probability_by_windows, windows

KEPT = ("probability", "valid", "perpendicular_baseline", "dem")
"""What of a stack goes to the store; the interferograms stay where they are."""


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
    stage: Stage = quiet,
) -> tuple[Path, tuple[str, ...]]:
    """Write the probability of movement of every interferogram to a store.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens.
    out
        The store to make. It appears whole or not at all.
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
    stage
        Shows progress.

    Returns
    -------
    Path
        The store: ``probability`` with the model's name, sha256 and threshold in its attributes, ``valid``, and
        ``perpendicular_baseline`` and ``dem`` if the source has them. `insarflow.open_stack` opens it.
    tuple of str
        What was done to the data that a user may not expect, and what they do not tell, one sentence each.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.
    InsarError
        If the source, the model or the output is no good.
    """
    check_output(Path(out), overwrite=overwrite)
    check_not_source(out, source)
    with stage("opening"):
        ds, before = regrid(open_stack(source, **(selection or {})), load_card(model), recipe, resolution)
    probability, notes = lazy_probability(ds, model=model, recipe=recipe, device=device)
    with stage("segmenting"):
        write_stack(probability, out, overwrite=overwrite)
    return Path(out), (*before, *notes)


def lazy_probability(
    ds: xr.Dataset, *, model: str | Path, recipe: str | Path, device: str | None
) -> tuple[xr.Dataset, tuple[str, ...]]:
    """What `segment_source` writes of a stack on the pixels that are wanted, lazy, and what to tell of it."""
    card = load_card(model)
    prepared, notes = prepare(ds, card.recipe, recipe)
    size = tile_size(card)
    segmented = segment(prepared, model, device=device, tile_size=size)
    work = windows(ds, prepared, model=model, recipe=recipe, device=device, tile_size=size)
    if work is not None:
        shards = da.core.normalize_chunks((SHARD, SHARD), shape=work.shape)
        segmented["probability"] = segmented["probability"].copy(data=probability_by_windows(work, shards))
    return segmented[[name for name in KEPT if name in segmented]], (*notes, *fit_notes(prepared, card))


def tile_size(card: ModelCard) -> int:
    """Side of what is predicted at once, pixels: two a side of a shard, margin included."""
    return round_up(-(-(SHARD + 2 * card.reach) // 2), card.stride)
