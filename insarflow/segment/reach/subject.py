"""A copy of a network that experiments can be made with."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from insarflow.errors import ModelError
from insarflow.learn.models import build_model, list_models
from insarflow.learn.weights import load_model
from insarflow.segment.kinds import check_maps
from insarflow.segment.reach.calls import Calls

REFUSALS: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, AssertionError)
"""What networks raise when they do not like a tile."""


class RefusedError(Exception):
    """A network raised an error, which is the cause of this one."""


class OtherSizeError(RefusedError):
    """A network's output has another size than its input."""


@dataclass(frozen=True)
class Subject:
    """A network's copy on the CPU, in double precision and evaluation mode, whose weights ask for no gradient.

    Attributes
    ----------
    network
        The copy.
    channels
        Of its input.
    name
        Of its class, for messages.
    """

    network: nn.Module
    channels: int
    name: str

    def field(self, height: int, width: int, *, seed: int = 0, batch: int = 1) -> Tensor:
        """Random input ``(batch, channel, y, x)`` between 0.5 and 1.5."""
        generator = torch.Generator().manual_seed(seed)
        size = (batch, self.channels, height, width)
        return torch.rand(size, generator=generator, dtype=torch.float64) + 0.5

    def answer(self, x: Tensor, calls: Calls) -> Tensor:
        """Output of the network while `calls` watches it.

        Raises
        ------
        RefusedError
            If the network raises, or its output has another size than its input.
        ModelError
            If the output is no map of classes.
        """
        try:
            with calls:
                # A copy, since a network may write into its input, and into a leaf of the gradient it must not.
                out = self.network(x.clone())
        except REFUSALS as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        return self._map_of(out, x)

    def _map_of(self, out: object, x: Tensor) -> Tensor:
        if isinstance(out, dict):
            out = out.get("out")
        if not isinstance(out, Tensor) or out.ndim != 4:
            given = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
            raise ModelError(
                f"{self.name} must give (batch, class, y, x), or a dict that holds it as 'out', instead got {given}: "
                "wrap the network in a module that returns its map"
            )
        wanted = (x.shape[0], *x.shape[2:])
        if (out.shape[0], *out.shape[2:]) != wanted:
            raise OtherSizeError(
                f"{self.name} must give an output of the input's size {wanted[1:]}, instead got "
                f"{tuple(out.shape[2:])}: pad its convolutions, or interpolate its output in forward"
            )
        if not out.is_floating_point():
            raise ModelError(
                f"{self.name} must give scores or probabilities, instead got {out.dtype}: leave the choice of a class "
                "(argmax) out of forward"
            )
        return out


def subject_of(model: nn.Module | str | Path, channels: int | None) -> Subject:
    """Copy a network, or build it from its name or its file.

    Raises
    ------
    ModelError
        If it is no network, cannot be copied, or its number of channels is not known.
    """
    if isinstance(model, nn.Module):
        network = model
    elif isinstance(model, str) and model in list_models():
        network = build_model(model, channels or 3)
    elif isinstance(model, str | Path):
        network = load_model(model)[0]
    else:
        raise ModelError(
            f"model must be a torch.nn.Module, the name of a network or model, or the path of a .safetensors file, "
            f"instead got model={model!r:.80} ({type(model).__name__}): pass the network itself, not its weights or "
            "its class"
        )
    name = type(network).__name__
    check_maps(name, getattr(network, "spec", None))
    if channels is None:
        channels = _channels_of(network, name)
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise ValueError(f"channels must be a whole number of 1 or more, instead got channels={channels!r}")
    try:
        network = copy.deepcopy(network).cpu().double().eval().requires_grad_(False)
    except REFUSALS as error:
        raise ModelError(
            f"{name} cannot be copied ({error}): pass it as it is after construction or loading"
        ) from error
    return Subject(network, channels, name)


def _channels_of(network: nn.Module, name: str) -> int:
    told = getattr(network, "in_channels", None)
    if isinstance(told, int):
        return told
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    raise ModelError(f"{name} holds no Conv2d that tells how many channels its input has: pass channels=")
