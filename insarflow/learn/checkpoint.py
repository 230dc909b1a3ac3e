"""The state of a training on disk: tensors as safetensors, all else as JSON in their header; never a pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from lightning.fabric.plugins.io import CheckpointIO
from safetensors import SafetensorError
from torch import Tensor

from insarflow.errors import InsarError, OutputExistsError

_KIND: Final = "insarflow training state 1"
_PLAIN: Final = (bool, int, float, str, type(None))


class SafeCheckpoints(CheckpointIO):
    """How Lightning writes and reads checkpoints here: whole or not at all, and without a way to run code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: object | None = None
    ) -> None:
        """Write a checkpoint; a file that is there is replaced in one step."""
        write_state(checkpoint, Path(path))

    def load_checkpoint(
        self, path: str | Path, map_location: object | None = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint, onto the CPU; there is nothing in it but numbers and text, whatever `weights_only` is."""
        return read_state(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def write_state(state: Mapping[str, Any], path: Path) -> None:
    """Write nested dicts, lists and tuples of tensors, numbers and text.

    Raises
    ------
    TypeError
        If something else is among them.
    OutputExistsError
        If the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_pack(state, tensors))
    data = safetensors.torch.save(tensors, {"kind": _KIND, "state": text, "sha256": _digest(text, tensors)})
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise OutputExistsError(f"{path} cannot be written: {error.strerror}") from error


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote: the same bits, memory formats and kinds.

    Raises
    ------
    InsarError
        If the file is missing, damaged or of another kind; naming it.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        if header.get("kind") != _KIND:
            raise ValueError("it is none of insarflow's")
        if header.get("sha256") != _digest(header["state"], tensors):
            raise ValueError("its checksum is not that of its content")
        state = _unpack(json.loads(header["state"]), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InsarError(
            f"{path} must be the checkpoint of a training, but cannot be used: {reason!s:.200}. Train from the "
            "start, without resume, or bring the file back from a copy"
        ) from error
    if not isinstance(state, dict):
        raise InsarError(f"{path} must be the checkpoint of a training, instead it holds a {type(state).__name__}")
    return state


def _pack(value: object, tensors: dict[str, Tensor]) -> object:
    """JSON of a value, its tensors put aside; keys of dicts may be numbers, as those of optimisers are."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        last = value.ndim == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        # Tensors that share memory, as averages and weights may, are refused by safetensors.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name, "channels_last": last}
    if isinstance(value, Mapping):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_pack(v, tensors) for v in value]}
    if type(value) in _PLAIN:
        return value
    raise TypeError(f"the state of a training must hold tensors, numbers and text, instead got {type(value).__name__}")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = tensors[value["tensor"]]
        return tensor.contiguous(memory_format=torch.channels_last) if value["channels_last"] else tensor
    ((kind, content),) = value.items()
    if kind == "dict":
        return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
    return {"list": list, "tuple": tuple}[kind](_unpack(v, tensors) for v in content)


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
