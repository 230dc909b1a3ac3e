"""The baseline that learns five numbers: logistic regression of what `PhaseContrast` looks at, and a cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import nn

from insarflow.learn.bank import Bank
from insarflow.learn.calibration import Calibration
from insarflow.learn.cut import best_cut
from insarflow.learn.models.contrast import PhaseContrast
from insarflow.learn.scoring import BankPlaces
from insarflow.simulate.truth import OPEN

PATCHES = 2_400
"""Patches that are looked at, spread over the bank: half to fit, half to choose the cut on."""

_EVERY = 4
"""Pixels between those that are fitted; the filter makes neighbours alike."""

_AT_ONCE = 48


def fit(bank: Bank) -> tuple[PhaseContrast, float, float]:
    """The network with its threshold and peak, chosen as those of others are."""
    chosen = np.linspace(0, len(bank.target) - 1, min(PATCHES, len(bank.target))).astype(np.intp)
    half = len(chosen) // 2
    network = PhaseContrast()
    _regress(network, bank.at(chosen[:half]))
    return network.eval(), *best_cut(BankPlaces(network, bank.at(chosen[half:])), Calibration())


def _regress(network: PhaseContrast, bank: Bank) -> None:
    """Set the five numbers to those of the least cross entropy."""
    features, moving = (np.concatenate(parts) for parts in zip(*_pixels(network, bank), strict=True))
    mean, std = features.mean(axis=0), features.std(axis=0)
    scaled = (features - mean) / std

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logits = scaled @ line[:-1] + line[-1]
        pull = expit(logits) - moving
        value = np.logaddexp(0.0, logits) - moving * logits
        return float(value.mean()), np.append(pull @ scaled, pull.sum()) / len(moving)

    line = minimize(loss, np.zeros(5), jac=True, method="L-BFGS-B").x
    weight = line[:-1] / std
    with torch.no_grad():
        network.threshold.weight.copy_(torch.from_numpy(weight)[None, :, None, None])
        network.threshold.bias.fill_(float(line[-1] - weight @ mean))


def _pixels(network: PhaseContrast, bank: Bank) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the network looks at in every fourth pixel that counts, float64 ``(pixel, 4)``, and whether it moves."""
    last, network.threshold = network.threshold, nn.Identity()  # type: ignore[assignment]
    try:
        for start in range(0, len(bank.target), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            with torch.inference_mode():
                found = network(torch.from_numpy(np.asarray(bank.image[rows], np.float32)))
            grid = np.s_[..., ::_EVERY, ::_EVERY]
            target = np.asarray(bank.target[rows])[grid]
            counts = target < OPEN
            yield found.numpy()[grid].transpose(0, 2, 3, 1)[counts].astype(np.float64), target[counts].astype(float)
    finally:
        network.threshold = last
