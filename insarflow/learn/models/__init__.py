"""The networks, by name."""

from __future__ import annotations

from typing import Final

from insarflow.learn.models.network import Network, Spec
from insarflow.learn.models.resunet import ResUNet
from insarflow.learn.models.unet import UNet

__all__ = ["Network", "Spec", "build_model", "list_models", "spec_of"]

_NETWORKS: Final[dict[str, type[Network]]] = {"resunet": ResUNet, "unet": UNet}


def list_models() -> list[str]:
    """Names that `build_model` knows."""
    return sorted(_NETWORKS)


def build_model(name: str, in_channels: int = 3) -> Network:
    """Build a network with freshly drawn weights.

    Parameters
    ----------
    name
        One of `list_models`.
    in_channels
        Number of input channels.

    Returns
    -------
    Network
        Takes float ``(batch, in_channels, y, x)``, gives logits ``(batch, 1, y, x)``.

    Raises
    ------
    ValueError
        If the name is unknown, or `in_channels` is not positive.

    Examples
    --------
    >>> sum(p.numel() for p in build_model("resunet").parameters())
    100849
    """
    network = _network(name)
    if in_channels < 1:
        raise ValueError(f"in_channels must be 1 or more, instead got in_channels={in_channels}")
    return network(in_channels)


def spec_of(name: str) -> Spec:
    """Look up what the network of this name needs around an output pixel.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    return _network(name).spec


def _network(name: str) -> type[Network]:
    if name not in _NETWORKS:
        raise ValueError(f"name must be one of {list_models()}, instead got name={name!r}")
    return _NETWORKS[name]
