"""Unwrapping errors: triplets of unwrapped phase that do not close, and the pairs that explain them."""

from __future__ import annotations

import numpy as np

from insarflow.kernels._jit import jit

TURN = 2.0 * np.pi


def adjacency(triplets: np.ndarray, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Triplets of each pair.

    Parameters
    ----------
    triplets
        int64, shape ``(triplet, 3)``, as `insarflow.kernels.network.triplets` gives them.
    pairs
        Number of pairs.

    Returns
    -------
    start, member
        int64. Pair `p` is in the triplets ``member[start[p]:start[p + 1]] // 3``, where the remainder is its place:
        the third counts negatively.
    """
    flat = triplets.reshape(-1)
    member = np.argsort(flat, kind="stable")
    start = np.searchsorted(flat[member], np.arange(pairs + 1))
    return start.astype(np.int64), member.astype(np.int64)


@jit
def count_open(phase, used, triplets, cycles):  # type: ignore[no-untyped-def]
    """Write the cycles by which each triplet fails to close; the number that do fail."""
    count = 0
    for t in range(triplets.shape[0]):
        a, b, c = triplets[t, 0], triplets[t, 1], triplets[t, 2]
        cycles[t] = 0
        if used[a] and used[b] and used[c]:
            cycles[t] = np.int64(np.rint((phase[a] + phase[b] - phase[c]) / TURN))
            if cycles[t] != 0:
                count += 1
    return count


@jit
def blame(cycles, used, triplets, start, member, flagged):  # type: ignore[no-untyped-def]
    """Flag the pairs whose whole cycles explain the triplets that do not close; `cycles` is used up.

    One cycle at a time is given to the pair that closes the most triplets. Pairs that would have closed as many, and
    no longer do, are flagged with it: which of them it was cannot be told. Where no pair closes more triplets than it
    opens, all pairs of those left are flagged.
    """
    pairs = start.shape[0] - 1
    before = np.zeros((pairs, 2), np.int64)
    while True:
        best, chosen, step = 0, -1, 0
        for p in range(pairs):
            for side in range(2):
                before[p, side] = _gain(p, 2 * side - 1, cycles, used, triplets, start, member)
                if before[p, side] > best:
                    best, chosen, step = before[p, side], p, 2 * side - 1
        if chosen < 0:
            break
        for at in range(start[chosen], start[chosen + 1]):
            if _whole(member[at] // 3, used, triplets):
                cycles[member[at] // 3] += step * (1 if member[at] % 3 < 2 else -1)
        flagged[chosen] = True
        for p in range(pairs):
            for side in range(2):
                if before[p, side] == best and not flagged[p]:
                    flagged[p] = _gain(p, 2 * side - 1, cycles, used, triplets, start, member) < best
    for t in range(triplets.shape[0]):
        if cycles[t] != 0:
            for k in range(3):
                flagged[triplets[t, k]] = True


@jit
def _whole(t, used, triplets):  # type: ignore[no-untyped-def]
    return used[triplets[t, 0]] and used[triplets[t, 1]] and used[triplets[t, 2]]


@jit
def _gain(pair, step, cycles, used, triplets, start, member):  # type: ignore[no-untyped-def]
    """By how many cycles the triplets come nearer to closing if a pair gets `step` more."""
    gain = 0
    if not used[pair]:
        return gain
    for at in range(start[pair], start[pair + 1]):
        t = member[at] // 3
        if _whole(t, used, triplets):
            sign = 1 if member[at] % 3 < 2 else -1
            gain += abs(cycles[t]) - abs(cycles[t] + step * sign)
    return gain
