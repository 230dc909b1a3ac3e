"""Models on disk: weights as safetensors, a JSON card beside them. No pickle is ever opened.

A model is named by a registered name (``"default"``, the one in the package) or by the path of its ``.safetensors``
file. Everything in either file is checked before it is believed: sizes are bounded, the network comes from the
registry only, and names, shapes and dtypes of the tensors are compared with the network's before any is read.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from insarflow.errors import ModelError, OutputExistsError
from insarflow.learn.card import ModelCard
from insarflow.learn.models import Network, build_model
from insarflow.learn.tensors import check_finite, check_header, check_start, check_tensors

__all__ = ["ModelCard", "ModelRef", "list_named_models", "load_card", "load_model", "resolve_model", "save_model"]

MAX_CARD_BYTES: Final = 1 << 20
_NAMED: Final = ("default",)


@dataclass(frozen=True)
class ModelRef:
    """A model as a task graph carries it: where it is, and what it must be.

    Attributes
    ----------
    path
        Registered name, or absolute path of the ``.safetensors`` file.
    sha256
        Of the weights file.
    """

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Registered name, or file name without the folder."""
        return Path(self.path).name


@dataclass(frozen=True)
class _Files:
    weights: Traversable
    card: Traversable
    label: str


def list_named_models() -> list[str]:
    """Names of the models that come with the package."""
    return list(_NAMED)


def save_model(module: nn.Module, path: str | Path, *, card: ModelCard, overwrite: bool = False) -> ModelCard:
    """Write a model's weights, and its card beside them.

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
    state = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    data = safetensors.torch.save(state)
    written = replace(card, sha256=hashlib.sha256(data).hexdigest())
    text = written.to_json()
    written = ModelCard.from_json(text, file=str(outputs[1]))
    check_tensors(state, _skeleton(written).state_dict(), str(target))
    check_finite(state, str(target))
    for output, content in zip(outputs, (data, text.encode()), strict=True):
        _write(output, content)
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
    return _read_card(_locate(source))


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
    files = _locate(source)
    card = _read_card(files)
    with files.weights.open("rb") as stream:
        check_header(stream, _skeleton(card).state_dict(), files.label)
        stream.seek(0)
        _check_hash(stream.read(), card, files.label)
    named = isinstance(source, str) and source in _NAMED
    return ModelRef(str(source) if named else str(Path(source).resolve()), card.sha256)


def load_model(source: str | Path | ModelRef) -> tuple[Network, ModelCard]:
    """Load a model, in evaluation mode, on the CPU.

    Parameters
    ----------
    source
        Registered name, path of a ``.safetensors`` file with its card beside it, or what `resolve_model` gave.

    Returns
    -------
    tuple of Network and ModelCard
        The network takes float32 ``(batch, channel, y, x)`` and gives logits ``(batch, 1, y, x)``.

    Raises
    ------
    TypeError
        If `source` is of another kind.
    ModelError
        If there is no such model, or it is unsafe, damaged, not what its card says, or no longer what it was when
        it was resolved.
    """
    files = _locate(source.path if isinstance(source, ModelRef) else source)
    card = _read_card(files)
    if isinstance(source, ModelRef) and card.sha256 != source.sha256:
        raise ModelError(
            f"{files.label} must be the model with sha256={source.sha256}, which was chosen when the work was "
            f"planned, instead got sha256={card.sha256}: use one version of the model everywhere, or plan again"
        )
    with files.weights.open("rb") as stream:
        check_header(stream, _skeleton(card).state_dict(), files.label)
        stream.seek(0)
        data = stream.read()
    _check_hash(data, card, files.label)
    try:
        state = safetensors.torch.load(data)
    except SafetensorError as error:
        raise ModelError(f"{files.label} is damaged: {error}") from error
    check_finite(state, files.label)
    network = _skeleton(card)
    network.load_state_dict(state, assign=True)
    return network.eval(), card


def _locate(source: str | Path) -> _Files:
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"model must be a name or the path of a .safetensors file, instead got model={source!r:.80} "
            f"({type(source).__name__})"
        )
    if isinstance(source, str) and source in _NAMED:
        folder = resources.files("insarflow.learn") / "weights_default"
        files = _Files(folder / f"{source}.safetensors", folder / f"{source}.json", source)
        if not files.weights.is_file() or not files.card.is_file():
            raise ModelError(f"the model {source!r} is missing from this installation: install insarflow again")
        return files
    path = Path(source)
    if not path.is_file():
        raise ModelError(
            f"model must be one of {list_named_models()} or the path of a .safetensors file, "
            f"instead got model={str(source)!r}, which does not exist or is no file"
        )
    with path.open("rb") as stream:
        check_start(stream, str(path))
    card = path.with_suffix(".json")
    if not card.is_file():
        raise ModelError(f"{path} must have its card beside it, but {card} does not exist")
    return _Files(path, card, str(path))


def _read_card(files: _Files) -> ModelCard:
    label = str(files.card)
    with files.card.open("rb") as stream:
        content = stream.read(MAX_CARD_BYTES + 1)
    if len(content) > MAX_CARD_BYTES:
        raise ModelError(f"{label}: a model card must have at most {MAX_CARD_BYTES} bytes, but is larger")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"{label}: a model card must be UTF-8 text: {error}") from error
    return ModelCard.from_json(text, file=label)


def _write(output: Path, content: bytes) -> None:
    partial = output.with_name(output.name + ".part")
    try:
        partial.write_bytes(content)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _skeleton(card: ModelCard) -> Network:
    """Build the card's network without memory for its weights, and without drawing random numbers."""
    with torch.device("meta"):
        return build_model(card.architecture, len(card.channels))


def _check_hash(data: bytes, card: ModelCard, label: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise ModelError(
            f"{label} disagrees with its card: sha256 must be {card.sha256}, instead got {found}; "
            "take both files from the same place again"
        )
