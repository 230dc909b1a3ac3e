"""A classifier of small images over a region, by windows that slide over it."""

from insarflow.segment.sliding.classification import classify, classify_windows
from insarflow.segment.sliding.slide import sliding_window
from insarflow.segment.sliding.window_map import windows_to_pixels

__all__ = ["classify", "classify_windows", "sliding_window", "windows_to_pixels"]
