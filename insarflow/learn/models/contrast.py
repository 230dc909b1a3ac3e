"""What can be told without learning what a mover looks like: phase that differs from its surroundings."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from insarflow.learn.models.gaussian import blurred, gaussian
from insarflow.learn.models.network import Network, Spec

NEAR, FAR = 1.5, 20.0
"""Standard deviations of the two Gaussian means, pixels."""

_REACH = math.ceil(3 * FAR)


class PhaseContrast(Network):
    """A baseline for networks: a threshold on the phase between a pixel and its surroundings.

    Parameters
    ----------
    in_channels
        Three or more: coherence, cos, sin; others are not looked at.

    Notes
    -----
    The phasor, weighted by coherence, is averaged with a narrow and with a wide Gaussian; the angle between the two is
    the phase without what varies slowly, as a high-pass filter or a double difference against a ring leaves it. Five
    parameters turn its absolute value, its square, the coherence and the product of coherence and value into a logit:
    what they learn is a threshold and not a shape. Missing pixels have coherence 0 and weigh nothing.
    """

    spec: ClassVar[Spec] = Spec(stride=1, reach=_REACH)

    near: Tensor
    far: Tensor

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        if in_channels < 3:
            raise ValueError(
                f"in_channels must be 3 or more, of which the first are coherence, cos, sin, instead got {in_channels=}"
            )
        self.register_buffer("near", gaussian(NEAR, 3.0), persistent=False)
        self.register_buffer("far", gaussian(FAR, 3.0), persistent=False)
        self.threshold = nn.Conv2d(4, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``: coherence, cos, sin and others."""
        coherence, cos, sin = x[:, :1], x[:, 1:2], x[:, 2:3]
        weighted = torch.cat((coherence * cos, coherence * sin, coherence), dim=1)
        near, far = blurred(weighted, self.near), blurred(weighted[:, :2], self.far)
        along = near[:, :1] * far[:, :1] + near[:, 1:2] * far[:, 1:]
        across = near[:, 1:2] * far[:, :1] - near[:, :1] * far[:, 1:]
        # Nothing there: no angle, and no gradient through one.
        angle = torch.atan2(across.abs(), torch.where((along == 0) & (across == 0), torch.ones_like(along), along))
        logits: Tensor = self.threshold(torch.cat((angle, angle**2, near[:, 2:], angle * near[:, 2:]), dim=1))
        return logits
