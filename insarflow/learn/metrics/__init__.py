"""Scores of a model, in memory that does not grow with the pixels: pixels, outlines, objects, locations, intervals."""

from insarflow.learn.metrics.bootstrap import Interval, bootstrap
from insarflow.learn.metrics.distance import DistanceScores, border_distances, hausdorff
from insarflow.learn.metrics.locations import LocationScores, season, surest
from insarflow.learn.metrics.matching import Matches, components, match
from insarflow.learn.metrics.movers import phase_classes, target_of
from insarflow.learn.metrics.objects import ObjectScores
from insarflow.learn.metrics.pixel import PixelScores
from insarflow.learn.metrics.tally import Tally

__all__ = [
    "DistanceScores",
    "Interval",
    "LocationScores",
    "Matches",
    "ObjectScores",
    "PixelScores",
    "Tally",
    "bootstrap",
    "border_distances",
    "components",
    "hausdorff",
    "match",
    "phase_classes",
    "season",
    "surest",
    "target_of",
]
