"""The card beside a model's weights: what the network is, what data it was trained on, how well it does."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from insarflow.errors import ModelError
from insarflow.learn.models import list_models, spec_of
from insarflow.types import JsonValue, Recipe


@dataclass(frozen=True)
class ModelCard:
    """What is known of a trained model. On disk: a JSON object with the same fields.

    Attributes
    ----------
    architecture
        Name of the network, one of `insarflow.learn.models.list_models`.
    channels
        Input channels in order.
    stride, reach
        As the network states them, pixels.
    recipe
        How the training data were processed.
    pixel_size_m
        Smallest and largest pixel size of the training data, m.
    threshold
        Probability from which a pixel counts as moving; chosen once, on validation data.
    scores
        How the model did on held-out data.
    training
        What is needed to train it again: seed, script, software versions, data.
    licence
        Licence of the weights.
    sha256
        Of the weights file; filled in when the model is saved.
    """

    architecture: str
    channels: tuple[str, ...]
    stride: int
    reach: int
    recipe: Recipe
    pixel_size_m: tuple[float, float]
    threshold: float
    scores: dict[str, JsonValue]
    training: dict[str, JsonValue]
    licence: str
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
        except TypeError as error:
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
            Naming the file, the first wrong field and its value.
        """
        values = _parse(text, file)
        for name, (wanted, right) in _RULES.items():
            if not right(values[name]):
                raise ModelError(f"{file}: {name} must be {wanted}, instead got {name}={_short(values[name])}")
        spec = spec_of(values["architecture"])
        for name, stated in (("stride", spec.stride), ("reach", spec.reach)):
            if values[name] != stated:
                raise ModelError(
                    f"{file}: {name} must be {stated} for architecture {values['architecture']!r}, "
                    f"instead got {name}={values[name]}"
                )
        low, high = values.pop("pixel_size_m")
        channels, steps = tuple(values.pop("channels")), tuple(values.pop("recipe"))
        return cls(**values, channels=channels, recipe=Recipe(steps), pixel_size_m=(float(low), float(high)))


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: a model card must be a JSON object, but cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ModelError(f"{file}: a model card must be a JSON object, instead got {_short(values)}")
    names = [f.name for f in fields(ModelCard)]
    for name in names:
        if name not in values:
            raise ModelError(f"{file}: the field {name!r} is missing; a model card has the fields {names}")
    for name in values:
        if name not in names:
            raise ModelError(f"{file}: unknown field {name!r:.80}; a model card has the fields {names}")
    return values


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _short(value: object) -> str:
    return f"{value!r:.80}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_channels(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) in range(1, 65)
        and all(map(_is_text, value))
        and len({*value}) == len(value)
    )


def _is_steps(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(s, dict) and _is_text(s.get("operation")) for s in value)


def _is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_positive, value)) and bool(value[0] <= value[1])


_RULES: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "architecture": (f"one of {list_models()}", lambda v: v in list_models()),
    "channels": ("a list of different channel names", _is_channels),
    "stride": ("a whole positive number of pixels", _is_count),
    "reach": ("a whole positive number of pixels", _is_count),
    "recipe": ('a list of steps, each with an "operation"', _is_steps),
    "pixel_size_m": ("[smallest, largest] in metres", _is_range),
    "threshold": ("a probability between 0 and 1", lambda v: _is_positive(v) and v < 1),
    "scores": ("an object", lambda v: isinstance(v, dict)),
    "training": ("an object", lambda v: isinstance(v, dict)),
    "licence": ("a non-empty text", _is_text),
    "sha256": ("64 hexadecimal digits", lambda v: isinstance(v, str) and bool(re.fullmatch("[0-9a-f]{64}", v))),
}
