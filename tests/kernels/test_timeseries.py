import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.test_network import networks
from scipy.stats import chi2

from insarflow.kernels import network
from insarflow.kernels.phase_statistics import phase_std
from insarflow.kernels.timeseries import Network, invert_network

WAVELENGTH = 0.0555
SCALE = -WAVELENGTH / (4 * np.pi)


def oracle(phase, weight, net, noise=None):
    """One pixel by full matrices: displacement, velocity, height and their errors."""
    n = len(net.years)
    used = np.isfinite(phase) & (weight > 0)
    pairs, values, root = net.pairs[used], phase[used] * SCALE, np.sqrt(weight[used])
    out = {name: np.full(n, np.nan) for name in ("displacement", "displacement_std")}
    out |= dict.fromkeys(("velocity", "velocity_std", "height", "height_std"), np.nan)
    if not used.any():
        return out
    labels = network.components(pairs, n)
    there = np.isin(np.arange(n), pairs)
    parts = [np.flatnonzero((labels == k) & there) for k in np.unique(labels[there])]
    free = np.concatenate([part[1:] for part in parts])
    matrix = network.incidence(pairs, n)
    inverse = np.zeros((n, len(values)))
    inverse[free] = np.linalg.lstsq(root[:, None] * matrix[:, free], np.diag(root), rcond=None)[0]
    d = inverse @ values
    residual = values - matrix @ d
    freedom = len(values) - len(free)
    unit = (weight[used] * residual**2).sum() / freedom if freedom else 0.0
    closing = unit * inverse @ np.diag(1 / weight[used]) @ inverse.T

    columns = [net.years] + ([] if net.baselines is None else [net.baselines])
    dates = np.concatenate(parts)
    offsets = np.array([np.isin(dates, part) for part in parts], float).T
    design = np.column_stack([*(c[dates] for c in columns), offsets])
    left = len(dates) - design.shape[1]
    centred = design[:, : len(columns)] - offsets @ np.linalg.lstsq(offsets, design[:, : len(columns)], rcond=None)[0]
    if left < 0 or np.linalg.matrix_rank(centred, tol=1e-7) < len(columns):
        own = np.nan if noise is None else noise**2
        rest, solver = np.zeros((len(columns), n)), None
    else:
        solver = np.zeros((len(columns), n))
        solver[:, dates] = np.linalg.pinv(design)[: len(columns)]
        rest = solver
        project = np.eye(len(dates)) - design @ np.linalg.pinv(design)
        scatter = d[dates] @ project @ d[dates] - np.trace(project @ closing[np.ix_(dates, dates)])
        own = max(0.0, scatter / left) if left else np.nan
        own = own if noise is None else noise**2
        spread = solver @ (own * np.eye(n) + closing) @ solver.T
        for k, name in enumerate(("velocity", "height")[: len(columns)]):
            out[name], out[f"{name}_std"] = solver[k] @ d, np.sqrt(spread[k, k])
    everything = network.components(net.pairs, n)
    for part in parts:
        reference = np.flatnonzero(everything == everything[part[0]])[0]
        if part[0] != reference:
            continue
        change = np.eye(n)
        change[:, reference] -= 1
        if net.baselines is not None:
            if solver is None:
                continue
            change = change - np.outer(net.baselines - net.baselines[reference], rest[1])
        total = change @ (own * np.eye(n) + closing) @ change.T
        out["displacement"][part] = (change @ d)[part]
        out["displacement_std"][part] = np.sqrt(np.maximum(np.diag(total), 0))[part]
        out["displacement_std"][reference] = 0.0
    return out


@given(networks(), st.integers(0, 2**16), st.booleans(), st.booleans(), st.sampled_from([None, 0.01]))
def test_against_full_matrices(drawn, seed, topography, weighted, noise):
    pairs, dates = drawn
    rng = np.random.default_rng(seed)
    years = np.sort(rng.uniform(0, 3, dates))
    net = Network(pairs, years - years[0], rng.normal(0, 100, dates) if topography else None)
    phase = rng.normal(0, 0.5, (len(pairs), 2, 37)).astype(np.float32)
    phase[rng.uniform(size=phase.shape) < rng.choice([0, 0.1, 0.4])] = np.nan
    phase[:, 0, :3] = np.nan
    coherence = rng.uniform(0.01, 0.99, phase.shape).astype(np.float32)
    coherence[:, 1, 5] = np.nan
    series = invert_network(
        phase, coherence if weighted else None, net=net, wavelength=WAVELENGTH, looks=5, noise=noise
    )
    sigma = phase_std(coherence.astype(float), looks=5) if weighted else np.ones(phase.shape)
    weight = np.where(np.isnan(sigma), 0, 1 / sigma**2)
    for i, j in [(0, 0), (0, 5), (0, 36), (1, 5), (1, 33)]:
        expected = oracle(phase[:, i, j].astype(float), weight[:, i, j], net, noise)
        for name, value in expected.items():
            got = getattr(series, name)[..., i, j]
            size = np.nanmax(np.abs(value)) if np.isfinite(value).any() else 0
            np.testing.assert_allclose(got, value, rtol=2e-3, atol=2e-5 * size + 1e-8, err_msg=name)
        assert series.pairs[i, j] == (np.isfinite(phase[:, i, j]) & (weight[:, i, j] > 0)).sum()


