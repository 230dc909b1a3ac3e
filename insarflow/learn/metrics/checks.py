"""What a score is told: a map of probability and its truth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from insarflow.simulate.truth import MISSING, OPEN


def checked(values: np.ndarray | Tensor, target: np.ndarray | Tensor, *, name: str) -> tuple[Tensor, Tensor]:
    """Values and truth as tensors, where they are; no copy of what torch can take as it is.

    Raises
    ------
    TypeError
        If values are not floating point, or the target not whole numbers.
    ValueError
        If the shapes differ, the target holds an unknown state, or a value is NaN where the target counts.
    """
    v, t = _tensor(values, name), _tensor(target, "target")
    if not v.is_floating_point():
        raise TypeError(f"{name} must be floating point, instead got {v.dtype}: convert it to float32")
    if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
        raise TypeError(f"target must hold states of insarflow.simulate.truth as uint8, instead got {t.dtype}")
    if v.shape != t.shape:
        raise ValueError(f"target must have the shape of {name}, {tuple(v.shape)}, instead got {tuple(t.shape)}")
    if t.numel() and (int(t.min()) < 0 or int(t.max()) > MISSING):
        wrong = int(t.max()) if int(t.max()) > MISSING else int(t.min())
        raise ValueError(
            f"target must hold states 0..{MISSING} of insarflow.simulate.truth, instead got {wrong}: "
            f"give pixels without truth the state {MISSING}"
        )
    # Arithmetic on half precision would round the bins.
    v = v if v.dtype == torch.float64 else v.float()
    lost = int(torch.isnan(where_counted(v, t)).sum())
    if lost:
        raise ValueError(
            f"{name} must be a number wherever the target counts, instead got NaN in {lost} pixels: "
            f"set the target to MISSING ({MISSING}) there"
        )
    return v, t


def checked_probability(probability: np.ndarray | Tensor, target: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """As `checked`, of probabilities.

    Raises
    ------
    TypeError, ValueError
        As `checked`, or if a probability that counts is outside 0..1.
    """
    p, t = checked(probability, target, name="probability")
    if p.numel():
        low, high = (float(extreme) for extreme in torch.aminmax(where_counted(p, t)))
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"probability must be within 0..1, instead got probability={low if low < 0.0 else high:g}: "
                "of logits take the sigmoid first"
            )
    return p, t


def where_counted(values: Tensor, target: Tensor) -> Tensor:
    """Values, 0 where the target does not count: several times faster than picking out those that do."""
    return torch.where(target < OPEN, values, 0.0)


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless `value` is between 0 and 1, both excluded."""
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must be between 0 and 1, both excluded, instead got {name}={value}")


def _tensor(values: np.ndarray | Tensor, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach()
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{name} must be a numpy array or a torch tensor, instead got {type(values).__name__}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, instead got {values.dtype}")
    # torch takes no view of what must not be written, and none with negative steps.
    if not values.flags.writeable or any(stride < 0 for stride in values.strides):
        values = values.copy()
    return torch.from_numpy(values)
