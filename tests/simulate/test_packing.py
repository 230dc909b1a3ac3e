import numpy as np
import pytest

from insarflow.simulate.packing import trials_for


def test_few_bodies_do_not_meet():
    assert trials_for(1e-4, np.full(50, 0.3)) == pytest.approx(1e-4, rel=0.2, abs=0.02 / (np.pi * 0.09))


def test_discs_dropped_one_by_one():
    """On a torus, against what the formula says of discs of two sizes."""
    rng, side = np.random.default_rng(0), 40.0
    sizes = np.array([0.5, 1.0])
    trials = trials_for(0.1, np.repeat(sizes, 50))
    kept = np.empty((0, 3))
    for _ in range(int(trials * side**2)):
        new = np.array([*rng.uniform(0, side, 2), rng.choice(sizes)])
        away = np.abs(kept[:, :2] - new[:2])
        away = np.minimum(away, side - away)
        if (np.hypot(*away.T) >= kept[:, 2] + new[2]).all():
            kept = np.vstack([kept, new])
    assert len(kept) / side**2 == pytest.approx(0.1, rel=0.15)
    assert trials > 0.13  # many found no room


def test_no_room():
    with pytest.raises(ValueError, match=r"density must be less than 0\.1\d* bodies per km2 .* got density=5: ask for"):
        trials_for(5.0, np.full(50, 1.0))
