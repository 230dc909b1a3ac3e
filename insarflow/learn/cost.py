"""What a network costs: parameters, multiply-adds, and the time of a step of training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from insarflow.learn.models import build_model, is_built_in, stated_spec

_TIMES: Final = 12
"""Interferograms of a series that is counted."""

_LONG: Final = 2.0
"""Seconds of a step from which on it is not taken again to be sure."""


@dataclass(frozen=True)
class Cost:
    """Of one network.

    Attributes
    ----------
    parameters
        That are trained.
    multiply_adds
        Of convolutions and products of matrices, for one image; transposed convolutions at the resolution that they
        start from. Of a series, for twelve images.
    """

    parameters: int
    multiply_adds: int


def cost_of(name: str, in_channels: int = 3, *, side: int = 256) -> Cost:
    """Count a network of the registry; of those of the package nothing is computed.

    Parameters
    ----------
    name, in_channels
        As `insarflow.learn.models.build_model`.
    side
        Height and width of the image, pixels.

    Raises
    ------
    ValueError, ModelError
        As `insarflow.learn.models.build_model`.

    Examples
    --------
    >>> cost_of("resunet", side=64)
    Cost(parameters=100849, multiply_adds=76087296)
    """
    place = torch.device("meta" if is_built_in(name) else "cpu")
    with place, torch.random.fork_rng(devices=[]), torch.no_grad():
        network = build_model(name, in_channels).eval()
        with FlopCounterMode(display=False) as counter:
            network(*given(kind_of(name), 1, in_channels, side))
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Cost(parameters, counter.get_total_flops() // 2)


def kind_of(name: str) -> str:
    """``"image"``, ``"clip"`` or ``"series"``: what a network of the registry takes and gives."""
    return str(getattr(stated_spec(name), "kind", "image"))


def step_seconds(
    name: str, in_channels: int = 3, *, side: int = 128, batch_size: int = 8, device: str | None = None
) -> float:
    """Time of a step of training on a machine with nothing else to do, from a few on a batch of two samples.

    Parameters
    ----------
    name, in_channels, side
        As of `cost_of`.
    batch_size
        Of the step that is asked for.
    device
        ``"cpu"`` or ``"cuda"``; by default on a GPU if there is one.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_model(name, in_channels).to(place).train()
        optimiser = torch.optim.AdamW(network.parameters())
        inputs = tuple(tensor.to(place) for tensor in given(kind_of(name), 2, in_channels, side))
        # The first one also loads code and finds its memory.
        times = [_step(network, optimiser, inputs) for _ in range(2)][1:]
        while len(times) < 3 and sum(times) < _LONG:
            times.append(_step(network, optimiser, inputs))
    return min(times) * batch_size / 2


def has_gpu() -> bool:
    """Whether there is a GPU to train on."""
    return torch.cuda.is_available()


def given(kind: str, samples: int, in_channels: int, side: int) -> tuple[Tensor, ...]:
    """What a network of a kind takes: noise, or nothing on the device ``meta``."""
    if kind != "series":
        return (torch.rand(samples, in_channels, side, side),)
    there = torch.ones(samples, _TIMES, dtype=torch.bool)
    return torch.rand(samples, _TIMES, in_channels, side, side), 100 * torch.rand(samples, _TIMES, 2), there


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, inputs: tuple[Tensor, ...]) -> float:
    start = time.perf_counter()
    optimiser.zero_grad()
    network(*inputs).square().mean().backward()
    optimiser.step()
    if inputs[0].is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