def simulate(seed, *, own, closing, side=40):
    """Steady motion and a wrong terrain model, seen with noise of the dates and of the pairs."""
    rng = np.random.default_rng(seed)
    dates = 14
    pairs = np.array([p for p in itertools.combinations(range(dates), 2) if p[1] - p[0] <= 3])
    years = np.cumsum(rng.choice([12, 24], dates)) / 365.25
    net = Network(pairs, years - years[0], rng.normal(0, 80, dates))
    velocity, height = rng.normal(0, 0.05, (2, side, side))
    d = net.years[:, None, None] * velocity + net.baselines[:, None, None] * height * 1e-4
    seen = d + own * rng.normal(size=(dates, side, side))
    phase = (seen[pairs[:, 1]] - seen[pairs[:, 0]]) / SCALE + closing * rng.normal(size=(len(pairs), side, side))
    return net, phase.astype(np.float32), velocity, height * 1e-4


@pytest.mark.parametrize(("own", "closing"), [(0.004, 0.0), (0.004, 0.5), (0.0005, 1.0)])
@pytest.mark.parametrize("given", [False, True])
def test_errors_are_as_large_as_stated(own, closing, given):
    """The mean square of (estimate - truth) / error: 1 with known noise, Student's with noise estimated."""
    net, phase, velocity, height = simulate(3, own=own, closing=closing)
    series = invert_network(phase, net=net, wavelength=WAVELENGTH, noise=own if given else None)
    line = Network(net.pairs, net.years)
    plain = invert_network(
        (phase - (net.baselines[net.pairs] @ [-1, 1])[:, None, None] * height / SCALE).astype(np.float32),
        net=line, wavelength=WAVELENGTH, noise=own if given else None,
    )  # fmt: skip
    steady = net.years[:, None, None] * velocity
    count = velocity.size
    low, high = chi2.ppf([1e-5, 1 - 1e-5], count) / count
    for estimate, error, truth, unknowns in (
        (series.velocity, series.velocity_std, velocity, 3),
        (series.height, series.height_std, height, 3),
        (plain.velocity, plain.velocity_std, velocity, 2),
        (series.displacement[-1], series.displacement_std[-1], steady[-1], None),
        (plain.displacement[5], plain.displacement_std[5], steady[5], None),
    ):
        ratio = (estimate - truth) / error
        if given:
            assert 0.96 * low < np.mean(ratio**2) < 1.1 * high
        elif closing == 0 and unknowns:
            freedom = len(net.years) - unknowns
            assert low < np.mean(ratio**2) * (freedom - 2) / freedom < high
        else:
            assert 0.75 < np.sqrt(np.median(ratio**2)) / 0.6745 < 1.25


def test_pairs_taken_as_independent_would_misstate_the_error():
    net, phase, velocity, _ = simulate(4, own=0.004, closing=0.0)
    series = invert_network(phase, net=Network(net.pairs, net.years), wavelength=WAVELENGTH)
    matrix = network.incidence(net.pairs, len(net.years))[:, 1:]
    solver = np.linalg.pinv(np.column_stack([net.years, np.ones(net.years.size)]))[0] @ np.vstack(
        [np.zeros(len(net.pairs)), np.linalg.pinv(matrix)]
    )
    independent = np.sqrt(2) * 0.004 * np.linalg.norm(solver)
    actual = np.std(series.velocity - velocity)
    assert independent > 1.5 * actual
    assert np.median(series.velocity_std) == pytest.approx(actual, rel=0.6)


def test_troposphere_is_subtracted():
    net, phase, *_ = simulate(5, own=0.001, closing=0.2, side=8)
    delay = np.random.default_rng(0).normal(0, 0.02, (len(net.years), 8, 8)).astype(np.float32)
    disturbed = phase + (delay[net.pairs[:, 1]] - delay[net.pairs[:, 0]]) * np.float32(4 * np.pi / WAVELENGTH)
    calm = invert_network(phase, net=net, wavelength=WAVELENGTH)
    corrected = invert_network(disturbed, delay=delay, net=net, wavelength=WAVELENGTH)
    np.testing.assert_allclose(corrected.displacement, calm.displacement, atol=2e-7)
    np.testing.assert_allclose(corrected.velocity, calm.velocity, atol=2e-6)


def test_unwrapping_errors_are_flagged_and_left_out_if_asked():
    net, phase, velocity, _ = simulate(6, own=0.0005, closing=0.1, side=24)
    rng = np.random.default_rng(1)
    wrong = np.zeros(phase.shape, bool)
    within = net.pairs @ [-1, 1] > 1
    for i, j in rng.integers(0, 24, (40, 2)):
        wrong[rng.choice(np.flatnonzero(within)), i, j] = True
    bad = phase + np.float32(2 * np.pi) * wrong
    run = {"net": net, "wavelength": WAVELENGTH}
    series, clean = invert_network(bad, **run), invert_network(phase, **run)
    one = wrong.sum(axis=0) <= 1
    np.testing.assert_array_equal(series.unwrapping_flag[:, one], wrong[:, one])
    assert (series.closure_errors[wrong.any(axis=0)] > 0).all()
    assert not clean.closure_errors.any()
    dropped = invert_network(bad, **run, drop=True)
    hurt = wrong.any(axis=0) & one
    assert np.abs(series.velocity - velocity)[hurt].mean() > 3 * np.abs(dropped.velocity - velocity)[hurt].mean()
    np.testing.assert_array_equal(dropped.pairs[one], phase.shape[0] - wrong.sum(axis=0)[one])


def test_residuals():
    pairs = np.array([(0, 1), (1, 2), (0, 2)])
    phase = np.array([0.3, 0.5, 0.2], np.float32).reshape(3, 1, 1)
    series = invert_network(phase, net=Network(pairs, np.arange(3.0)), wavelength=WAVELENGTH)
    # The misclosure of 0.6 is shared by the three.
    assert series.residual_rms[0, 0] == pytest.approx(0.2)
    assert series.temporal_coherence[0, 0] == pytest.approx(np.abs(np.exp(1j * np.array([0.2, 0.2, -0.2])).mean()))
