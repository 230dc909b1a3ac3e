"""Pictures of stacks and maps. Loads matplotlib; the interactive map needs ``insarflow[notebook]``."""

from insarflow.plot.explore import explore
from insarflow.plot.html import stack_html, stack_text
from insarflow.plot.methods import Plot
from insarflow.plot.region import draw_map

__all__ = ["Plot", "draw_map", "explore", "stack_html", "stack_text"]
