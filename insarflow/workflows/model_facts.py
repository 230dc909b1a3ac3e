"""What a model's card says, as plain facts."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from insarflow.learn.model_files import model_size
from insarflow.learn.weights import list_named_models, load_card, resolve_model


def names_model(source: object) -> bool:
    """Whether a source is a model: a ``.safetensors`` file, or a name of one where no file of this name is."""
    if not isinstance(source, str | Path):
        return False
    return Path(source).suffix == ".safetensors" or (str(source) in list_named_models() and not Path(source).exists())


def describe_model(source: str | Path) -> dict[str, Any]:
    """Facts about a model: what its card holds, and ``size_mb``, what its weights take on disk.

    Both files are checked, but the values of the weights.

    Parameters
    ----------
    source
        Name of a model, or path of a ``.safetensors`` file with its card beside it.

    Returns
    -------
    dict
        That JSON can hold.

    Raises
    ------
    ModelError
        If there is no such model, or it is unsafe, damaged, or not what its card says.

    Examples
    --------
    >>> facts = describe_model("default")
    >>> facts["architecture"], facts["size_mb"]
    ('context-unet', 2.877)
    """
    ref, card = resolve_model(source), load_card(source)
    held = {f.name: getattr(card, f.name) for f in fields(card)}
    held["recipe"] = list(card.recipe.steps)
    facts = {name: list(value) if isinstance(value, tuple) else value for name, value in held.items()}
    return {"model": ref.path, "size_mb": round(model_size(ref) / 1e6, 3), **facts}
