"""What a stream of shards needs of the workers of a cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from dask.base import get_annotations

from insarflow.ops.layer import sources_of
from insarflow.segment.shards import Work
from insarflow.segment.workers.facts import Memory
from insarflow.segment.workers.ready import Needs
from insarflow.stack.layout import shard_size
from insarflow.stack.location import WritableLocation
from insarflow.stack.witness import witnesses


def needs_of(ds: xr.Dataset, work: Work, shape: Sequence[int], output: WritableLocation) -> Needs:
    """What workers must have for `insarflow.segment.segment_to_zarr`, in whose annotations this is called.

    Parameters
    ----------
    ds
        The stack before the steps.
    shape
        ``(y, x)`` of the result.
    """
    annotated = get_annotations().get("resources")
    return Needs(
        witnesses(ds), output, work.predictor.source, _memory(ds, work, shape), work.device,
        annotated if isinstance(annotated, dict) else {},
    )  # fmt: skip


def _memory(ds: xr.Dataset, work: Work, shape: Sequence[int]) -> Memory:
    reads = [work.tiling.reads(0, shard_size(size)[0], size) for size in shape]
    tile, predictor = [min(work.tiling.tile_size, size) for size in shape], work.predictor
    return Memory(
        window=math.prod(stop - start for start, stop in reads) * (_pixel(ds, work) + predictor.dtype.itemsize),
        tile=math.prod(tile) * len(predictor.channels) * np.dtype(np.float32).itemsize,
        weights=predictor.size,
    )


def _pixel(ds: xr.Dataset, work: Work) -> int:
    """Bytes of a pixel as a task holds it: codes, unless steps want the values."""
    images = [ds[name] for name in ("igram", "coherence")]
    codes: list[Any] = [
        getattr(next(sources_of(image.data), None) if image.chunks else None, "code", None) for image in images
    ]
    kept = [
        image.dtype if code is None or work.steps.steps else np.dtype(code.dtype)
        for image, code in zip(images, codes, strict=True)
    ]
    return sum(dtype.itemsize for dtype in kept)
