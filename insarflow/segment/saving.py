"""A trained network, with the card that tells others how to use it, to disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from insarflow.errors import ModelError
from insarflow.learn import weights
from insarflow.learn.card import ModelCard
from insarflow.learn.models import Spec, list_models, network_name, stated_spec
from insarflow.ops.checks import check_kind
from insarflow.segment.reach import reach
from insarflow.types import JsonValue, Recipe

UNSTATED = "not stated"
"""What a card says of a licence that nobody told."""


def save_model(
    module: nn.Module,
    path: str | Path,
    *,
    channels: Sequence[str] | None = None,
    recipe: Recipe | str | None = None,
    architecture: str | None = None,
    pixel_size_m: tuple[float, float] | None = None,
    threshold: float = 0.5,
    peak: float | None = None,
    temperature: float = 1.0,
    shift: float = 0.0,
    normalisation: Mapping[str, Mapping[str, float]] | None = None,
    scores: Mapping[str, JsonValue] | None = None,
    training: Mapping[str, JsonValue] | None = None,
    training_data_licences: Sequence[str] = (),
    dem_licences: Sequence[str] = (),
    licence: str = UNSTATED,
    cite: Sequence[str] = (),
    card: ModelCard | None = None,
    overwrite: bool = False,
) -> ModelCard:
    """Write a network's weights as safetensors, and a JSON card beside them; `insarflow.load_model` reads both.

    Parameters
    ----------
    module
        A network with a name: of `insarflow.list_models`. Give your own one by `insarflow.register_model`.
    path
        Ends in ``.safetensors``; the card gets the same name ending in ``.json``.
    channels
        Of its input, in order, as ``("coherence", "cos", "sin")``.
    recipe
        How the training data were processed: a `Recipe`, or the attribute ``recipe`` of the stack that patches were cut
        from.
    architecture
        The network's name; by default the one that gives modules of this class with these tensors.
    pixel_size_m, threshold, peak, temperature, shift, scores, training, training_data_licences, dem_licences, licence,
    cite
        As `insarflow.learn.card.ModelCard`. Of ``training``, ``patch_size``, ``delays_days``, ``looks``,
        ``wavelength_m`` and ``product_filter`` are compared with the data that the model is used on.
    normalisation
        ``{channel: {"mean": m, "std": s}}`` of channels that the network takes as ``(value - m) / s``. What uses the
        card does the same; nothing is done here.
    card
        Instead of all that describes the model.
    overwrite
        Whether files that are already there may be replaced.

    Returns
    -------
    ModelCard
        As written. Its stride and reach are those that the network was registered with, or that `insarflow.reach`
        finds.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If `channels` or `recipe` is missing or none, or something is given twice, once by `card`.
    ModelError
        If the network has no name, is not what its name says, cannot be examined, or holds a weight that is not finite;
        or naming the field of the card that is wrong.
    OutputExistsError
        If a file is already there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from insarflow.learn.models import build_model
    >>> network = build_model("resunet", 2)
    >>> with TemporaryDirectory() as folder:
    ...     card = save_model(network, f"{folder}/mine.safetensors", channels=("cos", "sin"), recipe=Recipe())
    >>> card.architecture, card.stride, card.reach
    ('resunet', 4, 37)
    """
    check_kind("module", module, nn.Module, "a torch.nn.Module")
    target = weights.check_output(path)
    if card is None:
        names = _channels(channels)
        steps = _recipe(recipe)
        network = _architecture(module, architecture, len(names))
        spec = stated_spec(network) or _found(module, len(names))
        card = ModelCard(
            architecture=network, channels=names, stride=spec.stride, reach=spec.reach, recipe=steps,
            pixel_size_m=pixel_size_m, threshold=threshold, peak=peak, temperature=temperature, shift=shift,
            normalisation={name: dict(how) for name, how in (normalisation or {}).items()}, scores=dict(scores or {}),
            training=dict(training or {}),
            training_data_licences=_texts("training_data_licences", training_data_licences),
            dem_licences=_texts("dem_licences", dem_licences), licence=licence, cite=_texts("cite", cite),
        )  # fmt: skip
    else:
        given = (
            channels, recipe, architecture, pixel_size_m, peak, normalisation, scores, training,
            *training_data_licences, *dem_licences, *cite,
        )  # fmt: skip
        if any(value is not None for value in given) or (threshold, temperature, shift, licence) != (
            0.5,
            1.0,
            0.0,
            UNSTATED,
        ):
            raise ValueError("card must be given alone, without what describes the model: change its fields instead")
    return weights.save_model(module, target, card=card, overwrite=overwrite)


def _channels(channels: Sequence[str] | None) -> tuple[str, ...]:
    if channels is None:
        raise ValueError(
            'channels must be the names of the input channels in order, as ("coherence", "cos", "sin"), instead got '
            "channels=None"
        )
    return _texts("channels", channels)


def _recipe(recipe: Recipe | str | None) -> Recipe:
    if recipe is None:
        raise ValueError(
            "recipe must be a Recipe or the attribute 'recipe' of the training stack, instead got recipe=None: "
            "Recipe() stands for data that were not processed"
        )
    check_kind("recipe", recipe, Recipe | str, "a Recipe, or its JSON text")
    return Recipe.from_json(recipe) if isinstance(recipe, str) else recipe


def _texts(name: str, value: Sequence[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a sequence of texts, instead got {name}={value!r:.80}: put it into brackets")
    return tuple(value)


def _architecture(module: nn.Module, name: str | None, channels: int) -> str:
    """A name that `module` can be built by again."""
    if name is not None:
        if name not in list_models():
            raise ValueError(f"architecture must be one of {list_models()}, instead got architecture={name!r:.80}")
        return name
    found = network_name(module, channels)
    if len(found) == 1:
        return found[0]
    own = type(module).__name__
    if found:
        raise ModelError(f"{own} is built by {' and '.join(found)}: say architecture={found[0]!r}, or the other")
    raise ModelError(
        f"{own} must be a network with a name, so that it can be built again: call "
        f"insarflow.register_model({own.lower()!r}, factory) with a factory that gives it for {channels} channels, "
        f"and in every process that loads it; networks with a name are {list_models()}"
    )


def _found(module: nn.Module, channels: int) -> Spec:
    found = reach(module, channels=channels)
    return Spec(found.stride, max(found.left, found.right, 1))
