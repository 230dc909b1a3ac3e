"""Losses of a binary segmentation: by name, over the pixels that count, in float32.

Each is called with ``(logits, target, valid, weight)``: logits float ``(batch, y, x)``, target bool or 0 and 1 of the
same shape, `valid` bool (pixels that count), `weight` float of any shape that broadcasts, or None for 1 everywhere. The
result is one float32 number; it is 0, with a gradient of 0, where no pixel counts. What stands in pixels that do not
count, NaN included, reaches neither the loss nor its gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from insarflow.ops.checks import check_choice, check_fraction, check_number


class Loss(Protocol):
    """A loss that knows what its minimiser gives."""

    @property
    def shift(self) -> float | None:
        """Log-odds of its minimiser minus those of the class; None if that is no constant.

        The logits of a network that minimises the loss, minus `shift`, are calibrated log-odds. Where it is None a
        temperature and a shift have to be fitted on validation data.
        """
        ...

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        ...


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy: the weighted mean over counted pixels. Its minimiser is the log-odds of the class."""

    @property
    def shift(self) -> float:
        """0: calibrated as it is."""
        return 0.0

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        logits, target, weight = _counted(logits, target, valid, weight)
        return _mean(binary_cross_entropy_with_logits(logits, target, reduction="none"), weight)


@dataclass(frozen=True)
class WeightedBCE:
    """Binary cross-entropy in which a positive pixel counts `positive_weight` times.

    Attributes
    ----------
    positive_weight
        Above 0.

    Notes
    -----
    The minimum of ``-(w p log q + (1 - p) log(1 - q))`` lies at ``logit(q) = logit(p) + log(w)``. The mean is over
    counted pixels, not over weights of the class, so that a batch without a positive pixel is as loud as in `BCE`.
    """

    positive_weight: float = 5.0

    def __post_init__(self) -> None:
        _positive("positive_weight", self.positive_weight)

    @property
    def shift(self) -> float:
        """``log(positive_weight)``."""
        return math.log(self.positive_weight)

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        logits, target, weight = _counted(logits, target, valid, weight)
        losses = binary_cross_entropy_with_logits(logits, target, reduction="none")
        return _mean(losses * torch.where(target > 0, self.positive_weight, 1.0), weight)


@dataclass(frozen=True)
class Dice:
    """One minus the soft Dice coefficient of a whole batch.

    Attributes
    ----------
    smooth
        Number of pixels added above and below, so that a batch without a positive pixel has a gradient; above 0.

    Notes
    -----
    ``1 - (2 sum(w p t) + s) / (sum(w p) + sum(w t) + s)``. Its minimiser says yes or no and is no probability.
    """

    smooth: float = 1.0

    def __post_init__(self) -> None:
        _positive("smooth", self.smooth)

    @property
    def shift(self) -> None:
        """None: probabilities are driven to 0 and 1."""
        return None

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        logits, target, weight = _counted(logits, target, valid, weight)
        probability = torch.sigmoid(logits) * weight
        both = (probability * target).sum()
        loss = 1.0 - (2.0 * both + self.smooth) / (probability.sum() + (weight * target).sum() + self.smooth)
        return torch.where(weight.sum() > 0, loss, 0.0)


@dataclass(frozen=True)
class Focal:
    """Cross-entropy in which pixels that are right already count less.

    Attributes
    ----------
    gamma
        0 or more; 0 is cross-entropy.
    alpha
        Weight of positive pixels, between 0 and 1; negative ones have ``1 - alpha``.

    References
    ----------
    Lin et al. (2017), Focal loss for dense object detection, doi:10.1109/ICCV.2017.324.
    """

    gamma: float = 2.0
    alpha: float = 0.5

    def __post_init__(self) -> None:
        if check_number("gamma", self.gamma) < 0.0:
            raise ValueError(f"gamma must be 0 or more, instead got gamma={self.gamma}")
        if check_fraction("alpha", self.alpha) in (0.0, 1.0):
            raise ValueError(
                f"alpha must be above 0 and below 1, instead got alpha={self.alpha}: one class would not count"
            )

    @property
    def shift(self) -> float | None:
        """The logit of `alpha` if `gamma` is 0; else None: large log-odds are drawn towards 0."""
        return math.log(self.alpha / (1.0 - self.alpha)) if self.gamma == 0.0 else None

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch: ``-alpha_t (1 - p_t)^gamma log(p_t)``, the mean over counted pixels by their weight."""
        logits, target, weight = _counted(logits, target, valid, weight)
        right = logits * (2.0 * target - 1.0)
        # (1 - p)^gamma as an exponential: the power's own gradient is infinite at 0 for gamma below 1.
        losses = -torch.exp(self.gamma * logsigmoid(-right)) * logsigmoid(right)
        return _mean(losses * torch.where(target > 0, self.alpha, 1.0 - self.alpha), weight)


@dataclass(frozen=True)
class BCEDice:
    """``(1 - share) BCE + share Dice``.

    Attributes
    ----------
    share
        Of Dice, between 0 and 1.
    smooth
        As of `Dice`.
    """

    share: float = 0.5
    smooth: float = 1.0

    def __post_init__(self) -> None:
        check_fraction("share", self.share)
        Dice(self.smooth)

    @property
    def shift(self) -> float | None:
        """0 without Dice, else None."""
        return 0.0 if self.share == 0.0 else None

    def __call__(self, logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        entropy = BCE()(logits, target, valid, weight)
        return (1.0 - self.share) * entropy + self.share * Dice(self.smooth)(logits, target, valid, weight)


_LOSSES: Final[dict[str, type[BCE | WeightedBCE | Dice | Focal | BCEDice]]] = {
    "bce": BCE,
    "weighted_bce": WeightedBCE,
    "dice": Dice,
    "focal": Focal,
    "bce_dice": BCEDice,
}
LOSSES: Final = tuple(_LOSSES)
"""Names that `build_loss` knows."""


def build_loss(name: str, parameters: Mapping[str, float] | None = None) -> Loss:
    """A loss by its name.

    Parameters
    ----------
    name
        One of `LOSSES`.
    parameters
        Attributes of the loss that differ from their defaults.

    Raises
    ------
    TypeError, ValueError
        Naming the loss or parameter that is unknown or out of range, and those there are.

    Examples
    --------
    >>> build_loss("weighted_bce", {"positive_weight": 3.0})
    WeightedBCE(positive_weight=3.0)
    """
    check_choice("loss", name, LOSSES)
    given = dict(parameters or {})
    known = [field.name for field in fields(_LOSSES[name])]
    for key in given:
        if key not in known:
            raise ValueError(f"parameters of the loss {name!r} must be among {known}, instead got {key!r}")
    return _LOSSES[name](**given)


def _counted(logits: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """All three float32 and of one shape; where a pixel does not count they are 0, and no gradient flows."""
    if not logits.shape == target.shape == valid.shape:
        raise ValueError(
            f"target and valid must have the shape of the logits, {tuple(logits.shape)}, instead got "
            f"target {tuple(target.shape)}, valid {tuple(valid.shape)}"
        )
    counts = torch.ones_like(logits, dtype=torch.float32) if weight is None else weight.float().expand_as(logits)
    return (
        torch.where(valid, logits.float(), 0.0),
        torch.where(valid, target.float(), 0.0),
        torch.where(valid, counts, 0.0),
    )


def _mean(losses: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum()
    return torch.where(total > 0, (losses * weight).sum() / torch.where(total > 0, total, 1.0), 0.0)


def _positive(name: str, value: float) -> None:
    if check_number(name, value) <= 0.0:
        raise ValueError(f"{name} must be above 0, instead got {name}={value}")
