"""Probabilities of new interferograms into a store of probabilities that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError, SchemaError
from insarflow.schema import SPACE, recipe_of
from insarflow.segment.stream import Stream
from insarflow.segment.workers import current_client, ready_workers
from insarflow.segment.workers.needs import needs_of
from insarflow.stack.append import append_pairs, not_held
from insarflow.stack.codes import stored_codes
from insarflow.stack.sources import as_location
from insarflow.stack.store import open_stack
from insarflow.types import Pair


def append_stream(stream: Stream, ds: xr.Dataset, path: str | Path) -> list[Pair]:
    """Segment those interferograms that a store of probabilities does not hold, and add them.

    What the store holds is neither computed nor touched. Stopped at any time, even killed, the same call goes on.

    Parameters
    ----------
    stream
        All interferograms of the stack, as `insarflow.segment.stream.lay_out_stream` lays them out; it fits the store:
        see `compare`.
    ds
        That stack.
    path
        The store.

    Returns
    -------
    list of Pair
        Those added, sorted.

    Raises
    ------
    InsarError
        As `insarflow.append_pairs`; on a dask cluster as `insarflow.segment_to_zarr`.
    """
    client = current_client()
    if client is not None:
        ready_workers(
            client, needs_of(ds, stream.work, [stream.ds.sizes[dim] for dim in SPACE], as_location(path, "path"))
        )
    return append_pairs(stream.ds, path)


def compare(stream: Stream, path: str | Path) -> tuple[list[str], int]:
    """How the probabilities of a stack differ from those of a store, and how many the store lacks.

    Looked at are the model, its hash, threshold and peak, how it runs, how numbers are kept, what the interferograms
    went through, and the pixels.

    Returns
    -------
    list of str
        A phrase for each difference, which begins with what the store has; none if they are of a kind.
    int
        Interferograms that `append_stream` would segment; 0 if they are not of a kind.
    """
    held = open_stack(path)
    if "probability" not in held:
        return [f"{', '.join(map(str, held.data_vars))}, no probabilities"], 0
    both = held, stream.ds
    before, now = ((recipe_of(data).of("segment") or ({},))[-1] for data in both)
    facts = [
        *((name, before.get(name), now.get(name)) for name in sorted({*before, *now})),
        *((name, *(data["probability"].attrs.get(name) for data in both)) for name in ("threshold", "peak")),
        ("encoding", _encoding(path), str(stream.facts["encoding"])),
    ]
    told = [f"{name}={was!r}, instead got {name}={is_!r}" for name, was, is_ in facts if was != is_]
    if told:
        return told, 0
    try:
        return [], int(np.count_nonzero(not_held(stream.ds, path)["valid"].values))
    except (SchemaError, GridMismatchError) as error:
        return [str(error)], 0


def _encoding(path: str | Path) -> str:
    """How a store keeps its probabilities."""
    code = stored_codes(as_location(path, "path").arrays()).get("probability")
    return "float32" if code is None else code.dtype
