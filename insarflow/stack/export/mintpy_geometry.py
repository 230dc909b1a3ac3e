"""What MintPy's geometry file holds, of a stack's images that are the same for all interferograms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from insarflow.stack.export.layers import Stack, read
from insarflow.stack.export.mintpy_attributes import orbit_radius
from insarflow.stack.geometry import slant_ranges
from insarflow.types import Window


@dataclass(frozen=True)
class Image:
    """An image of the geometry file.

    Attributes
    ----------
    name
        Of the dataset.
    dtype
        Of its values.
    values
        Those in a window.
    """

    name: str
    dtype: np.dtype
    values: Callable[[Window], np.ndarray]


def geometry_of(stack: Stack) -> Iterator[Image]:
    """Images that the stack can tell, as `insarflow.stack.export.mintpy.write_mintpy` describes them."""
    held, real, flag = set(stack.static), np.dtype("float32"), np.dtype("bool")
    radius = orbit_radius(stack.pairs.attrs.get("platform"))

    def part(name: str, window: Window) -> np.ndarray:
        return read(stack.pairs[name].data, window)

    def incidence(window: Window) -> np.ndarray:
        degrees: np.ndarray = np.degrees(part("incidence", window))
        return degrees

    def azimuth(window: Window) -> np.ndarray:
        degrees: np.ndarray = np.degrees(-np.arctan2(part("los_east", window), part("los_north", window)))
        return degrees

    def distance(window: Window) -> np.ndarray:
        height, north, up = (part(name, window) for name in ("dem", "los_north", "los_up"))
        return slant_ranges(height, north, up, stack.grid, window, radius or 0.0)

    yield Image("height", real, lambda window: part("dem", window))
    if "incidence" in held:
        yield Image("incidenceAngle", real, incidence)
    if {"los_east", "los_north"} <= held:
        yield Image("azimuthAngle", real, azimuth)
    if {"los_north", "los_up"} <= held and radius is not None:
        yield Image("slantRangeDistance", real, distance)
    if "shadow" in held:
        yield Image("shadowMask", flag, lambda window: part("shadow", window))
    if "water" in held:
        yield Image("waterMask", flag, lambda window: ~part("water", window))
