"""A network that tells classes of small images, made ready for a graph."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from insarflow.errors import ModelError
from insarflow.segment.device import alone, check_device
from insarflow.segment.own import digest


@dataclass(frozen=True)
class Classifier:
    """A copy of a network, in evaluation mode, that later training does not touch.

    Attributes
    ----------
    sha256
        Of the weights and of what else decides the result; two of the same are equal.
    classes
        Number of logits.
    module
        The network, on the CPU.
    """

    sha256: str
    classes: int
    module: nn.Module = field(compare=False, repr=False)


def prepare(module: nn.Module, *, channels: int, size: int) -> Classifier:
    """Copy a network and try it on two images of zeros.

    Raises
    ------
    TypeError
        If it is no ``torch.nn.Module``.
    ModelError
        If it does not take ``(batch, channels, size, size)``, or does not give logits ``(batch, classes)``.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"classifier must be a torch.nn.Module, instead got {type(module).__name__}")
    own = copy.deepcopy(module).cpu().eval()
    zeros = torch.zeros(2, channels, size, size)
    try:
        with alone(torch.device("cpu")):
            logits = own(zeros)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"classifier must take float32 {tuple(zeros.shape)}, but fails: {error}") from error
    _check_logits(logits, 2)
    return Classifier(digest(own), logits.shape[1], own)


def probabilities(classifier: Classifier, x: np.ndarray, *, device: str | None) -> np.ndarray:
    """Probabilities of a batch, in float32 throughout.

    Parameters
    ----------
    classifier
        From `prepare`; put on the device on first use, then kept there.
    x
        float32, shape ``(batch, channel, y, x)``.
    device
        Where to; by default the fastest that is here.

    Returns
    -------
    ndarray
        float32, shape ``(batch, classes)``, 0..1: the sigmoid of one logit, the softmax of several.

    Raises
    ------
    ModelError
        If the logits are of another shape than before, or NaN.
    ValueError
        If the device is not here.
    MemoryError
        If the batch does not fit on the device.
    """
    check_device(device)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    with alone(place):
        try:
            logits = _on(classifier, place)(torch.from_numpy(x).to(place, memory_format=torch.channels_last))
            _check_logits(logits, len(x), classifier.classes)
            result = torch.sigmoid(logits) if classifier.classes == 1 else torch.softmax(logits, dim=1)
            out: np.ndarray = result.cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise MemoryError(f"a batch of shape {x.shape} does not fit on {place}: lower batch") from error
    if np.isnan(out).any():
        raise ModelError("classifier must give numbers, but gives NaN for images that hold none: look at its weights")
    return out


@lru_cache(maxsize=4)
def _on(classifier: Classifier, place: torch.device) -> nn.Module:
    module = copy.deepcopy(classifier.module)
    return module.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _check_logits(logits: object, batch: int, classes: int | None = None) -> None:
    if not isinstance(logits, torch.Tensor):
        raise ModelError(
            f"classifier must give a tensor of logits (batch, classes), instead got {type(logits).__name__}"
        )
    shape, wanted = tuple(logits.shape), "classes" if classes is None else classes
    good = len(shape) == 2 and shape[0] == batch and shape[1] > 0 and classes in (None, shape[1])
    if not good or logits.dtype != torch.float32:
        raise ModelError(
            f"classifier must give float32 logits of shape ({batch}, {wanted}) for a batch of {batch}, instead got "
            f"{str(logits.dtype).removeprefix('torch.')} of shape {shape}"
        )
