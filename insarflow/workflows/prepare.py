"""What a stack goes through before a model sees it."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from insarflow.errors import InsarError, MissingVariableError
from insarflow.learn.card import ModelCard
from insarflow.ops.recipe import apply_recipe, read_recipe
from insarflow.schema import recipe_of, require
from insarflow.segment.domain import compare
from insarflow.segment.resolution import Resolution, nearest_size, to_resolution
from insarflow.stack.georeference import pixel_size_m
from insarflow.types import Recipe
from insarflow.workflows.run import RECIPES

_ESTIMATED = "the product has no coherence: estimated from the phase in 5 x 5 windows"


def regrid(
    ds: xr.Dataset, card: ModelCard, recipe: str | Path, resolution: Resolution | None
) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Bring a stack to the pixels that are asked for, before `prepare`.

    Parameters
    ----------
    ds
        A stack; only ``igram`` is needed.
    card
        The model's.
    recipe
        As `prepare`.
    resolution
        As `insarflow.segment.resolution.to_resolution`; None for the stack's own pixels.

    Returns
    -------
    Dataset
        Lazy. `ds` itself if its pixels are as wanted.
    tuple of str
        What was done.

    Raises
    ------
    TypeError, ValueError, InsarError
        As `to_resolution` and `prepare`.

    Notes
    -----
    The phase is filtered afterwards, on the pixels that the model sees, as that of the training data was. Coherence
    that a product lacks is estimated before: between pixels of a product the interpolated phase is smooth, and would
    seem coherent everywhere.
    """
    if resolution is None:
        return ds, ()
    steps, asked = steps_before(ds, card.recipe, recipe), _steps(ds, card.recipe, recipe)
    resampled, note = to_resolution(ds, card, resolution)
    if resampled is ds or len(steps.steps) == len(asked.steps):
        return resampled, (note,)
    estimated = apply_recipe(ds, Recipe(steps.steps[:1]))
    return to_resolution(estimated, card, resolution)[0], (_ESTIMATED, note)


def fit_notes(ds: xr.Dataset, card: ModelCard) -> tuple[str, ...]:
    """What a user may want to know of how a stack that was prepared fits a model, one sentence each."""
    size = pixel_size_m(ds)
    wanted = None if size is None else nearest_size(size, card)
    notes = compare(ds, card).notes
    if wanted is None:
        return notes
    return (*notes, f"resolution='model' (--resolution model) makes pixels of {wanted[0]:.3g} by {wanted[1]:.3g} m")


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
    steps, asked = steps_before(ds, trained, recipe), _steps(ds, trained, recipe)
    notes = []
    if len(steps.steps) > len(asked.steps):
        notes.append(_ESTIMATED)
    if recipe == "model":
        notes += [
            f"filtered as the model's training data: Goldstein, patch {step['patch_size']}, step {step['step']}, "
            f"alpha {step['alpha']}"
            for step in asked.steps
        ]
    elif asked.steps:
        notes.append(f"processed as {recipe} says: {', '.join(step['operation'] for step in asked.steps)}")
    return apply_recipe(ds, steps), tuple(notes)


def steps_before(ds: xr.Dataset, trained: Recipe, recipe: str | Path) -> Recipe:
    """What `prepare` applies; parameters and errors as there."""
    require(ds, "igram", to="map")
    steps = _steps(ds, trained, recipe)
    if "coherence" in ds or steps.of("coherence"):
        return steps
    if recipe_of(ds).of("goldstein"):
        raise MissingVariableError(
            "map needs the variable 'coherence' of a filtered stack: estimated from filtered phase it would be "
            "near 1 everywhere; estimate it before the filter, with ds.insar.coherence(window=5)"
        )
    return Recipe(({"operation": "coherence", "window": 5}, *steps.steps))


def _steps(ds: xr.Dataset, trained: Recipe, recipe: str | Path) -> Recipe:
    """Steps that were asked for."""
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
