"""What a card asks for beside the network: channels normalised before it, logits shifted and cooled after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from insarflow.learn.card import ModelCard


@dataclass(frozen=True)
class Adjustment:
    """As graphs carry it, so that all parts of a result are made alike.

    Attributes
    ----------
    normalisation
        ``(mean, std)`` of each channel, or nothing if all are taken as they are encoded.
    shift, temperature
        The probability is ``sigmoid((logit + shift) / temperature)``.

    Examples
    --------
    >>> Adjustment(shift=1.0, temperature=2.0).probability(torch.tensor([-1.0]))
    tensor([0.5000])
    """

    normalisation: tuple[tuple[float, float], ...] = ()
    shift: float = 0.0
    temperature: float = 1.0

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """What a card asks for."""
        known = card.normalisation
        each = [known.get(channel, {"mean": 0.0, "std": 1.0}) for channel in card.channels]
        scales = tuple((one["mean"], one["std"]) for one in each) if known else ()
        return cls(scales, card.shift, card.temperature)

    def normalised(self, x: Tensor) -> Tensor:
        """Channels ``(batch, channel, y, x)`` as the network takes them; themselves if nothing is asked for."""
        if not self.normalisation:
            return x
        mean, std = (x.new_tensor(each)[:, None, None] for each in zip(*self.normalisation, strict=True))
        return (x - mean) / std

    def probability(self, logits: Tensor) -> Tensor:
        """Probabilities of float32 logits; without shift and temperature they are their sigmoid, bit by bit."""
        if self.shift:
            logits = logits + self.shift
        if self.temperature != 1.0:
            logits = logits / self.temperature
        return torch.sigmoid(logits)

    def facts(self) -> dict[str, str | float]:
        """What tells results of one network apart, for attributes and recipes; defaults are left out."""
        scales = ", ".join(f"({mean!r}, {std!r})" for mean, std in self.normalisation)
        found: dict[str, str | float] = {"shift": self.shift, "temperature": self.temperature, "normalisation": scales}
        return {name: value for name, value in found.items() if value not in (getattr(Adjustment, name), "")}


AS_IT_IS: Final = Adjustment()
"""Nothing is asked for."""
