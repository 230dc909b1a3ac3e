"""What of a stack becomes files: one image after the other, with the name, unit and meaning that others read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.errors import MissingVariableError, SchemaError, SelectionError
from insarflow.schema import CELLS, DIMS, PAIR, SPACE, VARIABLES, recipe_of, validate
from insarflow.stack.assemble import SHARD, Array
from insarflow.stack.georeference import grid_of
from insarflow.stack.pairs import to_pairs
from insarflow.stack.tags import WORDS as WORDS
from insarflow.stack.tags import file_dtype, plain_attributes
from insarflow.stack.tags import software as software
from insarflow.stack.write import unknown_variables
from insarflow.types import Grid, Pair, Window

PHASE: Final = "wrapped phase, positive away from the satellite"


@dataclass(frozen=True)
class Layer:
    """One image of a stack, and what a file says of it.

    Attributes
    ----------
    variable
        Name in the contract.
    pair
        The interferogram; None for what is the same for all.
    data
        Shape ``(y, x)``, lazy or not; an interferogram is complex here.
    baseline
        Perpendicular baseline of the pair, m; NaN if unknown.
    """

    variable: str
    pair: Pair | None
    data: Array
    baseline: float = np.nan

    @property
    def word(self) -> str:
        """What the image is called: ``phase``, ``coherence``, ``dem``."""
        return WORDS.get(self.variable, self.variable)

    @property
    def name(self) -> str:
        """Name of the file, without suffix: ``20180702_20180714_phase``, ``dem``."""
        return self.word if self.pair is None else f"{self.pair.name}_{self.word}"

    @property
    def units(self) -> str:
        """Unit of the values in the file."""
        return "rad" if self.variable == "igram" else VARIABLES[self.variable].units

    @property
    def long_name(self) -> str:
        """What the values are, in words."""
        return PHASE if self.variable == "igram" else VARIABLES[self.variable].long_name

    @property
    def flags(self) -> tuple[str, ...]:
        """What the bits of a value mean, from the lowest on; empty if a value is a number."""
        return VARIABLES[self.variable].flags

    @property
    def dtype(self) -> np.dtype:
        """Of the values in the file: float32, uint8 for flags, int32 for counts, uint16 for components."""
        return file_dtype(self.variable)


@dataclass(frozen=True)
class Stack:
    """A stack made ready to leave.

    Attributes
    ----------
    pairs
        `insarflow.to_pairs` of the stack: only interferograms that exist.
    grid
        Its pixels.
    images, static
        Contract names of what lies along ``(pair, y, x)`` and ``(y, x)``, in the contract's order.
    """

    pairs: xr.Dataset
    grid: Grid
    images: tuple[str, ...]
    static: tuple[str, ...]

    @property
    def names(self) -> list[Pair]:
        """The interferograms, sorted."""
        return [Pair.parse(str(name)) for name in self.pairs[PAIR].values]

    @property
    def baselines(self) -> np.ndarray:
        """Perpendicular baseline of each pair: float32, m, NaN if unknown."""
        if "perpendicular_baseline" not in self.pairs:
            return np.full(self.pairs.sizes[PAIR], np.nan, np.float32)
        return np.asarray(self.pairs["perpendicular_baseline"].values, np.float32)

    @property
    def count(self) -> int:
        """Number of groups of layers."""
        return (len(self.names) if self.images else 0) + len(self.static)

    def groups(self) -> Iterator[list[Layer]]:
        """All images: those of each interferogram together, then each that is the same for all."""
        if self.images:
            for k, (pair, baseline) in enumerate(zip(self.names, self.baselines, strict=True)):
                yield [Layer(name, pair, self.pairs[name].data[k], float(baseline)) for name in self.images]
        for name in self.static:
            yield [Layer(name, None, self.pairs[name].data)]

    def windows(self) -> Iterator[Window]:
        """Windows of the size of a shard that tile the images, from left to right and top to bottom."""
        height, width = self.grid.shape
        for y in range(0, height, SHARD):
            for x in range(0, width, SHARD):
                yield Window(y, x, min(SHARD, height - y), min(SHARD, width - x))

    def facts(self) -> dict[str, Any]:
        """What a file tells of the whole stack: its attributes that files can tell, and the recipe."""
        return {**plain_attributes(self.pairs.attrs), "recipe": recipe_of(self.pairs).to_json()}


def stack_of(ds: xr.Dataset, variables: Sequence[str] | None = None) -> Stack:
    """Look at a stack that shall leave; nothing is computed but which interferograms exist, and baselines.

    Parameters
    ----------
    ds
        A stack.
    variables
        Contract names of what is wanted; by default all.

    Raises
    ------
    TypeError
        If `variables` is no sequence of names, or `ds` no Dataset.
    SchemaError
        If `ds` is no stack, has no CRS, no interferogram, or a variable that the contract does not know.
    MissingVariableError
        If a variable is not in the stack.
    """
    validate(ds)
    extra = unknown_variables(ds)
    if extra:
        raise SchemaError(f"files hold the contract's variables only, instead got {extra}: drop them first")
    held = [name for name, variable in VARIABLES.items() if name in ds and variable.dims in (DIMS, SPACE)]
    for name in _names(variables, held):
        if name not in held:
            raise MissingVariableError(f"variables must be among those of the stack, {held}, instead got {name!r}")
    wanted = [name for name in held if variables is None or name in variables]
    pairs = to_pairs(ds.assign({n: ds[n].compute() for n, v in VARIABLES.items() if n in ds and v.dims == CELLS}))
    images, static = ([n for n in wanted if VARIABLES[n].dims == dims] for dims in (DIMS, SPACE))
    return Stack(pairs, grid_of(ds), tuple(images), tuple(static))


def with_pixels(stack: Stack) -> Stack:
    """`stack` without the interferograms that have no pixel; computes, of each only until one is found.

    Raises
    ------
    SelectionError
        If none has one.
    """
    if not stack.images:
        return stack
    kept = [k for k in range(stack.pairs.sizes[PAIR]) if any(_any(stack, k, window) for window in stack.windows())]
    if not kept:
        raise SelectionError("no interferogram has a pixel in the bbox or aoi: choose a larger or another one")
    return replace(stack, pairs=stack.pairs.isel({PAIR: kept}))


def _any(stack: Stack, pair: int, window: Window) -> bool:
    return any(bool(np.isfinite(read(stack.pairs[name].data[pair], window)).any()) for name in stack.images)


def _names(variables: Sequence[str] | None, held: list[str]) -> list[str]:
    if variables is None:
        return held
    if isinstance(variables, str) or not isinstance(variables, Sequence):
        raise TypeError(f"variables must be several names, such as ['igram'], instead got variables={variables!r:.80}")
    if not variables:
        raise MissingVariableError(f"variables must name at least one of {held}, instead got none")
    return list(variables)


def as_written(values: np.ndarray) -> np.ndarray:
    """What stands in a file for values of the stack: phase of complex numbers, 0 and 1 of flags."""
    if values.dtype.kind == "c":
        phase: np.ndarray = np.angle(values).astype(np.float32, copy=False)
        return phase
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def read(data: Array, window: Window) -> np.ndarray:
    """Pixels of an image in a window, computed in this thread."""
    part = data[window.y0 : window.y1, window.x0 : window.x1]
    values: np.ndarray = part.compute(scheduler="sync") if isinstance(part, da.Array) else part
    return values
