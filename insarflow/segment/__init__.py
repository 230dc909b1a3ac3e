"""A model over a region."""

from insarflow.segment.classification import classify, classify_windows
from insarflow.segment.engine import segment
from insarflow.segment.reach import reach
from insarflow.segment.seams import check_seams
from insarflow.segment.sliding import sliding_window
from insarflow.segment.stream import segment_to_zarr
from insarflow.segment.window_map import windows_to_pixels

__all__ = [
    "check_seams",
    "classify",
    "classify_windows",
    "reach",
    "segment",
    "segment_to_zarr",
    "sliding_window",
    "windows_to_pixels",
]
