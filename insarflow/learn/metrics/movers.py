"""What is known of the movers of a pair: their state as a map, and what kind of mover each is."""

from __future__ import annotations

import numpy as np

from insarflow.simulate.truth import MISSING, OPEN, VISIBLE_PHASE


def target_of(label: np.ndarray, state: np.ndarray, *, missing: np.ndarray | None = None) -> np.ndarray:
    """Truth of a pair from the state of each mover: uint8 ``(y, x)``.

    Parameters
    ----------
    label
        Whole numbers ``(y, x)``: number of the mover, 0 for none.
    state
        Of each mover, the first that of number 1: `MOVING` if it is visible in the pair, `OPEN` if it moves but is
        not visible, `ABSENT` if it rests.
    missing
        bool ``(y, x)``: no data there.

    Raises
    ------
    ValueError
        If a mover has no state, or an unknown one.

    Examples
    --------
    >>> from insarflow.simulate.truth import MOVING
    >>> target_of(np.array([[0, 1, 2]]), np.array([OPEN, MOVING])).tolist()
    [[0, 2, 1]]
    """
    if state.size and (state.min() < 0 or state.max() > OPEN):
        raise ValueError(f"state must be 0 (resting), 1 (visible) or 2 (present), instead got state={state.tolist()}")
    if label.size and not 0 <= label.min() <= label.max() <= len(state):
        raise ValueError(f"state must have one value per mover, {int(label.max())}, instead got {len(state)}")
    target: np.ndarray = np.concatenate([[0], state]).astype(np.uint8)[label]
    if missing is not None:
        target[missing] = MISSING
    return target


def phase_classes(peak_phase: np.ndarray, *, decorrelated: np.ndarray | None = None) -> list[str]:
    """Class of each mover by its peak phase in a pair: what makes it hard or easy to see.

    Parameters
    ----------
    peak_phase
        Line-of-sight phase of its core against its surroundings, rad, any sign, ``(mover,)``.
    decorrelated
        bool ``(mover,)``: the core has lost coherence, whatever its phase.

    Returns
    -------
    list of str
        ``"below 0.8"``, ``"0.8-1.5"``, ``"1.5-pi"``, ``"over pi"`` (from pi on), ``"decorrelated core"``.

    Examples
    --------
    >>> phase_classes(np.array([0.9, -2.0, 5.0, 9.0]), decorrelated=np.array([False, False, False, True]))
    ['0.8-1.5', '1.5-pi', 'over pi', 'decorrelated core']
    """
    names = np.array(["below 0.8", "0.8-1.5", "1.5-pi", "over pi"])
    chosen = names[np.digitize(np.abs(peak_phase), [VISIBLE_PHASE, 1.5, np.pi])].tolist()
    lost = np.zeros(len(chosen), bool) if decorrelated is None else decorrelated
    return ["decorrelated core" if gone else name for name, gone in zip(chosen, lost, strict=True)]
