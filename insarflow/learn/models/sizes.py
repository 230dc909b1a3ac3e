"""What networks take of memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from insarflow.learn.models import build_model, spec_of


@dataclass(frozen=True)
class Sizes:
    """Bytes of a network.

    Attributes
    ----------
    weights
        Parameters and running statistics.
    largest
        The largest output of a layer, for each pixel of the input, in float32.
    """

    weights: int
    largest: float


@lru_cache(maxsize=16)
def sizes_of(name: str, in_channels: int = 3) -> Sizes:
    """Measure a network of the registry; nothing is computed.

    Raises
    ------
    ValueError
        As `insarflow.learn.models.build_model`.

    Examples
    --------
    >>> sizes_of("resunet").largest  # twelve channels
    48.0
    """
    side, largest = 8 * spec_of(name).stride, 0

    def look(_layer: nn.Module, _given: object, out: Tensor) -> None:
        nonlocal largest
        largest = max(largest, out.nbytes)

    with torch.device("meta"), torch.inference_mode():
        network = build_model(name, in_channels).eval()
        for layer in network.modules():
            if not any(layer.children()):
                layer.register_forward_hook(look)
        network(torch.empty(1, in_channels, side, side))
    return Sizes(sum(tensor.nbytes for tensor in network.state_dict().values()), largest / side**2)
