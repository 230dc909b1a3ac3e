"""A model over a region."""

from insarflow.segment.classification import classify, classify_windows
from insarflow.segment.engine import segment
from insarflow.segment.sliding import sliding_window
from insarflow.segment.window_map import windows_to_pixels

__all__ = ["classify", "classify_windows", "segment", "sliding_window", "windows_to_pixels"]
