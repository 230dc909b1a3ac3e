"""Weights drawn anew, so that what a network looks at does not hide behind what its weights happen to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

_WITHOUT_GROUPS: Final = {torch.conv2d: 6, torch.conv_transpose2d: 6}
"""Place of ``groups`` among the arguments."""


class Factor(NamedTuple):
    """A weight ``first[i] * second[j] * kernel[y, x]``."""

    first: Tensor
    second: Tensor
    kernel: Tensor


Factors = Mapping[int, Factor]
"""By the identity of the parameter."""


def redraw(network: nn.Module, seed: int, *, signed: bool) -> Factors:
    """Replace a network's weights, in place, by random ones.

    Parameters
    ----------
    network
        In double precision.
    seed
        Of the random numbers.
    signed
        Weights of both signs that keep the size of what goes through. Else weights and biases are positive, and a
        layer takes means: nothing cancels, no ReLU is dead.

    Returns
    -------
    Factors
        Of each weight of four dimensions. A convolution by such a weight is one by a single channel, see `factored`.
    """
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.reset_running_stats()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not parameter.is_floating_point() and not parameter.is_complex():
                continue
            if parameter.ndim == 4 and not parameter.is_complex():
                factor = _draw_factor(parameter, generator, signed=signed)
                factors[id(parameter)] = factor
                torch.mul(torch.outer(factor.first, factor.second)[..., None, None], factor.kernel, out=parameter)
            else:
                parameter.copy_(_draw(parameter, generator, signed=signed, bias=name.endswith("bias")))
    return factors


def factored(
    function: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], factors: Factors
) -> Tensor | None:
    """The same convolution at a fraction of the cost, if `function` is one whose weight has factors: else None."""
    if function not in _WITHOUT_GROUPS or len(args) < 3 or kwargs:
        return None
    x, weight, bias = args[:3]
    groups = args[6] if len(args) > 6 else 1
    if id(weight) not in factors or groups != 1 or not isinstance(x, Tensor) or x.ndim != 4:
        return None
    first, second, kernel = factors[id(weight)]
    inside, outside = (second, first) if function is torch.conv2d else (first, second)
    mixed = torch.einsum("bcyx,c->byx", x, inside)[:, None]
    out = function(mixed, kernel[None, None], None, *args[3:])
    if not isinstance(out, Tensor):
        return None
    out = out * outside[:, None, None]
    return out + bias[:, None, None] if isinstance(bias, Tensor) else out


def _draw_factor(weight: Tensor, generator: torch.Generator, *, signed: bool) -> Factor:
    sizes: tuple[tuple[int, ...], ...] = ((weight.shape[0],), (weight.shape[1],), tuple(weight.shape[2:]))
    first, second, kernel = (_numbers(s, generator, signed=signed) for s in sizes)
    if signed:
        return Factor(first, second * math.sqrt(2 / second.numel()), kernel / math.sqrt(kernel.numel()))
    return Factor(first, second / second.numel(), kernel / kernel.numel())


def _draw(parameter: Tensor, generator: torch.Generator, *, signed: bool, bias: bool) -> Tensor:
    shape = tuple(parameter.shape)
    if parameter.ndim < 2:
        return _numbers(shape, generator, signed=False) * (0.1 if bias else 1)
    fan_in = max(1, parameter[0].numel())
    return _numbers(shape, generator, signed=signed) * (math.sqrt(2 / fan_in) if signed else 1 / fan_in)


def _numbers(shape: tuple[int, ...], generator: torch.Generator, *, signed: bool) -> Tensor:
    if signed:
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
