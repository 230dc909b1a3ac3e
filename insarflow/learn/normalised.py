"""Networks whose channels are brought to a mean of 0 and a spread of 1 first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from insarflow.learn.patches import PatchDataset
from insarflow.learn.phase import CHANNELS

_ENOUGH: Final = 256
"""Patches that are looked at."""


class Normalised(nn.Module):
    """A network that takes ``(value - mean) / std`` of some channels, for training on channels as they are encoded.

    Parameters
    ----------
    network
        What is trained.
    channels
        Of the input, in order.
    normalisation
        As `insarflow.learn.card.ModelCard.normalisation`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, channels: Sequence[str], normalisation: Mapping[str, Mapping[str, float]]
    ) -> None:
        super().__init__()
        self.network = network
        for name, default in (("mean", 0.0), ("std", 1.0)):
            values = [normalisation[channel][name] if channel in normalisation else default for channel in channels]
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ``(batch, channel, y, x)``."""
        logits: Tensor = self.network((x - self.mean) / self.std)
        return logits


def normalisation_of(sets: Sequence[PatchDataset]) -> dict[str, dict[str, float]]:
    """Mean and spread of every channel of data sets that is not coherence or phase, over the known pixels.

    Notes
    -----
    At most 256 patches of each are looked at, evenly spread. A channel that is the same everywhere is divided by 1.
    """
    names = sets[0].reader.channels
    extra = [k for k, name in enumerate(names) if name not in CHANNELS]
    if not extra:
        return {}
    sums = np.zeros((3, len(names)))
    some = [(one, k) for one in sets for k in np.unique(np.linspace(0, len(one) - 1, _ENOUGH).astype(int)).tolist()]
    for patches, number in some:
        sample = patches[number]
        known = sample["image"][:, sample["valid"]].double().numpy()
        sums += [np.full(len(names), known.shape[1]), known.sum(axis=1), (known**2).sum(axis=1)]
    count = np.maximum(sums[0], 1.0)
    mean = sums[1] / count
    std = np.sqrt(np.maximum(sums[2] / count - mean**2, 0.0))
    return {names[k]: {"mean": float(mean[k]), "std": float(std[k]) if std[k] > 0 else 1.0} for k in extra}
