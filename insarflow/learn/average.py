"""A running average of a network's weights while it is trained."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn


class WeightAverage(Callback):
    """Exponential moving average of all weights and running statistics; validation and the result are the average's.

    Parameters
    ----------
    network
        What is trained.
    decay
        Share of the average that stays at each step. In the n-th step it is at most ``(1 + n) / (10 + n)``, so that the
        first weights are forgotten soon.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay, self.steps = network, decay, 0
        self.average: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the weights as they are, or from the average that a checkpoint holds."""
        for name, value in self.network.state_dict().items():
            kept = self.average.get(name, value)
            self.average[name] = kept.detach().to(value.device, copy=True)

    @torch.no_grad()
    def on_train_batch_end(self, *_: object) -> None:
        """Move the average towards the weights."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1.0 - decay)
            else:
                self.average[name].copy_(value)

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the average into the network and what was there in the place of the average."""
        for name, value in self.network.state_dict().items():
            kept = value.clone()
            value.copy_(self.average[name])
            self.average[name].copy_(kept)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate the average."""
        self.exchange()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the weights."""
        self.exchange()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"average": dict(self.average), "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept."""
        self.average, self.steps = dict(state_dict["average"]), int(state_dict["steps"])
