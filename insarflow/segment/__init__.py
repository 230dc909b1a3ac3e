"""A model over a region."""

from insarflow.segment.engine import segment
from insarflow.segment.reach import reach
from insarflow.segment.saving import save_model
from insarflow.segment.seams import check_seams
from insarflow.segment.sliding import classify, classify_windows, sliding_window, windows_to_pixels
from insarflow.segment.stream import segment_to_zarr

__all__ = [
    "check_seams",
    "classify",
    "classify_windows",
    "reach",
    "save_model",
    "segment",
    "segment_to_zarr",
    "sliding_window",
    "windows_to_pixels",
]
