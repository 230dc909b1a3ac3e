"""Channels of one window of one interferogram, read from a stack and processed as the whole stack would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.learn.phase import CHANNELS, encode
from insarflow.ops.layer import window_of
from insarflow.ops.margins import margins
from insarflow.ops.recipe import apply_recipe
from insarflow.schema import DIMS, SPACE, VARIABLES, recipe_of, require
from insarflow.stack.codes import phase_only
from insarflow.types import Recipe, Window

ASPECT: Final = {"aspect_east": np.sin, "aspect_north": np.cos}
"""Channels made of ``aspect``, the direction down the slope as a vector; 0 where it is level."""

_LEVEL: Final = ("aspect", *ASPECT)
_TERRAIN: Final = ("slope", "aspect", "profile_curvature", "plan_curvature")
_Window = tuple[tuple[int, int], tuple[int, int]]


class ChannelReader:
    """Reads any channels of a window of an interferogram.

    Parameters
    ----------
    ds
        A stack, lazy or not. Nothing is computed yet.
    channels
        ``coherence``, ``cos``, ``sin`` (`insarflow.learn.phase.encode`); ``aspect_east``, ``aspect_north``;
        ``amplitude``, that of the stack or, if it has none, the square root of the interferogram's magnitude, which is
        the geometric mean of both images' amplitudes; and any variable of the stack on ``(date, delay, y, x)`` or
        ``(y, x)`` that holds real numbers, in its own unit: ``dem``, ``slope``, ``profile_curvature``, ``incidence``,
        ``los_east`` ...
    steps
        Applied to the stack before (`insarflow.apply_recipe`).

    Attributes
    ----------
    processed
        The stack after the steps.

    Raises
    ------
    ValueError
        If `channels` is empty or repeats.
    MissingVariableError
        If the stack does not hold what a channel is made of.

    Notes
    -----
    A window is read with the margins that the steps look at, and the steps are applied to what was read: the bits of
    the whole stack processed and then cut. Where a step looks at the whole region, or the stack is not just read from a
    store, dask computes the window, which costs whole blocks: write such a stack first.
    """

    def __init__(self, ds: xr.Dataset, channels: Sequence[str], steps: Recipe) -> None:
        self.channels = tuple(channels)
        self.processed = apply_recipe(ds, steps) if steps.steps else ds
        _check(self.processed, self.channels)
        self.phase = bool({*CHANNELS} & {*self.channels})
        self.variables = {_made_of(self.processed, name) for name in {*self.channels} - {*CHANNELS}}
        if self.phase:
            self.variables |= {"igram", "coherence"} & {*map(str, self.processed.data_vars)}
        self._steps, self._margins = steps, margins(steps)
        needed = {"igram", "coherence"} | self.variables if steps.steps else self.variables
        self._sources = {n: (ds[n].dims, ds[n].data) for n in sorted(needed) if n in ds}
        self._attrs = dict(ds.attrs)
        self._source_shape = (ds.sizes["y"], ds.sizes["x"])
        # A worker is sent no more of the graph than this.
        self.processed = self.processed[sorted(self.variables)]

    @property
    def shape(self) -> tuple[int, int]:
        """``(y, x)`` of the processed stack."""
        return self.processed.sizes["y"], self.processed.sizes["x"]

    def read(self, cell: tuple[int, int], window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Channels of a window, and where they are known.

        Parameters
        ----------
        cell
            Position along date and delay.
        window
            Inside the processed stack.

        Returns
        -------
        image : ndarray
            float32 ``(channel, y, x)``, finite: 0 where a channel is missing; coherence, cos and sin are missing
            together, as a network sees them on a map.
        there : ndarray
            bool ``(y, x)``: no channel is missing. Level ground has an aspect of 0 and misses nothing.
        """
        values = self._values(cell, window)
        image = np.empty((len(self.channels), *window.shape), np.float32)
        there = np.ones(window.shape, bool)
        if self.phase:
            igram = values["igram"]
            coherence = values.get("coherence", np.ones(igram.shape, np.float32))
            encoded = dict(zip(CHANNELS, encode(igram, coherence), strict=True))
            there &= (encoded["cos"] != 0) | (encoded["sin"] != 0)
        for k, name in enumerate(self.channels):
            if name in CHANNELS:
                image[k] = encoded[name]
                continue
            plane = _plane(name, values)
            image[k] = np.where(np.isfinite(plane), plane, 0)
            if name not in _LEVEL:
                there &= np.isfinite(plane)
        return image, there

    def _values(self, cell: tuple[int, int], window: Window) -> dict[str, np.ndarray]:
        near: _Window = (window.y0, window.y1), (window.x0, window.x1)
        if self._margins is not None:
            far = tuple(
                margin.source(*part, size=size, source_size=full)
                for margin, part, size, full in zip(self._margins, near, self.shape, self._source_shape, strict=True)
            )
            read = {name: _read(dims, data, cell, (far[0], far[1])) for name, (dims, data) in self._sources.items()}
            if all(plane is not None for plane in read.values()):
                return self._process({n: p for n, p in read.items() if p is not None}, (far[0], far[1]), window)
        cut = self.processed.isel(y=slice(*near[0]), x=slice(*near[1]))
        one = cut.isel(date=cell[0], delay=cell[1]) if "date" in cut.dims else cut
        return {str(n): v.values for n, v in one.compute(scheduler="synchronous").data_vars.items()}

    def _process(self, read: dict[str, np.ndarray], far: _Window, window: Window) -> dict[str, np.ndarray]:
        if not self._steps.steps or self._margins is None:
            return read
        ds = xr.Dataset({name: (SPACE, plane) for name, plane in read.items()}, attrs=self._attrs)
        ds = apply_recipe(ds, self._steps)
        y, x = (part[0] // margin.looks for part, margin in zip(far, self._margins, strict=True))
        rows, columns = window.relative_to(Window(y, x, 0, 0)).within(Window(0, 0, 0, 0))
        return {name: ds[name].values[rows, columns] for name in self.variables}


def _read(dims: tuple[Any, ...], data: Any, cell: tuple[int, int], part: _Window) -> np.ndarray | None:
    """A window of a variable as it is; None if it cannot just be read."""
    lead = cell if tuple(dims) == DIMS else ()
    index: Any = (*lead, slice(*part[0]), slice(*part[1]))
    if isinstance(data, da.Array):
        found = window_of(data, lead, *part) if _one_by_one(data, len(lead)) else None
        if found is None:
            return None
        data, index = found
    plane: np.ndarray = np.asarray(data[index])
    return plane.reshape(plane.shape[-2:])


def _one_by_one(data: da.Array, lead: int) -> bool:
    return all(n == 1 for sizes in data.chunks[:lead] for n in sizes)


def _made_of(ds: xr.Dataset, name: str) -> str:
    """The variable of a stack that a channel is made of."""
    if name in ("cos", "sin") or (name == "amplitude" and name not in ds and "igram" in ds):
        return "igram"
    return "aspect" if name in ASPECT else name


def _plane(name: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """A channel out of the variables that are read."""
    if name in ASPECT:
        direction: np.ndarray = ASPECT[name](values["aspect"])
        return direction
    return np.sqrt(np.abs(values["igram"])) if name not in values else values[name]


def _check(ds: xr.Dataset, channels: tuple[str, ...]) -> None:
    if not channels or len({*channels}) < len(channels):
        raise ValueError(f"channels must be names that differ, at least one, instead got channels={channels}")
    for name in channels:
        made_of = _made_of(ds, name)
        about = f"the channel {name!r}" if made_of != name else "the channels"
        remedy = "add it with insarflow.terrain" if made_of in _TERRAIN else ""
        if made_of not in ds and made_of not in VARIABLES:
            known = sorted(
                {*CHANNELS, *ASPECT, "amplitude", *map(str, ds.data_vars)} - {"igram", "valid", "fingerprint"}
            )
            raise MissingVariableError(f"a channel must be one of {', '.join(known)}, instead got {name!r}")
        require(ds, made_of, to=about, remedy=remedy)
        if name == "amplitude" and made_of == "igram" and phase_only(recipe_of(ds)):
            raise MissingVariableError(
                "the channel 'amplitude' needs complex interferograms, or the variable 'amplitude', but these are of "
                f"phase alone, and the dataset holds {sorted(map(str, ds.data_vars))}"
            )
        if tuple(ds[made_of].dims) not in (DIMS, SPACE) or (name == made_of and ds[made_of].dtype.kind not in "biuf"):
            raise ValueError(
                f"a channel must hold real numbers on (y, x) or (date, delay, y, x), instead got {name!r} of "
                f"{ds[made_of].dtype} on {tuple(map(str, ds[made_of].dims))}"
            )
