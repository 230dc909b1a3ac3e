"""Where a model's files are, and what is in them; also where a process keeps those that were sent to it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from insarflow.errors import ModelError
from insarflow.learn.card import ModelCard
from insarflow.learn.models.registry import RESERVED
from insarflow.learn.tensors import check_start

MAX_CARD_BYTES: Final = 1 << 20
NAMED: Final = RESERVED


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
class Files:
    """Both files of a model, and what errors call it."""

    weights: Traversable
    card: Traversable
    label: str


def list_named_models() -> list[str]:
    """Names of the models that come with the package."""
    return list(NAMED)


@dataclass(frozen=True)
class ModelFiles:
    """Content of a model's files, for processes that do not see them.

    Attributes
    ----------
    ref
        What it is the content of.
    weights, card
        Of the ``.safetensors`` file, and of the JSON card.
    """

    ref: ModelRef
    weights: bytes
    card: bytes

    def put(self, folder: Path) -> Path:
        """Write both into a folder, from which `load_model` then takes them; the path of the weights.

        Raises
        ------
        ModelError
            If the hash is none: it becomes the name of a file.
        """
        if not re.fullmatch("[0-9a-f]{64}", self.ref.sha256):
            raise ModelError(f"sha256 must be 64 hexadecimal digits, instead got sha256={self.ref.sha256!r:.80}")
        path = folder / f"{self.ref.sha256}.safetensors"
        write_whole(path.with_suffix(".json"), self.card)
        write_whole(path, self.weights)
        _SENT[self.ref.sha256] = path
        return path


_SENT: Final[dict[str, Path]] = {}
"""Where weights that were sent to this process are, by their sha256."""


def read_files(ref: ModelRef) -> ModelFiles:
    """Read a model's files as they are; `load_model` checks them.

    Raises
    ------
    ModelError
        If they are not there.
    """
    files = locate(ref.path)
    return ModelFiles(ref, files.weights.read_bytes(), files.card.read_bytes())


def model_size(ref: ModelRef) -> int:
    """Bytes of a model's weights."""
    with locate(ref.path).weights.open("rb") as stream:
        return stream.seek(0, os.SEEK_END)


def why_not_here(ref: ModelRef) -> str:
    """Why this process cannot load just this model; empty if it can. Its weights are not looked at."""
    try:
        found = read_card(locate(place_of(ref))).sha256
    except (ModelError, OSError) as error:
        return str(error)
    return "" if found == ref.sha256 else f"there is another model of this name, with sha256={found}"


def forget_files(sha256: str) -> None:
    """Take weights no longer from where `ModelFiles.put` has put them, if it has."""
    _SENT.pop(sha256, None)


def place_of(ref: ModelRef) -> str | Path:
    """Name or path by which this process finds a model."""
    return _SENT.get(ref.sha256, ref.path)


def locate(source: str | Path) -> Files:
    """Files of a model.

    Raises
    ------
    TypeError
        If `source` is neither text nor a path.
    ModelError
        If one is missing, or the file of the weights is none.
    """
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"model must be a name or the path of a .safetensors file, instead got model={source!r:.80} "
            f"({type(source).__name__})"
        )
    if isinstance(source, str) and source in NAMED:
        folder = resources.files("insarflow.learn") / "weights_default"
        files = Files(folder / f"{source}.safetensors", folder / f"{source}.json", source)
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
    return Files(path, card, str(path))


def read_card(files: Files) -> ModelCard:
    """The card of a model, checked.

    Raises
    ------
    ModelError
        If it is too large, no text, or a field is wrong.
    """
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


def write_whole(output: Path, content: bytes) -> None:
    """Write a file that is whole as soon as it is there."""
    partial = output.with_name(output.name + ".part")
    try:
        partial.write_bytes(content)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
