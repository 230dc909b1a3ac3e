"""How far a network looks: found by watching it, and by trying it, which must agree."""

from insarflow.segment.reach.search import Reach, reach

__all__ = ["Reach", "reach"]
