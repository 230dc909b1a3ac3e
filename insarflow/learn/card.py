"""The card beside a model's weights: what the network is, what data it was trained on, how well it does."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, Self

from insarflow.errors import ModelError
from insarflow.learn.card_rules import RULES, short
from insarflow.learn.models import list_models, stated_spec
from insarflow.learn.models.registry import WAY_OUT
from insarflow.types import JsonValue, Recipe


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a trained model. On disk: a JSON object with the same fields.

    Those that have a default may be left out on disk, but the hash.

    Attributes
    ----------
    architecture
        Name of the network, one of `insarflow.learn.models.list_models`.
    channels
        Input channels in order.
    normalisation
        Of each channel that is normalised, ``{"mean": m, "std": s}``: the network takes ``(value - m) / s``. The others
        it takes as they are encoded.
    stride, reach
        As the network states them, pixels.
    recipe
        How the training data were processed.
    pixel_size_m
        Smallest and largest pixel size of the training data, m; None if unknown.
    threshold
        Probability from which a pixel counts as moving; chosen once, on validation data.
    peak
        Probability that some interferogram must reach somewhere in an outline for it to count; chosen with the
        threshold, at least as high. None: the threshold.
    temperature, shift
        The probability is ``sigmoid((logit + shift) / temperature)``; chosen on validation data.
    scores
        How the model did on held-out data.
    training
        What is needed to train it again: seed, script, software versions, data.
    training_data_licences, dem_licences
        Of all data, and all elevation models, that it was trained on.
    licence
        Licence of the weights.
    cite
        What to cite when the model is used.
    sha256
        Of the weights file; filled in when the model is saved.
    """

    architecture: str
    channels: tuple[str, ...]
    normalisation: dict[str, dict[str, float]] = field(default_factory=dict)
    stride: int
    reach: int
    recipe: Recipe
    pixel_size_m: tuple[float, float] | None
    threshold: float
    peak: float | None = None
    temperature: float = 1.0
    shift: float = 0.0
    scores: dict[str, JsonValue]
    training: dict[str, JsonValue]
    training_data_licences: tuple[str, ...] = ()
    dem_licences: tuple[str, ...] = ()
    licence: str
    cite: tuple[str, ...] = ()
    sha256: str = ""

    def to_json(self) -> str:
        """JSON text, indented, fields in the order of this class.

        Raises
        ------
        ModelError
            If a field holds something that JSON has no form for.
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["recipe"] = list(self.recipe.steps)
        try:
            return json.dumps(values, indent=2) + "\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"a model card must hold plain JSON values: {error}") from error

    @classmethod
    def from_json(cls, text: str, *, file: str) -> Self:
        """Card from its JSON text.

        Parameters
        ----------
        text
            What `to_json` gives.
        file
            Named in error messages.

        Raises
        ------
        ModelError
            Naming the file, the first wrong field and its value; or if the network is not registered, or cannot be
            imported.
        """
        values = _parse(text, file)
        _check_architecture(values["architecture"], file)
        for name, rule in RULES.items():
            if name in values and not rule.right(values[name]):
                raise ModelError(f"{file}: {name} must be {rule.wanted}, instead got {name}={short(values[name])}")
        _check_spec(values, file)
        if values.get("peak") is not None and values["peak"] < values["threshold"]:
            raise ModelError(
                f"{file}: peak must be null or at least the threshold {values['threshold']}, instead got "
                f"peak={values['peak']}"
            )
        _check_normalisation(values, file)
        for name in _LISTS & values.keys():
            values[name] = tuple(values[name])
        if values["pixel_size_m"] is not None:
            values["pixel_size_m"] = tuple(map(float, values["pixel_size_m"]))
        return cls(**values | {"recipe": Recipe(tuple(values["recipe"]))})


_LISTS: Final = {"channels", "training_data_licences", "dem_licences", "cite"}


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        values = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: a model card must be a JSON object, but cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{file}: a model card must be a JSON object, instead got {short(values)}")
    known = fields(ModelCard)
    names = [f.name for f in known]
    for f in known:
        optional = f.name != "sha256" and (f.default, f.default_factory) != (MISSING, MISSING)
        if f.name not in values and not optional:
            raise ModelError(f"{file}: the field {f.name!r} is missing; a model card has the fields {names}")
    for name in values:
        if name not in names:
            raise ModelError(f"{file}: unknown field {name!r:.80}; a model card has the fields {names}")
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; Python would keep the last of two values of a name, and another program the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r:.80} stands in it twice")
    return found


def _check_architecture(name: Any, file: str) -> None:
    if not isinstance(name, str) or name not in list_models():
        raise ModelError(
            f"{file}: architecture must be one of {list_models()}, instead got architecture={short(name)}: {WAY_OUT}"
        )


def _check_spec(values: dict[str, Any], file: str) -> None:
    spec = stated_spec(values["architecture"])
    for name in ("stride", "reach") if spec is not None else ():
        stated = getattr(spec, name)
        if values[name] != stated:
            raise ModelError(
                f"{file}: {name} must be {stated} for architecture {values['architecture']!r}, instead got "
                f"{name}={values[name]}"
            )


def _check_normalisation(values: dict[str, Any], file: str) -> None:
    for name in values.get("normalisation", ()):
        if name not in values["channels"]:
            raise ModelError(
                f"{file}: normalisation must be of the channels {values['channels']}, instead got {short(name)}"
            )
