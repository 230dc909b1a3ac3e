"""Process a stack as a recipe says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import xarray as xr

from insarflow.errors import InsarError
from insarflow.ops.atmosphere import add_stratified, add_turbulence
from insarflow.ops.augment import add_offset, add_ramp, conjugate, decorrelate, degrade
from insarflow.ops.coherence import coherence
from insarflow.ops.deramp import deramp
from insarflow.ops.goldstein import goldstein
from insarflow.ops.multilook import multilook
from insarflow.ops.reference import reference
from insarflow.ops.stratified import remove_stratified
from insarflow.schema import require
from insarflow.types import Recipe

OPERATIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "goldstein": goldstein,
    "multilook": multilook,
    "coherence": coherence,
    "add_offset": add_offset,
    "add_ramp": add_ramp,
    "conjugate": conjugate,
    "decorrelate": decorrelate,
    "degrade": degrade,
    "add_turbulence": add_turbulence,
    "add_stratified": add_stratified,
    "deramp": deramp,
    "reference": reference,
    "remove_stratified": remove_stratified,
}
"""What a recipe may ask for, by the name that a step's ``operation`` has."""

_NOTED = {"coherence": {"estimator"}}
"""What an operation writes into its step without being told."""

MAX_BYTES = 65_536
"""Size of a recipe file that is read."""


def apply_recipe(ds: xr.Dataset, recipe: Recipe) -> xr.Dataset:
    """Apply the steps of a recipe, in order.

    Parameters
    ----------
    ds
        A stack.
    recipe
        Steps with the operations and parameters of this package's functions, such as
        ``Recipe().then("goldstein", alpha=0.5).then("multilook", y=2, x=2)``.

    Returns
    -------
    Dataset
        Lazy if `ds` is.

    Raises
    ------
    TypeError
        If `ds` is no Dataset or `recipe` no Recipe.
    ValueError
        If a step asks for an operation or a parameter that there is not, or lacks one. Nothing is applied then.

    Examples
    --------
    >>> import numpy as np
    >>> ds = xr.Dataset({"igram": (("y", "x"), np.ones((8, 8), "complex64"))})
    >>> dict(apply_recipe(ds, Recipe().then("multilook", y=2, x=4)).sizes)
    {'y': 4, 'x': 2}
    """
    require(ds, to="apply_recipe")
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be an insarflow.Recipe, instead got {type(recipe).__name__}")
    for function, parameters in [_step(step) for step in recipe.steps]:
        ds = function(ds, **parameters)
    return ds


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from a JSON file: a list of steps such as ``{"operation": "multilook", "y": 2, "x": 2}``.

    Raises
    ------
    InsarError
        If the file cannot be read, is no list of steps, or asks for something that `apply_recipe` cannot do.
    """
    name = f"recipe={str(path)!r}"
    try:
        with Path(path).open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InsarError(f"{name} cannot be read: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise InsarError(f"{name} must have at most {MAX_BYTES} bytes: it is no recipe")
    try:
        recipe = Recipe.from_json(text.decode("utf-8"))
        for step in recipe.steps:
            _step(step)
    except ValueError as error:
        raise InsarError(f"{name}: {error}") from error
    return recipe


def _step(step: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Function and arguments of a step."""
    operation = step.get("operation")
    if not isinstance(operation, str) or operation not in OPERATIONS:
        names = ", ".join(OPERATIONS)
        raise ValueError(f"the operation of a step must be one of {names}, instead got {operation!r:.80}")
    function = OPERATIONS[operation]
    known = {
        name: parameter.default is inspect.Parameter.empty
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("obj", "ds", "secondary") and (operation, name) != ("goldstein", "coherence")
    }
    given = {k: v for k, v in step.items() if k != "operation" and k not in _NOTED.get(operation, ())}
    if not set(given) <= set(known):
        strange = sorted(set(given) - set(known))[0]
        raise ValueError(f"{operation} has the parameters {', '.join(known) or 'none'}, instead got {strange!r:.80}")
    lacking = [name for name, needed in known.items() if needed and name not in given]
    if lacking:
        raise ValueError(f"{operation} needs the parameter {lacking[0]}, instead got {sorted(given)}")
    return function, given
