"""Models on disk: weights as safetensors, a JSON card beside them. No pickle is ever opened.

A model is named by a registered name (``"default"``, the one in the package) or by the path of its ``.safetensors``
file. Everything in either file is checked before it is believed: sizes are bounded, the network comes from the
registry only (what installed packages bring may be imported for it, nothing else), and names, shapes and dtypes of the
tensors are compared with the network's before any is read.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from insarflow.errors import ModelError, OutputExistsError
from insarflow.learn.card import ModelCard
from insarflow.learn.model_files import (
    NAMED,
    ModelRef,
    list_named_models,
    locate,
    place_of,
    read_card,
    write_whole,
)
from insarflow.learn.models import build_model, is_built_in
from insarflow.learn.tensors import check_finite, check_header, check_tensors, tensors_of, to_save

__all__ = ["ModelCard", "ModelRef", "list_named_models", "load_card", "load_model", "resolve_model", "save_model"]


def save_model(module: nn.Module, path: str | Path, *, card: ModelCard, overwrite: bool = False) -> ModelCard:
    """Write a model's weights, and its card beside them; `insarflow.save_model` makes the card, too.

    Parameters
    ----------
    module
        A network as `insarflow.learn.models.build_model` gives it for the card's architecture and channels.
    path
        Ends in ``.safetensors``; the card gets the same name ending in ``.json``.
    card
        Its ``sha256`` is filled in.
    overwrite
        Whether files that are already there may be replaced.

    Returns
    -------
    ModelCard
        As written.

    Raises
    ------
    ModelError
        If the module is not what the card says, a weight is not finite, or a field of the card is wrong.
    OutputExistsError
        If a file is already there.
    """
    target = check_output(path)
    outputs = (target, target.with_suffix(".json"))
    for output in outputs:
        if output.exists() and not overwrite:
            raise OutputExistsError(f"{output} exists: pass overwrite=True to replace it")
    state = to_save(module, str(target))
    data = safetensors.torch.save(state)
    written = replace(card, sha256=hashlib.sha256(data).hexdigest())
    text = written.to_json()
    written = ModelCard.from_json(text, file=str(outputs[1]))
    check_tensors(state, tensors_of(_skeleton(written), str(target)), str(target))
    check_finite(state, str(target))
    for output, content in zip(outputs, (data, text.encode()), strict=True):
        write_whole(output, content)
    return written


def check_output(path: str | Path) -> Path:
    """The path of a model to be written.

    Raises
    ------
    ModelError
        If it does not end in ``.safetensors``, or its folder does not exist.
    """
    target = Path(path)
    if target.suffix != ".safetensors" or not target.parent.is_dir():
        raise ModelError(f"path must end in .safetensors, in a folder that exists, instead got path={str(target)!r}")
    return target


def load_card(source: str | Path) -> ModelCard:
    """Read a model's card; its weights are not looked at.

    Parameters
    ----------
    source
        Registered name, or path of a ``.safetensors`` file with its card beside it.

    Raises
    ------
    TypeError
        If `source` is neither text nor a path.
    ModelError
        If there is no such model, or a field of its card is wrong.
    """
    return read_card(locate(source))


def resolve_model(source: str | Path) -> ModelRef:
    """Check a model's files and return what a task graph needs to find it again.

    Everything is checked but the values of the tensors.

    Raises
    ------
    TypeError
        If `source` is neither text nor a path.
    ModelError
        If there is no such model, or it is unsafe, damaged, or not what its card says.
    """
    files = locate(source)
    card = read_card(files)
    with files.weights.open("rb") as stream:
        check_header(stream, tensors_of(_skeleton(card), files.label), files.label)
        stream.seek(0)
        _check_hash(stream.read(), card, files.label)
    named = isinstance(source, str) and source in NAMED
    return ModelRef(str(source) if named else str(Path(source).resolve()), card.sha256)


def load_model(source: str | Path | ModelRef) -> tuple[nn.Module, ModelCard]:
    """Load a model, in evaluation mode, on the CPU.

    Parameters
    ----------
    source
        Registered name, path of a ``.safetensors`` file with its card beside it, or what `resolve_model` gave.

    Returns
    -------
    tuple of torch.nn.Module and ModelCard
        The network takes float32 ``(batch, channel, y, x)``, normalised as the card says, and gives logits
        ``(batch, 1, y, x)``, of which the card's temperature and shift make probabilities.

    Raises
    ------
    TypeError
        If `source` is of another kind.
    ModelError
        If there is no such model, or it is unsafe, damaged, not what its card says, or no longer what it was when
        it was resolved.
    """
    files = locate(place_of(source) if isinstance(source, ModelRef) else source)
    card = read_card(files)
    if isinstance(source, ModelRef) and card.sha256 != source.sha256:
        raise ModelError(
            f"{files.label} must be the model with sha256={source.sha256}, which was chosen when the work was "
            f"planned, instead got sha256={card.sha256}: use one version of the model everywhere, or plan again"
        )
    network = _skeleton(card)
    with files.weights.open("rb") as stream:
        check_header(stream, tensors_of(network, files.label), files.label)
        stream.seek(0)
        data = stream.read()
    _check_hash(data, card, files.label)
    try:
        state = safetensors.torch.load(data)
    except SafetensorError as error:
        raise ModelError(f"{files.label} is damaged: {error}") from error
    check_finite(state, files.label)
    network.load_state_dict(state, assign=True)
    return network.eval(), card


def _skeleton(card: ModelCard) -> nn.Module:
    """Build the card's network, to be given its weights; torch's random numbers are left as they are.

    One of the package takes no memory, if all of its tensors stand in the file. One of the caller's is built for real,
    since what it does beside making layers is not known; and copied, since its function may give the same one again.
    """
    if is_built_in(card.architecture):
        with torch.device("meta"):
            network = build_model(card.architecture, len(card.channels))
        if {name for name, _ in network.named_buffers()} <= network.state_dict().keys():
            return network
    with torch.random.fork_rng(devices=[]):
        return copy.deepcopy(build_model(card.architecture, len(card.channels)))


def _check_hash(data: bytes, card: ModelCard, label: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise ModelError(
            f"{label} disagrees with its card: sha256 must be {card.sha256}, instead got {found}; "
            "take both files from the same place again"
        )
