"""The networks, by name."""

from __future__ import annotations

import torch
from torch import nn

from insarflow.errors import ModelError
from insarflow.learn.models.network import Kind, Network, Spec
from insarflow.learn.models.registry import (
    BUILT_IN,
    architecture,
    forget_model,
    list_imported,
    list_models,
    register_model,
)
from insarflow.ops.checks import check_whole

__all__ = [
    "Kind",
    "Network",
    "Spec",
    "build_model",
    "forget_model",
    "is_built_in",
    "list_models",
    "network_name",
    "register_model",
    "spec_of",
    "stated_spec",
]


def build_model(name: str, in_channels: int = 3) -> nn.Module:
    """Build a network with freshly drawn weights.

    Parameters
    ----------
    name
        One of `list_models`.
    in_channels
        Number of input channels.

    Returns
    -------
    torch.nn.Module
        Takes float ``(batch, in_channels, y, x)``, gives logits ``(batch, 1, y, x)``; networks of clips and of series
        take and give what their `Spec.kind` tells.

    Raises
    ------
    TypeError, ValueError
        If the name is unknown, or `in_channels` is no whole number from 1 on.
    ModelError
        If a registered network cannot be imported or built, or is no module.

    Examples
    --------
    >>> sum(p.numel() for p in build_model("resunet").parameters())
    100849
    """
    factory = architecture(name).factory
    check_whole("in_channels", in_channels, low=1)
    if is_built_in(name):
        return factory(in_channels)
    try:
        network = factory(in_channels)
    # Whatever the caller's function raises.
    except Exception as error:
        raise ModelError(
            f"network {name!r} cannot be built with {in_channels} channels: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ModelError(
            f"the factory of network {name!r} must give a torch.nn.Module, instead got {type(network).__name__}: "
            "register a function of the number of channels, or the class"
        )
    return network


def is_built_in(name: str) -> bool:
    """Whether a network is one of the package."""
    return name in BUILT_IN


def stated_spec(name: str) -> Spec | None:
    """What the network of this name needs around an output pixel; None if nobody vouches for it.

    Raises
    ------
    ValueError
        If the name is unknown.
    ModelError
        If a registered network cannot be imported.
    """
    return architecture(name).spec


def spec_of(name: str) -> Spec:
    """What the network of this name needs around an output pixel.

    Raises
    ------
    ValueError
        If the name is unknown.
    ModelError
        If a registered network cannot be imported, or was registered without stride and reach.
    """
    spec = stated_spec(name)
    if spec is None:
        raise ModelError(
            f"network {name!r} must be registered with stride and reach here, which insarflow.reach({name!r}) finds"
        )
    return spec


def network_name(module: nn.Module, in_channels: int) -> list[str]:
    """Names of the networks that `module` may be: of its class, with tensors of its names and shapes.

    Those that cannot be built are none; of installed packages, only those that are imported already are tried.
    """
    wanted = _signature(module)
    return [name for name in list_imported() if _signature_of(name, type(module), in_channels) == wanted]


def _signature_of(name: str, kind: type[nn.Module], in_channels: int) -> dict[str, tuple[int, ...]] | None:
    try:
        factory = architecture(name).factory
        if isinstance(factory, type) and factory is not kind:
            return None
        # Those of the package take no memory, and no time to draw, on meta.
        place = torch.device("meta" if is_built_in(name) else "cpu")
        with place, torch.random.fork_rng(devices=[]):
            network = build_model(name, in_channels)
    except ModelError:
        return None
    return _signature(network) if type(network) is kind else None


def _signature(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
