"""A model over a region."""

from insarflow.segment.engine import segment
from insarflow.segment.seams import check_seams
from insarflow.segment.stream import segment_to_zarr

__all__ = ["check_seams", "segment", "segment_to_zarr"]
