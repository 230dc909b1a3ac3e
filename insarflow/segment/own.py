"""A module of the caller's own in a task graph: in this process itself, anywhere else by the hash of its weights.

A scheduler of dask unpickles graphs that it has no use for the modules of; so a module is looked for once it is used.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Hashable
from typing import Final, Self
from weakref import WeakValueDictionary

import torch
from torch import nn

from insarflow.errors import ModelError

_SIMPLE = (bool, int, float, str, tuple, type(None))


class OwnModule:
    """A copy of a module, in evaluation mode, as it was when it was given.

    Pickled, it is its name and hash alone: whoever uses what is loaded must hold the module by then (`keep`).

    Attributes
    ----------
    name
        Of its class.
    sha256
        Of its structure and weights.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module: nn.Module | None = copy.deepcopy(module).eval()
        self.name = type(module).__name__
        self.sha256 = digest(self._module)
        _ALIVE[self.sha256] = self

    @classmethod
    def named(cls, name: str, sha256: str) -> Self:
        """One that is held by this process, or will be once it is used."""
        own = cls.__new__(cls)
        own._module, own.name, own.sha256 = None, name, sha256
        return own

    @property
    def module(self) -> nn.Module:
        """The copy; not to be changed.

        Raises
        ------
        ModelError
            If this process does not hold it.
        """
        if self._module is None:
            held = _KEPT.get(self.sha256) or _ALIVE.get(self.sha256)
            if held is None:
                raise ModelError(
                    f"model {self.name!r} (sha256={self.sha256[:8]}...) is not known to this process: make the dask "
                    "client before the work is laid out, or save the model with insarflow.save_model and "
                    "give its path"
                )
            self._module = held.module
        return self._module

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return OwnModule.named, (self.name, self.sha256)

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


def drop(sha256: str) -> None:
    """Hold a module no longer, if it is held."""
    _KEPT.pop(sha256, None)


def is_kept(sha256: str) -> bool:
    """Whether `keep` holds a module."""
    return sha256 in _KEPT


def digest(module: nn.Module) -> str:
    """Hash of weights, layers, their settings and the code of their ``forward``."""
    found = hashlib.sha256()
    for name, part in module.named_modules():
        code = getattr(type(part).forward, "__code__", None)
        settings = sorted((k, repr(v)) for k, v in vars(part).items() if isinstance(v, _SIMPLE))
        found.update(repr((name, type(part).__qualname__, settings, getattr(code, "co_code", b""))).encode())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        # As bytes, which every dtype has: NumPy knows no bfloat16.
        found.update(repr((name, tuple(tensor.shape), str(tensor.dtype))).encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
