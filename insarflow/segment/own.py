"""A module of the caller's own in a task graph: in this process itself, anywhere else by the hash of its weights."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Hashable
from typing import Final
from weakref import WeakValueDictionary

import torch
from torch import nn

from insarflow.errors import ModelError


class OwnModule:
    """A copy of a module, in evaluation mode, as it was when it was given.

    Pickled, it is its name and hash alone: whoever loads it must hold it already (`keep`).

    Attributes
    ----------
    module
        The copy; not to be changed.
    name
        Of its class.
    sha256
        Of its structure and weights.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = copy.deepcopy(module).eval()
        self.name = type(module).__name__
        self.sha256 = _sha256(self.module)
        _ALIVE[self.sha256] = self

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return _find, (self.name, self.sha256)

    def __dask_tokenize__(self) -> Hashable:
        return ("own-module", self.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnModule) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"{self.name}({self.sha256[:8]})"


_ALIVE: Final[WeakValueDictionary[str, OwnModule]] = WeakValueDictionary()
_KEPT: Final[dict[str, OwnModule]] = {}


def keep(module: nn.Module, sha256: str) -> None:
    """Hold a module in this process, for graphs that name it by its hash.

    Raises
    ------
    ModelError
        If it is another one.
    """
    own = OwnModule(module)
    if own.sha256 != sha256:
        raise ModelError(f"model {own.name!r} must have sha256={sha256}, instead got {own.sha256}: it was changed")
    _KEPT[sha256] = own


def _find(name: str, sha256: str) -> OwnModule:
    own = _ALIVE.get(sha256)
    if own is None:
        raise ModelError(
            f"model {name!r} (sha256={sha256[:8]}...) is not known to this process: make the dask client before the "
            "work is laid out, or save the model with insarflow.learn.weights.save_model and give its path"
        )
    return own


def _sha256(module: nn.Module) -> str:
    digest = hashlib.sha256(f"{type(module).__module__}.{type(module).__qualname__}\n{module!r}".encode())
    for key, tensor in module.state_dict().items():
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"\n{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # As bytes, which every dtype has: NumPy knows no bfloat16.
        digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()
