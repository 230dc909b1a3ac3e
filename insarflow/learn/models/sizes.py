"""What networks take of memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from insarflow.learn.models import build_model, is_built_in, spec_of, stated_spec


@dataclass(frozen=True)
class Sizes:
    """Bytes of a network.

    Attributes
    ----------
    weights
        Parameters and running statistics.
    largest
        The largest output of a layer, for each pixel of the input, in float32; of a series, for each pixel of one of
        its interferograms.
    """

    weights: int
    largest: float


@lru_cache(maxsize=16)
def sizes_of(name: str, in_channels: int = 3, *, stride: int | None = None) -> Sizes:
    """Measure a network of the registry; of those of the package, nothing is computed.

    Parameters
    ----------
    name, in_channels
        As `insarflow.learn.models.build_model`.
    stride
        By default as the network states it.

    Raises
    ------
    ValueError, ModelError
        As `insarflow.learn.models.build_model`; or if no stride is known.

    Examples
    --------
    >>> sizes_of("resunet").largest  # twelve channels
    48.0
    """
    stated = stated_spec(name)
    kind = "image" if stated is None else stated.kind
    side, largest = 32 if kind == "clip" else 8 * (stride or spec_of(name).stride), 0

    def look(_layer: nn.Module, _given: object, out: object) -> None:
        nonlocal largest
        largest = max(largest, out.nbytes) if isinstance(out, Tensor) else largest

    place = torch.device("meta" if is_built_in(name) else "cpu")
    with place, torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = build_model(name, in_channels).eval()
        for layer in network.modules():
            if not any(layer.children()):
                layer.register_forward_hook(look)
        image = torch.zeros(1, in_channels, side, side)
        if kind == "series":
            network(image[:, None], torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
        else:
            network(image)
    return Sizes(sum(tensor.nbytes for tensor in network.state_dict().values()), largest / side**2)
