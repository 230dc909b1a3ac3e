"""A model over a region."""

from insarflow.segment.engine import segment

__all__ = ["segment"]
