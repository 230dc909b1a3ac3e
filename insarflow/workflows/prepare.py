"""The work of a map, laid out but not computed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import dask.array as da
import xarray as xr

from insarflow.errors import InsarError, MissingVariableError
from insarflow.inventory import summarise
from insarflow.learn.weights import ModelRef, load_card, resolve_model
from insarflow.ops.coherence import coherence
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.schema import recipe_of, require
from insarflow.segment import segment
from insarflow.stack.blocks import BlockStore
from insarflow.stack.store import open_stack
from insarflow.types import Recipe
from insarflow.workflows.run import RECIPES, MapRun

RASTERS: Final = ("probability", "support")
"""Images of a map."""


@dataclass(frozen=True)
class LazyMap:
    """A map that is not computed yet.

    Attributes
    ----------
    stack
        What the model will see, lazy.
    summary
        ``probability`` and ``support``, ``(y, x)``, lazy.
    threshold
        Probability from which a pixel counts as moving.
    notes
        What is done to the data that a user may not expect, one sentence each.
    model
        The model.
    """

    stack: xr.Dataset
    summary: xr.Dataset
    threshold: float
    notes: tuple[str, ...]
    model: ModelRef

    @property
    def identity(self) -> str:
        """What tells one computation from another: names of sources, parameters, model and software, hashed."""
        names = [da.asarray(self.summary[name].data).name for name in RASTERS]
        text = json.dumps([*names, version("insarflow"), version("torch")])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def blocks(self, path: Path) -> BlockStore:
        """Where the blocks of the summary are kept once computed."""
        return BlockStore(path, {name: da.asarray(self.summary[name].data) for name in RASTERS})


def prepare(ds: xr.Dataset, trained: Recipe, recipe: str | Path = "model") -> tuple[xr.Dataset, tuple[str, ...]]:
    """Process a stack for a model; coherence is estimated first if there is none.

    Parameters
    ----------
    ds
        A stack; only ``igram`` is needed.
    trained
        What the model's training data went through.
    recipe
        ``"model"``: the phase is filtered as the training data were, if it is not filtered yet. ``"none"``: no step.
        Path of a JSON file of steps: exactly these.

    Returns
    -------
    Dataset
        Lazy if `ds` is.
    tuple of str
        What was done.

    Raises
    ------
    MissingVariableError
        If there is no ``igram``, or no ``coherence`` and the phase is filtered already.
    InsarError
        If `recipe` is no such word and no file that can be read.
    """
    require(ds, "igram", to="map")
    notes = []
    steps = _steps(ds, trained, recipe)
    if "coherence" not in ds and not steps.of("coherence"):
        if recipe_of(ds).of("goldstein"):
            raise MissingVariableError(
                "map needs the variable 'coherence' of a filtered stack: estimated from filtered phase it would be "
                "near 1 everywhere; estimate it before the filter, with ds.insar.coherence(window=5)"
            )
        ds = coherence(ds, window=5)
        notes.append("the product has no coherence: estimated from the phase in 5 x 5 windows")
    ds = apply_recipe(ds, steps)
    if recipe == "model":
        notes += [
            f"filtered as the model's training data: Goldstein, patch {step['patch_size']}, step {step['step']}, "
            f"alpha {step['alpha']}"
            for step in steps.steps
        ]
    elif steps.steps:
        notes.append(f"processed as {recipe} says: {', '.join(step['operation'] for step in steps.steps)}")
    return ds, tuple(notes)


def _steps(ds: xr.Dataset, trained: Recipe, recipe: str | Path) -> Recipe:
    """Steps to apply."""
    if recipe == "none":
        return Recipe()
    if recipe == "model":
        return Recipe() if recipe_of(ds).of("goldstein") else Recipe(tuple(trained.of("goldstein")))
    if not Path(recipe).is_file():
        raise InsarError(
            f"recipe must be {', '.join(RECIPES)} or the path of a JSON file of steps, instead got "
            f"recipe={str(recipe)!r}, which is no file"
        )
    return read_recipe(recipe)


def open_map(run: MapRun) -> LazyMap:
    """Open the source and the model of a map, and lay out the work; nothing is computed.

    Raises
    ------
    TypeError, ValueError
        If a parameter is wrong.
    InsarError
        If the source, the model or the recipe is no good.
    """
    resolve_model(run.model)
    ds = open_stack(run.source[0] if len(run.source) == 1 else run.source, **run.selection)
    return lay_out(ds, run)


def lay_out(ds: xr.Dataset, run: MapRun) -> LazyMap:
    """The work of a map of a stack that is open already; the source of `run` is not looked at."""
    card = load_card(run.model)
    threshold = card.threshold if run.threshold is None else run.threshold
    prepared, notes = prepare(ds, card.recipe, run.recipe)
    probability = segment(prepared, run.model, device=run.device, tile_size=run.tile_size)
    return LazyMap(prepared, summarise(probability, threshold=threshold), threshold, notes, resolve_model(run.model))
