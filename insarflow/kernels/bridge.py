"""A random walk that forgets, at random access in time: its value at any step without those before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.kernels._jit import jit, part
from insarflow.kernels.elementary import gaussians

LEVELS = 7
SPAN = 2**LEVELS
"""Steps between the ends of a bridge."""

CHAIN, START = LEVELS, LEVELS + 1
"""Levels of a step that follows from the step `SPAN` before it, and of step 0, which follows from nothing."""

NOTHING = 0
"""Slot of the walk's absent neighbours: zeros."""

_FORGOTTEN = np.float32(1e-4)
_HALF_POWER = np.float32(np.sqrt(0.5))


def walk(steps: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """What must be drawn, and in which order, to know a walk at some of its steps.

    Parameters
    ----------
    steps
        The steps wanted, from 0 on, in any order.

    Returns
    -------
    nodes
        int64, shape ``(n, 4)``: step, slots of the left and right neighbour that it is drawn between, level. Node k is
        kept in slot k + 1; slot 0 is `NOTHING`.
    slots
        int64, one for each of `steps`: where its value lies.

    Notes
    -----
    An Ornstein-Uhlenbeck process has correlation ``exp(-t / decay)`` and, given its values at two times, does not
    depend on what lies outside them. Steps at multiples of `SPAN` are a chain from step 0 on; between two of them the
    middle is drawn, then the middles of both halves, down to the step wanted: at most `LEVELS` draws. The middle of
    a bridge whose ends are t away, with ``r = exp(-t / decay)``, is::

        m = r / (1 + r^2) (left + right) + sqrt((1 - r^2) / (1 + r^2)) n

    """
    nodes: list[tuple[int, int, int, int]] = []
    slots: dict[int, int] = {}

    def slot(step: int) -> int:
        if step not in slots:
            if step % SPAN:
                half = step & -step
                neighbours = slot(step - half), slot(step + half), half.bit_length() - 1
            else:
                for earlier in range(0, step, SPAN):  # in this order, so that no chain is too long for recursion
                    slot(earlier)
                neighbours = (slot(step - SPAN), NOTHING, CHAIN) if step else (NOTHING, NOTHING, START)
            nodes.append((step, *neighbours))
            slots[step] = len(nodes)
        return slots[step]

    wanted = np.array([slot(int(step)) for step in steps], np.int64)
    return np.array(nodes, np.int64).reshape(-1, 4), wanted


@jit
def complex_normal(key, first, words, floats, re, im):  # type: ignore[no-untyped-def]
    """Circular Gaussian numbers of unit power for a run of places, of which `first` (uint64) is the first."""
    gaussians(key, first, np.uint64(1), _HALF_POWER, words, floats, re, im)


@part
def blends(rho, share, fresh, active):  # type: ignore[no-untyped-def]
    """How much of its neighbours and of new noise is in a step of each level.

    Parameters
    ----------
    rho
        float32, of n places: correlation of one step with the next. Used up.
    share, fresh
        float32, shape ``(START + 1, n)`` or more: the result; nothing is written to a level that is not active.
    active
        bool, of `START` + 1 levels: whether anything of the neighbours is left in any place. Less than a ten
        thousandth is nothing.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    active[START] = False
    for level in range(CHAIN + 1):
        some = False
        for k in range(rho.size):
            some |= rho[k] >= _FORGOTTEN
        active[level] = some
        if some:
            for k in range(rho.size):
                r = rho[k] if rho[k] >= _FORGOTTEN else zero
                square = r * r
                ends = one if level == CHAIN else one + square
                share[level, k] = r / ends
                fresh[level, k] = np.sqrt((one - square) / ends)
                rho[k] = square


@jit
def draw_walk(nodes, keys, first, needed, share, fresh, active, words, floats, value, size):  # type: ignore[no-untyped-def]
    """Values of the walk at the nodes that are needed, for a run of places.

    Parameters
    ----------
    nodes
        As `walk` gives them.
    keys
        uint64, of the random numbers of each node.
    first
        uint64, number of the first place.
    needed
        bool, of n + 1 slots: those wanted; those that they need are added.
    share, fresh, active
        As `blends` gives them, cut to the run.
    words, floats
        As `insarflow.kernels.elementary.workspace` gives them.
    value
        float32, shape ``(n + 1, 2, size)`` or more, zero in slot 0: the result, real and imaginary parts.
    size
        Places of the run.
    """
    for node in range(nodes.shape[0] - 1, -1, -1):
        if needed[node + 1] and active[nodes[node, 3]]:
            needed[nodes[node, 1]] = needed[nodes[node, 2]] = True
    for node in range(nodes.shape[0]):
        if needed[node + 1]:
            slot, left, right, level = node + 1, nodes[node, 1], nodes[node, 2], nodes[node, 3]
            complex_normal(keys[node], first, words, floats, value[slot, 0, :size], value[slot, 1, :size])
            if active[level]:
                for axis in range(2):
                    _blend(
                        share[level, :size], fresh[level, :size], value[left, axis, :size], value[right, axis, :size],
                        value[slot, axis, :size],
                    )  # fmt: skip


@part
def _blend(share, fresh, left, right, value):  # type: ignore[no-untyped-def]
    for k in range(value.size):
        value[k] = share[k] * (left[k] + right[k]) + fresh[k] * value[k]
