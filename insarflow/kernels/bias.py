"""What a coherence estimate is too high on average, and its removal."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import gammaln

Bias = Literal["touzi", "simple"]

KNOTS = 256


def unbias(coherence: np.ndarray, *, method: Bias, looks: float) -> np.ndarray:
    """Coherence without the mean error of its estimate.

    Parameters
    ----------
    coherence
        float32, 0..1, NaN is missing.
    method
        ``"touzi"``: the true coherence whose estimates have this mean. ``"simple"``: less ``(1 - c^2) / (2 looks)``.
    looks
        Independent looks of the estimate, more than 1.

    Returns
    -------
    ndarray
        float32, 0..1: 0 where the estimate is below what no coherence at all gives.

    References
    ----------
    Touzi et al. (1999), doi:10.1109/36.739146, eq. 9. The simple formula is that of SNAP's coherence operator.
    """
    values = coherence.astype(np.float64)
    if method == "simple":
        better = np.maximum(values - (1 - values * values) / (2 * looks), 0.0)
    else:
        truth, mean = _curve(float(looks))
        better = np.interp(values, mean, truth)  # NaN stays
    result: np.ndarray = better.astype(np.float32)
    return result


def mean_estimate(truth: float, looks: float) -> float:
    """Mean of the coherence estimated from `looks` independent looks where the true one is `truth`, below 1.

    Touzi's hypergeometric series, as a mean over a negative binomial distribution, whose terms are all positive.
    """
    power = truth * truth
    middle, spread = looks * power / (1 - power), np.sqrt(looks * power) / (1 - power)
    k = np.arange(max(0, int(middle - 12 * spread)), int(middle + 12 * spread) + 60, dtype=float)
    log_chance = gammaln(looks + k) - gammaln(looks) - gammaln(k + 1) + looks * np.log1p(-power)
    log_chance += k * np.log(power) if power > 0 else np.where(k > 0, -np.inf, 0.0)
    log_mean = gammaln(k + 1.5) + gammaln(looks + k) - gammaln(k + 1) - gammaln(looks + k + 0.5)
    return float(np.exp(log_chance + log_mean).sum())


@lru_cache(maxsize=32)
def _curve(looks: float) -> tuple[np.ndarray, np.ndarray]:
    """True coherences and the means of their estimates; beyond the last but one the bias is below 1e-4."""
    truth = np.sin(np.linspace(0, np.arcsin(0.99), KNOTS))
    mean = np.array([mean_estimate(float(t), looks) for t in truth])
    return np.append(truth, 1.0), np.append(mean, 1.0)
